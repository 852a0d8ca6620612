"""Interpretation of a cell's image: why a write was refused, and the decision that the caller gets.

Only `refusal` explains a refused write, in a fixed order. It must agree with the condition that storage sends to the
engine; the contract suite compares the two. A refusal of None means that the image would admit the request. The writer
then tries again with that image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.decision import PRECEDENCE, Decision, Grounds, LimitState, Reason, evaluate, rated_in
from tallygate.domain.admission.retries import granted_from
from tallygate.domain.admission.terms import QuotaTerm, RateTerm, Terms, opened_for, placed
from tallygate.domain.admission.tier_suspensions import TierStop, stop_of
from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.catalog import rates
from tallygate.domain.catalog.features import Fixed, Setting
from tallygate.domain.catalog.rates import Rate
from tallygate.domain.catalog.tiers import AllowWithGrace, Enforcement, SuspendUsage, Tier
from tallygate.domain.limits.limits import Effective, Entitlement
from tallygate.domain.limits.rungs import UNTIL_TOP_UP, following, landing, overage, suspended_until
from tallygate.domain.limits.suspensions import Suspension


@dataclass(frozen=True, slots=True)
class Replayed:
    """The same request was already granted, in this minute."""

    minute: int


@dataclass(frozen=True, slots=True)
class Stale:
    """The cell has received newer limits than the writer has. The writer reloads them and tries once more."""


@dataclass(frozen=True, slots=True)
class Unfollowed:
    """The cell has not applied all followed usage of other windows, which it must do before the request counts."""


@dataclass(frozen=True, slots=True)
class Behind:
    """The writer's clock lags: its write would start a removed window again at zero."""


@dataclass(frozen=True, slots=True)
class Suspended:
    """A tier has suspended usage of the feature, or of a scope that governs the request.

    until: end of the suspension; UNTIL_RESUMED and UNTIL_TOP_UP of `domain.limits.rungs`: no time ends it
    name: WHOLE_FEATURE, or the ordinal of the scoped limit's quota
    """

    until: Instant
    name: int


@dataclass(frozen=True, slots=True)
class Suspending:
    """Usage has reached a tier that suspends, and nothing else denies.

    The writer suspends usage and denies the request.
    """

    term: QuotaTerm
    tier: Tier
    until: Instant


@dataclass(frozen=True, slots=True)
class Exceeded:
    """At least one limit has no room for the request."""


Refusal = Replayed | Stale | Unfollowed | Behind | Suspended | Suspending | Exceeded


def refusal(cell: Cell, terms: Terms) -> Refusal | None:
    """Why the cell refuses these terms: the first that holds of replay, stale, unfollowed, behind, suspended, limits.

    None: the cell would admit the amount, but not as the terms expected, for example on another rung.
    """
    if terms.remembered:
        for minute in terms.mark.minutes:
            if terms.mark.digest in cell.marks.get(minute, ()):
                return Replayed(minute)
    if cell.version > terms.version:
        return Stale()
    if cell.followings < terms.followings:
        return Unfollowed()
    terms = placed(terms, cell)
    if _behind(cell, terms):
        return Behind()
    cell = opened_for(cell, terms)
    if cell.suspended and (active := _suspended(cell, terms)) is not None:
        return active
    if terms.amount == 0:
        return None
    refused = [found for term in terms.quotas if term.decides and (found := _refused_by(cell, term, terms)) is not None]
    if not all(_rate_fits(cell, term, terms.amount) for term in terms.rates if term.decides):
        return Exceeded()
    # A tier suspends nothing where another limit denies the request anyway.
    return next((found for found in refused if isinstance(found, Exceeded)), refused[0] if refused else None)


def _suspended(cell: Cell, terms: Terms) -> Suspended | None:
    """The longest suspension that applies to the request; None: none applies, or all have ended."""
    until, name = max((cell.suspended.get(name, 0), -name) for name in terms.suspensions)
    return Suspended(until, -name) if until > terms.now else None


