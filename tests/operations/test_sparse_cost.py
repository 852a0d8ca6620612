"""What one write alone in its batch costs on its whole way, on the real engine.

The container does not remember the journal, the window is open, and the journal's marks name 24 shards.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from bench import engine as bench_engine
from bench.cost import Cost, counting
from bench.streams import StreamReader, reader
from tallygate.domain.base.instants import HOUR
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.operations.aggregate import aggregate
from tallygate.operations.base.each import in_turn
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.journal.records import Journal
from tallygate.storage.metering.events import Events
from tallygate.storage.stream import batch_of
from tests.given import NOW, effective, in_force, quota, wanted
from tests.truth import TOKENS, container, declare, draft, exists

SHARDS = 24
ITEM_BYTES_MAX = 1_024


class Way:
    """A table with one customer, and its stream as DynamoDB names shards and numbers records."""

    def __init__(self, engine: DynamoEngine, stream: StreamReader) -> None:
        self.engine, self.stream, self.shard, self.made = engine, stream, 0, 0
        in_force(engine, effective(quota(10**9), customer="customer-of-20-chars", tiers={"warning": 80}))
        exists(engine, "customer-of-20-chars")
        declare(engine, TOKENS)
        self.memory, self.events, self.parts = Memory(), Events(engine), container(engine)

    def consume(self) -> None:
        request = wanted(5, customer="customer-of-20-chars")
        consume(Cells(self.engine), self.memory, request, now=NOW, entropy=self._random)

    def post(self, pad: int = 0) -> None:
        name = self._random(16).hex()
        event = draft(name, subject="customer-of-20-chars", time=NOW, model="large", pad="x" * pad)
        ingest(self.events, Posted(submitted=(event,), batch=name), now=NOW, each=in_turn)

    def _random(self, length: int) -> bytes:
        self.made += 1
        return hashlib.sha256(f"{self.made}".encode()).digest()[:length]

    def batches(self) -> Iterator[dict[str, Any]]:
        digest = hashlib.sha256(f"shard {self.shard}".encode()).hexdigest()
        for batch in self.stream.batches():
            records = json.loads(json.dumps(batch["Records"]))
            for record in records:
                change = record["dynamodb"]
                change["SequenceNumber"] = str(int(digest, 16) % 10**26 + int(change["SequenceNumber"]))
                change["ApproximateCreationDateTime"] = NOW // 1000 + self.shard * HOUR // 1000
            shard = f"shardId-{self.shard:020d}-{digest[:31]}"
            assert len(shard) == 60
            yield {"Records": records, "shardId": shard}

    def drain(self) -> None:
        """Aggregate until nothing is left, in a container that remembers the catalog and no journal."""
        journal = replace(self.parts.journal, journal=Journal(self.engine))
        parts, folded = replace(self.parts, journal=journal), True
        while folded:
            folded = False
            for batch in self.batches():
                folded = True
                aggregate(parts, batch_of(batch), now=NOW)

    def alone(self, client: Any, write: Callable[[], None]) -> Cost:
        for _ in range(SHARDS):
            self.shard += 1
            write()
            self.drain()
        with counting(client) as cost:
            write()
            self.drain()
        head = Journal(self.engine).head("customer-of-20-chars", now=NOW, fresh=True)
        assert len(head.marks) == SHARDS
        return cost


@pytest.fixture
def way(dynoxide: bench_engine.Dynoxide, dynamodb: Any, dynamo_engine: DynamoEngine, table: str) -> Way:
    return Way(dynamo_engine, reader(dynamodb, bench_engine.client(dynoxide.url, "dynamodbstreams"), table))


def test_a_consume_costs_a_unit_for_cell_journal_total_and_usage(way: Way, dynamodb: Any) -> None:
    cost = way.alone(dynamodb, way.consume)
    assert cost.write_units == 4.0, cost
    assert cost.read_units <= 4.0, cost
    assert dict(cost.requests) == {"UpdateItem": 3, "PutItem": 1, "Query": 1, "BatchGetItem": 2}


def test_an_event_costs_one_unit_more_for_itself_and_nothing_for_being_journaled_twice(way: Way, dynamodb: Any) -> None:
    pad = 600
    cost = way.alone(dynamodb, lambda: way.post(pad))
    stored = [item for n in range(16) for item in way.engine.query(f"EVENT#customer-of-20-chars#{n}").items]
    assert 900 < max(map(_bytes, stored)) <= ITEM_BYTES_MAX
    assert cost.write_units == 5.0, cost
    assert cost.total == 9, cost


def test_a_journal_record_of_one_entry_leaves_room_in_its_unit(way: Way, dynamodb: Any) -> None:
    way.alone(dynamodb, way.consume)
    newest = way.engine.query("JOURNAL#customer-of-20-chars", newest_first=True, limit=2).items[1]
    assert _bytes(newest) <= 900


def _bytes(item: dict[str, Any]) -> int:
    """The item's size as DynamoDB counts it, approximately."""
    return sum(len(name) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: object) -> int:
    if isinstance(value, str):
        return len(value.encode())
    return len(value) if isinstance(value, bytes) else len(str(value)) // 2 + 2
