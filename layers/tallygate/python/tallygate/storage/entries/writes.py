"""A cell's write: what it changes, on which condition, and what it says of itself.

last   the entry (`storage.entries.entries`)      n   the revision, one more with every write

This is the only place that makes an update of a cell. So no write of a cell is without its entry, and none counts twice
or not at all in the journal. A write is a value: it is sent by itself, or in a transaction with others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tallygate.domain.entries.entry import CellEntry
from tallygate.domain.limits.counters import CellName
from tallygate.storage.base import items, keys
from tallygate.storage.base.engine import Update
from tallygate.storage.base.expressions import Change, Condition, Increase, Set
from tallygate.storage.entries.entries import entry_text

LAST = "last"


@dataclass(frozen=True, slots=True)
class CellWrite:
    """One write to a cell; `condition` None: it holds always."""

    cell: CellName
    changes: Iterable[Change]
    entry: CellEntry
    condition: Condition | None = None

    @property
    def update(self) -> Update:
        """What the engine is asked for."""
        said = Set(LAST, entry_text(self.cell.customer, self.entry))
        changes = (*self.changes, said, Increase(items.REVISION, 1))
        return Update(key=keys.cell(self.cell), changes=changes, condition=self.condition)
