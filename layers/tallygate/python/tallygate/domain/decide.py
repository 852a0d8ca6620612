"""What an image means: why a write was refused, and the decision that a caller is told.

`refusal` is the one place that explains a refused write, in a fixed order; storage asks the engine, and this function
must agree with it (the contract suite holds the two against each other). None means that the image would admit the
request: the writer tries again with what it saw.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from tallygate.domain import rates
from tallygate.domain.boundaries import NEVER_ENDS
from tallygate.domain.cells import Cell, QuotaTerm, RateTerm, Terms
from tallygate.domain.decision import Decision, Node, Reason
from tallygate.domain.features import Fixed, Setting
from tallygate.domain.instants import Instant
from tallygate.domain.limits import Effective, Enforcement, Entitlement, Limit
from tallygate.domain.periods import segment_at
from tallygate.domain.quantities import ZERO
from tallygate.domain.tiers import NORMAL, level_at


@dataclass(frozen=True, slots=True)
class Replayed:
    """The same request was granted before, in this minute."""

    minute: int


@dataclass(frozen=True, slots=True)
class Stale:
    """The cell has seen newer limits than the writer's; it reloads them and tries once more."""


@dataclass(frozen=True, slots=True)
class Behind:
    """The writer's clock lags: it would have revived a window that is over and removed."""


@dataclass(frozen=True, slots=True)
class Suspended:
    """The customer's use of the feature is suspended."""


@dataclass(frozen=True, slots=True)
class Exceeded:
    """At least one limit has no room for the request."""


Refusal = Replayed | Stale | Behind | Suspended | Exceeded


def refusal(cell: Cell, terms: Terms) -> Refusal | None:
    """Why the cell refuses these terms: the first that holds of replay, stale, behind, suspended, limits."""
    if terms.remembered:
        for minute in terms.mark.minutes:
            if terms.mark.digest in cell.marks.get(minute, ()):
                return Replayed(minute)
    if cell.version > terms.version:
        return Stale()
    if _behind(cell, terms):
        return Behind()
    if cell.suspended:
        return Suspended()
    if not all(_quota_fits(cell, term, terms.amount) for term in terms.quotas if term.decides):
        return Exceeded()
    if not all(_rate_fits(cell, term, terms.amount) for term in terms.rates if term.decides):
        return Exceeded()
    return None


def _behind(cell: Cell, terms: Terms) -> bool:
    return cell.floor is not None and terms.soonest_end is not None and cell.floor >= terms.soonest_end


def _quota_fits(cell: Cell, term: QuotaTerm, amount: Decimal) -> bool:
    limit = term.quota.limit
    return limit is None or amount == 0 or term.used_in(cell) + amount <= limit


def _rate_fits(cell: Cell, term: RateTerm, amount: Decimal) -> bool:
    if amount == 0:
        return True
    previous = cell.rated.get(term.previous, ZERO)
    return rates.admits(term.rate, amount, previous, cell.rated.get(term.current, ZERO), term.at)


def evaluate(entitlement: Entitlement, cell: Cell, terms: Terms, *, counted: bool) -> tuple[Node, ...]:
    """Every limit window as the cell shows it, and whether the terms' amount fits it.

    `counted`: the cell shows the amount already, so what fits is what the counters show.
    """
    limits = {limit.name: limit for limit in entitlement.limits}
    amount = ZERO if counted else terms.amount
    nodes = [_quota_node(limits[term.name], term, cell, amount) for term in terms.quotas]
    return (*nodes, *(_rate_node(limits[term.name], term, cell, amount) for term in terms.rates))


def _quota_node(limit: Limit, term: QuotaTerm, cell: Cell, amount: Decimal) -> Node:
    used, allowed = term.used_in(cell), term.quota.limit
    fits_a_fresh_window = allowed is None or amount <= allowed
    ends = term.over if term.window.end < NEVER_ENDS else None
    fits_at = _rolled_off(term, cell, amount) if term.beside else ends
    return Node(
        name=term.name,
        scope=limit.scope,
        kind="quota",
        start=term.window.start - term.quota.schedule.reach,
        end=term.window.end,
        limit=allowed,
        used=used,
        remaining=None if allowed is None else max(ZERO, allowed - used),
        fits=allowed is None or used + amount <= allowed,
        level=level_at(limit.tiers, allowed, used),
        resets_at=ends,
        retry_at=fits_at if fits_a_fresh_window else None,
        period=segment_at(term.quota.schedule, term.window.start),
        enforcement=term.enforcement,
    )


