"""Periods: which window of a recurring schedule holds an instant. Pure; the only clock is the argument.

    schedule   ──segment (month, Paris)──┬──segment (month, Tokyo)── …
    windows    [Oct) [Nov) [Dec ………… cut)[cut …… Jan Tokyo) [Feb)

A schedule is a list of segments, so that a change of zone keeps what has already been decided: the old segment runs to
its window's end, and the new one starts there. Windows are half-open `[start, end)` in UTC and tile time without gap or
overlap. Boundaries are local midnights: a local time that does not exist becomes the first instant after the gap, one
that exists twice its first occurrence. The zone database is the pinned tzdata package, never the machine's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tallygate.domain.instants import Instant, of_datetime, to_datetime

EVERY = ("day", "month")
_DAY_ZERO = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)
_HALF_DAY = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Window:
    """One instance of a period, half-open `[start, end)`."""

    start: Instant
    end: Instant

    def __post_init__(self) -> None:
        assert self.start < self.end, "a window has a length"

    def __contains__(self, instant: object) -> bool:
        return isinstance(instant, int) and self.start <= instant < self.end


@dataclass(frozen=True, slots=True)
class Segment:
    """`every` calendar period in `zone`, in force from `since` (None: from the beginning of time)."""

    every: str
    zone: str
    since: Instant | None = None

    def __post_init__(self) -> None:
        assert self.every in EVERY, self.every


@dataclass(frozen=True, slots=True)
class Schedule:
    """Segments in order of time; the first has no start."""

    segments: tuple[Segment, ...]

    def __post_init__(self) -> None:
        assert self.segments and self.segments[0].since is None, "a schedule covers all of time"
        starts = [segment.since for segment in self.segments[1:]]
        assert all(start is not None for start in starts) and starts == sorted(starts, key=lambda s: s or 0)

    @property
    def current(self) -> Segment:
        """The segment that is in force from its start on, for ever."""
        return self.segments[-1]


def calendar(every: str, zone: str) -> Schedule:
    """The schedule of one calendar period in one zone, unchanged for all time."""
    return Schedule((Segment(every, zone),))


def is_zone(name: str) -> bool:
    """Whether the pinned zone database knows this IANA name."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def window_at(schedule: Schedule, instant: Instant) -> Window:
    """The one window that holds the instant."""
    segments = schedule.segments
    if len(segments) == 1:
        return _natural_window(segments[0].every, segments[0].zone, instant)
    index = max(i for i, s in enumerate(segments) if s.since is None or s.since <= instant)
    segment, until = segments[index], None
    window = _natural_window(segment.every, segment.zone, instant)
    if index + 1 < len(segments):
        until = segments[index + 1].since
    start = window.start if segment.since is None else max(window.start, segment.since)
    end = window.end if until is None else min(window.end, until)
    return Window(start, end)


def changed_zone(schedule: Schedule, zone: str, now: Instant) -> Schedule:
    """The schedule with a new zone from the end of the window that holds `now`; what was decided stays as it was.

    A change that was still to come is replaced. Equal zones change nothing.
    """
    decided = tuple(s for s in schedule.segments if s.since is None or s.since <= now)
    kept = Schedule(decided)
    if kept.current.zone == zone:
        return kept
    return Schedule((*decided, Segment(kept.current.every, zone, window_at(kept, now).end)))


@lru_cache(maxsize=512)
def _cached(every: str, zone: str, day: int) -> Window:
    """The natural window of the local noon of a day number; noon always exists, so nothing is ambiguous here."""
    local = _DAY_ZERO + timedelta(days=day)
    if every == "day":
        return Window(_midnight(local, zone), _midnight(local + timedelta(days=1), zone))
    first = local.replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    return Window(_midnight(first, zone), _midnight(following, zone))


def _natural_window(every: str, zone: str, instant: Instant) -> Window:
    local = to_datetime(instant).astimezone(ZoneInfo(zone))
    day = (local.replace(tzinfo=None) - _DAY_ZERO).days
    window = _cached(every, zone, day)
    # Around a midnight that exists twice, the local date alone names the wrong side of the boundary.
    while instant < window.start:
        day -= 1
        window = _cached(every, zone, day)
    while instant >= window.end:
        day += 1
        window = _cached(every, zone, day)
    return window


def _midnight(local: datetime, zone: str) -> Instant:
    """The first instant of a local calendar day."""
    info = ZoneInfo(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=info, fold=0)
    instant = midnight.astimezone(UTC)
    if instant.astimezone(info).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return of_datetime(instant)
    return of_datetime(_first_after_gap(instant - _HALF_DAY, instant + _HALF_DAY, info))


def _first_after_gap(low: datetime, high: datetime, info: ZoneInfo) -> datetime:
    """The instant between low and high at which the zone's offset changes, to the second."""
    before = low.astimezone(info).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        middle = middle.replace(microsecond=0)
        if middle <= low:
            break
        if middle.astimezone(info).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high
