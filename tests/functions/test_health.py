"""Health as a client meets it: public where it is shallow; deep for whoever holds a key, and one probe for all."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest

from tallygate.domain.customers.api_keys import ApiKey, digest_of
from tallygate.storage.base import keys
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Put
from tallygate.storage.base.receipts import Receipts
from tallygate.storage.customers.api_keys import ApiKeys
from tests.functions.managing import Client, problem

WALL = 1_800_000_000_000


def look_deep(call: Client) -> dict[str, Any]:
    return call("GET", "/v1/health", query={"deep": "1"}, headers={"authorization": "Bearer tg_reader"})


def stored(
    engine: DynamoEngine, text: str = "tg_reader", *, scopes: tuple[str, ...] = ("manage",), **more: str
) -> None:
    key = ApiKey(id=f"key_{text}", name="n", scopes=scopes, created_at=1, customer=more.get("customer"))
    assert Receipts(engine).commit(ApiKeys(engine).create(key, digest_of(text)))


def reader_passes(engine: DynamoEngine) -> None:
    """What aggregate does with a probe."""
    for item in engine.query("PROBE", consistent=True).items:
        probe = item["sk"]
        assert isinstance(probe, str)
        engine.write(Put(key=keys.probe(probe), item={"seen_at": 1}))


@pytest.fixture
def probes(app: ModuleType, dynamo_engine: DynamoEngine, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every probe that is sent; each poll takes a tenth of a second, and finds the probe passed."""
    sent: list[str] = []
    moments = iter(range(10_000))
    monkeypatch.setattr(app.app, "ticks", lambda: next(moments) / 10)
    monkeypatch.setattr(app.app, "real", lambda: WALL)
    monkeypatch.setattr(app.app, "wait", lambda _: reader_passes(dynamo_engine))
    new_id = type(app.app).new_id

    def recorded(self: object, kind: str) -> str:
        made: str = new_id(self, kind)
        sent.extend([made] if kind == "probe" else [])
        return made

    monkeypatch.setattr(type(app.app), "new_id", recorded)
    return sent


def test_a_deep_look_measures_the_way_to_the_streams_reader(
    call: Client, dynamo_engine: DynamoEngine, probes: list[str]
) -> None:
    stored(dynamo_engine)
    deep = look_deep(call)
    assert (deep["statusCode"], deep["json"]["status"]) == (200, "ok")
    assert deep["json"]["fold"] == {"lag_ms": 200, "as_of": "2027-01-15T08:00:00Z"}
    assert dynamo_engine.query("PROBE", consistent=True).items == ()


def test_one_probe_in_ten_seconds_answers_everybody_in_every_container(
    app: ModuleType,
    call: Client,
    dynamo_engine: DynamoEngine,
    probes: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored(dynamo_engine)
    sends: list[str] = []

    def send(_: object, probe: str, __: int) -> None:
        sends.append(probe)
        dynamo_engine.write(Put(key=keys.probe(probe), item={"sent_at": 1}))

    monkeypatch.setattr("tallygate.storage.journal.probes.Probes.send", send)
    first = look_deep(call)["json"]["fold"]
    for later in (1, 9_999):
        monkeypatch.setattr(app.app, "real", lambda later=later: WALL + later)
        assert look_deep(call)["json"]["fold"] == first
    assert len(sends) == 1
    monkeypatch.setattr(app.app, "real", lambda: WALL + 10_000)
    assert look_deep(call)["json"]["fold"]["as_of"] == "2027-01-15T08:00:10Z"
    assert len(sends) == 2


def test_who_comes_while_another_measures_waits_for_its_result(
    app: ModuleType, call: Client, dynamo_engine: DynamoEngine, probes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(dynamo_engine)
    store = app.app.probes
    assert store.claim_result(WALL - 1, over=WALL - 10_001)
    answers = iter([None, None, 70])

    def another_finishes(_: float) -> None:
        lag = next(answers, None)
        if lag is not None:
            dynamo_engine.write(Put(key=keys.health(), item={"lag_ms": lag, "as_of": WALL, "claimed_at": WALL}))

    monkeypatch.setattr(app.app, "wait", another_finishes)
    assert look_deep(call)["json"]["fold"]["lag_ms"] == 70
    assert dynamo_engine.query("PROBE", consistent=True).items == ()


def test_a_measurement_that_died_is_degraded_and_then_made_again(
    app: ModuleType, call: Client, dynamo_engine: DynamoEngine, probes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(dynamo_engine)
    assert app.app.probes.claim_result(WALL, over=WALL - 10_000)
    assert look_deep(call)["statusCode"] == 503
    monkeypatch.setattr(app.app, "real", lambda: WALL + 10_000)
    assert look_deep(call)["statusCode"] == 200


def test_a_stream_that_is_not_read_is_degraded_for_everybody_who_asks(
    app: ModuleType, call: Client, dynamo_engine: DynamoEngine, probes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(dynamo_engine)
    monkeypatch.setattr(app.app, "wait", lambda _: None)
    for _ in range(2):
        deep = look_deep(call)
        assert (deep["statusCode"], deep["json"]["status"], deep["json"]["fold"]["lag_ms"]) == (503, "degraded", None)
    assert dynamo_engine.query("PROBE", consistent=True).items == ()


def test_a_deep_look_asks_for_a_key_and_a_shallow_one_does_not(
    call: Client, dynamo_engine: DynamoEngine, probes: list[str]
) -> None:
    stored(dynamo_engine, "tg_counter", scopes=("ingest", "check"))
    stored(dynamo_engine, "tg_bound", customer="acme")
    stored(dynamo_engine, "tg_reads", scopes=("read",))
    assert call("GET", "/v1/health")["statusCode"] == 200
    deep = {"deep": "1"}
    # What the gateway's authorizer says of a caller is not there on a public route, and is not believed.
    problem(call("GET", "/v1/health", query=deep), 401, "unauthenticated")
    for text, status, code in (
        ("tg_unknown", 401, "unauthenticated"),
        ("counter", 401, "unauthenticated"),
        ("tg_counter", 403, "scope_missing"),
        ("tg_bound", 403, "other_customer"),
    ):
        problem(call("GET", "/v1/health", query=deep, headers={"authorization": f"Bearer {text}"}), status, code)
    assert dynamo_engine.get(keys.health()) is None, "nobody who was refused has caused a write"
    assert call("GET", "/v1/health", query=deep, headers={"authorization": "Bearer tg_reads"})["statusCode"] == 200


def test_the_document_is_built_once(call: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    first = call("GET", "/v1/openapi.json")
    builder = call.app.ROUTES["GET /v1/openapi.json"].respond.__globals__
    monkeypatch.setitem(builder, "document", lambda *_, **__: pytest.fail("built a second time"))
    again = call("GET", "/v1/openapi.json")
    assert json.loads(again["body"]) == json.loads(first["body"])
