"""Decisions: the value that check and consume answer, with the state of each limit window. A denial is never an error.

A `LimitState` is one window of one limit as an image of the cell shows it. Whether a request fits a limit and whether
the limit grants it are two things: a limit in mode observe grants requests that do not fit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from decimal import Decimal
from enum import StrEnum
from functools import partial

from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.retries import quota_grants_from
from tallygate.domain.admission.terms import QuotaTerm, RateTerm, Terms, opened_for, placed
from tallygate.domain.admission.tier_suspensions import TierStop
from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.base.values import value
from tallygate.domain.catalog import rates
from tallygate.domain.catalog.features import Fixed
from tallygate.domain.catalog.rates import Rate
from tallygate.domain.catalog.scopes import Scope
from tallygate.domain.catalog.tiers import NORMAL, Enforcement, Policy, SuspendUsage, Tier, level_at
from tallygate.domain.limits.limits import Effective, Entitlement
from tallygate.domain.limits.rungs import ceiling, following, landing, overage, remaining, room
from tallygate.domain.limits.suspensions import Suspension
from tallygate.domain.periods.boundaries import NEVER_ENDS
from tallygate.domain.periods.recurrence import Segment, segment_at


class Reason(StrEnum):
    """The closed list of reasons, in order of precedence. An answer names the first reason that holds (API.md)."""

    CUSTOMER_NOT_FOUND = "customer_not_found"
    FEATURE_NOT_FOUND = "feature_not_found"
    SUSPENDED = "suspended"
    NO_ACTIVE_SUBSCRIPTION = "no_active_subscription"
    NOT_ENTITLED = "not_entitled"
    RATE_LIMITED = "rate_limited"
    QUOTA_EXCEEDED = "quota_exceeded"
    BUDGET_EXCEEDED = "budget_exceeded"
    INSUFFICIENT_CREDITS = "insufficient_credits"
    UNKNOWN_VALUE = "unknown_value"
    UNLIMITED = "unlimited"
    OK = "ok"
    GRACE = "grace"
    OVERAGE_ALLOWED = "overage_allowed"
    SOFT_LIMIT_EXCEEDED = "soft_limit_exceeded"
    OBSERVED = "observed"


NOT_YET = frozenset({Reason.BUDGET_EXCEEDED, Reason.INSUFFICIENT_CREDITS, Reason.UNKNOWN_VALUE})
"""Reasons with a place in the order that no decision of this version has."""
PRECEDENCE = {reason: place for place, reason in enumerate(Reason)}
LIMITING = frozenset({Reason.RATE_LIMITED, Reason.QUOTA_EXCEEDED, Reason.BUDGET_EXCEEDED, Reason.INSUFFICIENT_CREDITS})
"""Denials by a limit's window. A smaller amount, or the same amount later, might be granted."""
GRANTING = frozenset(list(Reason)[list(Reason).index(Reason.UNLIMITED) :])
_KINDS = {Reason.QUOTA_EXCEEDED: "quota", Reason.RATE_LIMITED: "rate"}


@value()
class LimitState:
    """One window of one limit: after a granted consume, or before a request that was denied or only checked.

    name, scope: of the limit
    cause: reason of a denial by this window
    kind: name of the window's kind in answers: quota or rate
    limit: base, carryover and adjustments together, at least 0; of a rate, the burst. None: unlimited
    base, carried, adjusted: the parts of the limit; their sum may be negative
    used: usage that counts against the limit, in units
    followed: the part of `used` that other windows counted
    remaining: unused part of the limit, at least 0; None: unlimited
    fits: whether the request fits the limit
    decides: whether the limit's verdict counts
    granted: whether the limit grants the request; a limit that does not decide always does
    over: whether usage, the request included, lies beyond the limit
    level: of the usage, by the tiers' thresholds
    tier, policy: the tier on which the request's last unit lands, and its policy; None: no tier applies
    room: the largest amount that the window would grant now; None: any amount, or a rate that only a tier applies
    ceiling: usage beyond which the window grants nothing; None: no bound
    suspends: whether usage had reached a suspending tier before the request
    resets_at: when usage stops counting; None: never
    retry_at: earliest instant at which this window would grant the request; None: it grants now, or none is known
    period: recurrence of the quota's window; None: a rate
    carries: whether unused amounts move into the next window
    counter: name of the window's counter; of a rate, the current sub-window's
    rate: of a rate's window
    throttles: counter of the quota whose tier applies the rate; None: the limit's own rate
    after: of a quota: usage with the request, whether it is granted or not
    alone: whether the request alone is compared with the limit
    """

    name: str
    scope: Scope
    cause: Reason
    start: Instant
    end: Instant
    limit: Decimal | None
    used: Decimal
    remaining: Decimal | None
    fits: bool
    level: str
    resets_at: Instant | None
    retry_at: Instant | None
    period: Segment | None = None
    enforcement: Enforcement = Enforcement.HARD
    decides: bool = True
    over: bool = False
    room: Decimal | None = None
    policy: Policy | None = None
    tier: Tier | None = None
    ceiling: Decimal | None = None
    suspends: bool = False
    base: Decimal | None = None
    carried: Decimal = ZERO
    adjusted: Decimal = ZERO
    carries: bool = False
    followed: Decimal = ZERO
    counter: tuple[int, int] = (0, 0)
    rate: Rate | None = None
    throttles: tuple[int, int] | None = None
    after: Decimal = ZERO
    alone: bool = False
    granted: bool = field(init=False)
    kind: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "granted", self.fits or not self.decides)
        object.__setattr__(self, "kind", _KINDS[self.cause])


