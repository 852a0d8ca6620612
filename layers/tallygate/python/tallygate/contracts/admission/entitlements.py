"""Entitlements on the wire: the state of a feature, in the same words as a decision."""

from __future__ import annotations

from tallygate.contracts.admission.check import decision_answer
from tallygate.contracts.base.answers import JSON
from tallygate.contracts.limits.suspensions import suspension_answer, tier_suspension_answer
from tallygate.domain.admission.decision import Decision
from tallygate.domain.admission.tier_suspensions import waivers_in
from tallygate.domain.catalog.features import Switch
from tallygate.domain.catalog.units import Unit
from tallygate.domain.limits.suspensions import waiver_form

_STATE = (
    "customer feature type value limit unlimited used held remaining overage over_limit level period resets_at "
    "breakdown presented credits nodes as_of"
)


def entitlement_answer(decision: Decision, unit: Unit | None = None) -> JSON:
    """A feature's state. `stale` false: the numbers were read from the counters themselves.

    `enabled` is false only for a boolean feature that the plan names and switches off. `suspended` says what denies the
    whole feature; suspensions of its scopes are listed with the customer. `waived` are the levels whose tiers do not
    suspend again in the running period, since somebody has resumed.
    """
    stated = decision_answer(decision, detail=True, unit=unit)
    return {
        **{name: stated[name] for name in _STATE.split()},
        "enabled": decision.fixed.enabled if isinstance(decision.fixed, Switch) else True,
        "suspended": _suspended(decision),
        "waived": _waived(decision),
        "stale": False,
    }


def _suspended(decision: Decision) -> JSON | None:
    """What suspends the decision's feature; null: nothing."""
    if decision.suspension is not None:
        return suspension_answer(decision.suspension)
    return None if decision.stopped is None else tier_suspension_answer(decision.stopped)


def _waived(decision: Decision) -> list[JSON]:
    """What a resume has waived of the decision's feature, in the running periods."""
    grounds = decision.grounds
    if grounds is None or grounds.cell is None:
        return []
    waivers = waivers_in(grounds.cell, grounds.effective, decision.feature, decision.as_of)
    return [waiver_form(waiver) for waiver in waivers]
