"""All kinds of entries, found in the modules that define them."""

from __future__ import annotations

from tallygate.domain.entries import notices, usage, windows
from tallygate.domain.entries.kind import CellKind, JournalKind

CellEntry = CellKind
"""The entry of a write to a cell."""
Entry = JournalKind
"""An entry of a journal: of a write to a cell, of an event, or a record that could not be read."""
CELL_ENTRIES: tuple[type[CellEntry], ...] = tuple(
    kind
    for module in (notices, usage, windows)
    for name, kind in vars(module).items()
    if name.endswith("Entry") and issubclass(kind, CellEntry)
)
