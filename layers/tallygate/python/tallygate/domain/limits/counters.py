"""Names of cells and of the counters in them, and the window of a quota that a counter belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from tallygate.domain.base.instants import Instant
from tallygate.domain.limits.rollover import Layer

CounterName = tuple[int, int]
"""(ordinal, window start) of a quota, (ordinal, sub-window index) of a rate."""


@dataclass(frozen=True, slots=True)
class CellName:
    """Which cell: the counters of one customer and feature whose limits have the same free dimensions and values.

    customer: id of the billable party
    feature: key of the metered feature
    dimensions: free dimensions with their values, in order of their keys; empty: the root cell
    """

    customer: str
    feature: str
    dimensions: tuple[tuple[str, str], ...] = ()


class CountedWindow(NamedTuple):
    """A quota window that an entry counts in."""

    ordinal: int
    start: Instant
    end: Instant

    @property
    def counter(self) -> CounterName:
        return self.ordinal, self.start


class Shown(NamedTuple):
    """What a quota window showed after a use: all that was used in it, and what its limit was raised by."""

    used: Decimal
    raised: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedIn:
    """The opening balance of a window, so that its total can be continued when the cell has removed the window.

    layers: oldest first; empty: nothing was carried
    after: start of the newest window that the cell showed before this one when it was opened; None: not known
    """

    layers: tuple[Layer, ...]
    after: Instant | None = None
