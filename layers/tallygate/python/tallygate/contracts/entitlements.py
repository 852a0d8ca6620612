"""Entitlements on the wire: the state of a feature, in the same words as a decision."""

from __future__ import annotations

from typing import Any

from tallygate.contracts.check import decision_answer
from tallygate.domain.decision import Decision, Reason

_STATE = (
    "customer",
    "feature",
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


def entitlement_answer(decision: Decision) -> dict[str, Any]:
    """A feature's state. `stale` false: the numbers were read from the counters themselves."""
    stated = decision_answer(decision, detail=True)
    state = {name: stated[name] for name in _STATE}
    return {**state, "type": "metered", "suspended": decision.reason is Reason.SUSPENDED, "stale": False}
