"""Entitlements on the wire: the state of a feature, in the same words as a decision."""

from __future__ import annotations

from typing import Any

from tallygate.contracts.check import decision_answer
from tallygate.contracts.suspensions import suspended_answer, waived_answer
from tallygate.domain.decision import Decision
from tallygate.domain.features import Switch
from tallygate.domain.units import Unit

_STATE = (
    "customer",
    "feature",
    "type",
    "value",
    "limit",
    "unlimited",
    "used",
    "held",
    "remaining",
    "overage",
    "over_limit",
    "level",
    "period",
    "resets_at",
    "breakdown",
    "presented",
    "credits",
    "nodes",
    "as_of",
)


def entitlement_answer(decision: Decision, unit: Unit | None = None) -> dict[str, Any]:
    """A feature's state. `stale` false: the numbers were read from the counters themselves.

    `enabled` is false only for a boolean feature that the plan names and switches off; `suspended` says what denies all
    of the feature, while suspensions of some of its scopes stand with the customer. `waived` are the levels whose tiers
    suspend no more in the running period, since somebody has resumed.
    """
    stated = decision_answer(decision, detail=True, unit=unit)
    state = {name: stated[name] for name in _STATE}
    enabled = decision.fixed.enabled if isinstance(decision.fixed, Switch) else True
    stopped = {"suspended": suspended_answer(decision), "waived": waived_answer(decision)}
    return {**state, "enabled": enabled, **stopped, "stale": False}