def _refused_by(cell: Cell, term: QuotaTerm, terms: Terms) -> Exceeded | Suspending | None:
    """Why a quota that decides refuses the amount; None: it fits.

    Suspending: usage has already reached a tier that suspends
    Exceeded: the quota, or the rate that applies where the amount lands, has no room
    """
    rungs, used, _ = term.shown_in(cell)
    reached = following(rungs, used)
    # Only aggregation suspends where each request is compared alone: then a request cannot raise usage beyond a tier.
    if isinstance(reached.policy, SuspendUsage) and not term.alone:
        assert reached.tier is not None, "no enforcement suspends"
        until = suspended_until(reached.policy, window_end=term.window.end, now=terms.now)
        return Suspending(term, reached.tier, until)
    landed = landing(rungs, term.asked_of(used, terms.amount))
    if not landed.grants:
        return Exceeded()
    throttle = landed.throttle
    if throttle is None or _admits(throttle, cell, terms.amount, terms.now):
        return None
    return Exceeded()


def _admits(rate: Rate, cell: Cell, amount: Decimal, now: Instant) -> bool:
    at = rates.sub_window(rate, now)
    previous, current = rated_in(rate, cell, at.index)
    return rates.admits(rate, amount, previous, current, at)


def _behind(cell: Cell, terms: Terms) -> bool:
    return cell.floor is not None and (end := terms.soonest_end) is not None and cell.floor >= end


def _rate_fits(cell: Cell, term: RateTerm, amount: Decimal) -> bool:
    if term.throttles is not None:
        # The terms expected this rate of a tier from an older image. `_refused_by` has checked it by this image.
        return True
    return rates.admits(term.rate, amount, *rated_in(term.rate, cell, term.at.index), term.at)


def absent(
    reason: Reason,
    *,
    customer: str,
    feature: str,
    requested: Decimal,
    now: Instant,
    effective: Effective | None = None,
) -> Decision:
    """A denial without a look at any cell: unknown customer or feature, no subscription, no entitlement."""
    return Decision(
        granted=False,
        reason=reason,
        customer=customer,
        feature=feature,
        requested=requested,
        granted_amount=ZERO,
        as_of=now,
        timezone=None if effective is None else effective.timezone,
        grounds=None if effective is None else Grounds(effective=effective),
    )


def unmetered(effective: Effective, fixed: Fixed, *, requested: Decimal, now: Instant) -> Decision:
    """The decision about a boolean or config feature. A feature that is on or set is granted in any amount."""
    granted = isinstance(fixed, Setting) or fixed.enabled
    return Decision(
        granted=granted,
        reason=Reason.UNLIMITED if granted else Reason.NOT_ENTITLED,
        customer=effective.customer,
        feature=fixed.feature,
        requested=requested,
        granted_amount=requested if granted else ZERO,
        as_of=now,
        timezone=effective.timezone,
        max_grantable=None if granted else ZERO,
        fixed=fixed,
        grounds=Grounds(effective=effective),
    )


def suspended(
    effective: Effective, feature: str, suspension: Suspension, *, requested: Decimal, now: Instant
) -> Decision:
    """The denial by an operator's suspension, in any amount. Only a resume ends it, so there is no `retry_at`."""
    return Decision(
        granted=False,
        reason=Reason.SUSPENDED,
        customer=effective.customer,
        feature=feature,
        requested=requested,
        granted_amount=ZERO,
        as_of=now,
        timezone=effective.timezone,
        fixed=effective.fixed.get(feature),
        suspension=suspension,
        grounds=Grounds(effective=effective),
    )


def with_numbers(denial: Decision, entitlement: Entitlement, cell: Cell, terms: Terms) -> Decision:
    """The denial of a metered feature, completed with every limit window as the cell shows it."""
    limits = evaluate(cell, terms, counted=False)
    assert denial.grounds is not None, "a suspension is one of limits in force"
    grounds = replace(denial.grounds, entitlement=entitlement, cell=cell)
    own = limits[0]
    return replace(
        denial, limits=limits, quota=own, level=own.level, overage=overage(own.limit, own.used), grounds=grounds
    )


def entitled(effective: Effective, feature: str) -> Entitlement | Reason:
    """The customer's entitlement to a feature, or the reason why there is none."""
    if not effective.subscribed:
        return Reason.NO_ACTIVE_SUBSCRIPTION
    return effective.entitlements.get(feature) or Reason.NOT_ENTITLED


