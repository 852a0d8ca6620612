"""`make bench`: what each operation costs.

Requests and units are exact; time is a ratio to a bare call in the same run.

The bare call is one `update_item` of boto3 that adds 1 to a counter on the same engine. It is interleaved with the
measured calls, so that a slow machine slows both. CPU is the time of this process (the client's side); the engine runs
in another process. The command prints a table and writes bench/results/bench.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench import engine as bench_engine
from bench import fold
from bench.cost import Cost, counting
from bench.exact import Counted, counted
from bench.functions import environment, loaded
from bench.given import FEATURE, ROOT, customer, event, feature, posting, quiet
from bench.imports import import_times
from bench.streams import reader
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Put

RUNS, WARM_UP = 2_000, 200
BATCH = 100
IDS_EACH = 30
"""Requests with ids on one customer. At 30 a minute its cell stays within one write unit."""
TABLE = "bench"


@dataclass(frozen=True)
class Row:
    """One operation: exact counts of one warm operation, and medians over all of them.

    per_cpu_second: records that a CPU second aggregates; None: not measured
    refused: writes whose condition failed; AWS charges one unit for each
    calls, stored_bytes, log_bytes: as in `bench.exact`, 0 if not measured
    """

    operation: str
    requests: dict[str, float]
    write_units: float
    read_units: float
    cpu_ms: float
    wall_ms: float
    cpu_ratio: float
    wall_ratio: float
    per_cpu_second: float | None = None
    refused: float = 0.0
    calls: float = 0.0
    stored_bytes: float = 0.0
    log_bytes: float = 0.0


def bare(dynamodb: Any, table: str) -> Callable[[int], object]:
    """The reference call: the least that an atomic counter can cost through boto3."""

    def call(_: int) -> object:
        return dynamodb.update_item(**bare_request(table))

    return call


def bare_request(table: str) -> dict[str, Any]:
    return {
        "TableName": table,
        "Key": {"pk": {"S": "BARE"}, "sk": {"S": "BARE"}},
        "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }


def timed(call: Callable[[int], object], index: int) -> tuple[float, float]:
    """Return (CPU, wall) milliseconds of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    call(index)
    return (time.process_time() - cpu) * 1000, (time.perf_counter() - wall) * 1000


def compare(yardstick: Callable[[int], object], call: Callable[[int], object], runs: int) -> tuple[float, ...]:
    """Return the medians of both, interleaved: (bare CPU, bare wall, CPU, wall), in milliseconds."""
    samples: list[tuple[float, ...]] = []
    for index in range(WARM_UP + runs):
        sample = (*timed(yardstick, index), *timed(call, index))
        if index >= WARM_UP:
            samples.append(sample)
    return tuple(statistics.median(column) for column in zip(*samples, strict=True))


def cases(handler: Callable[[dict[str, Any], object], Any]) -> dict[str, Callable[[int], object]]:
    """Every measured decision: a call of the check function's handler, as Lambda makes it."""

    def ask(path: str, name: str, amount: int = 1, **more: object) -> dict[str, Any]:
        dimensions = {"team": "eng", "user": "u7", "model": "large"}
        return event(path, {"customer": name, "feature": FEATURE, "amount": amount, "dimensions": dimensions, **more})

    warm, wide = ask("/v1/consume", "warm"), ask("/v1/consume", "wide")
    denied, checked = ask("/v1/consume", "denied", 2), ask("/v1/check", "warm")

    def keyed(index: int) -> object:
        body = json.loads(warm["body"])
        return handler(event("/v1/consume", body, **{"idempotency-key": f"key-{index}"}), None)

    def with_id(index: int) -> object:
        return handler(ask("/v1/consume", f"ids-{index // IDS_EACH}", request_id=f"request-{index}"), None)

    return {
        "consume, one quota and one rate": lambda _: handler(warm, None),
        "consume, 8 quotas and 8 rates": lambda _: handler(wide, None),
        "consume with a request id": with_id,
        "consume with an Idempotency-Key": keyed,
        "consume, denied again within a second": lambda _: handler(denied, None),
        "check": lambda _: handler(checked, None),
    }


