"""Cells: the counters that a decision reads and writes, and which of them have ended and may be removed.

A `Cell` is the image of one counter item. It holds the counters of every limit of a customer and feature, the marks of
recent requests, and the values that refuse stale writers (`version`, `floor`, `followings`). The module
`domain.admission.terms` states what a write requires of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from tallygate.domain.admission.origins import Origin
from tallygate.domain.admission.tier_causes import TierCause
from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.instants import HOUR, MINUTE, SECOND, Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.base.values import value
from tallygate.domain.entries.reset_marks import NO_RESET, ResetMark
from tallygate.domain.limits.counters import CounterName
from tallygate.domain.limits.limits import Entitlement, Quota
from tallygate.domain.limits.rollover import Layer, WindowState
from tallygate.domain.periods.recurrence import Window, window_at

REQUEST_MEMORY_MINUTES = 1
"""A retry is recognised within this many minutes before and after the minute of the request."""
CLOCKS_APART = 10 * SECOND
"""How far one container's clock may be ahead of another's. A minute that the slower one still asks for is kept."""
DEAD_AFTER = 10 * MINUTE
"""A window that ended this long ago is removed by the next write. `floor` then keeps it from being counted again."""
DEAD_AFTER_MIN = MINUTE
"""A window shorter than DEAD_AFTER is kept for its own length, and at least this long. Eight quotas per minute, kept
for DEAD_AFTER, would make every write cost three units."""
RATE_DEAD_AFTER = 10 * SECOND
"""Sub-windows of a rate are many and short. A rate per second, kept for DEAD_AFTER, would make every write cost ten
units. A writer is refused as `Behind` if its clock lags by more than this behind a sub-window, or by DEAD_AFTER behind
a period's window."""
DENIED_MARK_KEPT = 2 * HOUR
"""How long the mark of a rate's first denial in an hour is kept."""
REMOVED_BESIDE_MAX = 20
REMOVED_MAX = 64
"""Names removed by one write, the oldest first, because an expression is at most 4 KB. The next write continues."""
WINDOWS_KEPT_TO_CARRY = 2
"""Windows of a quota with carryover that are kept: the newest, for what it carries into the next one, and the one
before it, because late usage there changes what the newest began with."""
MARK_BYTES = 6

WHOLE_FEATURE = 0
"""Name of the suspension of the whole feature. The suspension of a scope is named by its limit's quota ordinal."""


@value()
class Cell:
    """The image of one cell. An item that does not exist is `Cell()`: every counter is zero.

    Carryover and adjustments start a counter below zero, so the limit in every condition stays the plain limit. Usage
    of a window is `used + carried + adjusted`.

    used: quota counters, less carryover and adjustments
    rated: counters of rates, by (ordinal, sub-window index)
    carried: opening balance of each window
    adjusted: sum of manual adjustments of each window
    layers: the opening balance in layers, where carryover expires
    grace: when the grace of each window began
    denied: windows, or hours of a rate, whose first denial is marked
    resets: which decisions a manual reset excludes, by window
    suspended: until when usage is suspended by tiers; by WHOLE_FEATURE or the ordinal of a scoped limit's quota
    causes: which tier suspended, by the same names
    waived: levels whose tiers do not suspend again in a window, because an operator resumed usage
    newest: start of the most recently opened window, by ordinal; only first_use and carryover quotas
    opened_for_events: starts of the windows last opened for events, by ordinal; only first_use quotas
    brought: part of each counter that is usage by event
    followed: part of each counter that was used under other quotas
    origins: where each window's followed usage came from
    followings: number of followings that the cell has applied
    marks: digests of recent requests, by minute
    version: newest version of the limits that the cell has received
    floor: newest end of a removed window, or start of an opened carryover window if later. A write into a window that
        ended by then is refused. None: no floor yet
    revision: number of writes to the item
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
        """The state of a quota's window from which the next opening balance is computed."""
        carried = self.carried.get(counter, ZERO)
        return WindowState(
            start=counter[1],
            counter=self.used.get(counter, ZERO),
            layers=self.layers.get(counter, (Layer(carried, 1),) if carried else ()),
            adjusted=self.adjusted.get(counter, ZERO),
        )

    def excludes(self, counter: CounterName, revision: int, time: Instant) -> bool:
        """Whether a reset excludes, in this window, a decision of this revision and time."""
        return self.resets.get(counter, NO_RESET).covers(revision, time)

    def own(self, counter: CounterName) -> Decimal:
        """The window's own usage: without followed usage, and without what a reset excludes."""
        if counter not in self.used:
            return ZERO
        return EXACT.subtract(self.used_of(counter), self.followed.get(counter, ZERO))

    def used_of(self, counter: CounterName) -> Decimal:
        """The usage that counts against the window's limit."""
        return EXACT.add(self.used.get(counter, ZERO), self.raised(counter))

    def raised(self, counter: CounterName) -> Decimal:
        """Carryover and adjustments, which raise the window's limit; negative where they lower it."""
        return self.carried.get(counter, ZERO) + self.adjusted.get(counter, ZERO)


