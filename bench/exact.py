"""`python -m bench.exact`: what each operation costs, without its time.

Requests to DynamoDB, capacity units, calls of aggregate, stored and logged bytes. Every run finds the same requests and
units. Containers are warm, and windows are open. `alone`: the customer has one record in its batch of the stream, and a
journal that the container does not remember, with marks of 24 shards.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from bench import engine as bench_engine
from bench import fold
from bench.cost import Cost, counting
from bench.functions import environment, loaded
from bench.given import FEATURE, customer, event, feature, posting
from tallygate.clock import Clock, real_time
from tallygate.domain.delivery.deliveries import (
    AttemptOutcome,
    Endpoint,
    EndpointStatus,
    Message,
    SigningSecret,
    Verdict,
)
from tallygate.operations.delivery.deliver import Sending, deliver
from tallygate.storage.base import keys
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Put
from tallygate.storage.delivery.deliveries import Deliveries, endpoint_item

TABLE = "exact"
MINUTE = 60_000
IDS_A_MINUTE = (30, 60, 130)
BATCH = 100
ITEM_OVERHEAD = 100
"""Bytes that DynamoDB adds to each stored item when it charges storage."""
LINE_OVERHEAD = 26
"""Bytes that CloudWatch adds to each line when it charges logs."""
DIMENSIONS = {"team": "eng", "user": "u7", "model": "large"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What some operations of one kind cost together.

    each: number of operations
    calls: calls of aggregate
    stored_bytes: bytes that the operations add to the table
    log_bytes: bytes that the functions log, with CloudWatch's overhead of each line
    """

    operation: str
    cost: Cost
    each: int = 1
    calls: int = 0
    stored_bytes: int = 0
    log_bytes: int = 0


@dataclass(slots=True)
class Sent:
    """A queue of deliveries that keeps its messages."""

    messages: list[Message] = field(default_factory=list)

    def send(self, message: Message, *, delay_seconds: int = 0) -> None:
        self.messages.append(message)


class Log(io.StringIO):
    """What functions print."""

    @property
    def charged(self) -> int:
        return len(self.getvalue().encode()) + LINE_OVERHEAD * self.getvalue().count("\n")


def counted(ids_a_minute: tuple[int, ...] = IDS_A_MINUTE) -> Iterator[Counted]:
    """Count every operation on an engine of its own."""
    log = Log()
    with bench_engine.running() as running, contextlib.redirect_stdout(log):
        for table in (TABLE, fold.TABLE):
            engine = bench_engine.engine_at(running.url, table)
            bench_engine.create_table(bench_engine.client(running.url), table)
            feature(engine)
            engine.write(Put(key=keys.CATALOG_HEAD, item={"version": 1}))
        found = (*decisions(running.url, log, ids_a_minute), *aggregations(running.url, log))
    yield from found


def decisions(url: str, log: Log, ids_a_minute: tuple[int, ...]) -> Iterator[Counted]:
    """Count decisions, each by the handler of check, and the authorizer."""
    engine = bench_engine.engine_at(url, TABLE)
    for name in ("warm", *(f"ids-{a_minute}" for a_minute in ids_a_minute)):
        customer(engine, name, limit=10**12)
    customer(engine, "wide", limit=10**12, windows=8)
    customer(engine, "denied", limit=1)
    with (
        loaded("check", environment("check", url, TABLE)) as app,
        loaded("authorize", environment("a", url, TABLE)) as a,
    ):
        now = [real_time()]
        app.app.clock = Clock(real=lambda: now[0])
        # On a slow machine too, the container stays warm.
        app.app.memory.ticks = lambda: 0.0
        answered: dict[str, Any] = {}

        def cost(name: str, request: dict[str, Any]) -> Counted:
            logged = log.charged
            with counting(engine.client) as spent:
                answer = app.handler(request, None)
            assert answer["statusCode"] == 200, answer
            answered.update(json.loads(answer["body"]))
            return Counted(operation=name, cost=spent, log_bytes=log.charged - logged)

        for name in ("warm", "wide", "denied"):
            cost(name, asking("/v1/consume", name))
        yield cost("consume", asking("/v1/consume", "warm"))
        yield cost("settle", settling(answered["decision_id"]))
        yield cost("consume, many limits", asking("/v1/consume", "wide"))
        for a_minute in ids_a_minute:
            sent = []
            for index in range(4 * a_minute):
                name = f"consume, {a_minute} request ids a minute"
                sent.append(cost(name, asking("/v1/consume", f"ids-{a_minute}", request_id=f"{index}")))
                now[0] += MINUTE // a_minute
            yield max(sent[-a_minute:], key=lambda one: one.cost.write_units)
        keyed = asking("/v1/consume", "warm")
        keyed["headers"]["idempotency-key"] = "key-1"
        yield cost("consume, Idempotency-Key", keyed)
        yield cost("denied, first of its window", asking("/v1/consume", "denied"))
        app.app.memory._denials.clear()  # noqa: SLF001  # as after a second
        yield cost("denied, later", asking("/v1/consume", "denied"))
        yield cost("denied again within a second", asking("/v1/consume", "denied"))
        yield cost("check (dry run)", asking("/v1/check", "warm"))
        with counting(engine.client) as spent:
            a.handler({"headers": {"authorization": f"Bearer tg_{'a' * 43}"}}, None)
        yield Counted(operation="authorize, not cached", cost=spent)


