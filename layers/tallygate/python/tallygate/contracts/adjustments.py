"""Adjustments on the wire."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator

from tallygate.contracts.fields import FeatureKey, Quantity, Text, Words
from tallygate.contracts.reading import Contract, broken
from tallygate.domain.adjustments import Adjustment, Parts
from tallygate.domain.facts import period
from tallygate.domain.instants import format_instant
from tallygate.domain.quantities import ZERO, format_quantity


def _not_zero(amount: Decimal) -> Decimal:
    if amount == 0:
        raise broken("out_of_range", "must not be 0: there would be nothing to adjust")
    return amount


class AdjustmentBody(Contract):
    """By how much to raise what may be used of a feature in its running period (negative: lower it); why, and who asks.

    `category` is a word of your own, to tell adjustments of one kind from others: goodwill, correction, top-up.
    """

    feature: FeatureKey
    amount: Annotated[Quantity, AfterValidator(_not_zero)]
    reason: Words
    actor: Words
    category: Text | None = None


def adjustment_answer(adjustment: Adjustment) -> dict[str, Any]:
    """An adjustment; `breakdown` and `limit` are as they were right after it, `resumed` whether a suspension that
    waited for a top-up ended by it. The limit is never below zero, also where its parts come to less."""
    return {
        "id": adjustment.id,
        "customer": adjustment.customer,
        "feature": adjustment.feature,
        "amount": format_quantity(adjustment.amount),
        "reason": adjustment.reason,
        "actor": adjustment.actor,
        "category": adjustment.category,
        "at": format_instant(adjustment.at),
        "period": period(adjustment.window.start, adjustment.window.end),
        "limit": format_quantity(max(ZERO, adjustment.after.total)),
        "breakdown": parts_answer(adjustment.after),
        "resumed": adjustment.resumed,
    }


def parts_answer(parts: Parts) -> dict[str, Any]:
    """What a window's limit is made of."""
    return {
        "base": format_quantity(parts.base),
        "carried": format_quantity(parts.carried),
        "adjusted": format_quantity(parts.adjusted),
    }
