"""Decisions as a client reads them."""

from __future__ import annotations

from typing import Any

from tallygate.contracts.admission.check import decision_answer
from tallygate.domain.admission.decision import Decision
from tallygate.domain.base.json import read_json, write_json
from tallygate.domain.catalog.units import Unit


def answered(decision: Decision) -> dict[str, Any]:
    """The decision as answered by default, after the way over the wire."""
    read: dict[str, Any] = read_json(write_json(decision_answer(decision)))
    return read


def detailed(decision: Decision, unit: Unit | None = None) -> dict[str, Any]:
    """The decision with all its details, after the way over the wire."""
    read: dict[str, Any] = read_json(write_json(decision_answer(decision, detail=True, unit=unit)))
    return read
