"""Boundaries: where the periods of one recurrence begin and end, each counted from the anchor. Pure.

    anchor 31 January    |31 Jan ──────|28 Feb ──────|31 Mar ──────|30 Apr ──────|31 May      k = 0, 1, 2, 3, 4

The k-th boundary is the anchor + k steps, never the previous boundary + one, and a day that a month does not have is
its last one: nothing drifts. k may be negative. What a step is decides how it is added, in the anchor's zone:

    months, days    calendar arithmetic on the wall clock, so that a day may have 23, 24 or 25 hours. A local time that
                    does not exist is the first instant after the gap, one that exists twice its first occurrence.
    minutes, hours  elapsed time from an anchor. Without one (`calendar`) they are what the wall clock shows: an hour is
                    from the top of one local hour to the next, also the second time that a clock shows it when it is
                    set back. Steps of more than an hour fall on multiples since local 1970-01-01T00:00, the first
                    time the clock shows them.

The zone database is the pinned tzdata package, never the machine's.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tallygate.domain.base.instants import DAY, HOUR, MINUTE, SECOND, Instant, of_datetime, to_datetime

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
YEARS_MAX = 100
"""The longest step; what is longer is `never`."""
BEGINNING: Instant = 0
NEVER_ENDS: Instant = 253_370_764_800_000
"""The year 9999: no instant on the wire reaches it (contracts.fields), and every boundary before it is a date."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)
_FIRST_MONDAY = datetime(1969, 12, 29, tzinfo=UTC).replace(tzinfo=None)
_MILLISECOND = timedelta(milliseconds=1)
_MONTHS = re.compile(r"P(?:([1-9]\d{0,4})Y)?(?:([1-9]\d{0,4})M)?")
_DAYS = re.compile(r"P([1-9]\d{0,4})([WD])")
_ELAPSED = re.compile(r"PT(?:([1-9]\d{0,5})H)?(?:([1-9]\d{0,7})M)?(?:([1-9]\d{0,9})S)?")


class TimeUnit(Enum):
    """How a step is added to the anchor."""

    ELAPSED = "milliseconds"
    DAYS = "days"
    MONTHS = "months"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Step:
    """The length of a period: `count` of the unit. `weekly` steps without an anchor begin on the week's first day."""

    unit: TimeUnit
    count: int
    weekly: bool = False


BILLING_PERIOD = "billing_period"
"""A month from when the subscription started."""
_WORDS = {
    "minute": Step(TimeUnit.ELAPSED, MINUTE),
    "hour": Step(TimeUnit.ELAPSED, HOUR),
    "day": Step(TimeUnit.DAYS, 1),
    "week": Step(TimeUnit.DAYS, 7, weekly=True),
    "month": Step(TimeUnit.MONTHS, 1),
    "quarter": Step(TimeUnit.MONTHS, 3),
    "year": Step(TimeUnit.MONTHS, 12),
    "never": Step(TimeUnit.NEVER, 0),
    BILLING_PERIOD: Step(TimeUnit.MONTHS, 1),
}
EVERY = tuple(_WORDS)
"""The words for a period's length; an ISO 8601 duration is the other form."""


@lru_cache(maxsize=1024)
def step_of(every: str) -> Step:
    """What `every` means. Raises ValueError that names the rule.

    A duration has years and months, or weeks, or days, or hours, minutes and seconds: a mixture has no one meaning. It
    is at least a minute and at most YEARS_MAX years.
    """
    word = _WORDS.get(every)
    if word is not None:
        return word
    if (found := _DAYS.fullmatch(every)) is not None:
        weekly = found[2] == "W"
        return _bounded(Step(TimeUnit.DAYS, int(found[1]) * (7 if weekly else 1), weekly=weekly))
    if (found := _MONTHS.fullmatch(every)) is not None and every != "P":
        return _bounded(Step(TimeUnit.MONTHS, 12 * int(found[1] or 0) + int(found[2] or 0)))
    if (found := _ELAPSED.fullmatch(every)) is not None and every != "PT":
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return _bounded(Step(TimeUnit.ELAPSED, hours * HOUR + minutes * MINUTE + seconds * SECOND))
    raise ValueError(
        f"must be {', '.join(EVERY)} or an ISO 8601 duration of years and months (P1Y6M), weeks (P2W), days (P30D), "
        "or hours, minutes and seconds (PT5H)"
    )


