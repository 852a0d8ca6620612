"""Terms: what must hold in a cell for one write to admit a request, and what that write changes.

One value serves three uses: the write (storage renders it as a condition), the explanation of a refusal
(`domain.admission.decide`) and a dry run. Terms are computed from the limits in force and the cell as last seen. If
the cell has changed since, the write is refused. The terms are then computed again from the image of the refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from decimal import Decimal
from typing import NamedTuple

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
from tallygate.domain.base.values import value
from tallygate.domain.catalog import rates
from tallygate.domain.catalog.rates import Alternative, Rate, SubWindow
from tallygate.domain.catalog.scopes import governs
from tallygate.domain.catalog.tiers import WHOLE, AllowWithGrace, Enforcement, Tier, may_suspend
from tallygate.domain.limits.counters import CounterName
from tallygate.domain.limits.limits import Entitlement, Limit, Quota
from tallygate.domain.limits.rungs import Bounds, Ladder, Rung, deciding, expectation, ladder
from tallygate.domain.metering.contributions import Merge
from tallygate.domain.periods.recurrence import Window, window_at

_NO_DIGEST = bytes(MARK_BYTES)
"""The digest of a request that leaves no mark."""


@value()
class Expectation:
    """What a write expects of a quota that decides, from the cell as last seen.

    rung: where the request's last unit lands; other rungs with the same effect count as the same
    bounds: of the counter before the write, within which this holds
    carried, adjusted: opening balance and adjustments as seen, from which the bounds were computed; None: absent
    grace_since: a grace that began at or before this instant has ended; None: no timed grace matters
    grace_over: whether the window's grace has ended
    waived: levels seen to be waived in the window
    """

    rung: Rung
    bounds: Bounds
    carried: Decimal | None = None
    adjusted: Decimal | None = None
    grace_since: Instant | None = None
    grace_over: bool = False
    waived: frozenset[str] = frozenset()


class ShownQuota(NamedTuple):
    """A quota in one window as a cell shows it.

    used: usage against the limit
    total: the limit with carryover and adjustments; None: unlimited
    """

    rungs: Ladder
    used: Decimal
    total: Decimal | None


@value()
class QuotaTerm:
    """One quota in one window: used + amount ≤ limit, refined by the quota's tiers.

    quota: its `limit` is the base of this window; None: unlimited
    now: instant of the request
    beside: the other sub-windows of a rolling period, each with its counter as seen: those that still count, and the
        next one, in which a container whose clock is ahead may have counted. They hardly change, so the condition
        requires the values as seen
    tiers: those that do more than notify
    expected: what the write expects; None: the quota does not decide
    opens: opening balance, if the write opens a carryover window; None: the window is open, the cell was never read, or
        the quota has no carryover
    newest: start of the newest window that the cell was seen with; only first_use quotas
    whole: limit of a whole window, without proration
    alone: whether each request alone is compared with the limit, whatever was used, and moves no counter
    counter: name of the window's counter
    over: when usage in this window stops counting
    decides: whether the write must satisfy the quota; otherwise the quota only counts
    carries: whether the window has an opening balance, so that its first write differs from later ones
    begins: whether the write opens a first_use window
    graced: whether the write begins the window's grace or finds it running
    """

    limit: Limit
    quota: Quota
    window: Window
    now: Instant
    alone: bool = False
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

    def expect(self, seen: Cell, amount: Decimal) -> None:
        """Derive what the write expects. For a term that is being made: nothing else refers to it yet."""
        expected = _expected(self, seen, amount)
        object.__setattr__(self, "expected", expected)
        object.__setattr__(self, "graced", expected.rung.grace is not None)

    def placed_in(self, cell: Cell) -> QuotaTerm:
        """The term for the window that this cell shows as open, or that a first use would open."""
        newest = cell.newest.get(self.quota.ordinal)
        if newest == self.newest or not self.quota.schedule.from_first_use:
            return self
        return replace(self, newest=newest, window=running_window(self.quota, cell, self.now))

    def opening_in(self, cell: Cell) -> Opening | None:
        """The opening balance with which a write would open the window; None: it is open, or has no carryover."""
        if not self.carries:
            return None
        assert self.limit.carryover is not None
        return opening(self.quota, self.limit.carryover, self.window, cell)

    @property
    def moves_with_the_limit(self) -> bool:
        """Whether the counter's bounds depend on carryover and adjustments. Bounds at 100 % do not.

        The counter already excludes both, so a threshold at 100 % is the plain base there.
        """
        return any(tier.at.percent != WHOLE for tier in self.tiers)

    def followed_in(self, cell: Cell) -> Decimal:
        """The part of that usage that was counted under other quotas."""
        counters = (self.counter, *(counter for counter, _ in self.beside))
        return sum((cell.followed.get(counter, ZERO) for counter in counters), ZERO)

    def asked_of(self, used: Decimal, amount: Decimal) -> Decimal:
        """The usage that the limit is asked for, where usage is this before the request."""
        return amount if self.alone else used + amount

    def shown_in(self, cell: Cell, *, stated: bool = False) -> ShownQuota:
        """The quota as the cell shows it.

        A limit that does not decide has the rungs of a hard limit, so that answers can state what would be denied.

        stated: use the enforcement as declared, even for a soft limit without tiers, which does not decide
        """
        soft = self.limit.enforcement is Enforcement.SOFT and (stated or bool(self.tiers))
        counter, total = self.counter, self.quota.limit
        used = cell.used.get(counter, ZERO)
        if cell.carried or cell.adjusted:
            raised = cell.raised(counter)
            used, total = used + raised, None if total is None else total + raised
        for beside, _ in self.beside:
            used += cell.used.get(beside, ZERO)
        if self.alone and (followed := cell.followed.get(counter)):
            used = max(used - followed, followed)
        if not self.tiers:
            return ShownQuota(ladder((), total, soft=soft, began=None, now=self.now), used, total)
        began, waived = cell.grace.get(counter), cell.waived.get(counter, ()) if self.decides else ()
        rungs = ladder(self.tiers, total, soft=soft, began=began, now=self.now, base=self.whole, waived=waived)
        return ShownQuota(rungs, used, total)


@value()
class RateTerm:
    """One rate in its two sub-windows.

    alternatives: conditions on the two counters, of which one must hold; empty: the amount cannot be admitted
    throttles: counter of the quota whose tier applies the rate; None: the rate is the limit's own
    current, previous: counters of the two sub-windows
    enforcement: the limit's; hard for the rate of a tier
    decides: whether the write must satisfy the rate; otherwise the rate only counts
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


