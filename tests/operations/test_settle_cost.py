"""What settling and explaining a decision cost, exactly: requests and capacity units on a real engine."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from bench import engine as bench_engine
from bench.cost import counting
from bench.streams import reader
from tallygate.domain.admission.decision_ids import Secret
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.operations.aggregate import aggregate
from tallygate.operations.corrections.settle import Settle, settle
from tallygate.operations.journal.explain import explain
from tallygate.operations.journal.find_decision import decision_named
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.journal.decisions import Decisions
from tallygate.storage.stream import batch_of
from tests.given import NOW, effective, in_force, known_to, quota, wanted
from tests.truth import TOKENS, container, declare


def decided(engine: DynamoEngine, number: int) -> str:
    decision = consume(Cells(engine), Memory(), wanted(5), now=NOW, entropy=number.to_bytes)
    assert decision.decision_id is not None
    return decision.decision_id


def settled(engine: DynamoEngine, decision_id: str, amount: int, secret: Secret) -> bool:
    named = decision_named(decision_id, secret, now=NOW)
    request = Settle(decision_id=decision_id, decision=named, amount=Decimal(amount))
    return settle(Decisions(engine), request, now=NOW).replayed


def test_a_settlement_is_a_read_and_a_transaction_of_four_units(dynamo_engine: DynamoEngine, dynamodb: Any) -> None:
    in_force(dynamo_engine, effective(*(quota(1000, ordinal=n) for n in range(1, 9))))
    made, secret = decided(dynamo_engine, 1), known_to(dynamo_engine)
    with counting(dynamodb) as cost:
        assert not settled(dynamo_engine, made, 9, secret)
    assert (dict(cost.requests), cost.write_units) == ({"GetItem": 1, "TransactWriteItems": 1}, 4.0)
    with counting(dynamodb) as cost:
        assert settled(dynamo_engine, made, 9, secret)
    assert (dict(cost.requests), cost.write_units) == ({"GetItem": 2}, 0.0), "repeated: two reads"


def test_one_from_the_journal_is_two_reads_more(
    dynoxide: bench_engine.Dynoxide, dynamo_engine: DynamoEngine, dynamodb: Any, table: str
) -> None:
    in_force(dynamo_engine, effective(quota(1000)))
    declare(dynamo_engine, TOKENS)
    made, secret = decided(dynamo_engine, 1), known_to(dynamo_engine)
    decided(dynamo_engine, 2)
    stream = reader(dynamodb, bench_engine.client(dynoxide.url, "dynamodbstreams"), table)
    parts = container(dynamo_engine)
    for event in stream.batches():
        aggregate(parts, batch_of(json.loads(json.dumps(event))), now=NOW)
    with counting(dynamodb) as cost:
        assert not settled(dynamo_engine, made, 9, secret)
    assert (dict(cost.requests), cost.write_units) == ({"GetItem": 2, "Query": 1, "TransactWriteItems": 1}, 4.0)
    with counting(dynamodb) as cost:
        found = explain(Decisions(dynamo_engine), made, decision_named(made, secret, now=NOW), now=NOW)
    assert found.settlement is not None
    assert (dict(cost.requests), cost.write_units) == ({"GetItem": 2, "Query": 1}, 0.0)
