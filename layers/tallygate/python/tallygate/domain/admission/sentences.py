"""Sentences: a decision in words, with the numbers on which it was made. Pure. Every answer takes its sentence here.

    quota        Denied by eng-team (team=eng): 6,000 requested, 1,000 of 5,000 left today; resets 2026-11-22T00:00Z
    rate         Denied by calls: 3 requested, 2 of 10 left at the rate of 10 per minute; retry at 2026-11-21T10:00:06Z
    suspension   Denied by ai-tokens: 1 requested, but usage is suspended by the level over since …, until …

A sentence states when an amount can never be granted. Times are RFC 3339 in UTC, without seconds if those are 0. The
reason and actor of an operator's suspension are internal to operators and do not appear.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tallygate.domain.admission.decision import Decision, Node, Reason
from tallygate.domain.base.instants import MINUTE, Instant, format_instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.catalog.rates import PER, Rate
from tallygate.domain.catalog.scopes import Scope
from tallygate.domain.limits.rungs import BEYOND, HOLDS, UNTIL_TOP_UP, remaining
from tallygate.domain.periods.recurrence import CALENDAR, ROLLING

_GRANTS: Mapping[Reason, str] = {
    Reason.UNLIMITED: "Granted without a limit",
    Reason.OK: "Granted",
    Reason.GRACE: "Granted by grace, beyond a threshold",
    Reason.OVERAGE_ALLOWED: "Granted beyond the limit, as overage",
    Reason.SOFT_LIMIT_EXCEEDED: "Granted beyond a soft limit",
    Reason.OBSERVED: "Granted; a limit that only observes would have denied it",
}
_NAMED = {
    "minute": "this minute",
    "hour": "this hour",
    "day": "today",
    "week": "this week",
    "month": "this month",
    "quarter": "this quarter",
    "year": "this year",
}
_PER_NAMES = {length: name for name, length in PER.items()}


def sentence(decision: Decision) -> str:
    """Return the decision as one sentence, without a full stop."""
    match decision.reason:
        case Reason.CUSTOMER_NOT_FOUND:
            return f"Denied: there is no customer {decision.customer}"
        case Reason.FEATURE_NOT_FOUND:
            return f"Denied: there is no feature {decision.feature}"
        case Reason.NO_ACTIVE_SUBSCRIPTION:
            return f"Denied: customer {decision.customer} has no active subscription"
        case Reason.NOT_ENTITLED:
            return f"Denied: {_plan_of(decision)} does not include {decision.feature}"
        case Reason.SUSPENDED:
            return _suspended(decision)
        case Reason.RATE_LIMITED | Reason.QUOTA_EXCEEDED | Reason.BUDGET_EXCEEDED if decision.binding is not None:
            node, asked = decision.binding, decision.requested
            return _by_rate(decision, node, asked) if node.rate is not None else _by_quota(decision, node, asked)
        case Reason.RATE_LIMITED | Reason.QUOTA_EXCEEDED | Reason.BUDGET_EXCEEDED:
            return f"Denied: {_number(decision.requested)} requested, more than is left"
        case Reason.INSUFFICIENT_CREDITS:
            return f"Denied: {_number(decision.requested)} requested, more than there are credits for"
        case Reason.UNKNOWN_VALUE:
            return f"Denied: a limit of {decision.feature} does not know this value"
        case reason:
            return _GRANTS[reason]


def _by_quota(decision: Decision, node: Node, asked: Decimal) -> str:
    """A denial by a quota: the most that it would grant in its window, and the tier that sets this if not the limit."""
    most = node.ceiling if node.ceiling is not None else node.limit
    assert most is not None, "what denies has an end"
    if node.alone:
        return f"Denied by {_limit(node)}: {_number(asked)} requested, at most {_number(most)} at a time"
    spare = remaining(most, node.used)
    parts = [f"{_number(asked)} requested, {_number(spare)} of {_number(most)} left {_to_spend(decision)}{_when(node)}"]
    if most != node.limit and node.tier is not None:
        parts[0] += f" (limit {_number(node.limit)}, level {node.tier.level})"
    if HOLDS[BEYOND](asked, most) and node.retry_at is None and not node.carries:
        parts.append(f"{_number(asked)} can never fit")
    elif node.retry_at is None and node.resets_at is not None:
        parts.append("the next period has no room for it either")
    reset = "never resets" if node.resets_at is None else f"resets {_time(node.resets_at)}"
    if _rolls(node) and node.retry_at is not None:
        reset = f"retry at {_time(node.retry_at)}"
    return f"Denied by {_limit(node)}: {'; '.join([parts[0], reset, *parts[1:]])}"


def _to_spend(decision: Decision) -> str:
    return "to spend " if decision.reason is Reason.BUDGET_EXCEEDED else ""


def _when(node: Node) -> str:
    """The period of the numbers, by its name if it is a calendar period."""
    if node.resets_at is None:
        return "in all"
    period = node.period
    if period is not None and period.anchor == CALENDAR and period.every in _NAMED:
        return _NAMED[period.every]
    return "in the rolling period" if _rolls(node) else "in this period"


def _rolls(node: Node) -> bool:
    return node.period is not None and node.period.anchor_named == ROLLING


def _by_rate(decision: Decision, node: Node, asked: Decimal) -> str:
    assert node.rate is not None, "a rate denies"
    pace = f"{_number(node.remaining or ZERO)} of {_number(node.rate.burst)} left at the rate of {_rate(node.rate)}"
    if node.tier is not None:
        pace += f" from the level {node.tier.level} on"
    parts = [f"{_number(asked)} requested, {pace}"]
    if asked > node.rate.burst:
        parts.append(f"{_number(asked)} at once can never fit this rate")
    if decision.retry_at is not None:
        ends = ", when the period ends" if asked > node.rate.burst else ""
        parts.append(f"retry at {_time(decision.retry_at)}{ends}")
    return f"Denied by {_limit(node)}: {'; '.join(parts)}"


def _rate(rate: Rate) -> str:
    return f"{_number(rate.limit)} per {_PER_NAMES.get(rate.per, 'period')}"


def _suspended(decision: Decision) -> str:
    asked = f"{_number(decision.requested)} requested" if decision.requested > 0 else "usage was asked about"
    if (by_operator := decision.suspension) is not None:
        what = (
            "all usage of the customer"
            if by_operator.feature is None
            else _scoped(by_operator.feature, by_operator.scope)
        )
        since = _time(by_operator.since)
        return f"Denied: {asked}, but {what} is suspended by an operator since {since}, until an operator resumes it"
    stop = decision.stopped
    if stop is None:
        return f"Denied: {asked}, but {decision.feature} is suspended"
    until = "until an operator resumes it"
    if stop.until < UNTIL_TOP_UP:
        until = f"until {_time(stop.until)}"
    elif stop.until == UNTIL_TOP_UP:
        until = "until a top-up"
    level = "" if stop.level is None else f" by the level {stop.level}"
    since = "" if stop.since is None else f" since {_time(stop.since)}"
    by = _scoped(stop.limit or stop.feature, stop.scope)
    window = next((node for node in decision.nodes if node.counter == stop.counter), None)
    used = ""
    if window is not None and window.limit is not None:
        used = f" ({_number(window.used)} of {_number(window.limit)} used {_when(window)})"
    return f"Denied by {by}: {asked}, but usage is suspended{level}{since}{used}, {until}"


def _plan_of(decision: Decision) -> str:
    plan = None if decision.grounds is None else decision.grounds.effective.plan
    return "the plan" if plan is None else f"the plan {plan}"


def _limit(node: Node) -> str:
    return _scoped(node.name, node.scope)


def _scoped(name: str, scope: Scope) -> str:
    """A name with its dimension values: eng-team (team=eng)."""
    values = ", ".join(f"{dimension}={value}" for dimension, value in sorted(scope.items()))
    return f"{name} ({values})" if values else name


def _number(quantity: Decimal | None) -> str:
    """The exact quantity, with commas between thousands: 12,000.5."""
    if quantity is None:
        return "unlimited"
    text = f"{quantity:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _time(instant: Instant) -> str:
    """The instant as RFC 3339 in UTC, without seconds if those are 0."""
    text = format_instant(instant)
    return text if instant % MINUTE else f"{text[: -len(':00Z')]}Z"
