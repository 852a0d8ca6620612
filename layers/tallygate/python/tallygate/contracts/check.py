"""check and consume on the wire: the request, and the decision as a caller reads it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import Field, ModelWrapValidatorHandler, PrivateAttr, model_validator

from tallygate.contracts.fields import (
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
from tallygate.contracts.reading import Contract
from tallygate.domain.boundaries import NEVER_ENDS
from tallygate.domain.decision import Decision, Node
from tallygate.domain.features import BOOLEAN, CONFIG, METERED, Setting, Switch, value_form
from tallygate.domain.instants import Instant, format_instant
from tallygate.domain.quantities import ONE, ZERO, Wire, format_quantity
from tallygate.domain.sentences import sentence
from tallygate.domain.unit_forms import presented
from tallygate.domain.units import Unit

ASKS_MAX = 20
"""So many questions one check answers; a consume is always one."""


class Ask(Contract):
    """The body of check and consume. An amount of 0 asks for the state and changes nothing."""

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
            ask._amount_sent = exact  # noqa: SLF001  # its own, where it is made
        return ask

    @property
    def amount_sent(self) -> Decimal:
        """The amount before it was rounded."""
        return self._amount_sent


def decision_answer(decision: Decision, *, detail: bool, unit: Unit | None = None) -> dict[str, Any]:
    """A decision as JSON; the numbers at the top are those of the feature's entitlement quota, as raw quantities.

    `unit` is the feature's, in which they are presented beside.
    """
    quota, as_of, would_reason = decision.quota, decision.numbers_as_of, decision.would_reason
    used = quota.used if quota else ZERO
    # Without a quota, what is granted has no limit, and what is denied has nothing left.
    limit = quota.limit if quota else None if decision.granted else ZERO
    answer = {
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
        "limit": _quantity(limit),
        "used": format_quantity(used),
        "held": 0,
        "remaining": _quantity(quota.remaining if quota else limit),
        "overage": format_quantity(decision.overage),
        "over_limit": decision.overage > 0,
        "max_grantable": _quantity(decision.max_grantable),
        "period": None,
        "resets_at": None,
        "retry_at": _time(decision.retry_at),
        "breakdown": _breakdown(quota, limit),
        "presented": _presented(quota, unit) if quota and unit else None,
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
    if quota is not None:
        answer["period"] = _period(quota)
        answer["resets_at"] = _time(quota.resets_at)
    return answer


def _presented(quota: Node, unit: Unit | None) -> dict[str, Any] | None:
    return presented(unit, {"used": quota.used, "limit": quota.limit, "remaining": quota.remaining})


def _breakdown(quota: Node | None, limit: Decimal | None) -> dict[str, Any]:
    """What the limit is made of: the plan's or the customer's own, what was carried into the period, adjusted in it.

    `followed` is the usage since the period's start that was counted in another plan's windows.

    The sum of the first three may be below the limit that is shown, which is never below zero.
    """
    if quota is None or limit is None:
        followed = ZERO if quota is None else quota.followed
        return {"base": _quantity(limit), "carried": 0, "adjusted": 0, "followed": _quantity(followed)}
    return {
        "base": _quantity(quota.base),
        "carried": _quantity(quota.carried),
        "adjusted": _quantity(quota.adjusted),
        "followed": _quantity(quota.followed),
    }


def feature_type(decision: Decision) -> str | None:
    """The type of the decision's feature; None where there is no right to it that would say."""
    match decision.fixed:
        case Switch():
            return BOOLEAN
        case Setting():
            return CONFIG
        case None:
            return METERED if decision.quota is not None else None


def _period(node: Node) -> dict[str, Any]:
    """The window of a quota and the recurrence that it is an instance of."""
    assert node.period is not None, "a quota has a period"
    return {
        "start": format_instant(node.start),
        "end": _end(node),
        "every": node.period.every,
        "anchor": node.period.anchor_named,
        "timezone": node.period.zone,
    }


def _end(node: Node) -> str | None:
    """The end of a window; None where it never ends."""
    return None if node.end >= NEVER_ENDS else format_instant(node.end)


def node_answer(node: Node, as_of: Instant) -> dict[str, Any]:
    """One window of one limit as JSON."""
    return {
        "name": node.name,
        "scope": dict(node.scope),
        "window": {"kind": node.kind, "start": format_instant(node.start), "end": _end(node)},
        "limit": _quantity(node.limit),
        "unlimited": node.limit is None,
        "used": format_quantity(node.used),
        "remaining": _quantity(node.remaining),
        "granted": node.granted,
        "enforcement": node.enforcement,
        "level": node.level,
        "resets_at": _time(node.resets_at),
        "as_of": format_instant(as_of),
    }


def _quantity(quantity: Decimal | None) -> Wire | None:
    return None if quantity is None else format_quantity(quantity)


def _time(instant: Instant | None) -> str | None:
    return None if instant is None else format_instant(instant)
