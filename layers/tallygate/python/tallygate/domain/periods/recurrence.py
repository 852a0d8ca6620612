"""Periods: which window of a recurring schedule holds an instant. Pure; the only clock is the argument.

    schedule   ──segment (month, Paris)──┬──segment (month, Tokyo)── …
    next_period  [Oct) [Nov) [Dec ──────)[──) [Jan Tokyo) [Feb)      the running window goes on to its end
    now          [Oct) [Nov) [Dec ─)[──────)  [Jan Tokyo) [Feb)      the running window is cut

A schedule is a list of segments, so that a change of zone or anchor keeps what has already been decided; between the
old boundaries and the new ones lies a partial window. Windows are half-open `[start, end)` in UTC and tile time without
gap or overlap. Where the boundaries of one segment lie is `domain.periods.boundaries`' to say.

The period of a schedule and the kind of its anchor never change: a counter counts by one of each.

A rolling period is counted in ROLLING_PARTS equal sub-windows and the running one, of which only the newest grows; they
are its windows here, and each counts for another `reach` after it is over. So the last 30 days are counted as at least
30 and at most 32.5 days: never too little is seen, and what was used is forgotten at most a twelfth late.

A period from its first use tiles nothing: the cell alone tells its windows (`domain.admission.openings`). Here
its window at an instant is the one that opens there, so that whoever asks with a window's own start gets that window.
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
"""What is counted from no instant that is known beforehand."""
ROLLING_PARTS = 12
"""Sub-windows in a rolling period: its error, and what a cell has to hold of it."""
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
    """A recurrence in `zone`, in force from `since` (None: from the beginning of time).

    `origin` is the instant that boundaries are counted from, None for the calendar and for what begins with its first
    use. `anchor` says where it came from. Windows before it were granted for the time until `covered`, where that
    reaches into it.
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
        assert self.anchor != ROLLING or length_of(step) is not None, "what rolls has a fixed length"
        assert (self.origin is None) == (self.anchor in UNANCHORED), "an anchor is an instant"

    @property
    def grid(self) -> Grid:
        """Its boundaries, were it in force for all time."""
        return Grid(self.every, self.zone, self.origin, self.week_starts)

    @property
    def width(self) -> Instant:
        """The length of a rolling period's sub-windows."""
        length = length_of(step_of(self.every))
        assert self.anchor == ROLLING and length is not None
        return -(-length // ROLLING_PARTS)

    @property
    def anchor_named(self) -> str:
        """The anchor as it is told: its kind, or the timestamp itself."""
        if self.anchor != TIMESTAMP:
            return self.anchor
        assert self.origin is not None
        return format_instant(self.origin)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Segments in order of time; the first has no start.

    current: the segment that is in force from its start on, for ever
    reach: how long a window counts after its end: nothing, but for the sub-windows of what rolls
    from_first_use: whether a window opens where none is and something is used, so that the cell has to be asked
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
        assert self.segments and self.segments[0].since is None, "a schedule covers all of time"
        starts = [segment.since for segment in self.segments[1:]]
        assert all(start is not None for start in starts) and starts == sorted(starts, key=lambda s: s or 0)
        assert len({(segment.every, segment.anchor) for segment in self.segments}) == 1, "a schedule counts one period"


def calendar(every: str, zone: str) -> Schedule:
    """The schedule of one calendar period in one zone, unchanged for all time."""
    return Schedule((Segment(every, zone),))


def rolling(every: str, zone: str) -> Segment:
    """The last so much time, at any time; the zone is only told."""
    return Segment(every, zone, None, ROLLING, 0)


def closes(every: str) -> bool:
    """Whether windows of this period are closed and billed: those of an hour or longer that end at all."""
    step = step_of(every)
    return step.unit is not TimeUnit.NEVER and (step.unit is not TimeUnit.ELAPSED or step.count >= HOUR)


def segment_at(schedule: Schedule, instant: Instant) -> Segment:
    """The segment that is in force at the instant."""
    segments = schedule.segments
    return segments[0] if len(segments) == 1 else segments[_index_at(segments, instant)]


def window_at(schedule: Schedule, instant: Instant) -> Window:
    """The one window that holds the instant; of what begins with its first use, the one that opens there."""
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
    """No window that begins before this reaches to the instant, or beyond it."""
    if not schedule.from_first_use:
        return window_at(schedule, instant).start
    length = max(_opened(segment, instant).end for segment in schedule.segments) - instant
    # Of steps by the calendar no two differ by more than the days of two months and a change of the clock.
    elapsed = step_of(schedule.current.every).unit is TimeUnit.ELAPSED
    return instant - length + (1 if elapsed else -4 * DAY)


def is_partial(schedule: Schedule, window: Window) -> bool:
    """Whether a change cut this window of the schedule short."""
    return whole_window(schedule, window) != window


def whole_window(schedule: Schedule, window: Window) -> Window:
    """What a window of the schedule would be, had no change cut it short."""
    return _natural_window(segment_at(schedule, window.start), window.start)


def changed(
    schedule: Schedule, wanted: Segment, now: Instant, *, at_once: bool = False, idle_since: Instant | None = None
) -> Schedule:
    """The schedule with another zone, anchor or week from the end of the window that holds `now`, or `at_once`.

    At once is the first boundary of the new recurrence, where that comes sooner: the running window ends there, and
    begins anew nowhere, so that its counter goes on. Another change that was still to come is replaced. What has been
    idle since some instant changes at the end of the window that held that instant: nothing was counted after it, so
    that no window that was begun is cut. Equal recurrences change nothing, and neither does a period that never ends
    or rolls. What begins with its first use changes at once: the windows that are open then end as they would have.
    `wanted.since` and `wanted.covered` have no meaning here.
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
    """The schedule with a window that begins at the instant, whatever window held it before; the boundaries stay.

    What never ends, rolls or begins with its first use stays as it is.
    """
    current = schedule.current
    if step_of(current.every).unit is TimeUnit.NEVER or current.anchor in (ROLLING, FIRST_USE):
        return schedule
    if window_at(schedule, at).start == at:
        return schedule
    decided = tuple(s for s in schedule.segments if s.since is None or s.since < at)
    return Schedule((*decided, replace(current, since=at, covered=None)))


def recent(schedule: Schedule, cut: Instant, now: Instant) -> Schedule:
    """The schedule without the segments that were left by `cut`, so that it is bounded; the running window stays."""
    over = [index for index, s in enumerate(schedule.segments) if s.since is not None and s.since <= cut]
    if schedule.from_first_use:
        # The last window that opened before a change may be open for long after it.
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
"""The window last asked for of each segment, bounded: mostly the one that is asked for again, without arithmetic. It
remembers what a pure function said and decides nothing."""


@lru_cache(maxsize=SCHEDULES_REMEMBERED)
def _opened(segment: Segment, instant: Instant) -> Window:
    """The window of what begins with its first use that opens at the instant."""
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
