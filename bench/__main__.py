"""`make bench`: what each operation costs.

Requests and units are exact; time is a ratio to a bare call in the same run.

The bare call is one `update_item` of boto3 that adds 1 to a counter, on the same engine, interleaved with what is
measured, so that a machine that slows down slows both. CPU is this process's own (the client's side); the engine runs
in another process. Prints a table and writes bench.json.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench import engine as bench_engine
from bench.cost import counting
from tallygate.domain.limits import Effective, Entitlement, Limit, Quota, Rate
from tallygate.domain.periods import calendar
from tallygate.storage import items, keys
from tallygate.storage.dynamo import DynamoEngine
from tallygate.storage.engine import Put

ROOT = Path(__file__).resolve().parent.parent
RUNS, WARM_UP = 2_000, 200
FEATURE = "ai-tokens"


@dataclass(frozen=True)
class Row:
    """One operation: exact counts of one warm call, and medians over all of them."""

    operation: str
    requests: dict[str, int]
    write_units: float
    read_units: float
    cpu_ms: float
    wall_ms: float
    cpu_ratio: float
    wall_ratio: float


def bare(dynamodb: Any, table: str) -> Callable[[int], object]:
    """The yardstick: the least that an atomic counter can cost through boto3."""

    def call(_: int) -> object:
        return dynamodb.update_item(
            TableName=table,
            Key={"pk": {"S": "BARE"}, "sk": {"S": "BARE"}},
            UpdateExpression="ADD n :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )

    return call


def timed(call: Callable[[int], object], index: int) -> tuple[float, float]:
    """(CPU, wall) milliseconds of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    call(index)
    return (time.process_time() - cpu) * 1000, (time.perf_counter() - wall) * 1000


def compare(yardstick: Callable[[int], object], call: Callable[[int], object], runs: int) -> tuple[float, ...]:
    """Medians of both, interleaved: (bare CPU, bare wall, CPU, wall)."""
    samples: list[tuple[float, ...]] = []
    for index in range(WARM_UP + runs):
        sample = (*timed(yardstick, index), *timed(call, index))
        if index >= WARM_UP:
            samples.append(sample)
    return tuple(statistics.median(column) for column in zip(*samples, strict=True))


def customer(engine: DynamoEngine, name: str, *, limit: int, windows: int = 1) -> None:
    """A customer with so many quotas and rates on one feature."""
    own = Quota(ordinal=1, limit=Decimal(limit), schedule=calendar("month", "UTC"))
    further = tuple(
        Limit(
            name=f"limit-{n}",
            quotas=(Quota(ordinal=n, limit=Decimal(limit), schedule=calendar("day", "UTC")),) if n > 1 else (),
            rates=(Rate(ordinal=50 + n, limit=Decimal(10**9), per=60_000, burst=Decimal(10**9)),),
        )
        for n in range(1, windows + 1)
    )
    right = Entitlement(feature=FEATURE, meter="tokens", limits=(Limit(name=FEATURE, quotas=(own,)), *further))
    effective = Effective(
        customer=name,
        version=1,
        timezone="UTC",
        plan="pro",
        plan_version=1,
        subscribed=True,
        entitlements={FEATURE: right},
    )
    engine.write(Put(key=keys.effective(name), item={"version": 1, "doc": items.effective_document(effective)}))


def event(path: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    """A real HTTP API event with another body."""
    sample: dict[str, Any] = json.loads((ROOT / "events/check.consume.json").read_text())
    sample["routeKey"] = f"POST {path}"
    sample["headers"] = {**sample["headers"], **headers}
    sample["body"] = json.dumps(body)
    return sample


def cases(handler: Callable[[dict[str, Any], object], Any]) -> dict[str, Callable[[int], object]]:
    """Every measured operation as a call of the check function's handler, as Lambda would call it."""

    def ask(path: str, name: str, amount: int = 1, **more: object) -> dict[str, Any]:
        dimensions = {"team": "eng", "user": "u7", "model": "large"}
        return event(path, {"customer": name, "feature": FEATURE, "amount": amount, "dimensions": dimensions, **more})

    warm, wide = ask("/v1/consume", "warm"), ask("/v1/consume", "wide")
    denied, checked = ask("/v1/consume", "denied", 2), ask("/v1/check", "warm")

    def keyed(index: int) -> object:
        body = json.loads(warm["body"])
        return handler(event("/v1/consume", body, **{"idempotency-key": f"key-{index}"}), None)

    def with_id(index: int) -> object:
        return handler(ask("/v1/consume", f"ids-{index // 30}", request_id=f"request-{index}"), None)

    return {
        "consume, warm, one quota": lambda _: handler(warm, None),
        "consume, warm, 8 quotas and 8 rates": lambda _: handler(wide, None),
        "consume with a request id": with_id,
        "consume with an Idempotency-Key": keyed,
        "consume, denied": lambda _: handler(denied, None),
        "check": lambda _: handler(checked, None),
    }


def measure(runs: int) -> list[Row]:
    with bench_engine.running() as running:
        os.environ.update(
            AWS_ENDPOINT_URL=running.url,
            AWS_ACCESS_KEY_ID="local",
            AWS_SECRET_ACCESS_KEY="local",
            AWS_DEFAULT_REGION="us-east-1",
            TABLE_NAME="bench",
            POWERTOOLS_SERVICE_NAME="check",
            POWERTOOLS_METRICS_NAMESPACE="Tallygate",
        )
        dynamodb = bench_engine.client(running.url)
        bench_engine.create_table(dynamodb, "bench")
        engine = DynamoEngine(dynamodb, "bench")
        customer(engine, "warm", limit=10**12)
        customer(engine, "wide", limit=10**12, windows=8)
        customer(engine, "denied", limit=1)
        for number in range((runs + WARM_UP) // 30 + 1):
            customer(engine, f"ids-{number}", limit=10**12)
        sys.path.insert(0, str(ROOT / "functions/check"))
        with contextlib.redirect_stdout(io.StringIO()):
            app = importlib.import_module("app")
        rows = []
        for name, call in cases(app.handler).items():
            with contextlib.redirect_stdout(io.StringIO()):
                call(0)
                bare_cpu, bare_wall, cpu, wall = compare(bare(dynamodb, "bench"), call, runs)
                with counting(app.engine._client) as cost:  # noqa: SLF001  # the function's own client is what counts
                    call(runs + WARM_UP)
            rows.append(
                Row(
                    name,
                    dict(cost.requests),
                    cost.write_units,
                    cost.read_units,
                    cpu,
                    wall,
                    cpu / bare_cpu,
                    wall / bare_wall,
                )
            )
        return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--json", type=Path, default=Path("bench.json"))
    options = parser.parse_args()
    rows = measure(options.runs)
    print(
        f"{'operation':<38} {'requests':<36} {'WU':>4} {'RU':>4} {'CPU ms':>7} {'× bare':>7}"
        f" {'wall ms':>8} {'× bare':>7}"
    )
    for row in rows:
        asked = ", ".join(f"{count} {name}" for name, count in row.requests.items())
        print(
            f"{row.operation:<38} {asked:<36} {row.write_units:>4g} {row.read_units:>4g} {row.cpu_ms:>7.2f}"
            f" {row.cpu_ratio:>7.2f} {row.wall_ms:>8.2f} {row.wall_ratio:>7.2f}"
        )
    options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")


if __name__ == "__main__":
    main()
