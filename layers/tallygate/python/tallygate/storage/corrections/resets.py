"""Manual resets of a cell: the changes of its windows, and their conditions.

    u.<ordinal>.<start>   less by the excluded amount, not below the usage that was seen
    z.…                   the excluded decisions (`domain.entries.reset_marks`)
    d.…                   removed, so that the next denial is announced
    st                    the revision before this write: that of the newest settlement or reset

Usage between the read and the write stays counted. A settlement or another reset in between could take back usage that
this reset already excludes. So the condition on `st` requires that there was none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tallygate.domain.base.instants import Instant
from tallygate.domain.corrections.resets import WindowReset
from tallygate.domain.entries.reset_marks import mark_text
from tallygate.domain.entries.total import Total
from tallygate.domain.entries.windows import ResetEntry
from tallygate.domain.limits.counters import CellName, CounterName
from tallygate.operations.base.ports import Moves
from tallygate.operations.corrections.ports import ResettableCell
from tallygate.operations.journal.ports import KeptRecord
from tallygate.storage.admission import cell_image
from tallygate.storage.admission.openings import still
from tallygate.storage.base import items, keys
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.expressions import (
    Absent,
    All,
    Change,
    Compare,
    Condition,
    Copy,
    Increase,
    Remove,
    Set,
    absent_or,
)
from tallygate.storage.entries.totals import total_of
from tallygate.storage.entries.writes import CellWrite
from tallygate.storage.journal.decisions import Decisions
from tallygate.storage.journal.revisions import newest_journaled


@dataclass(slots=True)
class CellResets:
    """Every method is one request at most."""

    engine: Engine

    def look(self, cell: CellName) -> ResettableCell:
        """Return the cell, read consistently, with its usage by event."""
        item = self.engine.get(keys.cell(cell))
        seen, corrected = cell_image.cell_of(item), items.integer(item or {}, cell_image.CORRECTED, -1) + 1
        return ResettableCell(cell=seen, brought=seen.brought, corrected=corrected)

    def total(self, cell: CellName, counter: CounterName) -> Total | None:
        item = self.engine.get(keys.total(cell.customer, cell.feature, *counter))
        return None if item is None else total_of(item)

    def journaled(self, cell: CellName, *, now: Instant) -> int:
        return newest_journaled(self.engine, cell, now=now).revision

    def newest(self, customer: str, *, before: int | None, limit: int) -> tuple[KeptRecord, ...]:
        return Decisions(self.engine).newest(customer, before=before, limit=limit)

    def exclude(self, cell: CellName, found: Sequence[WindowReset], *, upto: int, entry: ResetEntry) -> Moves:
        changes: list[Change] = []
        conditions: list[Condition] = [absent_or(Compare(cell_image.CORRECTED, "<", upto))]
        for each in found:
            used, mark = (
                cell_image.used_name(each.running.counter),
                cell_image.window_name(cell_image.RESET, each.running.counter),
            )
            changes += [Increase(used, -each.amount), Set(mark, mark_text(each.mark))]
            changes.append(Remove(cell_image.window_name(cell_image.DENIED, each.running.counter)))
            followed = cell_image.window_name(cell_image.FOLLOWED, each.running.counter)
            if each.followed_taken:
                changes.append(Increase(followed, -each.followed_taken))
            conditions.append(still(followed, each.followed))
            conditions.append(Compare(used, ">=", each.counter_at_least))
            conditions.append(Absent(mark) if each.seen is None else Compare(mark, "=", mark_text(each.seen)))
        changes.append(Copy(cell_image.CORRECTED, items.REVISION))
        return (CellWrite(cell, changes, entry, All(tuple(conditions))).update,)
