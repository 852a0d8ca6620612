"""The ingest function as Lambda calls it: batches in, one result for each event out."""

from __future__ import annotations

import json
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from tallygate.domain.base.instants import MINUTE, format_instant
from tallygate.domain.base.json import read_json
from tallygate.storage.base import items, keys
from tallygate.storage.base.dynamo import DynamoEngine
from tests.functions.conftest import LoadApp, sample
from tests.given import NOW
from tests.truth import CALLS, TOKENS, declare, exists


@pytest.fixture
def app(load_app: LoadApp, dynamo_engine: DynamoEngine, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    exists(dynamo_engine, "acme", "acme-key")
    declare(dynamo_engine, TOKENS)
    loaded = load_app("ingest")
    monkeypatch.setattr(loaded.app.clock, "now", lambda: NOW)
    return loaded


def call(app: ModuleType, body: Any, *, content_type: str = "application/json", **context: Any) -> dict[str, Any]:
    event = sample("ingest")
    event["body"] = body if isinstance(body, str) else json.dumps(body)
    event["headers"]["content-type"] = content_type
    event["requestContext"].update(context)
    result: dict[str, Any] = app.handler(event, None)
    return {**result, "json": json.loads(result["body"])}


def event(event_id: str = "e1", **fields: Any) -> dict[str, Any]:
    return {"id": event_id, "type": "llm.completion", "subject": "acme", "data": {"tokens": 1}, **fields}


def only(answer: dict[str, Any]) -> dict[str, Any]:
    assert answer["statusCode"] == 200, answer
    (result,) = answer["json"]["results"]
    assert isinstance(result, dict)
    return result


def test_the_sample_batch_gets_a_result_for_each_event_in_its_order(app: ModuleType) -> None:
    answer = app.handler(sample("ingest"), None)
    body = json.loads(answer["body"])
    assert answer["statusCode"] == 200
    assert [(r["id"], r["status"], r.get("code")) for r in body["results"]] == [
        ("run-17", "accepted", None),
        ("run-18", "accepted", None),
        ("run-17", "duplicate", None),
        ("run-19", "rejected", "unknown_customer"),
        ("run-20", "rejected", "invalid_event"),
    ]
    assert {name: body[name] for name in ("accepted", "duplicates", "rejected", "parked")} == {
        "accepted": 2,
        "duplicates": 1,
        "rejected": 2,
        "parked": 0,
    }
    assert body["results"][4]["errors"] == [
        {"pointer": "/4/tiem", "code": "unknown_field", "detail": "is not a field of this request; did you mean time?"}
    ]
    assert body["results"][1]["time"] == format_instant(NOW), "the time that was left to the receipt is told"
    again = json.loads(app.handler(sample("ingest"), None)["body"])
    assert (again["accepted"], again["duplicates"]) == (0, 3)


def test_cloudevents_keep_their_extensions_and_their_trace(app: ModuleType, dynamo_engine: DynamoEngine) -> None:
    single, batch = sample("ingest.cloudevents"), sample("ingest.cloudevents_batch")
    assert json.loads(app.handler(single, None)["body"])["accepted"] == 1
    assert json.loads(app.handler(batch, None)["body"])["accepted"] == 2
    item = dynamo_engine.get(keys.event("acme", "/gateway/eu", "A234-1234-1234"))
    assert item is not None
    assert item["ext"] == '{"region":"eu"}'
    assert item["time"] == NOW - 2000
    assert item["traceparent"] == single["headers"]["traceparent"]


def test_a_cloudevents_trace_of_its_own_wins(app: ModuleType, dynamo_engine: DynamoEngine) -> None:
    own = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    sent = {**event(), "specversion": "1.0", "source": "s", "traceparent": own}
    assert only(call(app, sent, content_type="application/cloudevents+json"))["status"] == "accepted"
    item = dynamo_engine.get(keys.event("acme", "s", "e1"))
    assert item is not None
    assert (item["traceparent"], "ext" in item) == (own, False)


@pytest.mark.parametrize(
    ("changed", "pointer", "code"),
    [
        ({"id": ""}, "/id", "length"),
        ({"id": 5}, "/id", "type"),
        ({"id": None}, "/id", "type"),
        ({"type": "x" * 300}, "/type", "length"),
        ({"subject": "a\nb"}, "/subject", "invalid"),
        ({"time": "yesterday"}, "/time", "invalid"),
        ({"time": "2026-11-20T10:00:00"}, "/time", "invalid"),
        ({"time": 1795168800}, "/time", "type"),
        ({"data": [1]}, "/data", "type"),
        ({"data": {"a": "x" * 70_000}}, "/data", "length"),
        ({"specversion": "0.3"}, "/specversion", "not_allowed"),
        ({"extra": 1}, "/extra", "unknown_field"),
        ({"source": ""}, "/source", "length"),
    ],
)
def test_a_bad_field_is_named_with_its_pointer(
    app: ModuleType, changed: dict[str, Any], pointer: str, code: str
) -> None:
    result = only(call(app, event(**changed)))
    assert (result["status"], result["code"]) == ("rejected", "invalid_event")
    assert (result["errors"][0]["pointer"], result["errors"][0]["code"]) == (pointer, code)


def test_required_fields_are_required(app: ModuleType) -> None:
    result = only(call(app, {}))
    assert [(e["pointer"], e["code"]) for e in result["errors"]] == [
        (f"/{name}", "required") for name in ("id", "type", "subject", "data")
    ]
    assert result["id"] is None


@pytest.mark.parametrize("data", ['{"n":1e999999}', '{"n":"\\ud800"}', '{"n":' + "[" * 40 + "]" * 40 + "}"])
def test_data_that_could_not_be_kept_exactly_is_refused(app: ModuleType, data: str) -> None:
    body = '{"id":"e","type":"t","subject":"acme","data":' + data + "}"
    result = only(call(app, body))
    assert (result["errors"][0]["pointer"], result["errors"][0]["code"]) == ("/data", "invalid")


def test_numbers_are_kept_exactly(app: ModuleType, dynamo_engine: DynamoEngine) -> None:
    data = '{"b":0.1000,"a":123456789012345678.123456789,"c":1E2,"tokens":1}'
    body = '{"id":"e","type":"llm.completion","subject":"acme","data":' + data + "}"
    assert only(call(app, body))["status"] == "accepted"
    item = dynamo_engine.get(keys.event("acme", "api", "e"))
    assert item is not None
    assert items.text(item, "data") == '{"a":123456789012345678.123456789,"b":0.1,"c":100,"tokens":1}'


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ("{", "application/json", 400),
        ("", "application/json", 400),
        ("5", "application/json", 400),
        ("[]", "application/cloudevents+json", 400),
        (json.dumps([{}] * 501), "application/json", 422),
    ],
)
def test_only_what_cannot_be_read_at_all_is_a_4xx(app: ModuleType, body: str, content_type: str, status: int) -> None:
    answer = call(app, body, content_type=content_type)
    assert answer["statusCode"] == status
    assert answer["headers"]["content-type"] == "application/problem+json"
    assert call(app, [])["json"]["results"] == []
    assert call(app, [1, None, "x"])["json"]["rejected"] == 3