def granted(
    effective: Effective,
    entitlement: Entitlement,
    terms: Terms,
    cell: Cell,
    *,
    decision_id: str | None,
    replayed: bool = False,
) -> Decision:
    """The grant of a write that was made, or of a dry run (`decision_id` None).

    cell: of a write, its newest image; of a dry run, the cell as read
    """
    counted = decision_id is not None
    limits = evaluate(cell, terms, counted=counted)
    # The amount fitted when it was granted, whatever has been consumed or changed since. A request of 0 with nothing
    # left is no use beyond the limit.
    limits = tuple(replace(state, fits=True, over=False) if not state.granted else state for state in limits)
    own = limits[0]
    return Decision(
        granted=True,
        reason=_granting_reason(limits),
        customer=effective.customer,
        feature=entitlement.feature,
        requested=terms.amount,
        granted_amount=terms.amount,
        as_of=terms.now,
        decision_id=decision_id,
        level=own.level,
        timezone=effective.timezone,
        limits=limits,
        quota=own,
        overage=overage(own.limit, own.after),
        max_grantable=_max_grantable(limits),
        replayed=replayed,
        grounds=Grounds(effective=effective, entitlement=entitlement, cell=cell),
    )


def _granting_reason(limits: tuple[LimitState, ...]) -> Reason:
    if all(state.limit is None for state in limits):
        return Reason.UNLIMITED
    found = (reason for state in limits if (reason := beyond(state)) is not None)
    return min(found, key=PRECEDENCE.__getitem__, default=Reason.OK)


def beyond(state: LimitState) -> Reason | None:
    """Why a window granted what a plain hard limit would deny; None: a plain hard limit would grant it too."""
    if state.enforcement is Enforcement.OBSERVE:
        return None if state.fits else Reason.OBSERVED
    if not state.decides and state.enforcement is not Enforcement.SOFT:
        return None
    if isinstance(state.policy, AllowWithGrace):
        return Reason.GRACE
    if not state.over:
        return Reason.SOFT_LIMIT_EXCEEDED if state.enforcement is Enforcement.SOFT and not state.fits else None
    soft = state.policy is None and state.enforcement is Enforcement.SOFT
    return Reason.SOFT_LIMIT_EXCEEDED if soft else Reason.OVERAGE_ALLOWED


def denied(effective: Effective, entitlement: Entitlement, terms: Terms, seen: Cell, *, why: Refusal) -> Decision:
    """The denial that follows from an image, with the limit that denies and the earliest useful retry."""
    limits = evaluate(seen, terms, counted=False)
    own, stopped = limits[0], None
    refusing = [state for state in limits if not state.granted]
    denied_by = min(
        refusing, key=lambda state: (PRECEDENCE[state.cause], state.suspends, state.remaining), default=None
    )
    if isinstance(why, Suspended | Suspending):
        # A suspension has its own end. The window's end matters only if the suspension lasts until then.
        reason, denied_by, stopped = Reason.SUSPENDED, None, _stop(effective, entitlement, seen, why, terms.now)
        retry_at = stopped.until if stopped.until < UNTIL_TOP_UP else None
    else:
        reason = Reason.QUOTA_EXCEEDED if denied_by is None else denied_by.cause
        retry_at = granted_from(placed(terms, seen), seen)
    return Decision(
        granted=False,
        reason=reason,
        customer=effective.customer,
        feature=entitlement.feature,
        requested=terms.amount,
        granted_amount=ZERO,
        as_of=terms.now,
        level=own.level,
        timezone=effective.timezone,
        limits=limits,
        quota=own,
        denied_by=denied_by,
        overage=overage(own.limit, own.used),
        max_grantable=ZERO if reason is Reason.SUSPENDED else _max_grantable(limits),
        retry_at=retry_at,
        stopped=stopped,
        grounds=Grounds(effective=effective, entitlement=entitlement, cell=seen),
    )


def _stop(
    effective: Effective, entitlement: Entitlement, cell: Cell, why: Suspended | Suspending, now: Instant
) -> TierStop:
    """The suspension in force, or the one that begins with this request."""
    if isinstance(why, Suspended):
        return stop_of(why.name, cell, effective, entitlement.feature)
    return TierStop(
        feature=entitlement.feature,
        scope=why.term.limit.scope,
        limit=why.term.limit.name,
        level=why.tier.level,
        since=now,
        until=why.until,
        counter=why.term.counter,
    )


def _max_grantable(limits: tuple[LimitState, ...]) -> Decimal | None:
    """The largest amount that all deciding limits would admit now; None: no limit bounds it."""
    return min((state.room for state in limits if state.decides and state.room is not None), default=None)