@value()
class Terms:
    """What one write admits, and what must hold in the cell for it.

    amount: units requested
    version: of the limits, by which the terms were computed
    remembered: whether the caller gave a request id. If so, the mark is looked up and stored; otherwise it only names
        the decision
    suspensions: names of the suspensions that refuse the write
    followings: number of followings that the cell must have applied
    dead_used, dead_rated: counters of ended windows, which the write removes
    dead_beside: windows whose other attributes the write removes
    dead_followed: those among them with followed usage
    dead_minutes: minutes whose request marks the write removes
    gone: new floor; None: the floor stays
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
        """Names of the limits that govern the request."""
        return frozenset([term.limit.name for term in self.quotas] + [term.limit.name for term in self.rates])

    @property
    def soonest_end(self) -> Instant | None:
        """The earliest instant at which a written window stops counting. The cell's floor must lie before it."""
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
    """The terms of one request.

    seen: the cell as last seen; it may be out of date
    dimensions: of the request; only limits whose scopes govern them are included. None: every limit is included
    """
    quota_terms: list[QuotaTerm] = []
    rate_terms: list[RateTerm] = []
    suspensions = [WHOLE_FEATURE]
    alone = entitlement.merge is Merge.RAISE
    for limit in entitlement.limits:
        if limit.scope and dimensions is not None and not governs(limit.scope, dimensions):
            continue
        tiers = deciding(limit.tiers) if limit.tiers else ()
        for quota in limit.quotas:
            term = _quota_term(limit, quota, tiers, seen, now, alone)
            if term.decides:
                shown = seen if term.opens is None else opened(seen, [(term.counter, term.opens)])
                term.expect(shown, amount)
            if term.decides and term.tiers:
                throttle = _throttle(term, amount, seen)
                # A rate that applies through several quotas of a limit is counted once.
                if throttle is not None and throttle.current not in [each.current for each in rate_terms]:
                    rate_terms.append(throttle)
                # A look at the whole feature is not denied by the suspension of one scope.
                if limit.scope and may_suspend(tiers) and dimensions is not None:
                    suspensions.append(quota.ordinal)
            quota_terms.append(term)
        rate_terms += [_rate_term(limit, rate, amount, now, seen) for rate in limit.rates]
    dead_used, dead_rated, gone = dead_windows(entitlement, seen, now, running={term.counter for term in quota_terms})
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
    """The terms of a dry run: the state of every limit in the cell, and whether this amount would fit."""
    return terms(
        entitlement,
        amount=amount,
        version=version,
        mark=RequestMark(now // MINUTE, _NO_DIGEST),
        remembered=False,
        now=now,
        seen=seen,
        dimensions=dimensions,
    )


def _quota_term(
    limit: Limit, quota: Quota, tiers: tuple[Tier, ...], seen: Cell, now: Instant, alone: bool
) -> QuotaTerm:
    first = quota.schedule.from_first_use
    term = QuotaTerm(
        limit=limit,
        quota=quota if not quota.bases else replace(quota, limit=quota.limit_at(now)),
        window=running_window(quota, seen, now) if first else window_at(quota.schedule, now),
        now=now,
        alone=alone,
        beside=_beside(quota, now, seen) if quota.schedule.reach else (),
        # No catalog states tiers for a rolling period. If an override leads to some, only the enforcement decides.
        tiers=() if quota.schedule.reach else tiers,
        newest=seen.newest.get(quota.ordinal) if first else None,
        whole=quota.limit,
    )
    # In a cell that was never read the window is most likely open. The write requires that; else a refusal corrects it.
    return term if seen is UNSEEN or not term.carries else replace(term, opens=term.opening_in(seen))


def placed(asked: Terms, cell: Cell) -> Terms:
    """The terms for the windows that this cell shows as open. Only first_use windows can differ from the given ones."""
    if not any(term.quota.schedule.from_first_use for term in asked.quotas):
        return asked
    quotas = tuple(term.placed_in(cell) for term in asked.quotas)
    moved = any(term is not before for term, before in zip(quotas, asked.quotas, strict=True))
    return replace(asked, quotas=quotas) if moved else asked


def opened_for(cell: Cell, asked: Terms) -> Cell:
    """The cell with every carryover window of the terms open."""
    openings = [(term.counter, found) for term in asked.quotas if term.carries and (found := term.opening_in(cell))]
    return opened(cell, openings) if openings else cell


def _expected(term: QuotaTerm, seen: Cell, amount: Decimal) -> Expectation:
    """The rung on which the amount would land in the cell as seen, and the bounds within which the effect is equal."""
    rungs, used, _ = term.shown_in(seen)
    if term.alone:
        # The bounds are of nothing used before, because usage before the request does not matter.
        rung, bounds = expectation(rungs, ZERO, amount, elsewhere=ZERO)
    else:
        rung, bounds = expectation(rungs, used, amount, elsewhere=used - seen.used.get(term.counter, ZERO))
    if not term.tiers:
        return Expectation(rung=rung, bounds=bounds, adjusted=seen.adjusted.get(term.counter) if term.alone else None)
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
    """The rate that applies on the expected rung; None: the rung has no rate."""
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
    """The other sub-windows of a rolling period, with their counters as seen: those that count now, and the next."""
    reach, window = quota.schedule.reach, window_at(quota.schedule, now)
    width = window.end - window.start
    starts = (*range(window.start - reach, window.start, width), window.end)
    counters = [(quota.ordinal, start) for start in starts]
    return tuple((counter, seen.used.get(counter)) for counter in counters)
