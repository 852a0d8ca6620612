"""Cells: the counters that a decision reads and writes, and what must hold for one write to admit a request.

A `Cell` is the image of one item: counters of every limit of a customer and feature, the ids of recent requests, and
the marks that keep stale writers out. `Terms` is all that one conditional write states. The same two values serve the
write (storage renders the terms as a condition), its refusal (`domain.decide` explains the image), and a dry check.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from tallygate.domain import rates
from tallygate.domain.instants import MINUTE, SECOND, Instant
from tallygate.domain.limits import Enforcement, Entitlement, Quota
from tallygate.domain.periods import Window, window_at
from tallygate.domain.quantities import ZERO
from tallygate.domain.rates import Alternative, Rate, SubWindow
from tallygate.domain.scopes import governs

REQUEST_MEMORY_MINUTES = 1
"""A retry is recognised in the minute of the request and in the one on either side of it."""
DEAD_AFTER = 10 * MINUTE
"""A window that has been over for this long is removed by the next write; `floor` then guards its name."""
DEAD_AFTER_MIN = MINUTE
"""A shorter window is kept for its own length, and for this long at least: eight quotas by the minute, kept for
DEAD_AFTER, would make every write cost three units."""
RATE_DEAD_AFTER = 10 * SECOND
"""Sub-windows of a rate are many and short: a rate by the second, kept for DEAD_AFTER, would make every write cost ten
units. A clock that lags by more than this beside a sub-window is told so, as one is beside a period by DEAD_AFTER."""
REMOVED_MAX = 64
"""So many counters go in one write, the oldest first, because an expression is at most 4 KB; the next write goes on."""
MARK_BYTES = 6

CounterName = tuple[int, int]
"""(ordinal, window start) of a quota, (ordinal, sub-window index) of a rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The image of one cell. An item that does not exist is `Cell()`: every counter at zero."""

    used: Mapping[CounterName, Decimal] = field(default_factory=dict)
    rated: Mapping[CounterName, Decimal] = field(default_factory=dict)
    marks: Mapping[int, frozenset[bytes]] = field(default_factory=dict)
    version: int = 0
    floor: Instant | None = None
    suspended: bool = False
    revision: int = 0


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


@dataclass(frozen=True, slots=True)
class QuotaTerm:
    """used + amount ≤ limit in this window; a limit of None only counts, and so does one that is not hard.

    `beside` are the other sub-windows of a rolling period with what was seen in them: those that still count, and the
    next, where a clock that is ahead may have counted. They hardly grow, so what was seen stands in the condition.
    """

    name: str
    quota: Quota
    window: Window
    enforcement: Enforcement = Enforcement.HARD
    beside: tuple[tuple[CounterName, Decimal], ...] = ()

    @property
    def decides(self) -> bool:
        """Whether the write must hold it; otherwise it only counts."""
        return self.enforcement is Enforcement.HARD and self.quota.limit is not None

    @property
    def counter(self) -> CounterName:
        return (self.quota.ordinal, self.window.start)

    @property
    def over(self) -> Instant:
        """When what is counted here counts no more."""
        return self.window.end + self.quota.schedule.reach

    def used_in(self, cell: Cell) -> Decimal:
        """What the cell shows as used of the limit."""
        used = cell.used.get(self.counter, ZERO)
        return sum((cell.used.get(counter, ZERO) for counter, _ in self.beside), used) if self.beside else used


@dataclass(frozen=True, slots=True)
class RateTerm:
    """One of the alternatives holds in these two sub-windows; none: nothing could be admitted."""

    name: str
    rate: Rate
    at: SubWindow
    alternatives: tuple[Alternative, ...]
    enforcement: Enforcement = Enforcement.HARD

    @property
    def decides(self) -> bool:
        """Whether the write must hold it; otherwise it only counts."""
        return self.enforcement is Enforcement.HARD

    @property
    def current(self) -> CounterName:
        return (self.rate.ordinal, self.at.index)

    @property
    def previous(self) -> CounterName:
        return (self.rate.ordinal, self.at.index - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What one write admits, and what must hold of the cell for it.

    `remembered` says whether the caller gave a request id, so that the mark is looked for and kept; without one the
    mark only names the decision. `dead` and `gone` tidy what the last seen image showed as over: the counters' and
    minutes' names, and the newest end among the removed windows, where that raises the floor.
    """

    amount: Decimal
    version: int
    mark: RequestMark
    remembered: bool
    quotas: tuple[QuotaTerm, ...]
    rates: tuple[RateTerm, ...]
    dead_used: tuple[CounterName, ...] = ()
    dead_rated: tuple[CounterName, ...] = ()
    dead_minutes: tuple[int, ...] = ()
    gone: Instant | None = None

    @property
    def names(self) -> frozenset[str]:
        """The limits that govern the request."""
        return frozenset([term.name for term in self.quotas] + [term.name for term in self.rates])

    @property
    def soonest_end(self) -> Instant | None:
        """The end of the first window to be over among those written; the floor must lie before it."""
        ends = [term.over for term in self.quotas] + [term.at.over for term in self.rates]
        return min(ends, default=None)


