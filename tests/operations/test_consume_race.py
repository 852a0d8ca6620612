"""The race: any number of callers against one cap, on a real engine, through the operation."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from bench import engine as bench_engine
from tallygate.domain.base.instants import MINUTE
from tallygate.errors import Contended
from tallygate.operations.admission.check import check
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.dynamo import DynamoEngine
from tests.given import NOW, effective, in_force, quota, rate, wanted

LIMIT = 500
PROCESSES = 16
ROUNDS = 5


@dataclass(frozen=True)
class Racer:
    """One process's part: so many requests; ids are shared by twos where each request is sent twice."""

    url: str
    table: str
    number: int
    requests: int
    twice: bool
    boto3: bool


def run(racer: Racer) -> tuple[int, int]:
    """(granted afresh, granted as a replay) of one process."""
    store = Cells(bench_engine.engine_at(racer.url, racer.table, boto3=racer.boto3))
    memory, fresh, replayed = Memory(), 0, 0
    for index in range(racer.requests):
        request = wanted(1, request_id=f"{racer.number // 2}-{index}" if racer.twice else None)
        while True:
            try:
                decision = consume(store, memory, request, now=NOW, entropy=os.urandom)
                break
            except Contended:
                continue
        fresh += decision.granted and not decision.replayed
        replayed += decision.granted and decision.replayed
    return fresh, replayed


def counted(engine: DynamoEngine) -> object:
    store = Cells(engine)
    state = check(store, Memory(), wanted(0), now=NOW).quota
    assert state is not None
    return state.used


@pytest.mark.parametrize(
    ("twice", "boto3"),
    [(False, False), (True, False), (True, True)],
    ids=["no ids", "every id sent twice", "every id sent twice, through boto3"],
)
def test_sixteen_processes_are_granted_exactly_the_limit_in_every_round(
    dynoxide: bench_engine.Dynoxide, dynamodb: Any, twice: bool, boto3: bool
) -> None:
    """Exactly LIMIT, in five rounds of five: nobody slips under, and nobody is denied while there is room."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        for round_ in range(1 if boto3 else ROUNDS):
            table = bench_engine.create_table(dynamodb, f"race-{twice}-{boto3}-{round_}")
            engine = bench_engine.engine_at(dynoxide.url, table)
            in_force(engine, effective(quota(LIMIT)))
            each = 2 * LIMIT * (2 if twice else 1) // PROCESSES
            racers = [Racer(dynoxide.url, table, number, each, twice, boto3) for number in range(PROCESSES)]
            results = list(pool.map(run, racers))
            assert sum(fresh for fresh, _ in results) == LIMIT
            assert counted(engine) == LIMIT
            if twice:
                assert sum(replayed for _, replayed in results) > 0, "both copies of an id were sent"


def test_threads_racing_on_a_rate_are_granted_exactly_the_burst(dynamo_engine: DynamoEngine) -> None:
    in_force(dynamo_engine, effective(quota(10_000), rates=(rate(60, burst=40),)))
    store = Cells(dynamo_engine)
    at = NOW - NOW % (40 * MINUTE)

    def one(_: int) -> bool:
        memory = Memory()
        while True:
            try:
                return consume(store, memory, wanted(1), now=at, entropy=os.urandom).granted
            except Contended:
                continue

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(one, range(160))) == 40


def test_one_idempotency_key_from_sixteen_threads_counts_once(dynamo_engine: DynamoEngine) -> None:
    in_force(dynamo_engine, effective(quota(10)))
    store = Cells(dynamo_engine)

    def one(_: int) -> tuple[str | None, bool]:
        request = wanted(3, idempotency_key="same")
        while True:
            try:
                decision = consume(store, Memory(), request, now=NOW, entropy=os.urandom)
                return decision.decision_id, decision.replayed
            except Contended:
                continue

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(one, range(32)))
    assert len({decision_id for decision_id, _ in answers}) == 1
    assert sum(not replayed for _, replayed in answers) == 1
    assert counted(dynamo_engine) == 3
