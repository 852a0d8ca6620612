"""A plan changes back and forth while processes consume, on a real engine: the limit is granted exactly once."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from bench import engine as bench_engine
from tallygate.errors import Contended
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.storage.admission.cells import Cells
from tests.given import wanted
from tests.shops import OPENED, Shop

LIMIT, PROCESSES, ROUNDS, CHANGES = 300, 4, 1, 6
PLANS: dict[str, Any] = {
    "month": {"limit": LIMIT},
    "year": {"limit": LIMIT, "period": {"every": "year"}},
    "week": {"limit": LIMIT, "period": {"every": "P30D", "anchor": "2026-01-01T00:00:00Z"}},
}
"""All of their windows hold all that is used here, so that they have one limit together."""


@dataclass(frozen=True)
class Racer:
    url: str
    table: str
    customer: str


def run(racer: Racer) -> int:
    """What one process is granted, one by one, until it has been denied for a while."""
    store, memory = Cells(bench_engine.engine_at(racer.url, racer.table)), Memory()
    granted, denied = 0, 0
    while denied < 20:
        try:
            decision = consume(store, memory, wanted(1, customer=racer.customer), now=OPENED + 1, entropy=os.urandom)
        except Contended:
            continue
        granted += decision.granted
        denied += not decision.granted
    return granted


def test_no_cap_is_passed_and_nobody_is_denied_while_plans_change(
    dynoxide: bench_engine.Dynoxide, dynamodb: Any
) -> None:
    """Exactly LIMIT is granted, whichever plans and counters it is granted under."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        for round_ in range(ROUNDS):
            table = bench_engine.create_table(dynamodb, f"follow-race-{round_}")
            shop = Shop(bench_engine.engine_at(dynoxide.url, table), f"c{round_}", **PLANS)
            shop.now = OPENED + 1
            racing = [pool.submit(run, Racer(dynoxide.url, table, shop.customer)) for _ in range(PROCESSES)]
            for change in range(CHANGES):
                # Each change comes amid the race: after its part of the grants, and before the last of them.
                while shop.state()["used"] < (change + 1) * LIMIT // (CHANGES + 2):
                    assert not all(racer.done() for racer in racing), [racer.result() for racer in racing]
                shop.subscribe(sorted(PLANS)[change % len(PLANS)])
            assert sum(racer.result() for racer in racing) == LIMIT
            assert shop.state()["used"] == LIMIT
