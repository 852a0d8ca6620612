"""Terms: what must hold of a cell for one write to admit a request, and what the write does.

One value serves the write (storage renders it as a condition), its refusal (`domain.admission.decide` explains the
image by it),
and a dry check. It is made from the limits in force and the cell as it was last seen, which may be out of date: then
the write is refused, and made anew from the image that refused it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from tallygate.domain.admission.cells import (
    MARK_BYTES,
    UNSEEN,
    WHOLE_FEATURE,
    Cell,
    RequestMark,
    dead_beside,
    dead_windows,
    forgotten_minutes,
    running_window,
)
from tallygate.domain.admission.openings import Opening, opened, opening
from tallygate.domain.base.instants import MINUTE, Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.catalog import rates
from tallygate.domain.catalog.rates import Alternative, Rate, SubWindow
from tallygate.domain.catalog.scopes import governs
from tallygate.domain.catalog.tiers import WHOLE, AllowWithGrace, Enforcement, Tier, may_suspend
from tallygate.domain.limits.counters import CounterName
from tallygate.domain.limits.limits import Entitlement, Limit, Quota
from tallygate.domain.limits.rungs import Bounds, Ladder, Rung, deciding, expectation, ladder
from tallygate.domain.periods.recurrence import Window, window_at

_NOBODY = bytes(MARK_BYTES)
"""The mark of a request that leaves none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a write expects of a quota that decides, from the cell as it was last seen.

    It leads to a counter on the `rung`, or on one where it does the same, while the counter is within the `bounds`.
    Those hold while the window is raised by as much as was seen. A grace is over that began at `grace_since` or
    before; `grace_over` says that this one is. `waived` are the levels that were seen to be waived in the window.
    """

    rung: Rung
    bounds: Bounds
    carried: Decimal | None = None
    adjusted: Decimal | None = None
    grace_since: Instant | None = None
    grace_over: bool = False
    waived: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaTerm:
    """used + amount ≤ limit in this window; a limit of None only counts, and so does one that is not hard.

    Of a quota from its first use `newest` is where the newest window begins that the cell was seen with; where that is
    another one than this, the write opens this one. `whole` is the limit of a whole window; the quota's is the base of
    this one.

    `beside` are the other sub-windows of a rolling period with what was seen in them: those that still count, and the
    next, where a clock that is ahead may have counted. They hardly grow, so what was seen stands in the condition.
    `tiers` are those that do more than notify; `opens` is what the write opens the window with, by carryover, where
    the cell was seen without it.

    decides: whether the write must hold it; otherwise it only counts
    carries: whether the window begins with what the one before has left, so that its first write is another
    begins: whether the write is a first use, which opens the window
    graced: whether the write begins the window's grace, or finds it running
    over: when what is counted here counts no more
    """

    limit: Limit
    quota: Quota
    window: Window
    now: Instant
    beside: tuple[tuple[CounterName, Decimal | None], ...] = ()
    tiers: tuple[Tier, ...] = ()
    expected: Expectation | None = None
    opens: Opening | None = None
    newest: Instant | None = None
    whole: Decimal | None = None
    counter: CounterName = field(init=False)
    over: Instant = field(init=False)
    decides: bool = field(init=False)
    carries: bool = field(init=False)
    begins: bool = field(init=False)
    graced: bool = field(init=False)

    def __post_init__(self) -> None:
        quota, enforcement, derive = self.quota, self.limit.enforcement, object.__setattr__
        decides = enforcement is Enforcement.HARD or (enforcement is Enforcement.SOFT and bool(self.tiers))
        derive(self, "counter", (quota.ordinal, self.window.start))
        derive(self, "over", self.window.end + quota.schedule.reach)
        derive(self, "decides", decides and quota.limit is not None)
        derive(self, "carries", self.limit.carryover is not None and bool(quota.stretches))
        derive(self, "begins", quota.schedule.from_first_use and self.newest != self.window.start)
        derive(self, "graced", self.expected is not None and self.expected.rung.grace is not None)

    def placed_in(self, cell: Cell) -> QuotaTerm:
        """The term over the window that the cell shows as open, or that a first use would open."""
        newest = cell.newest.get(self.quota.ordinal)
        if newest == self.newest or not self.quota.schedule.from_first_use:
            return self
        return replace(self, newest=newest, window=running_window(self.quota, cell, self.now))

    def opening_in(self, cell: Cell) -> Opening | None:
        """What would open the window in the cell; None: it is open, or nothing carries over."""
        if not self.carries:
            return None
        assert self.limit.carryover is not None
        return opening(self.quota, self.limit.carryover, self.window, cell)

    @property
    def moves_with_the_limit(self) -> bool:
        """Whether bounds in the counter depend on what the window was raised by: those at 100 % do not."""
        return any(tier.at.percent != WHOLE for tier in self.tiers)

    def used_in(self, cell: Cell) -> Decimal:
        """What the cell shows as used of the limit."""
        used = cell.used_of(self.counter)
        return sum((cell.used.get(counter, ZERO) for counter, _ in self.beside), used) if self.beside else used

    def followed_in(self, cell: Cell) -> Decimal:
        """What of it was used under other quotas."""
        counters = (self.counter, *(counter for counter, _ in self.beside))
        return sum((cell.followed.get(counter, ZERO) for counter in counters), ZERO)

    def total_in(self, cell: Cell) -> Decimal | None:
        """The limit with all that the window was raised by; None: unlimited."""
        return None if self.quota.limit is None else self.quota.limit + cell.raised(self.counter)

    def ladder_in(self, cell: Cell, *, stated: bool = False) -> Ladder:
        """The rungs of the quota as the cell shows it. Of a limit that does not decide: those if it were hard.

        `stated`: as its enforcement has it, also where a soft limit decides nothing.
        """
        soft = self.limit.enforcement is Enforcement.SOFT and (stated or bool(self.tiers))
        began = cell.grace.get(self.counter)
        waived = cell.waived.get(self.counter, ()) if self.decides else ()
        total = self.total_in(cell)
        return ladder(self.tiers, total, soft=soft, began=began, now=self.now, base=self.whole, waived=waived)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateTerm:
    """One of the alternatives holds in these two sub-windows; none: nothing could be admitted.

    `throttles` is the counter of the quota whose tier asks for the rate, where one does: it decides as the quota does.

    decides: whether the write must hold it; otherwise it only counts
    """

    limit: Limit
    rate: Rate
    at: SubWindow
    alternatives: tuple[Alternative, ...] = ()
    throttles: CounterName | None = None
    current: CounterName = field(init=False)
    previous: CounterName = field(init=False)
    enforcement: Enforcement = field(init=False)
    decides: bool = field(init=False)

    def __post_init__(self) -> None:
        enforcement = self.limit.enforcement if self.throttles is None else Enforcement.HARD
        object.__setattr__(self, "enforcement", enforcement)
        object.__setattr__(self, "decides", enforcement is Enforcement.HARD)
        object.__setattr__(self, "current", (self.rate.ordinal, self.at.index))
        object.__setattr__(self, "previous", (self.rate.ordinal, self.at.index - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What one write admits, and what must hold of the cell for it.

    `remembered` says whether the caller gave a request id, so that the mark is looked for and kept; without one the
    mark only names the decision. `suspensions` name those that would refuse it. The cell must know so many
    `followings`. `dead` and `gone` tidy what the last
    seen image showed as over: the counters' and minutes' names, the windows of which more is kept beside, and the
    newest end among the removed windows, where that raises the floor.
    """

    amount: Decimal
    version: int
    mark: RequestMark
    remembered: bool
    quotas: tuple[QuotaTerm, ...]
    rates: tuple[RateTerm, ...]
    now: Instant = 0
    suspensions: tuple[int, ...] = (WHOLE_FEATURE,)
    dead_used: tuple[CounterName, ...] = ()
    dead_beside: tuple[CounterName, ...] = ()
    dead_followed: tuple[CounterName, ...] = ()
    followings: int = 0
    dead_rated: tuple[CounterName, ...] = ()
    dead_minutes: tuple[int, ...] = ()
    gone: Instant | None = None

    @property
    def names(self) -> frozenset[str]:
        """The limits that govern the request."""
        return frozenset([term.limit.name for term in self.quotas] + [term.limit.name for term in self.rates])

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
    suspensions = [WHOLE_FEATURE]
    for limit in entitlement.limits:
        if dimensions is not None and not governs(limit.scope, dimensions):
            continue
        tiers = deciding(limit.tiers) if limit.tiers else ()
        for quota in limit.quotas:
            term = _quota_term(limit, quota, tiers, seen, now)
            if term.decides:
                shown = seen if term.opens is None else opened(seen, [(term.counter, term.opens)])
                term = replace(term, expected=_expected(term, shown, amount))
            if term.decides and term.tiers:
                throttle = _throttle(term, amount, seen)
                # Where several quotas of a limit ask for the same rate, it is counted once.
                if throttle is not None and throttle.current not in [each.current for each in rate_terms]:
                    rate_terms.append(throttle)
                # Who looks at all of the feature is not suspended with one of its scopes.
                if limit.scope and may_suspend(tiers) and dimensions is not None:
                    suspensions.append(quota.ordinal)
            quota_terms.append(term)
        rate_terms += [_rate_term(limit, rate, amount, now, seen) for rate in limit.rates]
    dead_used, dead_rated, gone = dead_windows(entitlement, seen, now)
    beside = dead_beside(entitlement, seen, now)
    for start in [term.window.start for term in quota_terms if term.opens is not None]:
        if seen.floor is None or seen.floor < start:
            gone = start if gone is None else max(gone, start)
    return Terms(
        amount=amount,
        version=version,
        mark=mark,
        remembered=remembered,
        quotas=tuple(quota_terms),
        rates=tuple(rate_terms),
        now=now,
        suspensions=tuple(suspensions),
        dead_used=dead_used,
        dead_beside=beside,
        dead_followed=tuple(counter for counter in beside if counter in seen.origins),
        followings=entitlement.followings,
        dead_rated=dead_rated,
        dead_minutes=forgotten_minutes(seen, now),
        gone=gone,
    )