def test_five_hundred_events_fit_one_call(app: ModuleType) -> None:
    answer = call(app, [event(f"e{i}") for i in range(500)])
    assert answer["json"]["accepted"] == 500
    assert [r["id"] for r in answer["json"]["results"]] == [f"e{i}" for i in range(500)]


def test_a_key_of_one_customer_posts_for_it_alone(app: ModuleType, dynamo_engine: DynamoEngine) -> None:
    exists(dynamo_engine, "other")
    bound = {"lambda": {"key_id": "key_1", "scopes": "ingest", "customer": "acme"}}
    answer = call(app, [event("a"), event("b", subject="other")], authorizer=bound)
    assert [r.get("code") for r in answer["json"]["results"]] == [None, "other_customer"]


def test_without_the_scope_nothing_is_read(app: ModuleType) -> None:
    assert call(app, [event()], authorizer=None)["statusCode"] == 401
    wrong = {"lambda": {"key_id": "key_1", "scopes": "check manage"}}
    assert call(app, [event()], authorizer=wrong)["statusCode"] == 403


def test_the_log_and_the_metrics_tell_of_the_batch(
    app: ModuleType, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    call(app, [event("a", time=format_instant(NOW - MINUTE)), event("b", subject="nobody")])
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    (metrics,) = (line for line in told if "EventsAccepted" in line)
    (rejected,) = (line for line in told if "RejectedEvents" in line)
    assert (rejected["code"], rejected["RejectedEvents"]) == ("unknown_customer", [1.0])
    assert rejected["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Tallygate/bench"
    assert (metrics["EventsAccepted"], metrics["EventsRejected"], metrics["IngestLag"]) == ([1.0], [1.0], [60_000.0])
    (log,) = (vars(line) for line in caplog.records if line.message == "events")
    assert (log["statuses"], log["codes"]) == ({"accepted": 1, "rejected": 1}, {"unknown_customer": 1})
    assert log["trace_id"] == sample("ingest")["headers"]["traceparent"][3:35]


@pytest.mark.parametrize("number", ["1e1000000", "1e999999999999999999", "1e99999999999999999999", "NaN", "-Infinity"])
def test_a_number_that_is_no_measurement_rejects_its_event_and_no_other(app: ModuleType, number: str) -> None:
    bad = json.dumps(event("bad")).replace('{"tokens": 1}', f'{{"tokens": {number}}}')
    answer = call(app, f"[{bad}, {json.dumps(event('good'))}]")
    assert answer["statusCode"] == 200
    assert [(r["status"], r.get("code")) for r in answer["json"]["results"]] == [
        ("rejected", "invalid_event"),
        ("accepted", None),
    ]
    assert answer["json"]["results"][0]["errors"][0]["pointer"] == "/0/data"


@pytest.mark.parametrize("number", ["5e-324", "1.7976931348623157e+308", "0.30000000000000004", "1" * 300, "1e-07"])
def test_every_number_that_a_producer_may_have_is_stored_as_it_was_sent(
    app: ModuleType, dynamo_engine: DynamoEngine, number: str
) -> None:
    sent = json.dumps(event("e", data={"tokens": 1, "other": 0})).replace('"other": 0', f'"other": {number}')
    assert only(call(app, sent))["status"] == "accepted"
    assert only(call(app, sent))["status"] == "duplicate"
    item = dynamo_engine.get(keys.event("acme", "api", "e"))
    assert item is not None
    assert read_json(items.text(item, "data")) == read_json(f'{{"tokens": 1, "other": {number}}}')
    near = json.dumps(event("e", data={"tokens": 1, "other": 0})).replace('"other": 0', '"other": 0.3')
    assert only(call(app, near))["status"] == "conflict", "a fingerprint is of what was sent"


@pytest.mark.parametrize("changed", [{"id": "e\u0301"}, {"source": "a\x7f"}, {"subject": "x" * 256}, {"type": "\x85"}])
def test_identifiers_of_events_are_held_to_their_rule(app: ModuleType, changed: dict[str, Any]) -> None:
    result = only(call(app, event(**changed)))
    assert (result["status"], result["errors"][0]["pointer"]) == ("rejected", f"/{next(iter(changed))}")


def test_identifiers_of_events_may_have_slashes_and_format_characters(
    app: ModuleType, dynamo_engine: DynamoEngine
) -> None:
    declare(dynamo_engine, replace(CALLS, key="odd", event_type=".."), version=2)
    assert only(call(app, event("a/b \u202e", source="/gateway", type="..")))["status"] == "accepted"


def test_every_result_says_what_counts_the_event_and_the_answer_sums_up_what_was_amiss(
    app: ModuleType, dynamo_engine: DynamoEngine
) -> None:
    declare(dynamo_engine, TOKENS, CALLS, version=2)
    answer = call(app, [event("a"), event("b", data={}), event("c", type="llm.completoin"), event("a")])["json"]
    assert {name: value for name, value in answer.items() if name != "results"} == {
        "accepted": 2,
        "duplicates": 1,
        "rejected": 1,
        "parked": 0,
        "warnings": 1,
    }
    whole, partly, refused, again = ({**r, "time": None} for r in answer["results"])
    assert whole == {"id": "a", "status": "accepted", "counted_by": ["calls", "tokens"], "time": None}
    assert partly["warnings"] == [{"meter": "tokens", "code": "value_missing", "detail": "$.tokens is absent"}]
    assert (partly["status"], partly["counted_by"]) == ("accepted", ["calls"])
    assert (refused["status"], refused["code"]) == ("rejected", "unknown_event_type")
    assert refused["detail"] == "no meter of the catalog has the event type llm.completoin"
    assert (again["status"], "counted_by" in again) == ("duplicate", False)
