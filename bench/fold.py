"""What sparse and dense customers cost on the whole way from their write to an empty stream.

Alone in its batch: a consume or an event whose customer has an open window, 24 shards in its journal's marks, and a
journal that the container does not remember. Sparse: one consume of each of many such customers. Dense: batches of 100
consumes of one customer.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from bench import engine as bench_engine
from bench.cost import Cost, counting
from bench.functions import environment, loaded
from bench.streams import StreamReader, reader

TABLE = "fold"
SHARDS = 24
"""DynamoDB rolls a shard about every four hours, and a mark is kept for 48 hours: 12 shards of cells, 12 of events."""
SEQUENCES = 10**26
"""Sequence numbers of DynamoDB have about 26 digits."""
SPARSE, ROUNDS = 300, 3
DENSE, DENSE_BATCHES = 100, 20


class Stack:
    """The functions over one table, and the reader of its stream."""

    def __init__(self, url: str, check: ModuleType, ingest: ModuleType, aggregate: ModuleType) -> None:
        dynamodb = bench_engine.client(url)
        self.check, self.ingest, self.aggregate = check, ingest, aggregate
        self.stream: StreamReader = reader(dynamodb, bench_engine.client(url, "dynamodbstreams"), TABLE)
        self._shard = 0

    def forget(self) -> None:
        """Let the container of aggregate remember no journal."""
        self.aggregate.parts.journal.journal._heads.clear()  # noqa: SLF001  # as in a new container

    def next_shard(self) -> None:
        """Let further records come from another shard."""
        self._shard += 1

    def drain(self, call: Callable[[dict[str, Any]], object] | None = None) -> None:
        """Aggregate until nothing is left in the stream."""
        fold = call or (lambda batch: self.aggregate.handler(batch, None))
        batches = list(self.stream.batches())
        while batches:
            for batch in batches:
                fold(self._renamed(batch))
            batches = list(self.stream.batches())

    def drained_cpu(self) -> float:
        """Aggregate until nothing is left in the stream. Return the CPU seconds of the function alone."""
        spent = 0.0

        def fold(batch: dict[str, Any]) -> None:
            nonlocal spent
            begun = time.process_time()
            self.aggregate.handler(batch, None)
            spent += time.process_time() - begun

        self.drain(fold)
        return spent

    def _renamed(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The batch as Lambda passes it: shard ids and sequence numbers as long as those of DynamoDB."""
        records = json.loads(json.dumps(batch["Records"]))
        digest = hashlib.sha256(str(self._shard).encode()).hexdigest()
        begins = int(digest, 16) % SEQUENCES
        for record in records:
            change = record["dynamodb"]
            change["SequenceNumber"] = str(begins + int(change["SequenceNumber"]))
        return {"Records": records, "shardId": f"shardId-{self._shard:020d}-{digest[:31]}"}


def alone(stack: Stack, write: Callable[[int], object], function: ModuleType) -> Cost:
    """Return what one write costs on its whole way, when its customer's journal has the marks of 24 shards."""
    for index in range(SHARDS):
        stack.next_shard()
        write(index)
        stack.drain()
    stack.forget()
    with counting(function.engine.client) as cost:
        write(SHARDS)
        stack.drain()
    return cost


def per_cpu_second(stack: Stack, write: Callable[[int], object], *, records: int, rounds: int, cold: bool) -> float:
    """Return how many records a CPU second aggregates: the median of some rounds, after one that is not counted."""
    rates = []
    for round_ in range(rounds + 1):
        stack.next_shard()
        for index in range(records):
            write(index)
        if cold:
            stack.forget()
        spent = stack.drained_cpu()
        if round_:
            rates.append(records / spent)
    return statistics.median(rates)


def measured(
    url: str, prepare: Callable[[str], None], consume: Callable[[str], dict[str, Any]], post: Callable[[str], Any]
) -> Iterator[tuple[str, Cost | None, float | None]]:
    """Yield each row's name, its exact cost or none, and its pace or none.

    prepare: stores a customer of this name
    consume, post: the event of a request to check or ingest for this customer
    """
    loading = [
        loaded("check", environment("check", url, TABLE)),
        loaded("ingest", environment("ingest", url, TABLE)),
        loaded("aggregate", {**environment("aggregate", url, TABLE), "QUEUE_URL": f"{url}/queue"}),
    ]
    with loading[0] as check, loading[1] as ingest, loading[2] as aggregate:
        stack = Stack(url, check, ingest, aggregate)

        def use(customer: str) -> None:
            assert json.loads(check.handler(consume(customer), None)["body"])["granted"]

        def send(customer: str) -> None:
            assert json.loads(ingest.handler(post(customer), None)["body"])["accepted"] == 1

        for name in ("one-consume", "one-event", "dense", *(f"sparse-{n}" for n in range(SPARSE))):
            prepare(name)
        stack.drain()
        yield (
            "consume alone in its batch, whole way",
            alone(stack, lambda _: use("one-consume"), aggregate),
            None,
        )
        yield (
            "event alone in its batch, whole way",
            alone(stack, lambda _: send("one-event"), aggregate),
            None,
        )
        pace = per_cpu_second(stack, lambda n: use(f"sparse-{n}"), records=SPARSE, rounds=ROUNDS, cold=True)
        yield "fold, sparse", None, pace
        pace = per_cpu_second(stack, lambda n: send(f"sparse-{n}"), records=SPARSE, rounds=ROUNDS, cold=True)
        yield "fold, sparse events", None, pace
        stack.stream.size = DENSE
        pace = per_cpu_second(stack, lambda _: use("dense"), records=DENSE * DENSE_BATCHES, rounds=ROUNDS, cold=False)
        yield "fold, dense", None, pace
