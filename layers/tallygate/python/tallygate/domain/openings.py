"""Openings: the first write to a window of what carries over, which brings into it what the one before has left.

    u.<ordinal>.<March>   400 (base 1000)          the newest window that the cell shows
    u.<ordinal>.<April>   -600 + amount            the window that is opened: it begins at minus what is carried

The write holds only while the window is not open and what it was computed from has not moved. It raises the floor to
the window's start, so that nobody whose clock lags behind counts in an earlier one any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from tallygate.domain.carryover import Carryover
from tallygate.domain.cells import Cell
from tallygate.domain.counters import CounterName
from tallygate.domain.instants import Instant
from tallygate.domain.limits import Quota
from tallygate.domain.periods import Window, window_at
from tallygate.domain.rolls import Layer, rolled, total


@dataclass(frozen=True, slots=True)
class Opening:
    """What a window begins with. `after` is the counter of the newest window before it and what that showed. Where that
    one does not adjoin it, no other may have been opened in between: `last` is where the window begins that was opened
    last, None: none was.

    Only a quota that carries over says which window it opened last. The window in which it came to carry over may have
    been counted in before that. So where none from there on was seen, `after` is that one, which must not be there.
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
    last = None if seen is None else cell.standing(seen)
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
