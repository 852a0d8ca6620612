"""Every kind of entry, as read from a cell (`storage.entries.last`) and from journal records. One codec serves both."""

from __future__ import annotations

from typing import Any

from tallygate.domain.entries.entry import CELL_ENTRIES, CellEntry
from tallygate.domain.entries.events import EventEntry, ParkedEntry
from tallygate.domain.metering import contributions
from tallygate.storage.base.documents import Codec, read_document
from tallygate.storage.entries.last import CUSTOMER, FORMS, NAMES, kind_of

CELL_KINDS: dict[str, type] = {kind_of(kind.__name__): kind for kind in CELL_ENTRIES}
CONTRIBUTIONS: dict[str, type] = {
    "add": contributions.Add,
    "raise": contributions.Raise,
    "lower": contributions.Lower,
    "set": contributions.Set,
    "mean": contributions.Mean,
    "member": contributions.Member,
}
CONTRIBUTION_KINDS = {kind: name for name, kind in CONTRIBUTIONS.items()}
ENTRIES = Codec(
    {**CELL_KINDS, **CONTRIBUTIONS, "event": EventEntry, "parked": ParkedEntry},
    NAMES,
    FORMS,
)


def entry_of(text: str, revision: int | None = None) -> tuple[str, CellEntry]:
    """Return the customer and the entry of a cell.

    revision: the cell's, which is the entry's too; None: the entry is read without it

    Raises LookupError, ValueError and TypeError if it cannot be read.
    """
    document: Any = read_document(text)
    if document["k"] not in CELL_KINDS:
        raise LookupError(f"the kind {document['k']} is not a kind of cell entry")
    customer: str = document.pop(CUSTOMER)
    if revision is not None:
        document[NAMES["revision"]] = revision
    entry: CellEntry = ENTRIES.read(document)
    return customer, entry
