"""What an image means: why a write was refused, and the decision that a caller is told.

`refusal` is the one place that explains a refused write, in a fixed order; storage asks the engine, and this function
must agree with it (the contract suite holds the two against each other). None means that the image would admit the
request: the writer tries again with what it saw.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.decision import PRECEDENCE, Decision, Grounds, Node, Reason, evaluate, rated_in
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
    """The same request was granted before, in this minute."""

    minute: int


@dataclass(frozen=True, slots=True)
class Stale:
    """The cell has seen newer limits than the writer's; it reloads them and tries once more."""


@dataclass(frozen=True, slots=True)
class Unfollowed:
    """Usage of other windows is to follow first into those that the limits have come to count in."""


@dataclass(frozen=True, slots=True)
class Behind:
    """The writer's clock lags: it would have revived a window that is over and removed."""


@dataclass(frozen=True, slots=True)
class Suspended:
    """Usage is suspended, all of the feature or a scope that governs the request; `domain.limits.rungs` has until
    when."""

    until: Instant
    name: int


@dataclass(frozen=True, slots=True)
class Suspending:
    """Usage has reached a tier that suspends, and nothing else denies: usage is to be suspended, the request denied."""

    term: QuotaTerm
    tier: Tier
    until: Instant


@dataclass(frozen=True, slots=True)
class Exceeded:
    """At least one limit has no room for the request."""


Refusal = Replayed | Stale | Unfollowed | Behind | Suspended | Suspending | Exceeded


def refusal(cell: Cell, terms: Terms) -> Refusal | None:
    """Why the cell refuses these terms: the first that holds of replay, stale, unfollowed, behind, suspended, limits.

    None where the cell would admit the amount, though not as the terms expected it: on another rung, say.
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
    if cell.suspended and (standing := _suspended(cell, terms)) is not None:
        return standing
    if terms.amount == 0:
        return None
    refused = [found for term in terms.quotas if term.decides and (found := _refused_by(cell, term, terms)) is not None]
    if not all(_rate_fits(cell, term, terms.amount) for term in terms.rates if term.decides):
        return Exceeded()
    # Of what only would suspend, nothing comes where another limit denies the request anyway.
    return next((found for found in refused if isinstance(found, Exceeded)), refused[0] if refused else None)


def _suspended(cell: Cell, terms: Terms) -> Suspended | None:
    """The suspension of what governs the request that lasts longest; None: it is not suspended, or no longer."""
    until, name = max((cell.suspended.get(name, 0), -name) for name in terms.suspensions)
    return Suspended(until, -name) if until > terms.now else None


def _refused_by(cell: Cell, term: QuotaTerm, terms: Terms) -> Exceeded | Suspending | None:
    """Whether a quota that decides has no room for the amount, or suspends since usage has reached the tier for it."""
    rungs, used = term.ladder_in(cell), term.used_in(cell)
    reached = following(rungs, used)
    if isinstance(reached.policy, SuspendUsage):
        assert reached.tier is not None, "no enforcement suspends"
        until = suspended_until(reached.policy, window_end=term.window.end, now=terms.now)
        return Suspending(term, reached.tier, until)
    landed = landing(rungs, used + terms.amount)
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
        # It was expected from what was seen; whether a tier asks for it, the quota has said from this very image.
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
    """A denial that no cell was asked for: an unknown customer or feature, no subscription, no entitlement."""
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
    """The decision about a boolean or config feature: what is switched on or set is granted, in any amount."""
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
    """The denial, in any amount; only a resume ends it, so there is no time from which a retry makes sense."""
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
    """The denial of a metered feature with every limit window as the cell shows it."""
    nodes = evaluate(cell, terms, counted=False)
    assert denial.grounds is not None, "a suspension is one of limits in force"
    grounds = replace(denial.grounds, entitlement=entitlement, terms=terms, cell=cell)
    own = nodes[0]
    return replace(
        denial, nodes=nodes, quota=own, level=own.level, overage=overage(own.limit, own.used), grounds=grounds
    )


def entitled(effective: Effective, feature: str) -> Entitlement | Reason:
    """The customer's right to a feature, or the reason why there is none."""
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
    """The decision of a write that was made, `cell` being its newest image; without an id, of one that would be."""
    counted = decision_id is not None
    nodes = evaluate(cell, terms, counted=counted)
    # What was let through fitted when it was, whatever others have consumed or been allowed since; and to ask for
    # nothing where nothing is left is no use beyond the limit.
    nodes = tuple(replace(node, fits=True, over=False) if not node.granted else node for node in nodes)
    own = nodes[0]
    return Decision(
        granted=True,
        reason=_granting_reason(nodes),
        customer=effective.customer,
        feature=entitlement.feature,
        requested=terms.amount,
        granted_amount=terms.amount,
        as_of=terms.now,
        decision_id=decision_id,
        level=own.level,
        timezone=effective.timezone,
        nodes=nodes,
        quota=own,
        overage=overage(own.limit, own.used if counted else own.used + terms.amount),
        max_grantable=_max_grantable(nodes),
        replayed=replayed,
        grounds=Grounds(effective=effective, entitlement=entitlement, terms=terms, cell=cell),
    )


