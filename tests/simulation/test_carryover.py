"""Carryover against an independent model: whatever comes late, the open window and every statement are what they would
be had everything been in time.

SIMULATION_SEEDS=5000 pytest tests/simulation/test_carryover.py     more runs
SIMULATION_SEED=1234  pytest tests/simulation/test_carryover.py     that run alone
"""

from __future__ import annotations

import os
from decimal import Decimal

import pytest

from tests.simulation.carryover_model import Ledger, Rule
from tests.simulation.carryover_world import World

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "240"))
ONLY = os.environ.get("SIMULATION_SEED")
CHUNK = 40


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK) if ONLY is None else [int(ONLY)])
def test_whatever_comes_late_comes_to_the_same(first: int) -> None:
    for seed in range(first, min(first + CHUNK, SEEDS)) if ONLY is None else [first]:
        try:
            World(seed).run()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


def test_the_model_itself_by_hand() -> None:
    """Base 50, parts expire after 5 windows, 1 used in each, 1,000 added in window 2."""
    ledger = Ledger(Rule(expires_after=5), Decimal(50))
    for window in range(4):
        ledger.used[window] += 1
    ledger.adjusted[1] += 1000
    assert ledger.carried_into(1) == 49
    assert ledger.carried_into(2) == 49 + 1050 - 1
    ledger.used[1] += Decimal("0.001")
    assert ledger.carried_into(2) == Decimal("1097.999")
    assert ledger.carried_into(6) - ledger.carried_into(5) < 50, "the first window's part is gone"
