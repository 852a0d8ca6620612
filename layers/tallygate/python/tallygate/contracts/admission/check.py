"""check and consume on the wire: the routes, the question, and the decision as answered."""

from __future__ import annotations

from decimal import Decimal

from tallygate.contracts.admission.questions import Question, plain_question
from tallygate.contracts.base.answers import (
    JSON,
    period_answer,
    quantity,
    recurrence_answer,
    time,
    window_answer,
)
from tallygate.contracts.base.parameters import SWITCH, Parameter, Query
from tallygate.contracts.base.routes import Answers, Row
from tallygate.domain.admission.decision import Decision, Node, Reason
from tallygate.domain.admission.sentences import sentence
from tallygate.domain.base.instants import Instant, format_instant
from tallygate.domain.base.quantities import ZERO, format_quantity
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


def decision_answer(decision: Decision, *, detail: bool, unit: Unit | None = None) -> JSON:
    """Return a decision as JSON. Its top-level numbers are those of the entitlement's quota, in raw quantities.

    detail: whether to list every window
    unit: the feature's unit, in which `presented` repeats the numbers
    """
    quota, as_of, would_reason = decision.quota, decision.numbers_as_of, decision.would_reason
    used = quota.used if quota else ZERO
    # Without a quota, a granted request has no limit and a denied one has a limit of 0.
    limit = quota.limit if quota else None if decision.granted else ZERO
    return {
        "granted": decision.granted,
        "granted_amount": format_quantity(decision.granted_amount),
        "reason": decision.reason.value,
        "message": sentence(decision),
        "customer": decision.customer,
        "feature": decision.feature,
        "requested": format_quantity(decision.requested),
        "level": decision.level,
        "type": feature_type(decision),
        "value": value_form(decision.fixed.value) if isinstance(decision.fixed, Setting) else None,
        "unlimited": limit is None,
        "limit": quantity(limit),
        "used": format_quantity(used),
        "held": 0,
        "remaining": quantity(quota.remaining if quota else limit),
        "overage": format_quantity(decision.overage),
        "over_limit": decision.overage > 0,
        "max_grantable": quantity(decision.max_grantable),
        "period": _period(quota) if quota else None,
        "resets_at": time(quota.resets_at) if quota else None,
        "retry_at": time(decision.retry_at),
        "breakdown": _breakdown(quota, limit),
        "presented": presented(unit, _shown(quota)) if quota and unit else None,
        "nodes": [node_answer(node, as_of) for node in decision.nodes] if detail else [],
        "binding": node_answer(decision.binding, as_of) if decision.binding else None,
        "credits": None,
        "would_deny": would_reason is not None,
        "would_reason": None if would_reason is None else would_reason.value,
        "decision_id": decision.decision_id,
        "as_of": format_instant(decision.as_of),
        "replayed": decision.replayed,
        "degraded": False,
    }


def _breakdown(quota: Node | None, limit: Decimal | None) -> JSON:
    """Return the parts of the limit.

    base: the limit of the plan, or the customer's own
    carried: carried into the period
    adjusted: added or removed by adjustments in the period
    followed: usage since the period's start that was counted in another plan's windows

    The limit shown is never below 0. It is therefore larger than the sum of the first three if that sum is negative.
    """
    followed = ZERO if quota is None else quota.followed
    if quota is None or limit is None:
        return {"base": quantity(limit), "carried": 0, "adjusted": 0, "followed": format_quantity(followed)}
    return {
        "base": quantity(quota.base),
        "carried": format_quantity(quota.carried),
        "adjusted": format_quantity(quota.adjusted),
        "followed": format_quantity(followed),
    }


def feature_type(decision: Decision) -> str | None:
    """Return the type of the decision's feature; None if the customer has no right to the feature."""
    match decision.fixed:
        case Switch():
            return BOOLEAN
        case Setting():
            return CONFIG
        case None:
            return METERED if decision.quota is not None else None


def _shown(quota: Node) -> dict[str, Decimal | None]:
    return {"used": quota.used, "limit": quota.limit, "remaining": quota.remaining}


def _period(node: Node) -> JSON:
    """Return the window of a quota and its recurrence."""
    assert node.period is not None, "a quota has a period"
    return {**period_answer(node.start, node.end), **recurrence_answer(node.period)}


def node_answer(node: Node, as_of: Instant) -> JSON:
    """Return one window of one limit as JSON."""
    return {
        "name": node.name,
        "scope": dict(node.scope),
        "window": window_answer(node.kind, node.start, node.end),
        "limit": quantity(node.limit),
        "unlimited": node.limit is None,
        "used": format_quantity(node.used),
        "remaining": quantity(node.remaining),
        "granted": node.granted,
        "enforcement": node.enforcement.value,
        "level": node.level,
        "resets_at": time(node.resets_at),
        "as_of": format_instant(as_of),
    }


def reason_page(reason: Reason) -> str:
    """Return the path of the page that explains a reason."""
    return f"{REASONS}/{reason.value}.md"
