"""The parts of the usage that follows into a window, while it is added up; see `operations.limits.follow_usage`."""

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
    """A time span. It may be empty: while a test clock is frozen, several changes have the same instant."""

    start: Instant
    end: Instant


def spans(reigns: Sequence[Reign], now: Instant) -> list[tuple[int, Instant, Instant]]:
    """Return (ordinal, start, end) of the time in which each quota counted."""
    ends = [*(reign.since for reign in reigns[1:]), now + 1]
    return [(reign.ordinal, reign.since, end) for reign, end in zip(reigns, ends, strict=True)]


def schedules_of(before: Effective, after: Effective) -> Mapping[int, Schedule]:
    """Return the schedules of present and former quotas, by ordinal."""
    found = {**before.retired, **after.retired}
    for effective in (after, before):
        found |= {quota.ordinal: quota.schedule for _, _, quota in effective.quotas}
    return found


@dataclass(slots=True)
class FollowedSoFar:
    """The usage that follows into one window, while it is added up.

    since: usage before this instant does not follow
    past: usage that is known as a number
    sources: counters whose usage is taken from the cell
    removed: windows that were added from their totals
    straddling: windows begun before `since`, whose earlier part was subtracted
    """

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
    """The facts about one feature that its windows are computed from.

    before: the limits before the change
    shared: whether other features feed the same meter
    schedules: by ordinal, the schedules of present and former quotas
    """

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
