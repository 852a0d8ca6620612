"""Windows that begin with their first use: finding the open ones, and opening one for events.

f.<ordinal>    start of the newest window; a granted first use moves it as well (`storage.admission.cells`)
fe.<ordinal>   starts of the windows opened last for events, in the order of their opening

A window is opened only if both attributes are as they were seen. So windows of one quota never overlap, whatever
decides or aggregates at the same moment. The starts of older windows are in the totals once their usage is aggregated;
until then they are in fe.
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
"""The most windows kept in fe: opened for events, and not in a total yet. Each takes 14 bytes of the cell."""


@dataclass(slots=True)
class CellFirstUse:
    """Every method is one request, unless it says otherwise; reads are consistent."""

    engine: Engine

    def look(self, cell: CellName) -> Cell:
        return cell_image.cell_of(self.engine.get(keys.cell(cell)))

    def begins_beside(self, cell: CellName, ordinal: int, time: Instant) -> tuple[Instant, ...]:
        """Return the start of the last window at or before the time and of the first one after it, by the totals.

        Two requests.
        """
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
        """Open the entry's window if the cell is as it was seen.

        Counts nothing. Repeatable: it recognizes its own write.

        If it begins after the newest window, it becomes the newest. Returns the cell after the write, or the current
        cell if another writer has opened a window since.
        """
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
