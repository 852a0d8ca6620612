"""Explanations: what each limit says of a request, in words, and which limits do not govern it. Pure.

    why         1,000 requested, 58,000 of 100,000 left this month; resets 2026-12-01T00:00Z
    unmatched   large-model: model is small in the request and large in the scope

An explanation is computed on request, from the decision and its grounds alone. It states the numbers before the
request; the decision states those after a granted consume.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from tallygate.domain.admission.decision import Decision, LimitState
from tallygate.domain.admission.sentences import number, refusal_of, suspension_of, time, what_is_left
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.catalog.scopes import Scope
from tallygate.domain.catalog.tiers import AllowWithGrace, Enforcement, Tier, may_suspend

_ENFORCED: Mapping[Enforcement, str] = {
    Enforcement.SOFT: "the limit is soft and denies nothing by itself",
    Enforcement.OBSERVE: "the limit only observes",
    Enforcement.OFF: "the limit is off and only counts",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """A limit that does not govern the request, and a dimension in which its scope and the request differ.

    name, scope: of the limit
    wanted: value in the scope
    given: value in the request; None: the request does not have the dimension
    """

    name: str
    scope: Scope
    dimension: str
    wanted: str
    given: str | None


def met(decision: Decision, limit: LimitState) -> bool:
    """Whether the request fits this window. A limit that does not deny is not met either if the request exceeds it."""
    return limit.fits and not _stops(decision, limit)


def why(decision: Decision, limit: LimitState) -> str:
    """What one window says of the request: its numbers before the request, its tier, and when it resets."""
    if _stops(decision, limit):
        words = suspension_of(decision)
    elif not limit.fits:
        words = refusal_of(decision, limit)
    else:
        words = _fits(decision, limit)
    parts = [words, *_parts_of_the_limit(limit), *_tier(decision, limit), *_waived(decision, limit)]
    if limit.enforcement in _ENFORCED:
        parts.append(_ENFORCED[limit.enforcement])
    return "; ".join(parts)


def unmatched(decision: Decision, dimensions: Mapping[str, str]) -> tuple[Unmatched, ...]:
    """Each dimension for which a limit of the feature does not govern the request. `dimensions`: of the request."""
    right = None if decision.grounds is None else decision.grounds.entitlement
    return tuple(
        Unmatched(name=limit.name, scope=limit.scope, dimension=name, wanted=wanted, given=dimensions.get(name))
        for limit in (() if right is None else right.limits)
        for name, wanted in limit.scope.items()
        if dimensions.get(name) != wanted
    )


def _stops(decision: Decision, limit: LimitState) -> bool:
    return decision.stopped is not None and decision.stopped.counter == limit.counter


def _fits(decision: Decision, limit: LimitState) -> str:
    asked = decision.granted_amount if decision.granted else decision.requested
    if limit.limit is None:
        return f"{number(asked)} requested; unlimited"
    if limit.alone:
        return f"{number(asked)} requested, at most {number(limit.limit)} at a time"
    if decision.replayed:
        return f"{number(asked)} were counted before; {what_is_left(limit, ZERO)}"
    counted = asked if decision.decision_id is not None else ZERO
    return f"{number(asked)} requested, {what_is_left(limit, counted)}"


def _parts_of_the_limit(limit: LimitState) -> list[str]:
    """The parts of a limit that carryover or adjustments have changed."""
    moved: list[tuple[Decimal, str]] = [(limit.carried, "carried over"), (limit.adjusted, "by adjustments")]
    if limit.base is None or not any(quantity for quantity, _ in moved):
        return []
    changes = [f"{number(quantity)} {name}" for quantity, name in moved if quantity]
    return [f"the limit is {number(limit.base)} of the plan and {', '.join(changes)}"]


def _tier(decision: Decision, limit: LimitState) -> list[str]:
    """The tier on which the request lands, and the end of its grace."""
    if limit.tier is None or limit.rate is not None or not limit.fits:
        return []
    told = f"the level {limit.tier.level} applies"
    grace, cell = limit.policy, None if decision.grounds is None else decision.grounds.cell
    if isinstance(grace, AllowWithGrace) and grace.lasts is not None:
        began = decision.as_of if cell is None else cell.grace.get(limit.counter, decision.as_of)
        told += f" with a grace until {time(began + grace.lasts)}"
    return [told]


def _waived(decision: Decision, limit: LimitState) -> list[str]:
    """The levels that an operator's resume has waived in this window."""
    grounds = decision.grounds
    if grounds is None or grounds.cell is None or grounds.entitlement is None:
        return []
    waived = grounds.cell.waived.get(limit.counter, frozenset())
    declared: list[Tier] = [t for each in grounds.entitlement.limits if each.name == limit.name for t in each.tiers]
    levels = [tier.level for tier in declared if tier.level in waived and may_suspend((tier,))]
    until = "for ever" if limit.resets_at is None else f"until {time(limit.end)}"
    return [f"the level {level} is waived {until}" for level in levels]