def aggregations(url: str, log: Log) -> Iterator[Counted]:
    """Count events, and what aggregate does with consumes and events until nothing is left in the stream."""
    engine = bench_engine.engine_at(url, fold.TABLE)
    for name in ("alone", "dense", "events", "dense-events", "told"):
        customer(engine, name, limit=3 if name == "told" else 10**12)
        engine.write(Put(key=keys.profile(name), item={"name": name}))
    loading = [loaded(name, environment(name, url, fold.TABLE)) for name in ("check", "ingest")]
    loading.append(loaded("aggregate", {**environment("aggregate", url, fold.TABLE), "QUEUE_URL": f"{url}/queue"}))
    with loading[0] as check, loading[1] as ingest, loading[2] as aggregate:
        queue = Sent()
        aggregate.__dict__["parts"] = replace(aggregate.parts, queue=queue)
        stack = fold.Stack(url, check, ingest, aggregate)
        stack.stream.size = BATCH

        def use(name: str, times: int = 1) -> None:
            for _ in range(times):
                assert json.loads(check.handler(asking("/v1/consume", name), None)["body"])["granted"]

        def post(name: str, times: int = 1) -> None:
            sent = [
                {"id": uuid.uuid4().hex, "type": "llm.completion", "subject": name, "data": {"tokens": 7, **DIMENSIONS}}
                for _ in range(times)
            ]
            assert json.loads(ingest.handler(posting(sent), None)["body"])["accepted"] == times

        stack.drain()
        for kind, write, sparse, dense in (
            ("consume", use, "alone", "dense"),
            ("event", post, "events", "dense-events"),
        ):
            for _ in range(fold.SHARDS):
                stack.next_shard()
                write(sparse)
                stack.drain()
            stack.forget()
            yield from one_way(stack, engine, log, kind, "alone", lambda: write(sparse), 1)  # noqa: B023
            write(dense, BATCH)
            stack.drain()
            yield from one_way(stack, engine, log, kind, f"in batches of {BATCH}", lambda: write(dense, BATCH), BATCH)  # noqa: B023
        yield from outgoing(stack, engine, log, queue, lambda: use("told"))


def one_way(
    stack: fold.Stack, engine: DynamoEngine, log: Log, kind: str, how: str, write: Callable[[], None], each: int
) -> Iterator[Counted]:
    """Count an event's storing, and the aggregation of a consume or event."""
    held, logged = stored_bytes(engine), log.charged
    with counting(engine.client) as cost:
        write()
    added, logged = stored_bytes(engine) - held, log.charged - logged
    if kind == "event":
        yield Counted(operation=f"event stored, {how}", cost=cost, each=each, stored_bytes=added, log_bytes=logged)
    yield drained(stack, f"{kind} aggregated, {how}", engine, log, each=each)


def drained(stack: fold.Stack, name: str, engine: DynamoEngine, log: Log, *, each: int = 1) -> Counted:
    """Count what aggregate does until nothing is left in the stream."""
    held, logged, calls = stored_bytes(engine), log.charged, 0

    def fold_(batch: dict[str, Any]) -> None:
        nonlocal calls
        calls += 1
        stack.aggregate.handler(batch, None)

    with counting(engine.client) as cost:
        stack.drain(fold_)
    added, logged = stored_bytes(engine) - held, log.charged - logged
    return Counted(operation=name, cost=cost, each=each, calls=calls, stored_bytes=added, log_bytes=logged)


