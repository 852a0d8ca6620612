"""Openings: the first write to a window of what carries over, which brings into it what the one before has left.

    u.<ordinal>.<March>   400 (base 1000)          the newest window that the cell shows
    u.<ordinal>.<April>   -600 + amount            the window that is opened: it begins at minus what is carried

The write holds only while the window is not open and what it was computed from has not moved. It raises the floor to
the window's start, so that nobody whose clock lags behind counts in an earlier one any more.

First use: windows that open where something is used and none is open, and end for good. Pure.

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
from dataclasses import dataclass, replace
from decimal import Decimal

from tallygate.domain.admission.cells import Cell
from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog.carryover import Carryover
from tallygate.domain.limits.counters import CounterName
from tallygate.domain.limits.limits import Quota
from tallygate.domain.limits.rollover import Layer, rolled, total
from tallygate.domain.periods.recurrence import Schedule, Window, window_at


@dataclass(frozen=True, slots=True)
class Opening:
    """What a window begins with.

    after: counter of the newest window before it, and what that showed (None: it is absent); None: there is no such
    adjoins: whether that window ends where this one begins
    last: start of the window that was opened last; None: none was. Where `after` does not adjoin, no other window may
        have been opened in between

    Only a quota that carries over records which window it opened last. The window in which it came to carry over may
    have been counted in before that. So where no window from there on was seen, `after` is that one and
    must be absent.
    """

    layers: tuple[Layer, ...]
    after: tuple[CounterName, Decimal | None] | None
    adjoins: bool
    last: Instant | None

    @property
    def carried(self) -> Decimal:
        return total(self.layers)


def opening(quota: Quota, carryover: Carryover, window: Window, cell: Cell) -> Opening | None:
    """What opens a window of the quota in the cell; None: it is open."""
    counter = (quota.ordinal, window.start)
    if counter in cell.used:
        return None
    first = (quota.ordinal, window_at(quota.schedule, quota.stretches[0].since).start)
    seen = max((c for c in cell.used if c[0] == quota.ordinal and first <= c < counter), default=None)
    last = None if seen is None else cell.window_state(seen)
    layers = rolled(carryover, quota.schedule, quota.stretches, last, window.start, quota.rules)
    earlier = first if seen is None and first < counter else seen
    adjoins = earlier is not None and window_at(quota.schedule, earlier[1]).end >= window.start
    return Opening(
        layers=layers,
        after=(earlier, cell.used.get(earlier)) if earlier is not None else None,
        adjoins=adjoins,
        last=cell.newest.get(quota.ordinal),
    )


def opened(cell: Cell, openings: Iterable[tuple[CounterName, Opening]]) -> Cell:
    """The cell as it would be with these windows open, and nothing used of them yet."""
    used, carried, layers = dict(cell.used), dict(cell.carried), dict(cell.layers)
    for counter, found in openings:
        used[counter] = -found.carried
        if found.layers:
            carried[counter], layers[counter] = found.carried, found.layers
    return replace(cell, used=used, carried=carried, layers=layers)


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
