"""Cells: the counters that a decision reads and writes, and which of them are over.

A `Cell` is the image of one item: counters of every limit of a customer and feature, the ids of recent requests, and
the marks that keep stale writers out. What a write asks of it is `domain.admission.terms`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from tallygate.domain.admission.origins import Origin
from tallygate.domain.admission.tier_causes import TierCause
from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.instants import HOUR, MINUTE, SECOND, Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.entries.reset_marks import NO_RESET, ResetMark
from tallygate.domain.limits.counters import CounterName
from tallygate.domain.limits.limits import Entitlement, Quota
from tallygate.domain.limits.rollover import Layer, WindowState
from tallygate.domain.periods.recurrence import Window, window_at

REQUEST_MEMORY_MINUTES = 1
"""A retry is recognised in the minute of the request and in the one on either side of it."""
CLOCKS_APART = 10 * SECOND
"""How far a container may be ahead of one that a retry is sent to: a minute that the other still asks for is kept."""
DEAD_AFTER = 10 * MINUTE
"""A window that has been over for this long is removed by the next write; `floor` then guards its name."""
DEAD_AFTER_MIN = MINUTE
"""A shorter window is kept for its own length, and for this long at least: eight quotas by the minute, kept for
DEAD_AFTER, would make every write cost three units."""
RATE_DEAD_AFTER = 10 * SECOND
"""Sub-windows of a rate are many and short: a rate by the second, kept for DEAD_AFTER, would make every write cost ten
units. A clock that lags by more than this beside a sub-window is told so, as one is beside a period by DEAD_AFTER."""
DENIED_MARK_KEPT = 2 * HOUR
"""How long a mark is kept of a rate's first denial in an hour."""
REMOVED_BESIDE_MAX = 20
REMOVED_MAX = 64
WINDOWS_KEPT_TO_CARRY = 2
"""The newest, for what it leaves to the next, and the one before it, for what comes late into that."""
"""So many counters go in one write, the oldest first, because an expression is at most 4 KB; the next write goes on."""
MARK_BYTES = 6

WHOLE_FEATURE = 0
"""Names the suspension of all usage of the feature; that of a scope is named by the ordinal of its limit's quota."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The image of one cell. An item that does not exist is `Cell()`: every counter at zero.

    A counter starts below zero by what its window was raised by: `carried` from the one before, `adjusted` by hand. So
    a limit stays what it is in every condition, and what was used is the sum of the three. `layers` are those of what
    was carried, where it expires. `grace` is when the grace of a window began, `denied` where a first denial was
    marked.
    `suspended` is until when usage is, and `causes` by which tiers; `waived` has, by window, the levels whose tiers
    suspend no more in it, since somebody has resumed. `resets` say which decisions a reset by hand excludes. Of quotas
    from their first use `newest` says where the newest window begins, and `opened_for_events` where those do that were
    opened for events last; of those that carry over, `newest` says where the window begins that was opened last.
    `brought` is the part of a counter that came by events, `followed` the part that was used under other quotas, by
    `origins`; `followings` is how many of these the cell knows.
    """

    used: Mapping[CounterName, Decimal] = field(default_factory=dict)
    rated: Mapping[CounterName, Decimal] = field(default_factory=dict)
    carried: Mapping[CounterName, Decimal] = field(default_factory=dict)
    adjusted: Mapping[CounterName, Decimal] = field(default_factory=dict)
    layers: Mapping[CounterName, tuple[Layer, ...]] = field(default_factory=dict)
    grace: Mapping[CounterName, Instant] = field(default_factory=dict)
    denied: frozenset[CounterName] = frozenset()
    resets: Mapping[CounterName, ResetMark] = field(default_factory=dict)
    suspended: Mapping[int, Instant] = field(default_factory=dict)
    causes: Mapping[int, TierCause] = field(default_factory=dict)
    waived: Mapping[CounterName, frozenset[str]] = field(default_factory=dict)
    newest: Mapping[int, Instant] = field(default_factory=dict)
    opened_for_events: Mapping[int, tuple[Instant, ...]] = field(default_factory=dict)
    brought: Mapping[CounterName, Decimal] = field(default_factory=dict)
    followed: Mapping[CounterName, Decimal] = field(default_factory=dict)
    origins: Mapping[CounterName, Origin] = field(default_factory=dict)
    followings: int = 0
    marks: Mapping[int, frozenset[bytes]] = field(default_factory=dict)
    version: int = 0
    floor: Instant | None = None
    revision: int = 0

    def window_state(self, counter: CounterName) -> WindowState:
        """How a quota's window stands, for what it carries."""
        carried = self.carried.get(counter, ZERO)
        return WindowState(
            start=counter[1],
            counter=self.used.get(counter, ZERO),
            layers=self.layers.get(counter, (Layer(carried, 1),) if carried else ()),
            adjusted=self.adjusted.get(counter, ZERO),
        )

    def excludes(self, counter: CounterName, revision: int, time: Instant) -> bool:
        """Whether a reset took out of the window's counter what a decision of this revision and time counted there."""
        return self.resets.get(counter, NO_RESET).covers(revision, time)

    def own(self, counter: CounterName) -> Decimal:
        """What was used under the window itself, and is not excluded by a reset."""
        if counter not in self.used:
            return ZERO
        return EXACT.subtract(self.used_of(counter), self.followed.get(counter, ZERO))

    def used_of(self, counter: CounterName) -> Decimal:
        """What is held against the window's limit."""
        return EXACT.add(self.used.get(counter, ZERO), self.raised(counter))

    def raised(self, counter: CounterName) -> Decimal:
        """What the window's limit is raised by, or lowered where it is negative."""
        return self.carried.get(counter, ZERO) + self.adjusted.get(counter, ZERO)