@lru_cache(maxsize=1024)
def plainest(every: str) -> str:
    """The one spelling of a period that counts: `P1M`, `billing_period` and `month` are the same length of time.

    A counter is named by it, so that a plan which only spells its period otherwise refills nothing.
    """
    step = step_of(every)
    for word, meaning in _WORDS.items():
        if meaning == step:
            return word
    if step.unit is TimeUnit.MONTHS:
        return f"P{step.count}M"
    if step.unit is TimeUnit.DAYS:
        return f"P{step.count // 7}W" if step.weekly else f"P{step.count}D"
    for length, sign in ((HOUR, "H"), (MINUTE, "M")):
        if step.count % length == 0:
            return f"PT{step.count // length}{sign}"
    return f"PT{step.count // SECOND}S"


def length_of(step: Step) -> Instant | None:
    """The length of a step in elapsed time, days being of 24 hours; None for months, which have none, and for never."""
    if step.unit is TimeUnit.ELAPSED:
        return step.count
    return step.count * DAY if step.unit is TimeUnit.DAYS else None


def _bounded(step: Step) -> Step:
    days = {TimeUnit.MONTHS: step.count / 12 * 366, TimeUnit.DAYS: step.count}.get(step.unit, step.count / (24 * HOUR))
    if days > YEARS_MAX * 366:
        raise ValueError(f"must be at most {YEARS_MAX} years; what never starts anew is never")
    if step.unit is TimeUnit.ELAPSED and step.count < MINUTE:
        raise ValueError("must be at least a minute; what is shorter is a rate")
    return step