def outgoing(
    stack: fold.Stack, engine: DynamoEngine, log: Log, queue: Sent, use: Callable[[], None]
) -> Iterator[Counted]:
    """Count an outgoing event: what reaching a limit costs more than another consume, and each delivery."""
    secrets = (SigningSecret(slot="a", version=1),)
    endpoint = Endpoint(
        id="we_1",
        url="https://receiver.example/",
        events=("*",),
        scheme="standard",
        secrets=secrets,
        status=EndpointStatus.ACTIVE,
        created_at=real_time(),
    )
    engine.write(Put(key=keys.endpoint(endpoint.id), item=endpoint_item(endpoint)))
    rounds = []
    for _ in range(3):
        use()
        rounds.append(drained(stack, "outgoing event made", engine, log))
    usual, reached = rounds[1:]
    made = replace(reached.cost, requests=reached.cost.requests - usual.cost.requests)
    made.write_units -= usual.cost.write_units
    made.read_units -= usual.cost.read_units
    facts = len({message.fact for message in queue.messages})
    made_bytes = reached.stored_bytes - usual.stored_bytes
    yield replace(reached, cost=made, each=facts, calls=reached.calls - usual.calls, stored_bytes=made_bytes)
    sending = Sending(
        secrets=lambda *_: ("whsec_bench",), post=lambda *_: AttemptOutcome(verdict=Verdict.DELIVERED, status=200)
    )
    for message in queue.messages[:2]:
        now = real_time()
        with counting(engine.client) as cost:
            deliver(Deliveries(engine), queue, sending, message, now=now, wall=now, claimant="bench")
        yield Counted(operation=f"delivery to {'a webhook' if message.endpoint == 'we_1' else 'the bus'}", cost=cost)


def stored_bytes(engine: DynamoEngine) -> int:
    """The bytes of all items in the table, as DynamoDB charges them for storage."""
    total, begin = 0, dict[str, Any]()
    while True:
        page = engine.client.send("Scan", {"TableName": fold.TABLE, **begin})
        total += sum(ITEM_OVERHEAD + sum(len(n.encode()) + size(v) for n, v in item.items()) for item in page["Items"])
        if not page.get("LastEvaluatedKey"):
            return total
        begin = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def size(typed: dict[str, Any]) -> int:
    """The size of a typed value in bytes; numbers take half a byte a digit and one more."""
    ((kind, value),) = typed.items()
    match kind:
        case "S":
            return len(value.encode())
        case "B":
            return len(value) * 3 // 4 if isinstance(value, str) else len(value)
        case "N":
            return len(value) // 2 + 1
        case "M":
            return 3 + sum(len(name.encode()) + 1 + size(inner) for name, inner in value.items())
        case "L":
            return 3 + sum(1 + size(inner) for inner in value)
        case "SS" | "NS" | "BS":
            return sum(size({kind[0]: inner}) for inner in value)
        case _:
            return 1


def asking(path: str, name: str, **more: object) -> dict[str, Any]:
    body = {"customer": name, "feature": FEATURE, "amount": 1, "dimensions": DIMENSIONS, **more}
    return event(path, body)


def settling(decision_id: str) -> dict[str, Any]:
    request = event("/v1/consume/{decision_id}/settle", {"amount": 1})
    return {**request, "pathParameters": {"decision_id": decision_id}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ids", type=int, nargs="*", default=IDS_A_MINUTE, help="request ids a minute on one customer")
    print(f"{'operation':<38} {'WU':>5} {'refused':>7} {'RU':>5} {'calls':>5} {'stored':>6} {'logged':>6}  requests")
    for one in counted(tuple(parser.parse_args().ids)):
        cost, each = one.cost, one.each
        print(
            f"{one.operation:<38} {cost.write_units / each:>5g} {cost.refused / each:>7g} {cost.read_units / each:>5g}"
            f" {one.calls / each:>5g} {one.stored_bytes / each:>6.0f} {one.log_bytes / each:>6.0f}"
            f"  {', '.join(f'{count / each:g} {name}' for name, count in cost.requests.items())}"
        )


if __name__ == "__main__":
    main()
