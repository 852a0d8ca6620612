"""A cell's write: its changes, its condition and its journal entry.

last   the entry (`storage.entries.last`)      n   the revision, one more with every entry

Only this module makes updates of cells. So every write of a cell has its entry, and the journal counts every write
exactly once. The only write without an entry adds usage by event, which the journal has already; it keeps the revision
(`domain.journal.proof`). A write is a value: it is sent alone, or in a transaction with others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tallygate.domain.base.values import value
from tallygate.domain.limits.counters import CellName
from tallygate.storage.base import items, keys
from tallygate.storage.base.engine import Update
from tallygate.storage.base.expressions import Change, Condition, Increase, Set, SetOnce
from tallygate.storage.entries.last import entry_text

if TYPE_CHECKING:
    from tallygate.domain.entries.entry import CellEntry

LAST = "last"


@value(kw_only=False)
class CellWrite:
    """One write to a cell.

    entry: None: the write adds usage by event
    condition: None: always
    """

    cell: CellName
    changes: Sequence[Change]
    entry: CellEntry | None
    condition: Condition | None = None

    @property
    def update(self) -> Update:
        """The engine's update."""
        by_entry: tuple[Change, ...] = (SetOnce(items.REVISION, 0),)
        if self.entry is not None:
            last = Set(LAST, entry_text(self.cell.customer, self.entry))
            by_entry = (last, Increase(items.REVISION, 1))
        return Update(key=keys.cell(self.cell), changes=(*self.changes, *by_entry), condition=self.condition)
