"""Openings: the first write to a window, for quotas with carryover and for first_use quotas. Pure.

**Carryover.** The first write starts the counter at minus the opening balance.

    u.<ordinal>.<March>   400 (base 1000)          the newest window that the cell shows
    u.<ordinal>.<April>   -600 + amount            the window that is opened, with an opening balance of 600

The write succeeds only while the window is not open and the values behind the opening balance are unchanged. It raises
the floor to the window's start. So a writer whose clock lags cannot count in an earlier window any more.

**First use.** A window opens at a use while none is open. It ends after its length; later uses open new windows.

    every PT5H    10:07 [────────── open ──────────) 15:07     no window is open   21:30 [────────── …
                    ↑ the first use opens it                                         ↑ the next first use

The cell keeps the start of the newest window. A write that opens the next one requires this start as it was seen. One
of several concurrent writers opens the window, and the others count in it. So a quota's windows never overlap, and
each contains its first use.

    now < end of the newest window     that window is open. It may begin after now, if this clock lags or an event was
                                       ahead of time
    now at or after its end, or none   the next use opens [now, now + every)

Usage by event counts by the event's own time, which may lie before the newest window. It counts in the window that
contains this time. If there is none, it gets its own window, which begins at the event's time and ends at the start of
the next known window at the latest. So only the starts of windows are stored; `opened_at` derives the ends.
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
    """The opening balance of a window, and the values that must be unchanged when it is written.

    layers: the opening balance, oldest layer first
    after: counter of the newest earlier window, and its value (None: it is absent); None: there is no earlier window
    adjoins: whether that window ends where this one begins
    last: start of the most recently opened window; None: none was opened. If `after` does not adjoin, no other window
        may have been opened in between

    A quota records `last` only from the time on at which it has carryover. Before that, the window in which carryover
    began may have been counted in without such a record. So if the cell shows no window since then, `after` is that
    first window, and it must be absent.
    """

    layers: tuple[Layer, ...]
    after: tuple[CounterName, Decimal | None] | None
    adjoins: bool
    last: Instant | None

    @property
    def carried(self) -> Decimal:
        return total(self.layers)


def opening(quota: Quota, carryover: Carryover, window: Window, cell: Cell) -> Opening | None:
    """The opening balance of a window of the quota; None: the cell shows the window as open."""
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
    """The cell with these windows open and without usage in them."""
    used, carried, layers = dict(cell.used), dict(cell.carried), dict(cell.layers)
    for counter, found in openings:
        used[counter] = -found.carried
        if found.layers:
            carried[counter], layers[counter] = found.carried, found.layers
    return replace(cell, used=used, carried=carried, layers=layers)


def begins_known(ordinal: int, cell: Cell) -> set[Instant]:
    """The starts of all windows of a quota that its cell shows."""
    known = {start for number, start in cell.used if number == ordinal} | set(cell.opened_for_events.get(ordinal, ()))
    newest = cell.newest.get(ordinal)
    return known if newest is None else known | {newest}


def window_holding(schedule: Schedule, begins: Iterable[Instant], time: Instant) -> Window | None:
    """The window, among those that begin at these instants, that contains the time; None: no window does."""
    known = set(begins)
    started = max((start for start in known if start <= time), default=None)
    if started is None:
        return None
    window = opened_at(schedule, known, started)
    return window if time in window else None


def opened_at(schedule: Schedule, begins: Iterable[Instant], start: Instant) -> Window:
    """The window that begins at `start`. It is as long as the period, but ends where the next known window begins."""
    whole = window_at(schedule, start)
    following = min((each for each in begins if each > start), default=whole.end)
    return Window(start, min(whole.end, following))
