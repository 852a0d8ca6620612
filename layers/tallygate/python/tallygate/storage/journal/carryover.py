"""Windows of limits that carry over: opening them for events, and revising the carryover into them.

    u.<ordinal>.<start>, k.…, y.…   see `domain.admission.openings`; u and k change together, so used = u + k stays

Every write states in its journal entry the amount now carried into the window. It requires that the values it was
computed from have not changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.openings import Opening
from tallygate.domain.base.instants import Instant
from tallygate.domain.entries.total import Total
from tallygate.domain.entries.windows import CarryEntry
from tallygate.domain.facts.revisions import Revision
from tallygate.domain.limits.counters import CellName, CounterName
from tallygate.storage.admission import cell_image
from tallygate.storage.admission.openings import kept_layers, not_open_yet, opening_changes, still
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Engine, Written
from tallygate.storage.base.expressions import (
    Absent,
    All,
    Change,
    Compare,
    Condition,
    Increase,
    Present,
    Remove,
    Set,
    absent_or,
)
from tallygate.storage.entries.totals import total_of
from tallygate.storage.entries.writes import CellWrite

READ_FIRST, READ_AT_ONCE = 8, 200
"""Most late changes concern one of the newest windows. A total has about 700 bytes."""


@dataclass(slots=True)
class CellCarryover:
    """Every method is one request, unless it says otherwise."""

    engine: Engine

    def read(self, cell: CellName) -> Cell:
        return cell_image.cell_of(self.engine.get(keys.cell(cell)))

    def totals(self, cell: CellName, ordinal: int, *, until: Callable[[Total], bool]) -> dict[Instant, Total]:
        """Return the newest totals of a quota by window start, back to the first for which `until` holds.

        The newest total is read first. So if a total shows a window's opening, all usage before that opening is in the
        totals read after it. One request for the first few totals, one more for each READ_AT_ONCE; each is consistent.
        """
        found: dict[Instant, Total] = {}
        position: str | None = None
        while True:
            page = self.engine.query(
                keys.total_partition(cell.customer),
                prefix=keys.total_prefix(cell.feature, ordinal),
                after=position,
                newest_first=True,
                limit=READ_AT_ONCE if found else READ_FIRST,
                consistent=True,
            )
            for item in page.items:
                known = total_of(item)
                found[known.start] = known
                if until(known):
                    return found
            position = page.next_after
            if position is None:
                return found

    def open_window(
        self, cell: CellName, counter: CounterName, opens: Opening, entry: CarryEntry, *, floor: Instant | None
    ) -> bool:
        """Open a window without usage, unless it is open or its opening balance has changed. Repeatable.

        floor: no window that ended by this instant counts any more; None: leave the floor
        """
        changes: list[Change] = [Set(cell_image.used_name(counter), -opens.carried), *opening_changes(counter, opens)]
        condition: Condition = not_open_yet(counter, opens)
        if floor is not None:
            changes.append(Set(cell_image.FLOOR, floor))
            condition = All((condition, absent_or(Compare(cell_image.FLOOR, "<=", floor))))
        return self._written(CellWrite(cell, changes, entry, condition))

    def revise(self, cell: CellName, found: Revision, entry: CarryEntry) -> bool:
        """Replace a window's opening balance, if it and the window before are as they were seen. Repeatable.

        For a window that the cell has removed, only the entry is written, which revises the window's total.
        """
        used, carried = cell_image.used_name(found.counter), cell_image.window_name(cell_image.CARRIED, found.counter)
        if found.removed:
            return self._written(CellWrite(cell, (), entry, Absent(used)))
        layers = cell_image.window_name(cell_image.LAYERS, found.counter)
        changes = (
            Increase(used, found.was - found.carried),
            Set(carried, found.carried),
            Remove(layers) if (text := kept_layers(found.layers)) is None else Set(layers, text),
        )
        unmoved: list[Condition] = [Present(used), still(carried, found.was)]
        if found.after is not None:
            earlier, shown = found.after
            unmoved.append(Compare(cell_image.used_name(earlier), "=", shown))
        return self._written(CellWrite(cell, changes, entry, All(tuple(unmoved))))

    def _written(self, write: CellWrite) -> bool:
        return isinstance(self.engine.write(write.update, repeatable=True), Written)