def _rolled_off(term: QuotaTerm, cell: Cell, amount: Decimal) -> Instant:
    """When enough of a rolling period's sub-windows count no more for the amount to fit; an amount that ever does."""
    used, at, limit = term.used_in(cell), term.window.start, term.quota.limit
    for counter in sorted([counter for counter, _ in term.beside] + [term.counter]):
        if limit is None or used + amount <= limit:
            break
        used -= cell.used.get(counter, ZERO)
        at = counter[1] + term.over - term.window.start
    return at


def _rate_node(limit: Limit, term: RateTerm, cell: Cell, amount: Decimal) -> Node:
    previous, current = cell.rated.get(term.previous, ZERO), cell.rated.get(term.current, ZERO)
    start = term.at.index * term.at.width
    now = start + term.at.width - term.at.left
    return Node(
        name=term.name,
        scope=limit.scope,
        kind="rate",
        start=start,
        end=start + term.at.width,
        limit=term.rate.burst,
        used=rates.weighted(previous, current, term.at),
        remaining=rates.remaining(term.rate, previous, current, term.at),
        fits=rates.admits(term.rate, amount, previous, current, term.at),
        level=NORMAL,
        resets_at=term.at.over,
        retry_at=rates.admitted_at(term.rate, amount, previous, current, now),
        enforcement=term.enforcement,
    )


def absent(
    reason: Reason,
    *,
    customer: str,
    feature: str,
    requested: Decimal,
    now: Instant,
    timezone: str | None = None,
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
        timezone=timezone,
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
    now: Instant,
    decision_id: str | None,
    replayed: bool = False,
    requested: Decimal | None = None,
) -> Decision:
    """The decision of a write that was made, `cell` being its newest image; without an id, of one that would be.

    `requested` is what was asked for where only the terms' amount of it was granted.
    """
    counted = decision_id is not None
    nodes = evaluate(entitlement, cell, terms, counted=counted)
    # What was let through fitted when it was, whatever others have consumed or been allowed since.
    nodes = tuple(replace(node, fits=True) if not node.granted else node for node in nodes)
    return Decision(
        granted=True,
        reason=_granting_reason(nodes),
        customer=effective.customer,
        feature=entitlement.feature,
        requested=terms.amount if requested is None else requested,
        granted_amount=terms.amount,
        as_of=now,
        decision_id=decision_id,
        level=nodes[0].level,
        timezone=effective.timezone,
        nodes=nodes,
        overage=_overage(nodes[0], ZERO if counted else terms.amount),
        max_grantable=_max_grantable(nodes),
        replayed=replayed,
    )


def _granting_reason(nodes: tuple[Node, ...]) -> Reason:
    if all(node.limit is None for node in nodes):
        return Reason.UNLIMITED
    missed = {node.enforcement for node in nodes if not node.fits}
    if Enforcement.SOFT in missed:
        return Reason.SOFT_LIMIT_EXCEEDED
    return Reason.OBSERVED if Enforcement.OBSERVE in missed else Reason.OK


def _overage(node: Node, amount: Decimal) -> Decimal:
    """What lies beyond the limit, the amount included; zero without a limit."""
    return ZERO if node.limit is None else max(ZERO, node.used + amount - node.limit)


def denied(
    effective: Effective, entitlement: Entitlement, terms: Terms, seen: Cell, *, why: Refusal, now: Instant
) -> Decision:
    """The denial that an image stands for, with the limit that binds and the time from which a retry makes sense."""
    nodes = evaluate(entitlement, seen, terms, counted=False)
    refusing = [node for node in nodes if not node.granted]
    rates_first = sorted(refusing, key=lambda node: (node.kind != "rate", node.remaining))
    binding = rates_first[0] if rates_first else None
    times = [node.retry_at for node in refusing]
    if isinstance(why, Suspended):
        # No window's end ends a suspension.
        reason, binding, times = Reason.SUSPENDED, None, []
    else:
        reason = Reason.RATE_LIMITED if binding and binding.kind == "rate" else Reason.QUOTA_EXCEEDED
    return Decision(
        granted=False,
        reason=reason,
        customer=effective.customer,
        feature=entitlement.feature,
        requested=terms.amount,
        granted_amount=ZERO,
        as_of=now,
        level=nodes[0].level,
        timezone=effective.timezone,
        nodes=nodes,
        binding=binding,
        overage=_overage(nodes[0], ZERO),
        max_grantable=ZERO if reason is Reason.SUSPENDED else _max_grantable(nodes),
        retry_at=max((time for time in times if time is not None), default=None) if None not in times else None,
    )


def _max_grantable(nodes: tuple[Node, ...]) -> Decimal | None:
    """The largest amount that every limit that decides would admit now; None without any such limit."""
    hard = [node for node in nodes if node.enforcement is Enforcement.HARD]
    rooms = [node.remaining for node in hard if node.remaining is not None]
    return min(rooms, default=None)
