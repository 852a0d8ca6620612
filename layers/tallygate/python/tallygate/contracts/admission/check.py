"""check and consume on the wire: the request, and the decision as answered (its contract: answers.py)."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import Field, ModelWrapValidatorHandler, PrivateAttr, model_validator

from tallygate.contracts.base.answers import JSON, period_answer, quantity, recurrence_answer, time, window_answer
from tallygate.contracts.base.fields import (
    DIMENSIONS_MAX,
    Amount,
    CustomerId,
    DimensionKey,
    DimensionValue,
    FeatureKey,
    Id,
    NotAvailable,
    sent_amount,
)
from tallygate.contracts.base.reading import Contract
from tallygate.contracts.base.routes import Row
from tallygate.domain.admission.decision import Decision, Node
from tallygate.domain.admission.sentences import sentence
from tallygate.domain.base.instants import Instant, format_instant
from tallygate.domain.base.quantities import ONE, ZERO, format_quantity
from tallygate.domain.catalog.features import BOOLEAN, CONFIG, METERED, Setting, Switch, value_form
from tallygate.domain.catalog.units import Unit, presented

ASKS_MAX = 20
"""The most questions in one check. A consume is always a single one."""


class Ask(Contract):
    """The body of check and consume.

    An `amount` of 0 returns the state and changes nothing. A retry of a granted consume with the same `request_id` is
    not counted again. With `allow_partial`, a smaller amount is granted if the whole amount does not fit. `detail`
    lists every window, and `explain` adds an explanation.
    """

    customer: CustomerId
    feature: FeatureKey
    amount: Amount = ONE
    dimensions: Annotated[dict[DimensionKey, DimensionValue], Field(max_length=DIMENSIONS_MAX, default_factory=dict)]
    request_id: Id | None = None
    detail: bool = True
    value: NotAvailable = None
    allow_partial: bool = False
    explain: bool = False
    _amount_sent: Decimal = PrivateAttr(default=ONE)

    @model_validator(mode="wrap")
    @classmethod
    def _keep_what_was_sent(cls, data: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        ask = read(data)
        if isinstance(data, dict) and "amount" in data:
            sent = data["amount"]
            exact = ask.amount if isinstance(sent, int) else sent_amount(sent).exact
            ask._amount_sent = exact  # noqa: SLF001  # a private attribute of the class itself
        return ask

    @property
    def amount_sent(self) -> Decimal:
        """The amount as sent, before rounding."""
        return self._amount_sent


CHECK = Row("POST /v1/check", "check", "Dry run of consume: ask whether an amount would be granted", Ask)
CONSUME = Row("POST /v1/consume", "check", "Check and count in one step", Ask)


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
        "would_reason": would_reason,
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
        "enforcement": node.enforcement,
        "level": node.level,
        "resets_at": time(node.resets_at),
        "as_of": format_instant(as_of),
    }
