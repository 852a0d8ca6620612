"""First use: windows that open where something is used and none is open, and end for good. Pure.

    every PT5H    10:07 [────────── open ──────────) 15:07     nothing is open     21:30 [────────── …
                    ↑ the first use opens it           nothing to reset              ↑ the next first use

The cell keeps where the newest window of a quota begins. Whoever opens the next one says what it saw of that: of many
who open at once one does, and the others count in its window. So a quota's windows never overlap, and each holds its
first use.

    now before the newest one's end       it is open; also where it begins after now: that clock lags, or an event was
                                          ahead of time
    now at its end, or none ever opened   the next use opens [now, now + every)

Usage by event is asked for by its own time, which may lie before the newest window: it counts in the window that holds
it, else in one of its own, which begins at its time and ends where the next known one begins, at the latest. So what is
known of windows is where they begin.
"""

from __future__ import annotations

from collections.abc import Iterable

from tallygate.domain.admission.cells import Cell
from tallygate.domain.base.instants import Instant
from tallygate.domain.periods.recurrence import Schedule, Window, window_at


def begins_known(ordinal: int, cell: Cell) -> set[Instant]:
    """Where windows of a quota begin, by all that its cell shows."""
    known = {start for number, start in cell.used if number == ordinal} | set(cell.opened_for_events.get(ordinal, ()))
    newest = cell.newest.get(ordinal)
    return known if newest is None else known | {newest}


def window_holding(schedule: Schedule, begins: Iterable[Instant], time: Instant) -> Window | None:
    """The window that holds the time, of those that begin at these instants; None: none of them does."""
    known = set(begins)
    started = max((start for start in known if start <= time), default=None)
    if started is None:
        return None
    window = opened_at(schedule, known, started)
    return window if time in window else None


def opened_at(schedule: Schedule, begins: Iterable[Instant], start: Instant) -> Window:
    """The window that begins at `start`: as long as the period, unless the next one begins before it ends."""
    whole = window_at(schedule, start)
    following = min((each for each in begins if each > start), default=whole.end)
    return Window(start, min(whole.end, following))