UNSEEN = Cell()
"""Stands for a cell of which nothing is known, as against one that does not exist."""


@dataclass(frozen=True, slots=True)
class RequestMark:
    """How a cell remembers a request: the minute it was decided in and a digest of its id and body."""

    minute: int
    digest: bytes

    def __post_init__(self) -> None:
        assert len(self.digest) == MARK_BYTES

    @property
    def minutes(self) -> range:
        """The minutes whose memory is asked."""
        return range(self.minute - REQUEST_MEMORY_MINUTES, self.minute + REQUEST_MEMORY_MINUTES + 1)


def forgotten_minutes(seen: Cell, now: Instant) -> tuple[int, ...]:
    """The minutes whose requests nobody asks for any more, whose clock is not further behind than CLOCKS_APART."""
    oldest = (now - CLOCKS_APART) // MINUTE - REQUEST_MEMORY_MINUTES
    return tuple(minute for minute in seen.marks if minute < oldest)


def running_window(quota: Quota, cell: Cell, now: Instant) -> Window:
    """The window of a quota that a request counts in now; of one from its first use, that it would open if none is."""
    newest = cell.newest.get(quota.ordinal) if quota.schedule.from_first_use else None
    if newest is not None:
        window = window_at(quota.schedule, newest)
        if now < window.end:
            return window
    return window_at(quota.schedule, now)


def dead_windows(
    entitlement: Entitlement, seen: Cell, now: Instant
) -> tuple[tuple[CounterName, ...], tuple[CounterName, ...], Instant | None]:
    """Counters of this entitlement's windows that have been over for long, and the floor that their removal needs.

    None: the floor that was seen guards them already; it never falls. A counter of a limit that is no longer in force
    stays: nobody knows its end any more, and it never grows. Once that limit is in force again, it may lie below.
    """
    quotas = {quota.ordinal: quota for limit in entitlement.limits for quota in limit.quotas}
    carrying = _still_to_carry(quotas, seen)
    widths = {rate.ordinal: rate.width for limit in entitlement.limits for rate in limit.every_rate}
    ended_quotas = [
        (over, "quota", c)
        for c in seen.used
        if c[0] in quotas and c not in carrying and (over := _dead(quotas[c[0]], c[1], now)) is not None
    ]
    ended_rates = [((c[1] + 2) * widths[c[0]], "rate", c) for c in seen.rated if c[0] in widths]
    dead = ended_quotas + [ended for ended in ended_rates if ended[0] <= now - RATE_DEAD_AFTER]
    removed = sorted(dead)[:REMOVED_MAX]
    gone = removed[-1][0] if removed else None
    if gone is not None and seen.floor is not None and seen.floor >= gone:
        gone = None
    return (
        tuple(counter for _, kind, counter in removed if kind == "quota"),
        tuple(counter for _, kind, counter in removed if kind == "rate"),
        gone,
    )


def _still_to_carry(quotas: Mapping[int, Quota], seen: Cell) -> frozenset[CounterName]:
    """The newest windows of what carries over: the next one begins with what they leave, whenever that will be."""
    if not any(quota.stretches for quota in quotas.values()):
        return frozenset()
    kept: list[CounterName] = []
    for ordinal, quota in quotas.items():
        if quota.stretches:
            kept += sorted(counter for counter in seen.used if counter[0] == ordinal)[-WINDOWS_KEPT_TO_CARRY:]
    return frozenset(kept)


def dead_beside(entitlement: Entitlement, seen: Cell, now: Instant) -> tuple[CounterName, ...]:
    """Dead windows of which the cell keeps more than a counter, and hours in which a rate's denial was marked."""
    beside = (seen.denied, seen.grace, seen.carried, seen.adjusted, seen.resets, seen.waived, seen.origins)
    if not any(beside):
        return ()
    quotas = {quota.ordinal: quota for limit in entitlement.limits for quota in limit.quotas}
    carrying = _still_to_carry(quotas, seen)
    throttling = {rate.ordinal for limit in entitlement.limits for rate in limit.every_rate}
    dead = [
        name
        for name in {name for kept in beside for name in kept}
        if (name[0] in quotas and name not in carrying and _dead(quotas[name[0]], name[1], now) is not None)
        or (name[0] in throttling and name[1] <= now - DENIED_MARK_KEPT)
        or (name in seen.denied and name[1] <= now - DENIED_MARK_KEPT and _never_opened(quotas, name, seen))
    ]
    return tuple(sorted(dead)[:REMOVED_BESIDE_MAX])


def _never_opened(quotas: Mapping[int, Quota], name: CounterName, seen: Cell) -> bool:
    """Whether the mark is of a denial while no window was open of what begins with its first use."""
    return name[0] in quotas and quotas[name[0]].schedule.from_first_use and name not in seen.used


def denied_hour(now: Instant) -> Instant:
    """What names the mark of a rate's first denial, or of a quota's of which no window is open: there is no one window,
    or there are many, and one in an hour is news enough."""
    return now - now % HOUR


def _dead(quota: Quota, start: Instant, now: Instant) -> Instant | None:
    """When the window that began at `start` stopped counting; None while it is kept."""
    if start > now - DEAD_AFTER_MIN:
        return None
    window = window_at(quota.schedule, start)
    over = window.end + quota.schedule.reach
    kept = min(DEAD_AFTER, max(DEAD_AFTER_MIN, window.end - window.start))
    return over if over <= now - kept else None
