"""The text of an entry in its cell (`last`): the entry of the newest write.

last   compact JSON: `k` the kind, `c` the customer, and the entry's fields under the names below

The names are short because `last` lies in the cell, which should stay below 1 KB: the size that one write unit pays
for. `storage.entries.entries` reads the text. It knows every kind; this module only meets the kinds that are written.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from tallygate.domain.catalog.tiers import Tier, tier_form, tier_of
from tallygate.domain.entries.reset_marks import ResetMark, mark_of, mark_text
from tallygate.storage.base.documents import KIND, Codec, Form, in_order

if TYPE_CHECKING:
    from tallygate.domain.entries.entry import CellEntry

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
    "count": "cu",
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
    "merge": "mg",
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

FORMS = {Tier: Form(tier_form, tier_of), ResetMark: Form(mark_text, mark_of)}
_WRITTEN = Codec(names=NAMES, forms=FORMS)


@cache
def kind_of(entry: str) -> str:
    """Return the stored name of a kind by the name of its class: `pass_on` of PassOnEntry."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", entry.removesuffix("Entry")).lower()


def entry_text(customer: str, entry: CellEntry) -> str:
    """Return the stored form of an entry in its cell.

    It keeps the order of fields, so equal entries give equal texts.
    """
    kind: type = type(entry)
    return in_order({KIND: kind_of(kind.__name__), **_WRITTEN.writer(kind)(entry), CUSTOMER: customer})
