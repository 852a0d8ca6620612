"""Boundaries: where the periods of one recurrence begin and end, each computed from the anchor. Pure.

    anchor 31 January    |31 Jan ──────|28 Feb ──────|31 Mar ──────|30 Apr ──────|31 May      k = 0, 1, 2, 3, 4

The k-th boundary is the anchor + k steps, never the previous boundary + one step. Where a month lacks the anchor's day,
the boundary is the month's last day. So boundaries do not drift. k may be negative. A step is added in the anchor's
zone, according to its unit:

    months, days    calendar arithmetic on the wall clock, so a day has 23, 24 or 25 hours. A local time in a DST gap
                    becomes the first instant after the gap. An ambiguous local time means its first occurrence.
    minutes, hours  with an anchor: elapsed time from it. Without one (`calendar`): multiples on the wall clock. A
                    calendar hour runs from the top of one local hour to the next. When the clock is set back, the
                    repeated hour is a window of its own. Steps longer than an hour start at multiples since local
                    1970-01-01T00:00, at the first time the clock shows the multiple.

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
"""The longest step. The API asks callers to use `never` for anything longer."""
BEGINNING: Instant = 0
NEVER_ENDS: Instant = 253_370_764_800_000
"""The year 9999. No instant on the wire reaches it (contracts.base.fields), and every earlier boundary is a date."""

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
    """The length of a period.

    count: number of units
    weekly: whether periods without an anchor begin on the first day of the week
    """

    unit: TimeUnit
    count: int
    weekly: bool = False


BILLING_PERIOD = "billing_period"
"""One month, counted from the start of the subscription."""
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
"""The words for a period's length. The other form is an ISO 8601 duration."""


@lru_cache(maxsize=1024)
def step_of(every: str) -> Step:
    """Parse `every`, a word or a duration. Raises ValueError whose message states the broken rule.

    A duration has years and months, or weeks, or days, or hours, minutes and seconds. Mixtures are refused because they
    are ambiguous. The length is at least one minute and at most YEARS_MAX years.
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
    """Return the canonical spelling of a period: `P1M`, `billing_period` and `month` are the same length.

    Counters are identified by the canonical spelling. A plan that merely spells its period differently therefore keeps
    the counters of its customers.
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
    """Return the length of a step in ms, with days of 24 hours; None for months (variable length) and for never."""
    if step.unit is TimeUnit.ELAPSED:
        return step.count
    return step.count * DAY if step.unit is TimeUnit.DAYS else None


def _bounded(step: Step) -> Step:
    days = {TimeUnit.MONTHS: step.count / 12 * 366, TimeUnit.DAYS: step.count}.get(step.unit, step.count / (24 * HOUR))
    if days > YEARS_MAX * 366:
        raise ValueError(f"must be at most {YEARS_MAX} years; for a period without an end use never")
    if step.unit is TimeUnit.ELAPSED and step.count < MINUTE:
        raise ValueError("must be at least a minute; for shorter intervals use a rate")
    return step


def is_zone(name: str) -> bool:
    """Return whether the pinned zone database has this IANA name."""
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
    """All boundaries of one recurrence.

    every: word or ISO 8601 duration
    zone: IANA name
    origin: the anchor; None: calendar boundaries
    week_starts: first day of calendar weeks
    """

    every: str
    zone: str
    origin: Instant | None = None
    week_starts: str = "monday"

    def around(self, instant: Instant) -> tuple[Instant, Instant]:
        """Return the last boundary at or before the instant, and the first boundary after it."""
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
    """Estimate the number of steps between the anchor and an instant, wrong by at most a few."""
    wall, anchor = _wall(instant, grid.zone), _anchor(grid, step)
    if step.unit is TimeUnit.MONTHS:
        return ((wall.year - anchor.year) * 12 + wall.month - anchor.month) // step.count
    if step.unit is TimeUnit.DAYS:
        return (wall - anchor).days // step.count
    return (wall - anchor) // _MILLISECOND // step.count


@lru_cache(maxsize=8192)
def _boundary(grid: Grid, k: int) -> Instant:
    """Return the k-th boundary. Boundary 0 is the anchor itself, even if it is the later of two equal local times."""
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
    """Return the local time from which boundaries are counted."""
    if grid.origin is not None:
        return _wall(grid.origin, grid.zone)
    if step.weekly:
        # Steps of several weeks count from the week that contains 1 January 1970.
        first = _FIRST_MONDAY + timedelta(days=WEEKDAYS.index(grid.week_starts))
        return first if first <= _EPOCH else first - timedelta(days=7)
    return _EPOCH


def _months_later(anchor: datetime, months: int) -> datetime:
    """Return the same day `months` later, or the last day of a month that lacks this day."""
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise OverflowError(f"the year {year} is no date")
    return anchor.replace(year=year, month=month + 1, day=min(anchor.day, monthrange(year, month + 1)[1]))


def midnight(day: date, zone: str) -> Instant:
    """Return the start of a day in a zone: midnight, or the first instant after a DST gap that contains midnight."""
    return _instant(_EPOCH + (day - _EPOCH.date()), zone)


def _wall(instant: Instant, zone: str) -> datetime:
    """Return the wall-clock time in the zone, as a naive datetime."""
    return to_datetime(instant).astimezone(_info(zone)).replace(tzinfo=None, fold=0)


def _offset(instant: Instant, zone: str) -> Instant:
    """Return the offset of the wall clock from UTC, in milliseconds."""
    offset = to_datetime(instant).astimezone(_info(zone)).utcoffset()
    assert offset is not None
    return offset // _MILLISECOND


def _instant(local: datetime, zone: str) -> Instant:
    """Return the first instant at which the wall clock shows `local`, or the end of the DST gap that contains it."""
    info = _info(zone)
    earlier = of_datetime(local.replace(tzinfo=info, fold=0).astimezone(UTC))
    if _wall(earlier, zone) == local:
        return earlier
    return _transition(of_datetime(local.replace(tzinfo=info, fold=1).astimezone(UTC)), earlier, zone)


def _transition(low: Instant, high: Instant, zone: str) -> Instant:
    """Return the instant in (low, high] at which the zone's offset changes.

    Callers ensure that there is exactly one. Offsets change on whole seconds.
    """
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
    """Return the window from one multiple of `length` on the wall clock to the next.

    A clock change inside the window is a boundary itself if the change skips a multiple or lands exactly on one.
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
    """Return whether the clock skips a multiple when it moves forward, or lands on one when it moves back."""
    if after > before:
        return moved + after - (moved + after) % length >= moved + before
    return (moved + after) % length == 0
