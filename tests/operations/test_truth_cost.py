"""What an event costs until it is in totals, usage and cell: requests and write units, on the real engine."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bench import engine as bench_engine
from bench.cost import Cost, counting
from bench.streams import StreamReader, reader
from tallygate.domain.metering.events import Draft
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.operations.aggregate import Parts, aggregate
from tallygate.operations.base.each import in_turn
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.metering.events import Events
from tallygate.storage.stream import batch_of
from tests.given import NOW, effective, in_force, quota, wanted
from tests.shops import Shop
from tests.truth import TOKENS, container, declare, draft, exists

BATCH = 100
BATCHES = 5


def drain(stream: StreamReader, parts: Parts, now: int = NOW) -> None:
    folded = True
    while folded:
        folded = False
        for event in stream.batches():
            folded = True
            aggregate(parts, batch_of(json.loads(json.dumps(event))), now=now)


def drafts(batch: int) -> tuple[Draft, ...]:
    return tuple(
        draft(
            f"01JD{batch:04d}{i:018d}", tokens=1000 + i, time=NOW - i, model="large", team="engineering", user=f"u{i}"
        )
        for i in range(BATCH)
    )


@pytest.fixture
def stream(dynoxide: bench_engine.Dynoxide, dynamodb: Any, table: str) -> StreamReader:
    return reader(dynamodb, bench_engine.client(dynoxide.url, "dynamodbstreams"), table)


def test_a_batch_of_one_customer_costs_little_more_than_its_puts(
    dynamo_engine: DynamoEngine, dynamodb: Any, stream: StreamReader
) -> None:
    in_force(dynamo_engine, effective(quota(10**9), tiers={"warning": 80}))
    exists(dynamo_engine, "acme")
    declare(dynamo_engine, TOKENS)
    store, parts = Events(dynamo_engine), container(dynamo_engine)
    with ThreadPoolExecutor(8) as pool:

        def run(batch: int) -> Cost:
            posted = Posted(submitted=drafts(batch), batch=f"b{batch}")
            with counting(dynamodb) as cost:
                results = ingest(store, posted, now=NOW, each=lambda f, v: list(pool.map(f, v)))
                drain(stream, parts)
            assert {result.status.value for result in results} == {"accepted"}
            return cost

        run(0)
        costs = [run(batch) for batch in range(1, BATCHES + 1)]
    for cost in costs:
        assert cost.total / BATCH <= 1.1, cost.requests
        assert cost.write_units / BATCH <= 1.2, cost
    total = dynamo_engine.query("TOTAL#acme").items[0]
    assert total["value"] == (BATCHES + 1) * sum(1000 + i for i in range(BATCH))


def test_what_carries_over_and_has_tiers_costs_no_more_once_its_window_is_open(
    dynamo_engine: DynamoEngine, dynamodb: Any, stream: StreamReader
) -> None:
    tiers = [
        {"at": "80%", "level": "warning", "hysteresis": "5%"},
        {"at": "100%", "level": "over", "policy": "allow_with_grace", "grace_for": "P1D"},
    ]
    shop = Shop(dynamo_engine, pro={"limit": 10**9, "carryover": {"expires_after": 3}, "tiers": tiers})
    store, parts = Events(dynamo_engine), container(dynamo_engine)

    def run(batch: int) -> Cost:
        submitted = tuple(draft(f"{batch}-{i}", event_type="e", tokens=None, time=shop.now) for i in range(BATCH))
        with counting(dynamodb) as cost:
            ingest(store, Posted(submitted=submitted, batch=f"b{batch}"), now=shop.now, each=in_turn)
            drain(stream, parts, now=shop.now)
        return cost

    run(0)
    for batch in range(1, BATCHES + 1):
        cost = run(batch)
        assert cost.total / BATCH <= 1.1, cost.requests
        assert cost.write_units / BATCH <= 1.2, cost
    assert shop.state()["used"] == (BATCHES + 1) * BATCH


def test_a_consume_that_is_folded_with_others_adds_a_few_requests_for_all_of_them(
    dynamo_engine: DynamoEngine, dynamodb: Any, stream: StreamReader
) -> None:
    in_force(dynamo_engine, effective(quota(10**9)))
    declare(dynamo_engine, TOKENS)
    parts, memory = container(dynamo_engine), Memory()

    def use(times: int) -> None:
        for _ in range(times):
            consume(Cells(dynamo_engine), memory, wanted(5), now=NOW, entropy=lambda n: b"\0" * n)

    use(1)
    drain(stream, parts)
    use(BATCH)
    with counting(dynamodb) as cost:
        drain(stream, parts)
    assert cost.total <= 6, cost.requests
    assert cost.write_units / BATCH <= 0.1
