"""The race up the rungs: any number of callers on one limit, on a real engine, and each tier holds to the unit."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pytest

from bench import engine as bench_engine
from tallygate.domain.admission.decision import Decision
from tallygate.domain.base.instants import HOUR
from tallygate.domain.catalog.tiers import tier_of
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.limits import Effective
from tallygate.errors import Contended
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base import items, keys
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.entries.writes import LAST
from tests.given import FEATURE, NOW, effective, in_force, quota, wanted

PROCESSES = 8
EACH = 60
LIMIT = 100
Form = dict[str, Any]


@dataclass(frozen=True)
class Racer:
    """One process's part: so many requests of amounts that differ, each with a memory of its own."""

    url: str
    table: str
    number: int
    amounts: tuple[int, ...]
    at: int = NOW


def told(decision: Decision, amount: int) -> tuple[str, int]:
    return decision.reason.value, amount if decision.granted else 0


def run(racer: Racer) -> list[tuple[str, int]]:
    """(reason, granted) of every request of one process, in its order."""
    store, memory = Cells(bench_engine.engine_at(racer.url, racer.table)), Memory()
    found: list[tuple[str, int]] = []
    for amount in racer.amounts:
        while True:
            try:
                decision = consume(store, memory, wanted(amount), now=racer.at, entropy=os.urandom)
                break
            except Contended:
                continue
        found.append(told(decision, amount))
    return found


def tiered(*forms: Form) -> Effective:
    limited = effective(quota(LIMIT))
    right = limited.entitlements[FEATURE]
    tiers = tuple(tier_of({"level": f"level_{index}", **form}) for index, form in enumerate(forms))
    return replace(limited, entitlements={FEATURE: replace(right, limits=(replace(right.limits[0], tiers=tiers),))})


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


@dataclass(slots=True)
class Race:
    """A table of its own, and all that was answered of it."""

    url: str
    table: str
    engine: DynamoEngine
    pool: ProcessPoolExecutor

    def run(self, *amounts: int, at: int = NOW) -> list[tuple[str, int]]:
        racers = [Racer(self.url, self.table, number, amounts, at) for number in range(PROCESSES)]
        return [answer for answers in self.pool.map(run, racers) for answer in answers]

    def cell(self) -> dict[str, Any]:
        return self.engine.get(keys.cell(CellName("acme", FEATURE))) or {}


@pytest.fixture
def race(dynoxide: bench_engine.Dynoxide, table: str, dynamo_engine: DynamoEngine, pool: ProcessPoolExecutor) -> Race:
    return Race(dynoxide.url, table, dynamo_engine, pool)


def writes(race: Race, answers: list[tuple[str, int]]) -> int:
    """The writes to the cell that counted nothing: every write raises the revision by one."""
    return int(race.cell()[items.REVISION]) - sum(granted > 0 for _, granted in answers)


@pytest.mark.parametrize(
    ("forms", "ceiling", "reasons"),
    [
        (
            [{"at": "100%", "policy": "allow_with_overage", "max_overage": 20}],
            120,
            {"ok": 100, "overage_allowed": 20},
        ),
        ([{"at": "100%", "policy": "allow_with_grace", "grace_amount": 20}], 120, {"ok": 100, "grace": 20}),
        (
            [
                {"at": "80%", "policy": "rate_limit", "limit": 1000, "per": "second", "ordinal": 50},
                {"at": "100%", "policy": "allow_with_grace", "grace_amount": 20, "grace_for": "PT1H"},
                {"at": "110%", "policy": "deny"},
            ],
            110,
            {"ok": 100, "overage_allowed": 10},
        ),
    ],
    ids=["overage", "grace", "rate, grace, deny"],
)
def test_processes_climb_to_the_ceiling_and_not_a_unit_further(
    race: Race, forms: list[Form], ceiling: int, reasons: dict[str, int]
) -> None:
    """Whoever asks for one unit is denied nothing while one is left, and each rung is as long as declared."""
    in_force(race.engine, tiered(*forms))
    answers = race.run(*[1] * EACH)
    granted: Counter[str] = Counter()
    for reason, amount in answers:
        granted[reason] += amount
    assert +granted == reasons
    assert sum(granted.values()) == ceiling
    assert {reason for reason, amount in answers if not amount} == {"quota_exceeded"}
    assert writes(race, answers) == 1, "one mark of the window's first denial"


def test_amounts_that_leap_over_rungs_never_pass_the_ceiling(race: Race) -> None:
    in_force(
        race.engine,
        tiered(
            {"at": "50%", "policy": "allow_with_overage", "max_overage": 50},
            {"at": "100%", "policy": "allow_with_grace", "grace_amount": 30},
        ),
    )
    answers = race.run(*[7, 3, 11, 1, 1, 1, 1, 1] * 4)
    assert sum(amount for _, amount in answers) == 130, "ones fill what larger amounts leave"


def test_a_suspension_is_written_once_and_nothing_is_granted_after_it(race: Race) -> None:
    in_force(race.engine, tiered({"at": "100%", "policy": "suspend_usage", "until": "PT1H"}))
    answers = race.run(*[1] * EACH)
    assert sum(amount for _, amount in answers) == LIMIT
    assert Counter(reason for reason, amount in answers if not amount) == {"suspended": PROCESSES * EACH - LIMIT}
    assert writes(race, answers) == 1, "the suspension"
    assert json.loads(str(race.cell()[LAST]))["k"] == "suspend"
    assert {reason for reason, _ in race.run(1, at=NOW + HOUR - 1)} == {"suspended"}


def test_one_grace_begins_whoever_crosses_first_and_ends_for_all(race: Race) -> None:
    in_force(race.engine, tiered({"at": "100%", "policy": "allow_with_grace", "grace_for": "PT1H"}))
    answers = race.run(*[1] * EACH)
    assert sum(amount for _, amount in answers) == PROCESSES * EACH
    assert {reason for reason, _ in race.run(1, at=NOW + HOUR - 1)} == {"grace"}
    over = race.run(*[1] * 5, at=NOW + HOUR)
    assert {reason for reason, _ in over} == {"quota_exceeded"}
