"""Corrections on the wire: settlements of decisions, adjustments of quotas, and manual resets."""

from __future__ import annotations

from typing import Annotated

from tallygate.contracts.base.answers import JSON, fields_of, period_answer
from tallygate.contracts.base.fields import Amount, FeatureKey, Quantity, Text, Time, Words, kept, one_of
from tallygate.contracts.base.reading import Contract
from tallygate.contracts.base.routes import Row
from tallygate.domain.base.instants import format_instant
from tallygate.domain.base.quantities import ZERO, format_quantity
from tallygate.domain.corrections.resets import Made, WindowReset
from tallygate.domain.corrections.settlements import Settlement
from tallygate.domain.facts.adjustments import Adjustment, LimitParts

FORGIVE, CARRY, KEEP = "forgive", "carry", "keep"


class SettleBody(Contract):
    """The final amount of a decision; 0 where nothing was consumed after all."""

    amount: Amount


SETTLE = Row(
    "POST /v1/consume/{decision_id}/settle",
    "check",
    "Correct what a granted consume counts, once: from an estimate to the final amount",
    SettleBody,
)


def settlement_answer(settlement: Settlement, *, customer: str, feature: str, replayed: bool) -> JSON:
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


_ZERO = ("out_of_range", "must not be 0: there would be nothing to adjust")


class AdjustmentBody(Contract):
    """The amount to add to a feature's quota in its running period (negative: to take away), why, and who asks.

    `category` is a word of your own for adjustments of one kind: goodwill, correction, top-up.
    """

    feature: FeatureKey
    amount: Annotated[Quantity, kept(lambda amount: None if amount else _ZERO)]
    reason: Words
    actor: Words
    category: Text | None = None


def adjustment_answer(adjustment: Adjustment) -> JSON:
    """An adjustment; `breakdown` and `limit` are as they were right after it, `resumed` whether a suspension that
    waited for a top-up ended by it. The limit is never below zero, also where its parts come to less."""
    return {
        **fields_of(adjustment, "id customer feature amount reason actor category resumed"),
        "at": format_instant(adjustment.at),
        "period": period_answer(adjustment.window.start, adjustment.window.end),
        "limit": format_quantity(max(ZERO, adjustment.after.total)),
        "breakdown": parts_answer(adjustment.after),
    }


def parts_answer(parts: LimitParts) -> JSON:
    """What a window's limit is made of."""
    return fields_of(parts, "base carried adjusted")


class ResetBody(Contract):
    """What to reset, as of when (by default now), why, and who asks.

    Usage before that time counts against no limit of the feature any more. Billing is unaffected. Overage is forgiven
    too, or, with `overage` carry, still counts.
    """

    feature: FeatureKey
    effective_at: Time | None = None
    anchor: Annotated[str, one_of((KEEP,), ("move",))] = KEEP
    overage: Annotated[str, one_of((FORGIVE, CARRY))] = FORGIVE
    reason: Words
    actor: Words


def reset_answer(made: Made) -> JSON:
    """A reset: of each window what was used, what is excluded of that, and what is left used. `rolling` names limits
    with a rolling period, which forgets by itself and is left alone."""
    asked = made.asked
    return {
        **fields_of(asked, "customer feature reason actor"),
        "effective_at": format_instant(made.effective_at),
        "anchor": KEEP,
        "overage": CARRY if asked.carry_overage else FORGIVE,
        "windows": [_window(each) for each in made.windows],
        "rolling": list(made.left),
    }


def _window(each: WindowReset) -> JSON:
    window = each.running.window
    return {
        "limit_name": each.running.name,
        "scope": dict(each.running.scope),
        "period": period_answer(window.start, window.end),
        "used_before": format_quantity(each.used),
        "excluded": format_quantity(each.amount),
        "used": format_quantity(each.used - each.amount),
    }
