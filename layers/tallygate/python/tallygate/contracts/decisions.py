"""Decisions on the wire after they were made: settling one, and what is told of one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tallygate.contracts.fields import Amount
from tallygate.contracts.reading import Contract
from tallygate.domain.boundaries import NEVER_ENDS
from tallygate.domain.instants import format_instant
from tallygate.domain.quantities import ZERO, Wire, format_quantity
from tallygate.domain.settlements import Charge, MadeDecision, Settlement


class SettleBody(Contract):
    """The body of a settlement: what the decision came to, all of it; 0 where nothing was consumed after all."""

    amount: Amount


def settlement_answer(settlement: Settlement, *, customer: str, feature: str, replayed: bool) -> dict[str, Any]:
    """A settlement as JSON."""
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


def decision_record_answer(made: MadeDecision) -> dict[str, Any]:
    """A decision as recorded, as JSON."""
    use, settlement = made.use, made.settlement
    amount = use.amount if settlement is None else settlement.amount
    plans = [limit for limit in made.limits.values() if limit.plan is not None]
    return {
        "decision_id": made.decision_id,
        "granted": True,
        "reason": made.reason,
        "customer": made.customer,
        "feature": use.feature,
        "meter": use.meter,
        "granted_amount": format_quantity(use.amount),
        "amount": format_quantity(amount),
        "settled": None
        if settlement is None
        else {"amount": format_quantity(settlement.amount), "at": format_instant(settlement.settled_at)},
        "decided_at": format_instant(use.time),
        "dimensions": dict(use.dimensions),
        "plan": plans[0].plan if plans else None,
        "plan_version": plans[0].plan_version if plans else None,
        "nodes": [_charged(charge) for charge in made.charges],
        "tightest": None if made.tightest is None else _charged(made.tightest),
        "traceparent": use.traceparent,
        "trace_id": None if use.traceparent is None else use.traceparent[3:35],
        "folded": made.folded,
    }


def _charged(charge: Charge) -> dict[str, Any]:
    """A window that the decision counts in, under its limit as recorded, with the numbers before and after it."""
    window, governed = charge.window, charge.governed
    end = None if window.end >= NEVER_ENDS else format_instant(window.end)
    return {
        "name": None if governed is None else governed.name,
        "scope": {} if governed is None else dict(governed.scope),
        "window": {"kind": "quota", "start": format_instant(window.start), "end": end},
        "limit": None if charge.limit is None else format_quantity(max(ZERO, charge.limit)),
        "enforcement": None if governed is None else governed.enforcement,
        "used_before": _quantity(charge.used_before),
        "used_after": _quantity(charge.used_after),
        "remaining_after": _quantity(charge.remaining_after),
        "level": charge.level,
    }


def _quantity(quantity: Decimal | None) -> Wire | None:
    return None if quantity is None else format_quantity(quantity)
