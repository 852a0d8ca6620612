"""The aggregate function as Lambda calls it: stream batches in, an empty state out."""

from __future__ import annotations

import json
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest

from tallygate.domain.delivery.deliveries import Message
from tallygate.domain.entries.events import ParkedEntry
from tallygate.domain.limits.counters import CellName
from tallygate.errors import StoreUnavailable
from tallygate.storage.base import keys
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Put
from tallygate.storage.journal.records import Journal
from tests.functions.conftest import LoadApp, sample
from tests.given import FEATURE, METER, NOW, effective, in_force, quota
from tests.truth import TOKENS, Requested, declare

MONTH = 1793491200000


@pytest.fixture
def queue() -> Requested:
    return Requested()


@pytest.fixture
def app(
    load_app: LoadApp, dynamo_engine: DynamoEngine, queue: Requested, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    in_force(dynamo_engine, effective(quota(1000), tiers={"warning": 80}))
    declare(dynamo_engine, TOKENS)
    dynamo_engine.write(Put(key=keys.probe("probe_1"), item={"created_at": NOW}))
    loaded = load_app("aggregate", QUEUE_URL="http://127.0.0.1:1/queue")
    monkeypatch.setattr(loaded.clock, "now", lambda: NOW)
    monkeypatch.setattr(loaded.parts.queue, "send", queue.send)
    return loaded


def number(engine: DynamoEngine, key: Any, name: str) -> Decimal:
    value = (engine.get(key) or {}).get(name)
    assert isinstance(value, Decimal), (key, name)
    return value


def test_a_batch_is_folded_once_however_often_it_comes(app: ModuleType, dynamo_engine: DynamoEngine) -> None:
    total = keys.total("acme", FEATURE, 1, MONTH)
    for _ in range(3):
        assert app.handler(sample("aggregate"), None) == {"state": {}}
    assert (number(dynamo_engine, total, "value"), number(dynamo_engine, total, "by_event")) == (1500, 1200)
    assert number(dynamo_engine, total, "due_at") == number(dynamo_engine, total, "end")
    used = keys.usage("acme", METER, "2026-11-20", '{"api_key":"key_1","model":"large"}')
    assert number(dynamo_engine, used, "q40") == 300
    assert number(dynamo_engine, keys.probe("probe_1"), "seen_at") == NOW


def test_totals_reach_the_cells_and_become_facts_and_facts_deliveries(
    app: ModuleType, dynamo_engine: DynamoEngine, queue: Requested
) -> None:
    assert app.handler(sample("aggregate.totals"), None) == {"state": {}}
    cell = keys.cell(CellName("acme", FEATURE))
    assert number(dynamo_engine, cell, f"u.1.{MONTH}") == 550, "nothing had been brought in, so all of it is"
    assert number(dynamo_engine, cell, f"ev.1.{MONTH}") == 7
    feed = dynamo_engine.get(keys.feed("acme", FEATURE))
    assert feed is not None
    assert (feed["sequence"], feed["level"]) == (1, "warning")
    fact = "fact_5f0c6b2a9d8e4f7a1b3c5d7e9f001122"
    assert queue.messages == [Message(fact=fact, endpoint="BUS")]


def test_the_end_of_a_window_may_bring_nothing(app: ModuleType) -> None:
    assert app.handler(sample("aggregate.window_end"), None) == {"state": {}}


def test_an_emulator_without_shard_ids_is_one_shard(app: ModuleType, dynamo_engine: DynamoEngine) -> None:
    event = {"Records": sample("aggregate")["Records"]}
    for _ in range(2):
        app.handler(event, None)
    assert number(dynamo_engine, keys.total("acme", FEATURE, 1, MONTH), "value") == 1500


def test_a_batch_that_fails_comes_again_and_the_rest_of_it_is_done(
    app: ModuleType, dynamo_engine: DynamoEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(message: Message) -> None:
        raise StoreUnavailable("the deliveries queue did not take a message")

    event = sample("aggregate.totals")
    event["Records"] += sample("aggregate")["Records"]
    monkeypatch.setattr(app.parts.queue, "send", refuse)
    with pytest.raises(StoreUnavailable):
        app.handler(event, None)
    assert number(dynamo_engine, keys.total("acme", FEATURE, 1, MONTH), "value") == 1500
    assert "seen_at" not in (dynamo_engine.get(keys.probe("probe_1")) or {}), "a probe waits for the whole batch"


def test_the_log_and_the_metrics_tell_of_the_batch(
    app: ModuleType, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    event = sample("aggregate")
    forged = json.loads(json.dumps(event["Records"][0]))
    forged["dynamodb"]["NewImage"]["customer"] = {"S": "other"}
    forged["dynamodb"]["SequenceNumber"] = str(int(forged["dynamodb"]["SequenceNumber"]) + 50)
    event["Records"].append(forged)
    app.handler(event, None)
    metrics = json.loads(next(line for line in capsys.readouterr().out.splitlines() if "_aws" in line))
    assert (metrics["Counted"], metrics["Parked"]) == ([2.0], [1.0])
    assert "Repeated" not in metrics, "what is zero costs money too"
    assert metrics["FoldLag"][0] > 0
    (log,) = (vars(line) for line in caplog.records if line.message == "aggregate")
    assert (log["levelname"], log["records"], log["customers"]) == ("WARNING", 4, 1)
    assert log["trace_ids"] == ["4bf92f3577b34da6a3ce929d0e0e4736"]


def test_a_window_that_brings_nothing_says_nothing(
    app: ModuleType, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The last call of a tumbling window may bring no records."""
    assert app.handler({**sample("aggregate"), "Records": []}, None) == {"state": {}}
    assert capsys.readouterr().out == ""
    assert [record for record in caplog.records if record.levelname != "DEBUG"] == []


def test_what_is_parked_is_in_the_journal_with_its_reason(app: ModuleType, dynamo_engine: DynamoEngine) -> None:
    event = sample("aggregate")
    del event["Records"][0]["dynamodb"]["NewImage"]["data"]
    app.handler(event, None)
    (record,) = Journal(dynamo_engine).records("acme", 0, 1)
    assert [entry.reason for entry in record.entries if isinstance(entry, ParkedEntry)] == [
        "unreadable: InvariantBroken"
    ]


def test_a_total_whose_limit_cannot_be_read_is_parked_and_stops_nothing(
    app: ModuleType, dynamo_engine: DynamoEngine
) -> None:
    event = sample("aggregate.totals")
    event["Records"] = event["Records"][:1]
    image = event["Records"][0]["dynamodb"]["NewImage"]
    tier = {"at": "100%", "level": "x", "policy": "allow_with_grace", "grace_amount": 1, "then": "notify_only"}
    image["under"]["S"] = json.dumps({**json.loads(image["under"]["S"]), "ti": [tier]})
    app.handler(event, None)
    (record,) = Journal(dynamo_engine).records("acme", 0, 1)
    assert [entry.reason for entry in record.entries if isinstance(entry, ParkedEntry)] == ["unreadable: LookupError"]
