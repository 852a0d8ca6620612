"""The parts of what follows into a window, while it is added up; see `operations.limits.follow_usage`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from tallygate.domain.admission.cells import Cell
from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.follows import FollowedWindow, Reign, Source
from tallygate.domain.limits.limits import Effective, Entitlement
from tallygate.domain.periods.recurrence import Schedule, Window


class Span(NamedTuple):
    """A stretch of time, that may be none: a clock that tests hold lets several changes come at one instant."""

    start: Instant
    end: Instant


def spans(reigns: Sequence[Reign], now: Instant) -> list[tuple[int, Instant, Instant]]:
    """From when to when each quota counted."""
    ends = [*(reign.since for reign in reigns[1:]), now + 1]
    return [(reign.ordinal, reign.since, end) for reign, end in zip(reigns, ends, strict=True)]


@dataclass(slots=True)
class FollowedSoFar:
    """What follows into one window, while it is added up."""

    since: Instant
    past: Decimal = ZERO
    sources: dict[tuple[int, Instant], Source] = field(default_factory=dict)
    removed: set[tuple[int, Instant]] = field(default_factory=set)
    straddling: set[tuple[int, Instant]] = field(default_factory=set)

    def window(self, window: Window, *, absolute: bool = False, excludes: bool = False) -> FollowedWindow:
        return FollowedWindow(
            start=window.start,
            end=window.end,
            since=self.since,
            sources=tuple(self.sources.values()),
            past=self.past,
            absolute=absolute,
            excludes=excludes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What is known of one feature while it is looked at."""

    customer: str
    entitlement: Entitlement
    cell: Cell
    before: Effective
    created_at: Instant
    now: Instant
    shared: bool
    schedules: Mapping[int, Schedule]

    @property
    def name(self) -> CellName:
        """The feature's cell."""
        return CellName(self.customer, self.entitlement.feature)