def _granting_reason(nodes: tuple[Node, ...]) -> Reason:
    if all(node.limit is None for node in nodes):
        return Reason.UNLIMITED
    found = (reason for node in nodes if (reason := beyond(node)) is not None)
    return min(found, key=PRECEDENCE.__getitem__, default=Reason.OK)


def beyond(node: Node) -> Reason | None:
    """Why a node let through what it would not as a plain limit; None: it had no need to."""
    if node.enforcement is Enforcement.OBSERVE:
        return None if node.fits else Reason.OBSERVED
    if not node.decides and node.enforcement is not Enforcement.SOFT:
        return None
    if isinstance(node.policy, AllowWithGrace):
        return Reason.GRACE
    if not node.over:
        return Reason.SOFT_LIMIT_EXCEEDED if node.enforcement is Enforcement.SOFT and not node.fits else None
    soft = node.policy is None and node.enforcement is Enforcement.SOFT
    return Reason.SOFT_LIMIT_EXCEEDED if soft else Reason.OVERAGE_ALLOWED


def denied(effective: Effective, entitlement: Entitlement, terms: Terms, seen: Cell, *, why: Refusal) -> Decision:
    """The denial that an image stands for, with the limit that binds and the time from which a retry makes sense."""
    nodes = evaluate(seen, terms, counted=False)
    own, stopped = nodes[0], None
    refusing = [node for node in nodes if not node.granted]
    binding = min(refusing, key=lambda node: (PRECEDENCE[node.cause], node.suspends, node.remaining), default=None)
    if isinstance(why, Suspended | Suspending):
        # No window's end ends a suspension, unless that is what it waits for.
        reason, binding, stopped = Reason.SUSPENDED, None, _stop(effective, entitlement, seen, why, terms.now)
        retry_at = stopped.until if stopped.until < UNTIL_TOP_UP else None
    else:
        reason = Reason.QUOTA_EXCEEDED if binding is None else binding.cause
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
        nodes=nodes,
        quota=own,
        binding=binding,
        overage=overage(own.limit, own.used),
        max_grantable=ZERO if reason is Reason.SUSPENDED else _max_grantable(nodes),
        retry_at=retry_at,
        stopped=stopped,
        grounds=Grounds(effective=effective, entitlement=entitlement, terms=terms, cell=seen),
    )


def _stop(
    effective: Effective, entitlement: Entitlement, cell: Cell, why: Suspended | Suspending, now: Instant
) -> TierStop:
    """The suspension that stands, or begins with this request."""
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


def _max_grantable(nodes: tuple[Node, ...]) -> Decimal | None:
    """The largest amount that every limit that decides would admit now; None without any such limit."""
    return min((node.room for node in nodes if node.decides and node.room is not None), default=None)
