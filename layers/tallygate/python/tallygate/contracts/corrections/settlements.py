"""Settlements of decisions on the wire (the contract of the answer: admission/answers.py)."""

from __future__ import annotations

from tallygate.contracts.base.answers import JSON
from tallygate.contracts.base.fields import Amount
from tallygate.contracts.base.reading import Contract
from tallygate.contracts.base.routes import Row
from tallygate.domain.base.instants import format_instant
from tallygate.domain.base.quantities import format_quantity
from tallygate.domain.corrections.settlements import Settlement


class SettleBody(Contract):
    """The final amount of a decision; 0 if nothing was consumed."""

    amount: Amount


SETTLE = Row(
    "POST /v1/consume/{decision_id}/settle",
    "check",
    "Correct a granted consume once, from the estimated to the final amount",
    SettleBody,
)


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