def decisions(url: str, dynamodb: Any, runs: int) -> Iterator[Row]:
    """Measure check and consume."""
    engine = bench_engine.engine_at(url, TABLE)
    feature(engine)
    customer(engine, "warm", limit=10**12)
    customer(engine, "wide", limit=10**12, windows=8)
    customer(engine, "denied", limit=1)
    for number in range((runs + WARM_UP) // IDS_EACH + 1):
        customer(engine, f"ids-{number}", limit=10**12)
    small = bench_engine.small_client(url)
    times = compare(bare(dynamodb, TABLE), lambda _: small.send("UpdateItem", bare_request(TABLE)), runs)
    with counting(small) as cost:
        small.send("UpdateItem", bare_request(TABLE))
    yield row("the bare call, by the functions' client", cost, 1, times)
    with quiet(), loaded("check", environment("check", url, TABLE)) as app:
        for name, call in cases(app.handler).items():
            call(0)
            times = compare(bare(dynamodb, TABLE), call, runs)
            with counting(app.engine.client) as cost:
                call(runs + WARM_UP)
            yield row(name, cost, 1, times)


def events(url: str, dynamodb: Any, runs: int) -> Iterator[Row]:
    """Measure an event until it is stored, and until it is counted: batches of one customer, warm."""
    engine = bench_engine.engine_at(url, TABLE)
    customer(engine, "events", limit=10**12)
    engine.write(Put(key=keys.profile("events"), item={"name": "events"}))
    feature(engine)
    engine.write(Put(key=keys.CATALOG_HEAD, item={"version": 1}))
    stream = reader(dynamodb, bench_engine.client(url, "dynamodbstreams"), TABLE)
    list(stream.batches())

    def posted(batch: int) -> dict[str, Any]:
        sent = [
            {"id": f"{batch}-{n}", "type": "llm.completion", "subject": "events", "data": {"tokens": n}}
            for n in range(BATCH)
        ]
        return posting(sent)

    with (
        quiet(),
        loaded("ingest", environment("ingest", url, TABLE)) as ingest,
        loaded("aggregate", {**environment("aggregate", url, TABLE), "QUEUE_URL": f"{url}/queue"}) as aggregate,
    ):

        def store(batch: int) -> None:
            assert json.loads(ingest.handler(posted(batch), None)["body"])["accepted"] == BATCH

        def fold(_: int) -> None:
            for batch in pending:
                aggregate.handler(json.loads(json.dumps(batch)), None)

        batches = max(5, runs // BATCH)
        samples: dict[str, list[tuple[float, ...]]] = {"stored": [], "folded": []}
        costs = {name: Cost() for name in samples}
        for batch in range(batches + 1):
            yardstick = timed(bare(dynamodb, TABLE), batch)
            for name, call, client in (("stored", store, ingest), ("folded", fold, aggregate)):
                pending = list(stream.batches()) if name == "folded" else []
                with counting(client.engine.client) as cost:
                    cpu, wall = timed(call, batch)
                if batch:
                    samples[name].append((*yardstick, cpu / BATCH, wall / BATCH))
                    costs[name] = cost
            pending = list(stream.batches())
            fold(batch)
        single = [
            posting([{"id": f"one-{n}", "type": "llm.completion", "subject": "events", "data": {"tokens": 1}}])
            for n in range(runs + WARM_UP)
        ]
        times = compare(bare(dynamodb, TABLE), lambda n: ingest.handler(single[n], None), runs)
        with counting(ingest.engine.client) as cost:
            ingest.handler(
                posting([{"id": "last", "type": "llm.completion", "subject": "events", "data": {"tokens": 1}}]), None
            )
        yield row("event, stored, alone in its request", cost, 1, times)
        for name, columns in samples.items():
            times = tuple(statistics.median(column) for column in zip(*columns, strict=True))
            yield row(f"event, {name}, in batches of {BATCH}", costs[name], BATCH, times)


def folds(url: str) -> Iterator[Row]:
    """Measure what sparse and dense customers cost until nothing is left in the stream."""
    engine = bench_engine.engine_at(url, fold.TABLE)
    feature(engine)
    engine.write(Put(key=keys.CATALOG_HEAD, item={"version": 1}))

    def prepare(name: str) -> None:
        customer(engine, name, limit=10**12)
        engine.write(Put(key=keys.profile(name), item={"name": name}))

    def consume(name: str) -> dict[str, Any]:
        dimensions = {"team": "eng", "user": "u7", "model": "large"}
        return event("/v1/consume", {"customer": name, "feature": FEATURE, "amount": 1, "dimensions": dimensions})

    def post(name: str) -> dict[str, Any]:
        data = {"tokens": 7, "team": "eng", "user": "u7", "model": "large"}
        return posting([{"id": uuid.uuid4().hex, "type": "llm.completion", "subject": name, "data": data}])

    with quiet():
        for name, cost, pace in fold.measured(url, prepare, consume, post):
            found = row(name, cost or Cost(), 1, (1.0, 1.0, 0.0, 0.0))
            yield replace(found, per_cpu_second=pace)


def row(name: str, cost: Cost, each: int, times: tuple[float, ...]) -> Row:
    """One row. If a call does several operations, its figures are per operation."""
    bare_cpu, bare_wall, cpu, wall = times
    return Row(
        operation=name,
        requests={operation: count / each for operation, count in cost.requests.items()},
        write_units=cost.write_units / each,
        read_units=cost.read_units / each,
        cpu_ms=cpu,
        wall_ms=wall,
        cpu_ratio=cpu / bare_cpu,
        wall_ratio=wall / bare_wall,
    )


def exact_row(one: Counted) -> Row:
    """The row of an operation that was counted and not timed."""
    found = row(one.operation, one.cost, one.each, (1.0, 1.0, 0.0, 0.0))
    return replace(
        found,
        refused=one.cost.refused / one.each,
        calls=one.calls / one.each,
        stored_bytes=one.stored_bytes / one.each,
        log_bytes=one.log_bytes / one.each,
    )


def measure(runs: int) -> list[Row]:
    with bench_engine.running() as running:
        dynamodb = bench_engine.client(running.url)
        bench_engine.create_table(dynamodb, TABLE)
        bench_engine.create_table(dynamodb, fold.TABLE)
        measured = [
            *decisions(running.url, dynamodb, runs),
            *events(running.url, dynamodb, runs),
            *folds(running.url),
        ]
    started = row("import check, over importing boto3 and making a client", Cost(), 1, import_times("check"))
    return [*measured, started, *map(exact_row, counted())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--json", type=Path, default=ROOT / "bench/results/bench.json")
    options = parser.parse_args()
    rows = measure(options.runs)
    print(
        f"{'operation':<38} {'requests':<64} {'WU':>5} {'RU':>5} {'CPU ms':>7} {'× bare':>7}"
        f" {'wall ms':>8} {'× bare':>7} {'per CPU s':>9}"
    )
    for row in rows:
        asked = ", ".join(f"{count:g} {name}" for name, count in row.requests.items())
        print(
            f"{row.operation:<38} {asked:<64} {row.write_units:>5g} {row.read_units:>5g} {row.cpu_ms:>7.2f}"
            f" {row.cpu_ratio:>7.2f} {row.wall_ms:>8.2f} {row.wall_ratio:>7.2f} {row.per_cpu_second or 0:>9.0f}"
        )
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")


if __name__ == "__main__":
    main()
