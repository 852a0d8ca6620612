"""Periods: which window of a recurring schedule holds an instant. Pure; the only clock is the argument.

    schedule   ──segment (month, Paris)──┬──segment (month, Tokyo)── …
    next_period  [Oct) [Nov) [Dec ──────)[──) [Jan Tokyo) [Feb)      the running window keeps its end
    now          [Oct) [Nov) [Dec ─)[──────)  [Jan Tokyo) [Feb)      the running window is cut short

A schedule is a list of segments. A change of zone or anchor appends a segment and leaves past windows as they are. A
partial window connects the old boundaries to the new ones. Windows are half-open `[start, end)` in UTC and cover time
without gap or overlap. `domain.periods.boundaries` computes the boundaries of a segment.

The length (`every`) and the anchor kind of a schedule never change: a counter belongs to one pair of them.

A rolling period consists of ROLLING_PARTS complete sub-windows of equal length and the running one. Only the newest
sub-window grows. The sub-windows are the windows of this module, and each counts for another `reach` after its end. So
"the last 30 days" covers at least 30 and at most 32.5 days: usage is never forgotten early, and at most one twelfth of
the period late.

The windows of a first_use period do not cover time: usage opens them, and only the cell records which are open
(`domain.admission.openings`). In this module the window at an instant is the window that would open at that instant.
A caller that passes the start of an existing window therefore gets that window.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

from tallygate.domain.base.instants import DAY, HOUR, Instant, format_instant
from tallygate.domain.periods.boundaries import Grid, TimeUnit, length_of, step_of

CALENDAR, SUBSCRIPTION_START, TIMESTAMP, ROLLING = "calendar", "subscription_start", "timestamp", "rolling"
FIRST_USE = "first_use"
ANCHORS = (CALENDAR, SUBSCRIPTION_START, TIMESTAMP, ROLLING, FIRST_USE)
UNANCHORED = (CALENDAR, FIRST_USE)
"""The anchor kinds without an origin: no instant is known beforehand from which boundaries are counted."""
ROLLING_PARTS = 12
"""Sub-windows in a rolling period. More parts reduce its error (one part) and add counters to the cell."""
SCHEDULES_REMEMBERED = 4_096


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
    """One recurrence, in force during one part of a schedule.

    every: word or ISO 8601 duration
    zone: IANA name
    since: start of the segment; None: the beginning of time
    anchor: one of ANCHORS
    origin: the instant from which boundaries are counted; None for calendar and first_use
    week_starts: first day of calendar weeks
    covered: end of the time for which earlier windows were already granted, if later than `since`; else None
    """

    every: str
    zone: str
    since: Instant | None = None
    anchor: str = CALENDAR
    origin: Instant | None = None
    week_starts: str = "monday"
    covered: Instant | None = None

    def __post_init__(self) -> None:
        step = step_of(self.every)
        assert self.anchor in ANCHORS, self.anchor
        assert self.anchor != ROLLING or length_of(step) is not None, "a rolling period has a fixed length"
        assert (self.origin is None) == (self.anchor in UNANCHORED), "only anchored segments have an origin"

    @property
    def grid(self) -> Grid:
        """The boundaries of the segment if it were in force for all time."""
        return Grid(self.every, self.zone, self.origin, self.week_starts)

    @property
    def width(self) -> Instant:
        """The length of one sub-window of a rolling period, in ms."""
        length = length_of(step_of(self.every))
        assert self.anchor == ROLLING and length is not None
        return -(-length // ROLLING_PARTS)

    @property
    def anchor_named(self) -> str:
        """The anchor as answers show it: its kind, or the timestamp itself."""
        if self.anchor != TIMESTAMP:
            return self.anchor
        assert self.origin is not None
        return format_instant(self.origin)


@dataclass(frozen=True, slots=True)
class Schedule:
    """All segments of one period, in order of time.

    segments: the first has no start
    current: the last segment, in force from its start on without end
    reach: how long a window still counts after its end, in ms; 0 except for the sub-windows of rolling periods
    from_first_use: whether usage opens the windows, so that only the cell knows which are open
    """

    segments: tuple[Segment, ...]
    current: Segment = field(init=False, compare=False, repr=False)
    reach: Instant = field(init=False, compare=False, repr=False)
    from_first_use: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        current = self.segments[-1]
        object.__setattr__(self, "current", current)
        object.__setattr__(self, "reach", ROLLING_PARTS * current.width if current.anchor == ROLLING else 0)
        object.__setattr__(self, "from_first_use", current.anchor == FIRST_USE)
        assert self.segments and self.segments[0].since is None, "a schedule covers all time"
        starts = [segment.since for segment in self.segments[1:]]
        assert all(start is not None for start in starts) and starts == sorted(starts, key=lambda s: s or 0)
        assert len({(segment.every, segment.anchor) for segment in self.segments}) == 1, "a schedule has one period"


def calendar(every: str, zone: str) -> Schedule:
    """Return the schedule of one calendar period in one zone, unchanged for all time."""
    return Schedule((Segment(every, zone),))


def rolling(every: str, zone: str) -> Segment:
    """Return the segment of a rolling period ("the last 30 days"). The zone is only shown in answers."""
    return Segment(every, zone, None, ROLLING, 0)


def closes(every: str) -> bool:
    """Return whether windows of this period are closed and billed: the period ends and is an hour or longer."""
    step = step_of(every)
    return step.unit is not TimeUnit.NEVER and (step.unit is not TimeUnit.ELAPSED or step.count >= HOUR)


def segment_at(schedule: Schedule, instant: Instant) -> Segment:
    """Return the segment in force at the instant."""
    segments = schedule.segments
    return segments[0] if len(segments) == 1 else segments[_index_at(segments, instant)]


def window_at(schedule: Schedule, instant: Instant) -> Window:
    """Return the window that contains the instant; for first_use, the window that would open at the instant."""
    segments = schedule.segments
    if len(segments) == 1:
        return _natural_window(segments[0], instant)
    if schedule.from_first_use:
        return _opened(segments[_index_at(segments, instant)], instant)
    index = _index_at(segments, instant)
    segment, until = segments[index], None
    window = _natural_window(segment, instant)
    if index + 1 < len(segments):
        until = segments[index + 1].since
    start = window.start if segment.since is None else max(window.start, segment.since)
    end = window.end if until is None else min(window.end, until)
    return window if (start, end) == (window.start, window.end) else Window(start, end)


def earliest_reaching(schedule: Schedule, instant: Instant) -> Instant:
    """Return a lower bound of starts: no window that begins earlier still contains the instant."""
    if not schedule.from_first_use:
        return window_at(schedule, instant).start
    length = max(_opened(segment, instant).end for segment in schedule.segments) - instant
    # Two calendar steps of one period differ by at most the days of two months and a clock change.
    elapsed = step_of(schedule.current.every).unit is TimeUnit.ELAPSED
    return instant - length + (1 if elapsed else -4 * DAY)


def is_partial(schedule: Schedule, window: Window) -> bool:
    """Return whether a change of zone or anchor cut this window short."""
    return whole_window(schedule, window) != window


def whole_window(schedule: Schedule, window: Window) -> Window:
    """Return the full window of which a change of zone or anchor may have left only a part."""
    return _natural_window(segment_at(schedule, window.start), window.start)


def changed(
    schedule: Schedule, wanted: Segment, now: Instant, *, at_once: bool = False, idle_since: Instant | None = None
) -> Schedule:
    """Return the schedule with another zone, anchor or first day of the week.

    wanted: the new recurrence; its `since` and `covered` are ignored
    now: the change applies from the end of the window that contains `now`
    at_once: apply the change at the first boundary of the new recurrence, if that is sooner. The running window ends
        there and does not restart, so its counter continues.
    idle_since: nothing was counted after this instant. The change applies from the end of the window that contains it,
        so no window that has usage is cut.

    A pending change is replaced, or dropped if `wanted` equals the recurrence in force. Rolling periods and periods
    that never end do not change. A first_use period changes at `now`; windows open at that time keep their end.
    """
    decided = tuple(s for s in schedule.segments if s.since is None or s.since <= now)
    kept = Schedule(decided)
    held, to_come = kept.current, schedule.current
    same = replace(wanted, since=held.since, covered=held.covered) == held
    if same or step_of(held.every).unit is TimeUnit.NEVER or held.anchor == ROLLING:
        return kept
    if held.anchor == FIRST_USE:
        return Schedule((*(decided[:-1] if held.since == now else decided), replace(wanted, since=now, covered=None)))
    if not at_once and idle_since is None and replace(wanted, since=to_come.since, covered=to_come.covered) == to_come:
        return schedule
    running = window_at(kept, now if idle_since is None else idle_since)
    since = running.end
    if idle_since is not None:
        since = max(since, held.since or idle_since)
        since = max(since, wanted.origin) if wanted.origin is not None and wanted.origin <= now else since
    elif at_once:
        since = min(since, _natural_window(wanted, now).end)
    granted = max(whole_window(kept, running).end, held.covered or since)
    if held.since == since:
        decided = decided[:-1]
    return Schedule((*decided, replace(wanted, since=since, covered=granted if granted > since else None)))


def begun(schedule: Schedule, at: Instant) -> Schedule:
    """Return the schedule with an extra window start at the instant. All other boundaries stay.

    Rolling and first_use periods, and periods that never end, stay unchanged.
    """
    current = schedule.current
    if step_of(current.every).unit is TimeUnit.NEVER or current.anchor in (ROLLING, FIRST_USE):
        return schedule
    if window_at(schedule, at).start == at:
        return schedule
    decided = tuple(s for s in schedule.segments if s.since is None or s.since < at)
    return Schedule((*decided, replace(current, since=at, covered=None)))


def recent(schedule: Schedule, cut: Instant, now: Instant) -> Schedule:
    """Return the schedule without segments that ended by `cut`, to bound its size. The window of `now` stays."""
    over = [index for index, s in enumerate(schedule.segments) if s.since is not None and s.since <= cut]
    if schedule.from_first_use:
        # The last window that opened before a change may stay open long after the change.
        before, since = schedule.segments, [s.since or 0 for s in schedule.segments]
        over = [index for index in over if _opened(before[index - 1], since[index]).end <= cut]
    if not over:
        return schedule
    first = schedule.segments[over[-1]]
    shorter = Schedule((replace(first, since=None), *schedule.segments[over[-1] + 1 :]))
    return shorter if window_at(shorter, now) == window_at(schedule, now) else schedule


def _index_at(segments: tuple[Segment, ...], instant: Instant) -> int:
    return max(i for i, s in enumerate(segments) if s.since is None or s.since <= instant)


_newest: dict[Segment, Window] = {}
"""A cache of the window last computed for each segment, at most SCHEDULES_REMEMBERED. Most callers ask for the same
window again. Only results of a pure function are cached."""


@lru_cache(maxsize=SCHEDULES_REMEMBERED)
def _opened(segment: Segment, instant: Instant) -> Window:
    """Return the first_use window that opens at the instant."""
    return Window(*Grid(segment.every, segment.zone, instant).around(instant))


def _natural_window(segment: Segment, instant: Instant) -> Window:
    if segment.anchor == FIRST_USE:
        return _opened(segment, instant)
    window = _newest.get(segment)
    if window is not None and window.start <= instant < window.end:
        return window
    if segment.anchor == ROLLING:
        start = instant - instant % segment.width
        window = Window(start, start + segment.width)
    else:
        window = Window(*segment.grid.around(instant))
    if len(_newest) >= SCHEDULES_REMEMBERED:
        _newest.clear()
    _newest[segment] = window
    return window
