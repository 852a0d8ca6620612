"""check and consume on the wire: the routes, the question, and the decision as answered."""

from __future__ import annotations

from decimal import Decimal

from tallygate.contracts.admission.questions import Question, plain_question
from tallygate.contracts.base.answers import (
    JSON,
    fields_of,
    period_answer,
    recurrence_answer,
    time,
    window_answer,
)
from tallygate.contracts.base.parameters import SWITCH, Parameter, Query
from tallygate.contracts.base.routes import Answers, Row
from tallygate.domain.admission.decision import Decision, LimitState, Reason
from tallygate.domain.admission.sentences import sentence
from tallygate.domain.base.instants import Instant, format_instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.catalog.features import BOOLEAN, CONFIG, METERED, Setting, Switch, value_form
from tallygate.domain.catalog.units import Unit, presented

REASONS = "docs/reasons"
"""The folder with the page of each reason, in the project."""
ASKS_MAX = 20
"""The most questions in one check. A consume is always a single one."""
_DECISION = "admission.answers.DecisionAnswer"
_ASK: JSON = {"customer": "acme", "feature": "ai-tokens", "amount": 1000}
_AS_STATUS: Query = {"http_status": Parameter("Answer a denial with 429, 402 or 403 instead of 200.", SWITCH, "1")}
CHECK = Row(
    "POST /v1/check",
    "check",
    "Dry run of consume: ask whether an amount would be granted",
    "admission.asks.Ask",
    Answers(body=_DECISION, decides=True),
    several=ASKS_MAX,
    query=_AS_STATUS,
    example={**_ASK, "dimensions": {"model": "large"}},
)
CONSUME = Row(
    "POST /v1/consume",
    "check",
    "Check and count in one step",
    "admission.asks.Ask",
    Answers(body=_DECISION, decides=True),
    note="`request_id` or `Idempotency-Key` makes a retry harmless.",
    query=_AS_STATUS,
    by_key=True,
    request_id=True,
    example={**_ASK, "request_id": "01JD9Z6B0W9M"},
)
SETTLE = Row(
    "POST /v1/consume/{decision_id}/settle",
    "check",
    "Correct a granted consume once, from the estimated to the final amount",
    "corrections.settlements.SettleBody",
    Answers(body="admission.answers.SettlementAnswer", refusals=(409,), replays=True),
)


def read_question(body: object, *, at: str = "") -> Question:
    """Read a body of check or consume. Raises InvalidRequest with every broken rule.

    The contract `asks.Ask` is the rule. Most bodies are plainly correct and read without it, because loading its
    library takes a third of a container's start. The contract reads every other body and names what is wrong.

    at: JSON pointer of the question, if it is a part of a list
    """
    question = plain_question(body)
    if question is not None:
        return question
    from tallygate.contracts.admission.asks import Ask  # noqa: PLC0415
    from tallygate.contracts.base.reading import read  # noqa: PLC0415

    return read(Ask, body, at=at).question


def decision_answer(decision: Decision, *, detail: bool = False, unit: Unit | None = None) -> JSON:
    """Return a decision as JSON. Its top-level numbers are those of the entitlement's quota, in raw quantities.

    detail: whether to add the customer, the feature, the period, the parts of the limit, and every limit window
    unit: the feature's unit, in which the detail repeats the numbers

    A short answer states a rare condition only where it holds: usage beyond the limit, a replay, a denial that a limit
    in mode observe would have made, the value of a config feature.
    """
    quota, overage = decision.quota, decision.overage
    # Without a quota, a granted request has no limit and a denied one has a limit of 0.
    limit = quota.limit if quota else None if decision.granted else ZERO
    answer = {
        "granted": decision.granted,
        "reason": decision.reason.value,
        "message": sentence(decision),
        "decision_id": decision.decision_id,
        "requested": decision.requested,
        "granted_amount": decision.granted_amount,
        "limit": limit,
        "unlimited": limit is None,
        "used": quota.used if quota else ZERO,
        "remaining": quota.remaining if quota else limit,
        "max_grantable": decision.max_grantable,
        "level": decision.level,
        "resets_at": time(quota.resets_at) if quota else None,
        "retry_at": time(decision.retry_at),
        "denied_by": None if decision.denied_by is None else _denied_by(decision.denied_by),
    }
    if overage and not detail:
        answer |= {"over_limit": True, "overage": overage}
    if (would_reason := decision.would_reason) is not None:
        answer |= {"would_deny": True, "would_reason": would_reason.value}
    if decision.replayed:
        answer["replayed"] = True
    if isinstance(decision.fixed, Setting):
        answer["value"] = value_form(decision.fixed.value)
    return answer | state_answer(decision, unit) if detail else answer


def _denied_by(limit: LimitState) -> JSON:
    """Return the limit window that denies."""
    return {
        "name": limit.name,
        "scope": dict(limit.scope),
        "window": window_answer(limit.kind, limit.start, limit.end),
        "limit": limit.limit,
        "used": limit.used,
        "remaining": limit.remaining,
        "resets_at": time(limit.resets_at),
    }


def state_answer(decision: Decision, unit: Unit | None) -> JSON:
    """Return the fields that a detailed decision and an entitlement share."""
    quota = decision.quota
    return {
        "customer": decision.customer,
        "feature": decision.feature,
        "over_limit": decision.overage > 0,
        "held": 0,
        "overage": decision.overage,
        "as_of": format_instant(decision.as_of),
        "period": _period(quota) if quota else None,
        "breakdown": _breakdown(decision),
        "presented": presented(unit, _shown(quota)) if quota and unit else None,
        "limits": [limit_answer(limit, decision.numbers_as_of) for limit in decision.limits],
    }


def _breakdown(decision: Decision) -> JSON:
    """Return the parts of the limit.

    base: the limit of the plan, or the customer's own
    carried: carried into the period
    adjusted: added or removed by adjustments in the period
    followed: usage since the period's start that was counted in another plan's windows

    The limit shown is never below 0. It is therefore larger than the sum of the first three if that sum is negative.
    """
    quota = decision.quota
    if quota is None or quota.limit is None:
        base, followed = (None if quota or decision.granted else ZERO), quota.followed if quota else ZERO
        return {"base": base, "carried": 0, "adjusted": 0, "followed": followed}
    return fields_of(quota, "base carried adjusted followed")


def feature_type(decision: Decision) -> str | None:
    """Return the type of the decision's feature; None if the customer has no right to the feature."""
    match decision.fixed:
        case Switch():
            return BOOLEAN
        case Setting():
            return CONFIG
        case None:
            return METERED if decision.quota is not None else None


def _shown(quota: LimitState) -> dict[str, Decimal | None]:
    return {"used": quota.used, "limit": quota.limit, "remaining": quota.remaining}


def _period(quota: LimitState) -> JSON:
    """Return the window of a quota and its recurrence."""
    assert quota.period is not None, "a quota has a period"
    return {**period_answer(quota.start, quota.end), **recurrence_answer(quota.period)}


def limit_answer(limit: LimitState, as_of: Instant) -> JSON:
    """Return one window of one limit as JSON."""
    return {
        **_denied_by(limit),
        "unlimited": limit.limit is None,
        "granted": limit.granted,
        "enforcement": limit.enforcement.value,
        "level": limit.level,
        "as_of": format_instant(as_of),
    }


def reason_page(reason: Reason) -> str:
    """Return the path of the page that explains a reason."""
    return f"{REASONS}/{reason.value}.md"