UNSEEN = Cell()
"""The placeholder for a cell that was not read yet, as opposed to one that does not exist."""


@dataclass(frozen=True, slots=True)
class RequestMark:
    """The mark of a request in a cell: the minute in which it was decided and a digest of its id and body."""

    minute: int
    digest: bytes

    def __post_init__(self) -> None:
        assert len(self.digest) == MARK_BYTES

    @property
    def minutes(self) -> range:
        """The minutes whose marks a retry is compared with."""
        return range(self.minute - REQUEST_MEMORY_MINUTES, self.minute + REQUEST_MEMORY_MINUTES + 1)


def forgotten_minutes(seen: Cell, now: Instant) -> tuple[int, ...]:
    """The remembered minutes that no container asks for any more, if its clock lags by at most CLOCKS_APART."""
    oldest = (now - CLOCKS_APART) // MINUTE - REQUEST_MEMORY_MINUTES
    return tuple(minute for minute in seen.marks if minute < oldest)


def running_window(quota: Quota, cell: Cell, now: Instant) -> Window:
    """The window of a quota in which a request counts now.

    For a first_use quota without an open window, it is the window that the request would open.
    """
    newest = cell.newest.get(quota.ordinal) if quota.schedule.from_first_use else None
    if newest is not None:
        window = window_at(quota.schedule, newest)
        if now < window.end:
            return window
    return window_at(quota.schedule, now)


def dead_windows(
    entitlement: Entitlement, seen: Cell, now: Instant, *, running: Collection[CounterName] = ()
) -> tuple[tuple[CounterName, ...], tuple[CounterName, ...], Instant | None]:
    """Quota and rate counters whose windows ended long enough ago to be removed, and the floor that this requires.

    running: counters of windows that contain `now`

    The floor is the newest end among the removed windows. It never falls; None: the present floor is high enough.

    Counters of limits out of force stay, because their ends are unknown and they do not grow. Once such a limit is in
    force again, the end of its counter's window may lie below the floor.
    """
    quotas, rates = entitlement.quotas, entitlement.rates
    carrying = _still_to_carry(quotas, seen) if entitlement.carries else frozenset()
    ended_quotas = [
        (over, "quota", c)
        for c in seen.used
        if c not in running
        and c[0] in quotas
        and c not in carrying
        and (over := _dead(quotas[c[0]], c[1], now)) is not None
    ]
    ended_rates = [((c[1] + 2) * rates[c[0]].width, "rate", c) for c in seen.rated if c[0] in rates]
    dead = ended_quotas + [ended for ended in ended_rates if ended[0] <= now - RATE_DEAD_AFTER]
    if not dead:
        return (), (), None
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
    """The newest windows of quotas with carryover. They are kept however old, because the next window needs them."""
    kept: list[CounterName] = []
    for ordinal, quota in quotas.items():
        if quota.stretches:
            kept += sorted(counter for counter in seen.used if counter[0] == ordinal)[-WINDOWS_KEPT_TO_CARRY:]
    return frozenset(kept)


def dead_beside(entitlement: Entitlement, seen: Cell, now: Instant) -> tuple[CounterName, ...]:
    """Windows to remove of which the cell holds more than a counter, and old hours with a marked denial by a rate."""
    beside = (seen.denied, seen.grace, seen.carried, seen.adjusted, seen.resets, seen.waived, seen.origins)
    if not any(beside):
        return ()
    quotas, throttling = entitlement.quotas, entitlement.rates
    carrying = _still_to_carry(quotas, seen)
    dead = [
        name
        for name in {name for kept in beside for name in kept}
        if (name[0] in quotas and name not in carrying and _dead(quotas[name[0]], name[1], now) is not None)
        or (name[0] in throttling and name[1] <= now - DENIED_MARK_KEPT)
        or (name in seen.denied and name[1] <= now - DENIED_MARK_KEPT and _never_opened(quotas, name, seen))
    ]
    return tuple(sorted(dead)[:REMOVED_BESIDE_MAX])


def _never_opened(quotas: Mapping[int, Quota], name: CounterName, seen: Cell) -> bool:
    """Whether the mark is of a denial by a first_use quota while no window was open."""
    return name[0] in quotas and quotas[name[0]].schedule.from_first_use and name not in seen.used


def denied_hour(now: Instant) -> Instant:
    """The start of the hour, which names the mark of a first denial that belongs to no single window.

    This applies to rates, whose windows are many, and to first_use quotas without an open window. One mark an hour is
    enough.
    """
    return now - now % HOUR


def _dead(quota: Quota, start: Instant, now: Instant) -> Instant | None:
    """When the window that began at `start` stopped counting; None: the window is still kept."""
    if start > now - DEAD_AFTER_MIN:
        return None
    window = window_at(quota.schedule, start)
    over = window.end + quota.schedule.reach
    kept = min(DEAD_AFTER, max(DEAD_AFTER_MIN, window.end - window.start))
    return over if over <= now - kept else None
