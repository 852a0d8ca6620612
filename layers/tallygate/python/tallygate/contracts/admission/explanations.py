"""Explanations on the wire: the field that `explain: true` adds to a decision."""

from __future__ import annotations

from collections.abc import Mapping

from tallygate.contracts.base.answers import JSON, fields_of, window_answer
from tallygate.domain.admission.decision import Decision
from tallygate.domain.admission.explanation import met, unmatched, why


def explanation_answer(decision: Decision, dimensions: Mapping[str, str]) -> JSON:
    """Return what every limit says of the request, and why the others do not govern it.

    dimensions: of the request
    """
    return {
        "limits": [
            {
                "name": limit.name,
                "scope": dict(limit.scope),
                "window": window_answer(limit.kind, limit.start, limit.end),
                "met": met(decision, limit),
                "why": why(decision, limit),
            }
            for limit in decision.limits
        ],
        "unmatched": [fields_of(each, "name scope dimension wanted given") for each in unmatched(decision, dimensions)],
    }
