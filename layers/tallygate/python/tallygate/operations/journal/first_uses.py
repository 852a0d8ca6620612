"""first uses: finds the window of usage by event, for periods that begin with their first use.

    time in the newest window ──────────────────────────> that window, by the cell, read once
    at its end or after, or no window ──────> open one ─> [time, time + every)
    before it ──> the window that holds it, by cell and totals; else open one for it, up to the next window

Opening counts nothing and may be repeated: after a crash before the event is journaled, the repetition finds the window
or opens the same one again. The events of a batch are asked for in the order of their times, so the earliest opens the
window that holds the others. An event ahead of time opens a window ahead of time, and requests join it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.openings import begins_known, opened_at, window_holding
from tallygate.domain.base.instants import Instant
from tallygate.domain.entries.notices import OpenEntry
from tallygate.domain.limits.counters import CellName, CountedWindow
from tallygate.domain.limits.limits import Quota
from tallygate.domain.periods.recurrence import Window, window_at
from tallygate.errors import Contended
from tallygate.operations.journal.ports import FirstUseCells

TRIES_MAX = 10


@dataclass(slots=True)
class FirstUses:
    """The windows of one customer, for one batch. A window once found stays valid."""

    cells: FirstUseCells
    customer: str
    now: Instant
    _seen: dict[str, Cell] = field(default_factory=dict)
    _found: dict[tuple[str, int], list[Window]] = field(default_factory=dict)

    def window_of(self, feature: str, quota: Quota, time: Instant) -> Window:
        """Return the quota's window for usage at this time; open it if there is none. Raises Contended."""
        found = self._found.setdefault((feature, quota.ordinal), [])
        for window in found:
            if time in window:
                return window
        window = self._window_of(feature, quota, time)
        found.append(window)
        return window

    def _window_of(self, feature: str, quota: Quota, time: Instant) -> Window:
        name = CellName(self.customer, feature)
        cell = self._seen.get(feature) or self.cells.look(name)
        for _ in range(TRIES_MAX):
            newest = cell.newest.get(quota.ordinal)
            if newest is None or newest <= time:
                window = window_at(quota.schedule, time if newest is None else newest)
                if newest is not None and time in window:
                    break
                wanted = window_at(quota.schedule, time)
            else:
                known = begins_known(quota.ordinal, cell)
                known |= {*self.cells.begins_beside(name, quota.ordinal, time)}
                holding = window_holding(quota.schedule, known, time)
                if holding is not None:
                    window = holding
                    break
                wanted = opened_at(quota.schedule, known, time)
            opens = CountedWindow(quota.ordinal, wanted.start, wanted.end)
            cell = self.cells.open(name, cell, OpenEntry(feature=feature, time=self.now, window=opens))
            if wanted.start in cell.opened_for_events.get(quota.ordinal, ()):
                window = wanted
                break
        else:
            raise Contended("other writers opened windows during every try")
        self._seen[feature] = cell
        return window
