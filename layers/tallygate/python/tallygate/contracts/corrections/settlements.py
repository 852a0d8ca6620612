"""Settlements on the wire: the body of settle and its answer (its contract: admission/answers.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tallygate.contracts.base.answers import JSON
from tallygate.contracts.base.fields import Amount
from tallygate.contracts.base.reading import Contract
from tallygate.domain.base.instants import format_instant
from tallygate.domain.base.quantities import format_quantity

if TYPE_CHECKING:
    from tallygate.domain.corrections.settlements import Settlement


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
