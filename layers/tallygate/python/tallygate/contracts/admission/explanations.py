"""Explanations on the wire: the fields that `explain: true` adds to a decision."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tallygate.contracts.admission.check import node_answer, reason_page
from tallygate.contracts.base.answers import JSON, fields_of, quantity, recurrence_answer, time, window_answer
from tallygate.domain.admission.decision import Node
from tallygate.domain.admission.explanation import (
    ExplainedLimit,
    ExplainedQuota,
    ExplainedRate,
    ExplainedTier,
    Explanation,
    Stopped,
    Waits,
)
from tallygate.domain.admission.sentences import sentence
from tallygate.domain.base.instants import SECOND
from tallygate.domain.base.quantities import format_quantity
from tallygate.domain.catalog.carryover import carryover_form
from tallygate.domain.catalog.rates import PER
from tallygate.domain.catalog.tiers import RATE_ORDINAL, Policy, policy_form, threshold_form
from tallygate.domain.limits.rungs import UNTIL_TOP_UP, Rung

WAITS_TEXTS: Mapping[Waits, str] = {
    Waits.NOTHING: "There is nothing to wait for.",
    Waits.PERIOD_END: "The period ends then, and the next one has room.",
    Waits.ROLLING_OFF: "By then enough usage has left the rolling period.",
    Waits.RATE: "By then the rate has room again, if nothing else is consumed.",
    Waits.LARGER_LIMIT: "Waiting does not help: the amount exceeds the limit even in an unused window.",
    Waits.SUSPENSION_END: "The suspension ends then.",
    Waits.TOP_UP: "The suspension ends with an upward adjustment.",
    Waits.RESUME: "The suspension ends when an operator resumes usage.",
}
_PER_NAMES = {length: name for name, length in PER.items()}


def explanation_answer(explained: Explanation) -> JSON:
    """Return an explanation as JSON. Its numbers are raw quantities, like those of the decision."""
    decision = explained.decision
    effective = None if decision.grounds is None else decision.grounds.effective
    return {
        "plan": None if effective is None else effective.plan,
        "plan_version": None if effective is None else effective.plan_version,
        "limits_version": None if effective is None else effective.version,
        "timezone": decision.timezone,
        "dimensions": dict(explained.dimensions),
        "counted": decision.decision_id is not None and not decision.replayed,
        "limits": [_limit(limit) for limit in explained.limits],
        "binding": None if explained.binding is None else node_answer(explained.binding, decision.as_of),
        "reason_order": [{"reason": reason.value, "held": held} for reason, held in explained.held],
        "message": sentence(decision),
        "retry": {
            "at": time(decision.retry_at),
            "waits_for": explained.waits.value,
            "limit": None if explained.waits_for is None else explained.waits_for.name,
            "window": None if explained.waits_for is None else _bounds(explained.waits_for),
            "detail": WAITS_TEXTS[explained.waits],
        },
        "suspension": None if explained.stopped is None else _suspension(explained.stopped),
        "docs": reason_page(decision.reason),
    }


def _limit(explained: ExplainedLimit) -> JSON:
    limit = explained.limit
    return {
        **fields_of(limit, "name scope enforcement"),
        "governs": explained.governs,
        "unmatched": [fields_of(each, "dimension wanted given") for each in explained.unmatched],
        "carryover": None if limit.carryover is None else carryover_form(limit.carryover),
        "windows": [_window(window, governs=explained.governs) for window in explained.windows],
    }


def _window(window: ExplainedQuota | ExplainedRate, *, governs: bool) -> JSON:
    node = window.node
    return {
        "window": _bounds(node),
        "decides": node.decides and governs,
        "granted": node.granted if governs else None,
        "limit": quantity(node.limit),
        "unlimited": node.limit is None,
        "used_before": quantity(window.counted.before),
        "used_after": format_quantity(window.counted.after),
        "remaining_after": quantity(window.remaining_after),
        "room": quantity(node.room),
        "resets_at": time(node.resets_at),
        "retry_at": None if node.granted or not governs else time(node.retry_at),
        **(_of_quota(window) if isinstance(window, ExplainedQuota) else _of_rate(window)),
    }


def _of_quota(quota: ExplainedQuota) -> JSON:
    node, period = quota.node, quota.node.period
    assert period is not None, "a quota has a period"
    return {
        "period": recurrence_answer(period),
        "breakdown": fields_of(node, "base carried adjusted followed"),
        **fields_of(quota, "level_before level_after"),
        "tiers": [
            {
                "level": each.tier.level,
                "at": threshold_form(each.tier.at),
                "threshold": format_quantity(each.threshold),
                "reached": each.reached,
                **_waived(each, node),
                **_policy(each.tier.policy),
            }
            for each in quota.tiers
        ],
        "rung": None if quota.rung is None else _rung(quota.rung),
        "grace": {"began": time(quota.grace_began), "ends": time(quota.grace_ends)} if quota.graced else None,
    }


def _waived(each: ExplainedTier, node: Node) -> JSON:
    """Return until when a waived tier is waived; null: its window never ends."""
    return {"waived_until": _bounds(node)["end"]} if each.waived else {}


def _rung(rung: Rung) -> JSON:
    """Return the step of usage (above, upto] that contains the last unit of the request, with its policy.

    level: the level of the tier that decides on this step
    """
    return {
        **fields_of(rung, "above upto grants"),
        "level": None if rung.tier is None else rung.tier.level,
        **_policy(rung.policy),
    }


def _policy(policy: Policy) -> JSON:
    """Return a policy as a catalog states it, without the internal ordinals of rates."""
    form = policy_form(policy)
    form.pop(RATE_ORDINAL, None)
    if isinstance(then := form.get("then"), dict):
        form["then"] = {
            name: {key: value for key, value in parameters.items() if key != RATE_ORDINAL}
            for name, parameters in then.items()
        }
    return form


def _of_rate(window: ExplainedRate) -> JSON:
    rate, at = window.rate, window.at
    return {
        "rate": {**fields_of(rate, "limit burst"), "per": _PER_NAMES[rate.per]},
        "asked_by": "tier" if window.throttles else "limit",
        **fields_of(window, "current previous current_max"),
        "width_seconds": format_quantity(Decimal(at.width) / SECOND),
        "left_seconds": format_quantity(Decimal(at.left) / SECOND),
        "rule": "current + amount + previous * left_seconds / width_seconds <= burst",
    }


def _suspension(stopped: Stopped) -> JSON:
    until = stopped.until
    return {
        **fields_of(stopped, "by feature scope limit level"),
        "since": time(stopped.since),
        "until": time(until if until is not None and until < UNTIL_TOP_UP else None),
    }


def _bounds(node: Node) -> JSON:
    return window_answer(node.kind, node.start, node.end)
