"""The reset function as Lambda calls it."""

from __future__ import annotations

import json

import pytest

from tallygate.domain.base.instants import DAY, HOUR
from tallygate.errors import InvariantBroken
from tallygate.storage.base import keys
from tallygate.storage.base.clock import NOW as CLOCK_NOW
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Put, Update
from tallygate.storage.base.expressions import Set
from tests.closings import END, START, add_usage
from tests.functions.conftest import LoadApp, sample


class Context:
    """What Lambda tells the handler."""

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def load(load_app: LoadApp, engine: DynamoEngine, now: int, grace: str = "0") -> object:
    """The function under a test clock that stands at `now`."""
    engine.write(Put(key=keys.CLOCK, item={CLOCK_NOW: now}))
    return load_app("reset", CLOSE_GRACE_SECONDS=grace, TEST_CLOCK="enabled").handler(sample("reset"), Context())


def test_the_schedule_closes_what_is_over_once(load_app: LoadApp, dynamo_engine: DynamoEngine) -> None:
    add_usage(dynamo_engine, 5)
    assert load(load_app, dynamo_engine, END - 1) == {"closed": 0, "finished": True}
    assert load(load_app, dynamo_engine, END) == {"closed": 1, "finished": True}
    assert load(load_app, dynamo_engine, END + DAY) == {"closed": 0, "finished": True}


def test_the_grace_is_a_parameter(load_app: LoadApp, dynamo_engine: DynamoEngine) -> None:
    add_usage(dynamo_engine, 5)
    assert load(load_app, dynamo_engine, END + HOUR - 1, grace="3600") == {"closed": 0, "finished": True}
    assert load(load_app, dynamo_engine, END + HOUR, grace="3600") == {"closed": 1, "finished": True}


def test_the_log_line_and_the_metrics_say_what_was_closed(
    load_app: LoadApp,
    dynamo_engine: DynamoEngine,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    add_usage(dynamo_engine, 5)
    load(load_app, dynamo_engine, END)
    (line,) = [vars(record) for record in caplog.records if record.message == "reset"]
    ((fact_id, customer, feature, trace_id),) = line["closed"]
    assert fact_id.startswith("fact_")
    assert (customer, feature) == ("acme", "ai-tokens")
    assert len(trace_id) == 32
    lines = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    (metric,) = [line for line in lines if "_aws" in line]
    assert metric["PeriodsClosed"] == [1.0]
    assert "ClosingsFailed" not in metric


def test_a_run_that_finds_nothing_says_nothing(
    load_app: LoadApp,
    dynamo_engine: DynamoEngine,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It runs every minute for ever: a line and two metrics each time are what an idle stack cost."""
    load(load_app, dynamo_engine, END)
    assert capsys.readouterr().out == ""
    assert [record for record in caplog.records if record.levelname not in ("DEBUG",)] == []


def test_a_defect_of_ours_alarms_after_all_else_is_done(load_app: LoadApp, dynamo_engine: DynamoEngine) -> None:
    for customer in ("acme", "bad", "globex"):
        add_usage(dynamo_engine, 5, customer=customer)
    broken = keys.total("bad", "ai-tokens", 1, START)
    dynamo_engine.write(Update(key=broken, changes=(Set("value", "broken"),)))
    with pytest.raises(InvariantBroken):
        load(load_app, dynamo_engine, END)
    for customer in ("acme", "globex"):
        assert "closed" in (dynamo_engine.get(keys.total(customer, "ai-tokens", 1, START)) or {})
