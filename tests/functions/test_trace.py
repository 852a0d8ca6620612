"""How much of our own code one warm decision goes through, from the handler down to the DynamoDB client.

The figures are exact. A change that adds a station to the way of a decision raises a bound here, on purpose.
"""

from __future__ import annotations

import pytest

from bench.trace import Trace, traces

BOUNDS = {"consume": (186, 137, 39), "check": (138, 104, 33), "denial": (309, 172, 42)}
"""Calls, distinct functions, files."""


@pytest.fixture(scope="module")
def measured() -> dict[str, Trace]:
    return traces()


@pytest.mark.parametrize("decision", BOUNDS)
def test_a_warm_decision_stays_short(measured: dict[str, Trace], decision: str) -> None:
    for figure, bound in zip(measured[decision].figures, BOUNDS[decision], strict=True):
        assert figure <= bound, measured[decision].calls
