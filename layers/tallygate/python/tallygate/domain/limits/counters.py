"""Names of cells and of the counters in them, and the window of a quota that a counter belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from tallygate.domain.base.instants import Instant
from tallygate.domain.limits.rollover import Layer

CounterName = tuple[int, int]
"""Of a quota: (ordinal, window start). Of a rate: (ordinal, sub-window index)."""


@dataclass(frozen=True, slots=True)
class CellName:
    """The name of a cell: the counters of one customer and feature with the same free dimensions and values.

    customer: id of the billable party
    feature: key of the metered feature
    dimensions: free dimensions with their values, in order of their keys; empty: the root cell
    """

    customer: str
    feature: str
    dimensions: tuple[tuple[str, str], ...] = ()


class CountedWindow(NamedTuple):
    """A quota window in which an entry counts."""

    ordinal: int
    start: Instant
    end: Instant

    @property
    def counter(self) -> CounterName:
        return self.ordinal, self.start


class Shown(NamedTuple):
    """The state of a quota window right after a use.

    used: all usage held against the limit
    raised: carryover and adjustments, which raise the limit; negative where they lower it
    """

    used: Decimal
    raised: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedIn:
    """The opening balance of a window. With it the window's total can be continued after the cell removed the window.

    layers: oldest first; empty: nothing was carried
    after: start of the newest earlier window that the cell showed when this one was opened; None: not known
    """

    layers: tuple[Layer, ...]
    after: Instant | None = None
