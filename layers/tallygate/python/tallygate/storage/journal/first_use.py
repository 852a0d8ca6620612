"""What the fold asks of the cells where a period begins with its first use: which window is open, and to open one.

f.<ordinal>    where the newest window begins; a first use that is decided moves it as well (`storage.admission.cells`)
fe.<ordinal>   where those begin that were opened for events last, in the order in which they were

A window is opened only over what was seen of both. So whatever decides or folds at the same moment, no two windows of a
quota overlap. Totals say where the older ones begin, once something of them is folded; until then fe does.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallygate.domain.admission.cells import Cell
from tallygate.domain.base.instants import Instant
from tallygate.domain.entries.notices import OpenEntry
from tallygate.domain.limits.counters import CellName
from tallygate.storage.admission import cell_image
from tallygate.storage.admission.openings import as_seen
from tallygate.storage.base import items, keys
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.expressions import All, Change, Set
from tallygate.storage.entries.writes import CellWrite

OPENED_KEPT = 8
"""Windows that several folds have opened for events and that are in no total yet; each takes 14 bytes of the cell."""


@dataclass(slots=True)
class CellFirstUse:
    """Every method is one request, unless it says otherwise; reads are consistent."""

    engine: Engine

    def look(self, cell: CellName) -> Cell:
        return cell_image.cell_of(self.engine.get(keys.cell(cell)))

    def begins_beside(self, cell: CellName, ordinal: int, time: Instant) -> tuple[Instant, ...]:
        """Where the last window begins by the time, and the first after it, of those with totals. Two requests."""
        before = keys.total(cell.customer, cell.feature, ordinal, time + 1).sk
        after = keys.total(cell.customer, cell.feature, ordinal, time).sk
        found: list[Instant] = []
        for position, newest_first in ((before, True), (after, False)):
            page = self.engine.query(
                keys.total_partition(cell.customer),
                prefix=keys.total_prefix(cell.feature, ordinal),
                after=position,
                newest_first=newest_first,
                limit=1,
                consistent=True,
            )
            found += [items.integer(item, "start") for item in page.items]
        return tuple(found)

    def open(self, cell: CellName, seen: Cell, entry: OpenEntry) -> Cell:
        """Open the entry's window over the cell as it was seen, the newest one if it begins after that; nothing is
        counted. The cell after it; or, where somebody has opened one since, as it is. Repeatable: it finds its own."""
        ordinal, start, _ = entry.window
        newest, opened = seen.newest.get(ordinal), seen.opened_for_events.get(ordinal, ())
        name = cell_image.opened_for_events_name(ordinal)
        changes: list[Change] = [Set(name, cell_image.opened_for_events_text((*opened, start)[-OPENED_KEPT:]))]
        if newest is None or newest < start:
            changes.append(Set(cell_image.newest_name(ordinal), start))
        unmoved = as_seen(name, cell_image.opened_for_events_text(opened) or None)
        condition = All((as_seen(cell_image.newest_name(ordinal), newest), unmoved))
        write = CellWrite(cell, changes, entry, condition)
        return cell_image.cell_of(self.engine.write(write.update, repeatable=True).image)
