"""The stored form of entries, in a cell (as `last`) and in journal records. One codec serves both.

last   compact JSON: `k` the kind, `c` the customer, and the entry's fields under the names below

The names are short because `last` lies in the cell, which should stay below 1 KB: the size that one write unit pays
for.
"""

from __future__ import annotations

import re
from typing import Any, get_args

from tallygate.domain.catalog.tiers import Tier, tier_form, tier_of
from tallygate.domain.entries.entry import CellEntry
from tallygate.domain.entries.reset_marks import ResetMark, mark_of, mark_text
from tallygate.domain.entries.usage import EventEntry, ParkedEntry
from tallygate.domain.metering import contributions
from tallygate.storage.base.documents import Codec, Form, in_order, read_document


def kind_of(entry: type) -> str:
    """Return the stored name of a kind: `pass_on` of PassOnEntry."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", entry.__name__.removesuffix("Entry")).lower()


CELL_KINDS: dict[str, type] = {kind_of(kind): kind for kind in get_args(CellEntry)}
CONTRIBUTIONS: dict[str, type] = {
    "add": contributions.Add,
    "raise": contributions.Raise,
    "set": contributions.Set,
    "member": contributions.Member,
}
CUSTOMER = "c"
NAMES = {
    "actor": "ac",
    "added": "an",
    "adjusted": "ad",
    "after": "z",
    "amount": "a",
    "applied": "ap",
    "at": "at",
    "base": "ba",
    "by": "b",
    "carried": "cy",
    "carries": "ca",
    "category": "cg",
    "code": "co",
    "contribution": "cn",
    "counter": "ct",
    "customer": CUSTOMER,
    "decided_at_revision": "dr",
    "detail": "de",
    "dimensions": "d",
    "effective_at": "ea",
    "enforcement": "en",
    "entries": "es",
    "every": "ev",
    "excluded": "x",
    "feature": "f",
    "floor": "fl",
    "followed": "fw",
    "further": "fu",
    "id": "i",
    "into": "in",
    "layers": "y",
    "level": "lv",
    "levels": "ls",
    "lifted": "li",
    "limit": "l",
    "limit_kind": "lk",
    "limits": "lm",
    "marks": "mk",
    "measured": "me",
    "meter": "m",
    "moved": "mv",
    "name": "nm",
    "number": "no",
    "opened": "o",
    "passed": "pa",
    "plan": "p",
    "plan_version": "pv",
    "raw": "rw",
    "reach": "re",
    "reason": "rs",
    "received_at": "ra",
    "rejected": "rj",
    "removed": "g",
    "requested": "rq",
    "revision": "n",
    "scope": "sc",
    "settled_at": "sa",
    "source": "s",
    "stripe_customer_id": "st",
    "taken": "tk",
    "tiers": "ti",
    "to": "to",
    "values": "vs",
    "time": "t",
    "traceparent": "tp",
    "type": "ty",
    "until": "un",
    "upgrade_limit": "ul",
    "upgrade_to": "ut",
    "upgrade_unlimited": "uu",
    "used": "u",
    "version": "v",
    "waivers": "wv",
    "warnings": "wa",
    "window": "wi",
    "windows": "w",
}
"""Each stored name has one meaning. A field renamed in the domain keeps its stored name."""

ENTRIES = Codec(
    {**CELL_KINDS, **CONTRIBUTIONS, "event": EventEntry, "parked": ParkedEntry},
    NAMES,
    {Tier: Form(tier_form, tier_of), ResetMark: Form(mark_text, mark_of)},
)


def entry_text(customer: str, entry: CellEntry) -> str:
    """Return the stored form of an entry in its cell.

    It keeps the order of fields, so equal entries give equal texts.
    """
    return in_order({**ENTRIES.write(entry), CUSTOMER: customer})


def entry_of(text: str) -> tuple[str, CellEntry]:
    """Return the customer and the entry of a cell. The entry's revision is the cell's.

    Raises LookupError, ValueError and TypeError if it cannot be read.
    """
    document: Any = read_document(text)
    if document["k"] not in CELL_KINDS:
        raise LookupError(f"the kind {document['k']} is not a kind of cell entry")
    customer: str = document.pop(CUSTOMER)
    entry: CellEntry = ENTRIES.read(document)
    return customer, entry