def terms(
    entitlement: Entitlement,
    *,
    amount: Decimal,
    version: int,
    mark: RequestMark,
    remembered: bool,
    now: Instant,
    seen: Cell,
    dimensions: Mapping[str, str] | None = None,
) -> Terms:
    """The terms of one request against a cell that was last seen as `seen` (which may be out of date).

    Only limits whose scopes govern a request with these dimensions are in them; None: every limit, whatever its scope.
    """
    quota_terms: list[QuotaTerm] = []
    rate_terms: list[RateTerm] = []
    for limit in entitlement.limits:
        if dimensions is not None and not governs(limit.scope, dimensions):
            continue
        quota_terms += [
            QuotaTerm(limit.name, quota, window_at(quota.schedule, now), limit.enforcement, _beside(quota, now, seen))
            for quota in limit.quotas
        ]
        for rate in limit.rates:
            at = rates.sub_window(rate, now)
            previous = seen.rated.get((rate.ordinal, at.index - 1), ZERO)
            alternatives = rates.alternatives(rate, amount, previous, at)
            rate_terms.append(RateTerm(limit.name, rate, at, alternatives, limit.enforcement))
    dead_used, dead_rated, gone = _dead_windows(entitlement, seen, now)
    return Terms(
        amount=amount,
        version=version,
        mark=mark,
        remembered=remembered,
        quotas=tuple(quota_terms),
        rates=tuple(rate_terms),
        dead_used=dead_used,
        dead_rated=dead_rated,
        dead_minutes=tuple(minute for minute in seen.marks if minute < mark.minute - REQUEST_MEMORY_MINUTES),
        gone=gone,
    )


def _beside(quota: Quota, now: Instant, seen: Cell) -> tuple[tuple[CounterName, Decimal], ...]:
    """The other sub-windows of a rolling period that count now or may be counted in already, with what was seen."""
    reach = quota.schedule.reach
    if not reach:
        return ()
    window = window_at(quota.schedule, now)
    width = window.end - window.start
    starts = (*range(window.start - reach, window.start, width), window.end)
    counters = [(quota.ordinal, start) for start in starts]
    return tuple((counter, seen.used.get(counter, ZERO)) for counter in counters)


def _dead_windows(
    entitlement: Entitlement, seen: Cell, now: Instant
) -> tuple[tuple[CounterName, ...], tuple[CounterName, ...], Instant | None]:
    """Counters of this entitlement's windows that have been over for long, and the floor that their removal needs.

    None: the floor that was seen guards them already; it never falls. A counter of a limit that is no longer in force
    stays: nobody knows its end any more, and it never grows. Once that limit is in force again, it may lie below.
    """
    quotas = {quota.ordinal: quota for limit in entitlement.limits for quota in limit.quotas}
    widths = {rate.ordinal: rate.width for limit in entitlement.limits for rate in limit.rates}
    ended_quotas = [
        (over, "quota", c)
        for c in seen.used
        if c[0] in quotas and c[1] <= now - DEAD_AFTER_MIN and (over := _dead(quotas[c[0]], c[1], now)) is not None
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


def _dead(quota: Quota, start: Instant, now: Instant) -> Instant | None:
    """When the window that began at `start` stopped counting; None while it is kept."""
    window = window_at(quota.schedule, start)
    over = window.end + quota.schedule.reach
    kept = min(DEAD_AFTER, max(DEAD_AFTER_MIN, window.end - window.start))
    return over if over <= now - kept else None