@value()
class Grounds:
    """What a decision was made from, for explanations. It only refers to existing values and costs no computation.

    effective: the limits in force
    entitlement, cell: of a metered feature: the entitlement, and the image with the numbers
    """

    effective: Effective
    entitlement: Entitlement | None = None
    cell: Cell | None = None


@value()
class Decision:
    """A decision and the numbers on which it was made. Quantities are raw units of the feature's meter.

    requested: units requested
    granted_amount: units granted; 0 for a denial
    as_of: when the decision was made
    decision_id: of a grant that counted; None: a denial or a dry run
    limits: every limit window that governs the request, the entitlement's own first
    quota: state of the entitlement's own quota, the source of the numbers at the top of an answer; None: no cell was
        evaluated
    denied_by: the state that denies; None: a grant, or a denial by no window
    overage: usage beyond the limit of `quota`
    max_grantable: the largest amount that would be granted now; None: any amount
    retry_at: earliest instant at which every limit would grant the request; None: none is known
    replayed: whether an earlier grant is repeated; it has that grant's windows
    replayed_at: instant of the numbers of a repeated grant; None: `as_of`
    fixed: what the plan states for a boolean or config feature, which has no numbers
    suspension: the operator's suspension that denies the request
    stopped: the tier's suspension that denies the request
    grounds: what the decision was made from
    """

    granted: bool
    reason: Reason
    customer: str
    feature: str
    requested: Decimal
    granted_amount: Decimal
    as_of: Instant
    decision_id: str | None = None
    level: str = "normal"
    timezone: str | None = None
    limits: tuple[LimitState, ...] = ()
    quota: LimitState | None = None
    denied_by: LimitState | None = None
    overage: Decimal = ZERO
    max_grantable: Decimal | None = ZERO
    retry_at: Instant | None = None
    replayed: bool = False
    replayed_at: Instant | None = None
    fixed: Fixed | None = None
    suspension: Suspension | None = None
    stopped: TierStop | None = None
    grounds: Grounds | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        assert self.granted == (self.reason in GRANTING)
        assert self.granted or self.granted_amount == ZERO

    @property
    def numbers_as_of(self) -> Instant:
        """The instant of the numbers."""
        return self.as_of if self.replayed_at is None else self.replayed_at

    @property
    def would_reason(self) -> Reason | None:
        """The reason for which a limit in mode observe would have denied; None: none would have."""
        missed = [state for state in self.limits if state.enforcement is Enforcement.OBSERVE and not state.fits]
        if not missed:
            return None
        if all(state.suspends for state in missed):
            return Reason.SUSPENDED
        return min((state.cause for state in missed), key=PRECEDENCE.__getitem__)


def evaluate(cell: Cell, terms: Terms, *, counted: bool) -> tuple[LimitState, ...]:
    """Evaluate every limit window as the cell shows it, the entitlement's own first, against the terms' amount.

    counted: whether the cell's counters already include the amount
    """
    terms = placed(terms, cell)
    cell = opened_for(cell, terms)
    amount = ZERO if counted else terms.amount
    limits = [_quota_state(term, cell, amount, terms.amount) for term in terms.quotas]
    # A tier's rate is stated if it applies by this image, whatever the terms expected from an older one.
    if any(term.tiers for term in terms.quotas):
        limits += [_rate_state(rated, cell, amount, quota) for quota, rated in _throttles(terms, cell, amount)]
    limits += [_rate_state(term, cell, amount, None) for term in terms.rates if term.throttles is None]
    return tuple(limits)


