"""Settlements on the wire: the body of settle, its answer, and the record of a decision with its settlement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tallygate.contracts.base.answers import JSON, fields_of, quantity, window_answer
from tallygate.contracts.base.fields import Amount
from tallygate.contracts.base.reading import Contract
from tallygate.domain.base.instants import format_instant
from tallygate.domain.base.quantities import ZERO, format_quantity

if TYPE_CHECKING:
    from tallygate.domain.corrections.settlements import Charge, MadeDecision, Settlement


class SettleBody(Contract):
    """The final amount of a decision; 0 if nothing was consumed."""

    amount: Amount


def settlement_answer(settlement: Settlement, *, customer: str, feature: str, replayed: bool) -> JSON:
    """Return a settlement as JSON."""
    return {
        "decision_id": settlement.decision_id,
        "customer": customer,
        "feature": feature,
        "granted_amount": format_quantity(settlement.granted),
        "amount": format_quantity(settlement.amount),
        "difference": format_quantity(settlement.amount - settlement.granted),
        "settled_at": format_instant(settlement.settled_at),
        "replayed": replayed,
    }


def decision_record_answer(made: MadeDecision) -> JSON:
    """Return a recorded decision as JSON."""
    use, settlement = made.use, made.settlement
    amount = use.amount if settlement is None else settlement.amount
    plans = [(limit.plan, limit.plan_version) for limit in made.limits.values() if limit.plan is not None]
    plan, version = plans[0] if plans else (None, None)
    return {
        **fields_of(made, "decision_id reason customer folded"),
        **fields_of(use, "feature meter dimensions traceparent"),
        "granted": True,
        "granted_amount": format_quantity(use.amount),
        "amount": format_quantity(amount),
        "settled": None
        if settlement is None
        else {"amount": format_quantity(settlement.amount), "at": format_instant(settlement.settled_at)},
        "decided_at": format_instant(use.time),
        "plan": plan,
        "plan_version": version,
        "limits": [_charged(charge) for charge in made.charges],
        "trace_id": None if use.traceparent is None else use.traceparent[3:35],
    }


def _charged(charge: Charge) -> JSON:
    """Return a window in which the decision counts, with the recorded limit and the numbers before and after."""
    window, governed = charge.window, charge.governed
    return {
        "name": None if governed is None else governed.name,
        "scope": {} if governed is None else dict(governed.scope),
        "window": window_answer("quota", window.start, window.end),
        "limit": quantity(None if charge.limit is None else max(ZERO, charge.limit)),
        "enforcement": None if governed is None else governed.enforcement,
        **fields_of(charge, "used_before used_after remaining_after level"),
    }
