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

from tallygate.domain.admission.decision import Decision, LimitState, Reason
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
        case Reason.RATE_LIMITED | Reason.QUOTA_EXCEEDED | Reason.BUDGET_EXCEEDED if decision.denied_by is not None:
            return f"Denied by {_limit(decision.denied_by)}: {refusal_of(decision, decision.denied_by)}"
        case Reason.RATE_LIMITED | Reason.QUOTA_EXCEEDED | Reason.BUDGET_EXCEEDED:
            return f"Denied: {number(decision.requested)} requested, more than is left"
        case Reason.INSUFFICIENT_CREDITS:
            return f"Denied: {number(decision.requested)} requested, more than there are credits for"
        case Reason.UNKNOWN_VALUE:
            return f"Denied: a limit of {decision.feature} does not know this value"
        case reason:
            return _GRANTS[reason]


def refusal_of(decision: Decision, limit: LimitState) -> str:
    """Return why a window has no room for the request: its numbers, and what would help."""
    return _by_rate(decision, limit) if limit.rate is not None else _by_quota(decision, limit)


def what_is_left(limit: LimitState, counted: Decimal) -> str:
    """Return what a window with a limit had left before the request, and when it resets.

    counted: the part of its usage that this request added
    """
    if limit.rate is not None:
        left_in = min(limit.rate.burst, (limit.remaining or ZERO) + counted)
        return f"{number(left_in)} of {number(limit.rate.burst)} left at the rate of {_rate(limit.rate)}"
    most = _most(limit)
    return f"{number(remaining(most, limit.used - counted))} of {number(most)} left {_when(limit)}; {_reset(limit)}"


def _most(limit: LimitState) -> Decimal:
    """The most that a quota grants in its window: a tier may set it above or below the limit."""
    most = limit.ceiling if limit.ceiling is not None else limit.limit
    assert most is not None, "a limit has an end"
    return most


def _reset(limit: LimitState) -> str:
    return "never resets" if limit.resets_at is None else f"resets {time(limit.resets_at)}"


def _by_quota(decision: Decision, limit: LimitState) -> str:
    """A denial by a quota: the most that it would grant in its window, and the tier that sets this if not the limit."""
    most, asked = _most(limit), decision.requested
    if limit.alone:
        return f"{number(asked)} requested, at most {number(most)} at a time"
    spare = number(remaining(most, limit.used))
    parts = [f"{number(asked)} requested, {spare} of {number(most)} left {_to_spend(decision)}{_when(limit)}"]
    if most != limit.limit and limit.tier is not None:
        parts[0] += f" (limit {number(limit.limit)}, level {limit.tier.level})"
    again = _rolls(limit) and limit.retry_at is not None
    parts.append(f"retry at {time(limit.retry_at or 0)}" if again else _reset(limit))
    if HOLDS[BEYOND](asked, most) and limit.retry_at is None and not limit.carries:
        parts.append(f"{number(asked)} can never fit")
    elif limit.retry_at is None and limit.resets_at is not None:
        parts.append("the next period has no room for it either")
    right = None if decision.grounds is None else decision.grounds.entitlement
    if right is not None and right.upgrade_to is not None and limit.name == right.feature:
        parts.append(f"the next larger plan is {right.upgrade_to}")
    return "; ".join(parts)


def _to_spend(decision: Decision) -> str:
    return "to spend " if decision.reason is Reason.BUDGET_EXCEEDED else ""


def _when(limit: LimitState) -> str:
    """The period of the numbers, by its name if it is a calendar period."""
    if limit.resets_at is None:
        return "in all"
    period = limit.period
    if period is not None and period.anchor == CALENDAR and period.every in _NAMED:
        return _NAMED[period.every]
    return "in the rolling period" if _rolls(limit) else "in this period"


def _rolls(limit: LimitState) -> bool:
    return limit.period is not None and limit.period.anchor_named == ROLLING


def _by_rate(decision: Decision, limit: LimitState) -> str:
    rate, asked = limit.rate, decision.requested
    assert rate is not None, "a rate denies"
    parts = [f"{number(asked)} requested, {what_is_left(limit, ZERO)}"]
    if limit.tier is not None:
        parts[0] += f" from the level {limit.tier.level} on"
    if asked > rate.burst:
        parts.append(f"{number(asked)} at once can never fit this rate")
    if decision.retry_at is not None:
        ends = ", when the period ends" if asked > rate.burst else ""
        parts.append(f"retry at {time(decision.retry_at)}{ends}")
    return "; ".join(parts)


def _rate(rate: Rate) -> str:
    return f"{number(rate.limit)} per {_PER_NAMES.get(rate.per, 'period')}"


def _suspended(decision: Decision) -> str:
    stop = decision.stopped
    by = "" if stop is None else f" by {_scoped(stop.limit or stop.feature, stop.scope)}"
    return f"Denied{by}: {suspension_of(decision)}"


def suspension_of(decision: Decision) -> str:
    """Return the suspension that denies the request: by whom, since when and until when."""
    asked = f"{number(decision.requested)} requested" if decision.requested > 0 else "usage was asked about"
    if (by_operator := decision.suspension) is not None:
        what = (
            "all usage of the customer"
            if by_operator.feature is None
            else _scoped(by_operator.feature, by_operator.scope)
        )
        since = time(by_operator.since)
        return f"{asked}, but {what} is suspended by an operator since {since}, until an operator resumes it"
    stop = decision.stopped
    if stop is None:
        return f"{asked}, but {decision.feature} is suspended"
    until = "until an operator resumes it"
    if stop.until < UNTIL_TOP_UP:
        until = f"until {time(stop.until)}"
    elif stop.until == UNTIL_TOP_UP:
        until = "until a top-up"
    level = "" if stop.level is None else f" by the level {stop.level}"
    since = "" if stop.since is None else f" since {time(stop.since)}"
    window = next((limit for limit in decision.limits if limit.counter == stop.counter), None)
    used = ""
    if window is not None and window.limit is not None:
        used = f" ({number(window.used)} of {number(window.limit)} used {_when(window)})"
    return f"{asked}, but usage is suspended{level}{since}{used}, {until}"


def _plan_of(decision: Decision) -> str:
    plan = None if decision.grounds is None else decision.grounds.effective.plan
    return "the plan" if plan is None else f"the plan {plan}"


def _limit(limit: LimitState) -> str:
    return _scoped(limit.name, limit.scope)


def _scoped(name: str, scope: Scope) -> str:
    """A name with its dimension values: eng-team (team=eng)."""
    values = ", ".join(f"{dimension}={value}" for dimension, value in sorted(scope.items()))
    return f"{name} ({values})" if values else name


def number(quantity: Decimal | None) -> str:
    """Return the exact quantity, with commas between thousands: 12,000.5."""
    if quantity is None:
        return "unlimited"
    text = f"{quantity:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def time(instant: Instant) -> str:
    """Return the instant as RFC 3339 in UTC, without seconds if those are 0."""
    text = format_instant(instant)
    return text if instant % MINUTE else f"{text[: -len(':00Z')]}Z"
