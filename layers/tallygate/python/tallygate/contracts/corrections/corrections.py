"""Corrections on the wire: adjustments of quotas, and manual resets."""

from __future__ import annotations

from typing import Annotated, Literal

from tallygate.contracts.admission.windows import Parts
from tallygate.contracts.base.answers import JSON
from tallygate.contracts.base.bodies import AnswerBody, QuantityOut, Span, TimeOut
from tallygate.contracts.base.fields import FeatureKey, Quantity, Text, Time, Words, kept, one_of
from tallygate.contracts.base.reading import Contract
from tallygate.domain.base.quantities import ZERO
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


class AdjustmentAnswer(AnswerBody):
    """An adjustment.

    amount: units added to the limit; negative: subtracted
    resumed: whether it ended a suspension that waited for a top-up
    limit: limit right after it, never below 0 even if the sum of its parts is
    breakdown: parts of the limit right after it
    """

    id: str
    customer: str
    feature: str
    amount: QuantityOut
    reason: str
    actor: str
    category: str | None
    resumed: bool
    at: TimeOut
    period: Span
    limit: QuantityOut
    breakdown: Parts


def adjustment_answer(adjustment: Adjustment) -> JSON:
    """Return an adjustment as JSON."""
    after = adjustment.after
    return AdjustmentAnswer.of(adjustment, period=adjustment.window, limit=max(ZERO, after.total), breakdown=after)


def parts_answer(parts: LimitParts) -> JSON:
    """Return the parts of a window's limit."""
    return Parts.of(parts)


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


class ResetWindow(AnswerBody):
    """The reset of one window.

    used_before: usage before
    excluded: the part that no longer counts against the limit
    used: usage after
    """

    limit_name: str
    scope: dict[str, str]
    period: Span
    used_before: QuantityOut
    excluded: QuantityOut
    used: QuantityOut


class ResetMade(AnswerBody):
    """A reset of a feature's usage, as planned.

    rolling: names of limits with a rolling period, which is not reset because old usage leaves it anyway
    """

    customer: str
    feature: str
    reason: str
    actor: str
    effective_at: TimeOut
    anchor: Literal["keep"]
    overage: Literal["forgive", "carry"]
    windows: list[ResetWindow]
    rolling: list[str]


class ResetAnswer(ResetMade):
    """A reset of a feature's usage.

    changed: whether the call changed anything
    audit_id: id of the audit entry; null: nothing changed
    """

    changed: bool
    audit_id: str | None


def reset_answer(made: Made) -> JSON:
    """Return a reset as JSON."""
    return ResetMade.of(
        made.asked,
        effective_at=made.effective_at,
        anchor=KEEP,
        overage=CARRY if made.asked.carry_overage else FORGIVE,
        windows=[_window(each) for each in made.windows],
        rolling=made.left,
    )


def _window(each: WindowReset) -> JSON:
    return ResetWindow.of(
        each.running,
        limit_name=each.running.name,
        period=each.running.window,
        used_before=each.used,
        excluded=each.amount,
        used=each.used - each.amount,
    )