def look(
    entitlement: Entitlement,
    *,
    version: int,
    now: Instant,
    seen: Cell,
    amount: Decimal = ZERO,
    dimensions: Mapping[str, str] | None = None,
) -> Terms:
    """The terms of somebody who only looks: how every limit stands in the cell, and would with this amount."""
    return terms(
        entitlement,
        amount=amount,
        version=version,
        mark=RequestMark(now // MINUTE, _NOBODY),
        remembered=False,
        now=now,
        seen=seen,
        dimensions=dimensions,
    )


def _quota_term(limit: Limit, quota: Quota, tiers: tuple[Tier, ...], seen: Cell, now: Instant) -> QuotaTerm:
    first = quota.schedule.from_first_use
    term = QuotaTerm(
        limit=limit,
        quota=quota if not quota.bases else replace(quota, limit=quota.limit_at(now)),
        window=running_window(quota, seen, now) if first else window_at(quota.schedule, now),
        now=now,
        beside=_beside(quota, now, seen) if quota.schedule.reach else (),
        # No catalog states tiers of a period that rolls; where an override leads to them, the enforcement decides.
        tiers=() if quota.schedule.reach else tiers,
        newest=seen.newest.get(quota.ordinal) if first else None,
        whole=quota.limit,
    )
    # A cell that was never seen most likely has the window open: the write asks for that, and is told otherwise.
    return term if seen is UNSEEN or not term.carries else replace(term, opens=term.opening_in(seen))


def placed(asked: Terms, cell: Cell) -> Terms:
    """The terms over the windows that the cell shows as open, whatever it was seen with when they were made."""
    if not any(term.quota.schedule.from_first_use for term in asked.quotas):
        return asked
    quotas = tuple(term.placed_in(cell) for term in asked.quotas)
    moved = any(term is not before for term, before in zip(quotas, asked.quotas, strict=True))
    return replace(asked, quotas=quotas) if moved else asked


def opened_for(cell: Cell, asked: Terms) -> Cell:
    """The cell as the terms' windows would be, were they all open."""
    openings = [(term.counter, found) for term in asked.quotas if term.carries and (found := term.opening_in(cell))]
    return opened(cell, openings) if openings else cell


def _expected(term: QuotaTerm, seen: Cell, amount: Decimal) -> Expectation:
    """The rung that the amount would land on in the cell as it was seen, and how far around it a write is the same."""
    used = term.used_in(seen)
    elsewhere = used - seen.used.get(term.counter, ZERO)
    rung, bounds = expectation(term.ladder_in(seen), used, amount, elsewhere=elsewhere)
    if not term.tiers:
        return Expectation(rung=rung, bounds=bounds)
    began = seen.grace.get(term.counter)
    times = [tier.policy.lasts or 0 for tier in term.tiers if isinstance(tier.policy, AllowWithGrace)]
    over = max((time for time in times if time and began is not None and began <= term.now - time), default=None)
    lasts = over if rung.grace is None else rung.grace.lasts
    return Expectation(
        rung=rung,
        bounds=bounds,
        carried=seen.carried.get(term.counter),
        adjusted=seen.adjusted.get(term.counter),
        grace_since=None if lasts is None else term.now - lasts,
        grace_over=over is not None,
        waived=seen.waived.get(term.counter, frozenset()),
    )


def _throttle(term: QuotaTerm, amount: Decimal, seen: Cell) -> RateTerm | None:
    """The rate that the rung asks for on which the request is expected to land."""
    rate = term.expected.rung.throttle if term.expected is not None else None
    return None if rate is None else _rate_term(term.limit, rate, amount, term.now, seen, throttles=term.counter)


def _rate_term(
    limit: Limit, rate: Rate, amount: Decimal, now: Instant, seen: Cell, throttles: CounterName | None = None
) -> RateTerm:
    at = rates.sub_window(rate, now)
    previous = seen.rated.get((rate.ordinal, at.index - 1), ZERO)
    fitting = rates.alternatives(rate, amount, previous, at)
    return RateTerm(limit=limit, rate=rate, at=at, alternatives=fitting, throttles=throttles)


def _beside(quota: Quota, now: Instant, seen: Cell) -> tuple[tuple[CounterName, Decimal | None], ...]:
    """The other sub-windows of a rolling period that count now or may be counted in already, with what was seen."""
    reach, window = quota.schedule.reach, window_at(quota.schedule, now)
    width = window.end - window.start
    starts = (*range(window.start - reach, window.start, width), window.end)
    counters = [(quota.ordinal, start) for start in starts]
    return tuple((counter, seen.used.get(counter)) for counter in counters)
