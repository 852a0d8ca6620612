"""The fold under SIGKILL, on the real engine: the process alone, and the engine with it. The totals stay exact."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bench import engine as bench_engine
from bench.streams import reader
from tallygate.domain.admission.decision import Decision
from tallygate.domain.entries.events import EventEntry, ParkedEntry
from tallygate.domain.entries.kind import CellKind
from tallygate.domain.limits.counters import CellName
from tallygate.errors import StoreUnavailable
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.operations.aggregate import aggregate
from tallygate.operations.base.each import in_turn
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.storage.admission import cell_image
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base import keys
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.journal.records import Journal
from tallygate.storage.journal.totals import Totals
from tallygate.storage.metering.events import Events
from tallygate.storage.stream import batch_of
from tests.given import FEATURE, METER, NOW, effective, in_force, quota, wanted
from tests.truth import CALLS, TOKENS, container, declare, draft, exists

ROOT = Path(__file__).resolve().parents[2]
WORKER = Path(__file__).with_name("fold_worker.py")
LIMIT = 5_000
BATCH = 20
SEED = int(os.environ.get("SIMULATION_SEED", "1"))


@dataclass(slots=True)
class Stack:
    """A persistent engine that can be killed and started again, and a worker that folds its stream."""

    database: Path
    running: bench_engine.Dynoxide
    table: str
    rng: random.Random
    boto3: bool
    posted: dict[str, int] = field(default_factory=dict)
    granted: int = 0

    @property
    def client(self) -> Any:
        return bench_engine.client(self.running.url)

    @property
    def engine(self) -> DynamoEngine:
        return bench_engine.engine_at(self.running.url, self.table, boto3=self.boto3)

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[str]]:
        """A fold that is killed at the end of the block, if it still lives."""
        paths = os.pathsep.join((str(ROOT / "layers/tallygate/python"), str(ROOT)))
        process = subprocess.Popen(
            [sys.executable, str(WORKER), self.running.url, self.table, str(BATCH), "boto3" if self.boto3 else "small"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": paths, "PYTHONTZPATH": ""},
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def work(self, events: int, uses: int) -> None:
        """Post events and consume, each sent again until its outcome is known."""
        engine = self.engine
        names = [f"e{len(self.posted) + i}" for i in range(events)]
        self.posted.update({name: 1 + i % 7 for i, name in enumerate(names)})
        drafts = tuple(draft(name, tokens=self.posted[name], model=name[-1:]) for name in names)
        until_known(lambda: ingest(Events(engine), Posted(submitted=drafts, batch=names[0]), now=NOW, each=in_turn))
        for i in range(uses):
            request = wanted(3, request_id=f"r{len(self.posted)}-{i}")
            decide = partial(consume, Cells(engine), Memory(), request, now=NOW, entropy=random.randbytes)
            decision: Decision = until_known(decide)
            self.granted += 3 if decision.granted else 0

    def kill_while_folding(self, *, with_engine: bool) -> None:
        """Let a worker fold some new batches, then kill it (and the engine) at no particular moment of the next."""
        with self.worker() as process:
            assert process.stdout is not None
            fresh, said = self.rng.randint(1, 3), ""
            while fresh and said != "idle":
                said = process.stdout.readline().strip()
                assert said, "the worker ended by itself"
                fresh -= said not in ("0", "idle")
            with suppress(subprocess.TimeoutExpired):
                process.wait(self.rng.random() * 0.04)
            process.kill()
            if with_engine:
                self.running.kill()
        if with_engine:
            self.running = bench_engine.start(self.database)

    def drain(self) -> None:
        """Fold all that is left, from the trim horizon on, until nothing more follows."""
        parts, client = container(self.engine), self.client
        stream = reader(client, bench_engine.client(self.running.url, "dynamodbstreams"), self.table)
        folded = True
        while folded:
            folded = False
            for event in stream.batches():
                folded = True
                aggregate(parts, batch_of(json.loads(json.dumps(event))), now=NOW)


def until_known(call: Callable[[], Any]) -> Any:
    """The call's answer; it is made again where its outcome is unknown."""
    for _ in range(20):
        try:
            return call()
        except StoreUnavailable:
            continue
    raise AssertionError("the engine never answered")


@pytest.fixture
def stack(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stack]:
    database = tmp_path / "table.db"
    running = bench_engine.start(database)
    table = bench_engine.create_table(bench_engine.client(running.url), "kills")
    stack = Stack(database, running, table, random.Random(SEED), boto3=getattr(request, "param", False))
    in_force(stack.engine, effective(quota(LIMIT), tiers={"warning": 5, "critical": 10}))
    declare(stack.engine, TOKENS, CALLS)
    exists(stack.engine, "acme")
    try:
        yield stack
    finally:
        stack.running.kill()


def check(stack: Stack) -> None:
    """Totals, usage, cell, journal and facts are exactly what was posted and granted."""
    engine = stack.engine
    by_event = sum(stack.posted.values())
    (total,) = engine.query("TOTAL#acme", consistent=True).items
    assert (total["value"], total["by_event"]) == (by_event + stack.granted, by_event)
    cell = cell_image.cell_of(engine.get(keys.cell(CellName("acme", FEATURE))))
    assert list(cell.used.values()) == [by_event + stack.granted]
    assert _rollup(engine, METER) == by_event + stack.granted
    assert _rollup(engine, "calls") == len(stack.posted)
    head = Journal(engine).head("acme", now=NOW, fresh=True)
    assert head.newest is not None
    assert Totals(engine).lagging([head.newest]) == [[]]
    entries = [entry for record in Journal(engine).records("acme", 0, head.number) for entry in record.entries]
    assert sorted(e.id for e in entries if isinstance(e, EventEntry)) == sorted(stack.posted)
    revisions = sorted(entry.revision for entry in entries if isinstance(entry, CellKind))
    assert revisions == list(range(1, cell.revision + 1))
    assert not [entry for entry in entries if isinstance(entry, ParkedEntry)]
    feed = engine.get(keys.feed("acme", FEATURE))
    assert feed is not None
    assert (feed["sequence"], feed["level"]) == (2, "critical")


def _rollup(engine: DynamoEngine, meter: str) -> Decimal:
    found = engine.query(keys.usage_partition("acme", meter), consistent=True).items
    amounts = [v for item in found for name, v in item.items() if name[0] == "q" and isinstance(v, Decimal)]
    return sum(amounts, Decimal(0))


@pytest.mark.slow
def test_a_fold_that_is_killed_again_and_again_counts_everything_once(stack: Stack) -> None:
    for _ in range(6):
        stack.work(events=40, uses=10)
        stack.kill_while_folding(with_engine=False)
    stack.drain()
    check(stack)


@pytest.mark.slow
@pytest.mark.parametrize("stack", [False, True], ids=["small client", "boto3"], indirect=True)
def test_engine_and_fold_killed_together_lose_and_double_nothing(stack: Stack) -> None:
    for _ in range(4):
        stack.work(events=40, uses=10)
        stack.kill_while_folding(with_engine=True)
    stack.drain()
    check(stack)
