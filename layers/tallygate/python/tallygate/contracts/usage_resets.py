"""Manual resets on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import WithJsonSchema

from tallygate.contracts.fields import FeatureKey, Time, Words, one_of
from tallygate.contracts.reading import Contract
from tallygate.domain.facts import period
from tallygate.domain.instants import format_instant
from tallygate.domain.quantities import format_quantity
from tallygate.domain.usage_resets import Made, WindowReset

FORGIVE, CARRY, KEEP = "forgive", "carry", "keep"

OnlyKeep = Annotated[str, one_of((KEEP,), ("move",)), WithJsonSchema({"enum": [KEEP]})]
Overage = Annotated[str, one_of((FORGIVE, CARRY)), WithJsonSchema({"enum": [FORGIVE, CARRY]})]


class ResetBody(Contract):
    """What to reset, as of when (left out: now), why, and who asks.

    Usage before that counts against no limit of the feature any more; it stays billed. What lies beyond a limit is
    forgiven with the rest, or, by `overage` carry, stays used.
    """

    feature: FeatureKey
    effective_at: Time | None = None
    anchor: OnlyKeep = KEEP
    overage: Overage = FORGIVE
    reason: Words
    actor: Words


def reset_answer(made: Made) -> dict[str, Any]:
    """A reset: of each window what was used, what is excluded of that, and what is left used. `rolling` names limits
    with a rolling period, which forgets by itself and is left alone."""
    asked = made.asked
    return {
        "customer": asked.customer,
        "feature": asked.feature,
        "effective_at": format_instant(made.effective_at),
        "anchor": KEEP,
        "overage": CARRY if asked.carry_overage else FORGIVE,
        "reason": asked.reason,
        "actor": asked.actor,
        "windows": [_window(each) for each in made.windows],
        "rolling": list(made.left),
    }


def _window(each: WindowReset) -> dict[str, Any]:
    window = each.running.window
    return {
        "limit_name": each.running.name,
        "scope": dict(each.running.scope),
        "period": period(window.start, window.end),
        "used_before": format_quantity(each.used),
        "excluded": format_quantity(each.amount),
        "used": format_quantity(each.used - each.amount),
    }
