"""Corrections on the wire: adjustments of quotas, and manual resets."""

from __future__ import annotations

from typing import Annotated

from tallygate.contracts.base.answers import JSON, fields_of, period_answer
from tallygate.contracts.base.fields import FeatureKey, Quantity, Text, Time, Words, kept, one_of
from tallygate.contracts.base.reading import Contract
from tallygate.domain.base.instants import format_instant
from tallygate.domain.base.quantities import ZERO, format_quantity
from tallygate.domain.corrections.resets import Made, WindowReset
from tallygate.domain.facts.adjustments import Adjustment, LimitParts

FORGIVE, CARRY, KEEP = "forgive", "carry", "keep"


_ZERO = ("out_of_range", "must not be 0")


class AdjustmentBody(Contract):
    """An adjustment of a feature's quota in the running period.

    `amount` is added to the limit; a negative amount is subtracted. `reason` and `actor` are for the audit trail.
    `category` is free text to group adjustments: goodwill, correction, top-up.
    """

    feature: FeatureKey
    amount: Annotated[Quantity, kept(lambda amount: None if amount else _ZERO)]
    reason: Words
    actor: Words
    category: Text | None = None


def adjustment_answer(adjustment: Adjustment) -> JSON:
    """Return an adjustment as JSON.

    limit: the limit right after the adjustment, never below 0 even if the sum of its parts is
    breakdown: the parts of the limit right after the adjustment
    resumed: whether the adjustment ended a suspension that waited for a top-up
    """
    return {
        **fields_of(adjustment, "id customer feature amount reason actor category resumed"),
        "at": format_instant(adjustment.at),
        "period": period_answer(adjustment.window.start, adjustment.window.end),
        "limit": format_quantity(max(ZERO, adjustment.after.total)),
        "breakdown": parts_answer(adjustment.after),
    }


def parts_answer(parts: LimitParts) -> JSON:
    """Return the parts of a window's limit."""
    return fields_of(parts, "base carried adjusted")


class ResetBody(Contract):
    """A reset of a feature's usage to zero for enforcement. Billing is unaffected.

    Usage before `effective_at` (default: now) no longer counts against the feature's limits. Overage is forgiven as
    well; with `overage` carry, it still counts. `reason` and `actor` are for the audit trail.
    """

    feature: FeatureKey
    effective_at: Time | None = None
    anchor: Annotated[str, one_of((KEEP,), ("move",))] = KEEP
    overage: Annotated[str, one_of((FORGIVE, CARRY))] = FORGIVE
    reason: Words
    actor: Words


def reset_answer(made: Made) -> JSON:
    """Return a reset as JSON.

    windows: for each window the usage before, the excluded part, and the usage after
    rolling: names of limits with a rolling period, which is not reset because old usage leaves it anyway
    """
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