def is_zone(name: str) -> bool:
    """Whether the pinned zone database knows this IANA name."""
    try:
        _info(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


@lru_cache(maxsize=1024)
def _info(zone: str) -> ZoneInfo:
    return ZoneInfo(zone)


@dataclass(frozen=True, slots=True)
class Grid:
    """All boundaries of one recurrence. `origin` is the anchor; None: the calendar, with weeks from `week_starts`."""

    every: str
    zone: str
    origin: Instant | None = None
    week_starts: str = "monday"

    def around(self, instant: Instant) -> tuple[Instant, Instant]:
        """The boundary at or before the instant, and the one after it."""
        assert instant < NEVER_ENDS, "an instant on the wire is before the year 9999"
        step = step_of(self.every)
        if step.unit is TimeUnit.NEVER:
            return (BEGINNING, NEVER_ENDS) if instant >= BEGINNING else (-NEVER_ENDS, BEGINNING)
        if step.unit is TimeUnit.ELAPSED and self.origin is not None:
            start = instant - (instant - self.origin) % step.count
            return start, start + step.count
        if step.unit is TimeUnit.ELAPSED and step.count <= HOUR:
            return _shown_by_the_clock(step.count, self.zone, instant)
        k = _estimate(self, step, instant)
        while instant < (start := _boundary(self, k)):
            k -= 1
        while (end := _boundary(self, k + 1)) <= instant:
            k, start = k + 1, end
        return start, end


def _estimate(grid: Grid, step: Step, instant: Instant) -> int:
    """About how many steps lie between the anchor and an instant: at most a few off."""
    wall, anchor = _wall(instant, grid.zone), _anchor(grid, step)
    if step.unit is TimeUnit.MONTHS:
        return ((wall.year - anchor.year) * 12 + wall.month - anchor.month) // step.count
    if step.unit is TimeUnit.DAYS:
        return (wall - anchor).days // step.count
    return (wall - anchor) // _MILLISECOND // step.count


@lru_cache(maxsize=8192)
def _boundary(grid: Grid, k: int) -> Instant:
    """The k-th boundary. The anchor itself is one, also where its local time exists twice and it is the second."""
    if k == 0 and grid.origin is not None:
        return grid.origin
    step = step_of(grid.every)
    anchor = _anchor(grid, step)
    try:
        if step.unit is TimeUnit.MONTHS:
            local = _months_later(anchor, k * step.count)
        elif step.unit is TimeUnit.DAYS:
            local = anchor + timedelta(days=k * step.count)
        else:
            local = anchor + k * step.count * _MILLISECOND
    except (OverflowError, ValueError):
        return NEVER_ENDS if k > 0 else -NEVER_ENDS
    return min(_instant(local, grid.zone), NEVER_ENDS)


@lru_cache(maxsize=1024)
def _anchor(grid: Grid, step: Step) -> datetime:
    """The local time from which boundaries are counted."""
    if grid.origin is not None:
        return _wall(grid.origin, grid.zone)
    if step.weekly:
        # The week of 1 January 1970, so that longer steps of weeks begin with it.
        first = _FIRST_MONDAY + timedelta(days=WEEKDAYS.index(grid.week_starts))
        return first if first <= _EPOCH else first - timedelta(days=7)
    return _EPOCH


def _months_later(anchor: datetime, months: int) -> datetime:
    """The same day so many months later, or the last one of a month that has no such day."""
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise OverflowError(f"the year {year} is no date")
    return anchor.replace(year=year, month=month + 1, day=min(anchor.day, monthrange(year, month + 1)[1]))


def midnight(day: date, zone: str) -> Instant:
    """When a day begins in a zone: its midnight, or the first instant after a gap that swallows it."""
    return _instant(_EPOCH + (day - _EPOCH.date()), zone)


def _wall(instant: Instant, zone: str) -> datetime:
    """What the wall clock shows, without its zone."""
    return to_datetime(instant).astimezone(_info(zone)).replace(tzinfo=None, fold=0)


def _offset(instant: Instant, zone: str) -> Instant:
    """How far the wall clock is ahead of UTC, in milliseconds."""
    offset = to_datetime(instant).astimezone(_info(zone)).utcoffset()
    assert offset is not None
    return offset // _MILLISECOND


def _instant(local: datetime, zone: str) -> Instant:
    """When the wall clock first shows this, or the first instant after the gap in which it would have."""
    info = _info(zone)
    earlier = of_datetime(local.replace(tzinfo=info, fold=0).astimezone(UTC))
    if _wall(earlier, zone) == local:
        return earlier
    return _transition(of_datetime(local.replace(tzinfo=info, fold=1).astimezone(UTC)), earlier, zone)


def _transition(low: Instant, high: Instant, zone: str) -> Instant:
    """The instant in (low, high] at which the zone's offset changes. There is one; offsets change on whole seconds."""
    before = _offset(low, zone)
    under, over = low // SECOND, -(-high // SECOND)
    while over - under > 1:
        middle = (under + over) // 2
        if _offset(middle * SECOND, zone) == before:
            under = middle
        else:
            over = middle
    return over * SECOND


def _shown_by_the_clock(length: Instant, zone: str, instant: Instant) -> tuple[Instant, Instant]:
    """The stretch from one multiple of `length` on the wall clock to the next.

    Where the clock is moved in between, that moment is a boundary if a multiple is skipped or shown just then.
    """
    offset = _offset(instant, zone)
    start = instant - (instant + offset) % length
    end = start + length
    if _offset(start, zone) != offset:
        moved = _transition(start, instant, zone)
        before = _offset(moved - SECOND, zone)
        start = moved if _begins(length, moved, before, offset) else moved - 1 - (moved - 1 + before) % length
    after = _offset(end, zone)
    if after != offset:
        moved = _transition(instant, end, zone)
        end = moved if _begins(length, moved, offset, after) else moved - (moved + after) % length + length
    return start, end


def _begins(length: Instant, moved: Instant, before: Instant, after: Instant) -> bool:
    """Whether the clock skips a multiple when it is moved forward, or shows one when it is moved back."""
    if after > before:
        return moved + after - (moved + after) % length >= moved + before
    return (moved + after) % length == 0