def _throttles(terms: Terms, cell: Cell, amount: Decimal) -> Iterable[tuple[QuotaTerm, RateTerm]]:
    """The rates that tiers apply to the amount, each once, with the quota of the tier."""
    found: dict[int, tuple[QuotaTerm, RateTerm]] = {}
    for term in terms.quotas:
        if term.tiers and term.decides:
            rungs, used, _ = term.shown_in(cell)
            rate = landing(rungs, used + amount).throttle
            if rate is not None:
                at = rates.sub_window(rate, term.now)
                found[rate.ordinal] = term, RateTerm(limit=term.limit, rate=rate, at=at, throttles=term.counter)
    return found.values()


def _quota_state(term: QuotaTerm, cell: Cell, amount: Decimal, asked: Decimal) -> LimitState:
    """The state of a quota's window.

    amount: units to add to the usage that the cell shows; 0 if the cell already includes them
    asked: units requested, whether the cell includes them or not
    """
    rungs, used, total = term.shown_in(cell)
    before, most = used + amount - asked, ceiling(rungs)
    after = used + amount
    if term.alone:
        # The counter shows a request only after aggregation.
        before, after = used, max(used, asked)
        used = used if amount else after
    landed = landing(rungs, term.asked_of(before, asked))
    suspends = asked > 0 and not term.alone and isinstance(following(rungs, before).policy, SuspendUsage)
    return LimitState(
        name=term.limit.name,
        scope=term.limit.scope,
        cause=Reason.QUOTA_EXCEEDED,
        start=term.window.start - term.quota.schedule.reach,
        end=term.window.end,
        # Negative adjustments beyond the whole limit leave a limit of 0. Its parts are stated as they are.
        limit=None if total is None else max(ZERO, total),
        used=used,
        remaining=None if total is None else remaining(total, used),
        fits=landed.grants,
        level=level_at(term.limit.tiers, total, used),
        resets_at=term.over if term.window.end < NEVER_ENDS else None,
        retry_at=None if landed.grants else quota_grants_from(term, cell, amount, term.now),
        period=segment_at(term.quota.schedule, term.window.start),
        enforcement=term.limit.enforcement,
        decides=term.decides,
        over=overage(total, term.asked_of(before, asked)) > 0,
        room=room(rungs, ZERO if term.alone else used, partial(_free, cell=cell, now=term.now)),
        policy=landed.policy if landed.tier is not None else None,
        ceiling=None if most is None else max(ZERO, most),
        suspends=suspends,
        tier=landed.tier,
        base=term.quota.limit,
        carried=cell.carried.get(term.counter, ZERO),
        adjusted=cell.adjusted.get(term.counter, ZERO),
        carries=term.carries,
        followed=term.followed_in(cell) if cell.followed else ZERO,
        counter=term.counter,
        after=after,
        alone=term.alone,
    )


def _free(rate: Rate, *, cell: Cell, now: Instant) -> Decimal:
    """The amount that a rate would grant now."""
    at = rates.sub_window(rate, now)
    return rates.remaining(rate, *rated_in(rate, cell, at.index), at)


def _rate_state(term: RateTerm, cell: Cell, amount: Decimal, quota: QuotaTerm | None) -> LimitState:
    """The state of a rate's current sub-window.

    quota: of the tier that applies the rate; None: the limit's own rate. A tier's rate ends with the quota's period
    """
    rate, at = term.rate, term.at
    previous, current = rated_in(rate, cell, at.index)
    start = at.index * at.width
    tier = None
    now, free = start + at.width - at.left, rates.remaining(rate, previous, current, at)
    fits, retry_at = rates.admits(rate, amount, previous, current, at), None
    if quota is not None:
        rungs, used, _ = quota.shown_in(cell)
        tier = landing(rungs, used + amount).tier
        retry_at = quota_grants_from(quota, cell, amount, now)
    elif not fits:
        retry_at = rates.admitted_at(rate, amount, previous, current, now)
    return LimitState(
        name=term.limit.name,
        scope=term.limit.scope,
        cause=Reason.RATE_LIMITED,
        start=start,
        end=start + at.width,
        limit=rate.burst,
        used=rates.weighted(previous, current, at),
        remaining=free,
        fits=fits,
        level=NORMAL,
        resets_at=at.over if quota is None else min(at.over, quota.window.end),
        retry_at=retry_at,
        enforcement=term.enforcement,
        decides=term.decides,
        room=free if quota is None else None,
        tier=tier,
        rate=rate,
        throttles=term.throttles,
        counter=term.current,
    )


def rated_in(rate: Rate, cell: Cell, index: int) -> tuple[Decimal, Decimal]:
    """The amounts admitted in the previous sub-window and in this one."""
    rated, ordinal = cell.rated, rate.ordinal
    return rated.get((ordinal, index - 1), ZERO), rated.get((ordinal, index), ZERO)
