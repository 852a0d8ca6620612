"""Entitlements on the wire: the state of a feature, with the same fields as a decision."""

from __future__ import annotations

from typing import Literal

from tallygate.contracts.admission.answers import FeatureState
from tallygate.contracts.admission.check import decision_answer, feature_type, state_answer
from tallygate.contracts.base.answers import JSON
from tallygate.contracts.base.bodies import QuantityOut, TimeOut
from tallygate.contracts.catalog.answers import SettingOut
from tallygate.contracts.limits.suspensions import (
    SuspensionAnswer,
    WaiverAnswer,
    suspension_answer,
    tier_suspension_answer,
)
from tallygate.domain.admission.decision import Decision
from tallygate.domain.admission.tier_suspensions import waivers_in
from tallygate.domain.catalog.features import Switch
from tallygate.domain.catalog.units import Unit
from tallygate.domain.limits.suspensions import waiver_form


class EntitlementAnswer(FeatureState):
    """The state of one feature of a customer.

    type: null: the customer has no right to the feature
    value: of a config feature
    limit: null: unlimited
    remaining: null: unlimited
    level: level that usage has reached
    resets_at: null: never
    credits: always null in this version
    enabled: false only for a boolean feature that the plan switches off
    suspended: suspension of the whole feature; null: none. Suspensions of scopes are listed with the customer.
    waived: levels whose tiers do not suspend again in the running period, because an operator resumed usage
    stale: always false: the numbers come from the counters
    """

    type: Literal["metered", "boolean", "config"] | None
    value: SettingOut | None
    limit: QuantityOut | None
    unlimited: bool
    used: QuantityOut
    remaining: QuantityOut | None
    level: str
    resets_at: TimeOut | None
    credits: None
    enabled: bool
    suspended: SuspensionAnswer | None
    waived: list[WaiverAnswer]
    stale: bool


def entitlement_answer(decision: Decision, unit: Unit | None = None) -> JSON:
    """Return a feature's state as JSON."""
    stated = decision_answer(decision)
    return EntitlementAnswer.of(
        state_answer(decision, unit),
        type=feature_type(decision),
        value=stated.get("value"),
        **{name: stated[name] for name in ("limit", "unlimited", "used", "remaining", "level", "resets_at")},
        credits=None,
        enabled=decision.fixed.enabled if isinstance(decision.fixed, Switch) else True,
        suspended=_suspended(decision),
        waived=_waived(decision),
        stale=False,
    )


def _suspended(decision: Decision) -> JSON | None:
    """Return the suspension of the decision's feature; null: none."""
    if decision.suspension is not None:
        return suspension_answer(decision.suspension)
    return None if decision.stopped is None else tier_suspension_answer(decision.stopped)


def _waived(decision: Decision) -> list[JSON]:
    """Return the tiers of the decision's feature that a resume has waived, in the running periods."""
    grounds = decision.grounds
    if grounds is None or grounds.cell is None:
        return []
    waivers = waivers_in(grounds.cell, grounds.effective, decision.feature, decision.as_of)
    return [waiver_form(waiver) for waiver in waivers]
