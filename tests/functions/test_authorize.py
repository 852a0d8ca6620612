"""The authorize function as the gateway calls it: what has a key's form passes, with who calls in the context."""

from __future__ import annotations

from types import ModuleType

import pytest

from tallygate.domain.base.instants import DAY
from tallygate.domain.customers.api_keys import ApiKey, digest_of
from tallygate.errors import TallygateError
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.receipts import Receipts
from tallygate.storage.customers.api_keys import ApiKeys
from tests.functions.conftest import LoadApp, sample

PAST, FUTURE = 1_000_000_000_000, 32_000_000_000_000


def key(**more: object) -> ApiKey:
    fields: dict[str, object] = {"id": "key_1", "name": "n", "scopes": ("check", "ingest"), "created_at": PAST, **more}
    return ApiKey(**fields)  # type: ignore[arg-type]  # as the test states them


@pytest.fixture
def app(load_app: LoadApp) -> ModuleType:
    return load_app("authorize")


def stored(engine: DynamoEngine, made: ApiKey, text: str = "tg_example") -> None:
    assert Receipts(engine).commit(ApiKeys(engine).create(made, digest_of(text)))


def call(app: ModuleType, authorization: str | None = "Bearer tg_example") -> dict[str, object]:
    event = sample("authorize")
    event["headers"].pop("authorization")
    if authorization is not None:
        event["headers"]["Authorization"] = authorization
    answer: dict[str, object] = app.handler(event, None)
    if answer == {"isAuthorized": False}:
        return answer
    assert answer["isAuthorized"] is True
    context = answer["context"]
    assert isinstance(context, dict)
    return context


def test_a_key_becomes_who_calls(app: ModuleType, dynamo_engine: DynamoEngine) -> None:
    stored(dynamo_engine, key())
    assert call(app) == {"key_id": "key_1", "scopes": "check ingest", "customer": ""}
    assert call(app, "bearer  tg_example ") == call(app)


def test_a_key_of_one_customer_says_so(app: ModuleType, dynamo_engine: DynamoEngine) -> None:
    stored(dynamo_engine, key(customer="acme"))
    assert call(app)["customer"] == "acme"


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "tg_example",
        "Basic tg_example",
        "Bearer",
        "Bearer other",
        "Bearer tg_",
        "Bearer tg_a b",
        "Bearer tg_ä",
        "Bearer tg_\n",
        "Bearer \ud800",
        "Bearer tg_" + "x" * 4000,
    ],
)
def test_what_has_not_the_form_of_a_key_is_refused_at_the_gateway(
    app: ModuleType, dynamo_engine: DynamoEngine, authorization: str | None
) -> None:
    stored(dynamo_engine, key())
    assert call(app, authorization) == {"isAuthorized": False}


def test_an_unknown_key_calls_as_nobody(app: ModuleType, dynamo_engine: DynamoEngine) -> None:
    stored(dynamo_engine, key())
    assert call(app, "Bearer tg_other") == {"error": "unauthenticated"}


def test_an_expired_key_calls_as_nobody(app: ModuleType, dynamo_engine: DynamoEngine) -> None:
    stored(dynamo_engine, key(expires_at=PAST + DAY))
    stored(dynamo_engine, key(id="key_2", expires_at=FUTURE), "tg_later")
    assert call(app) == {"error": "unauthenticated"}
    assert call(app, "Bearer tg_later")["key_id"] == "key_2"


def test_a_revoked_key_calls_as_nobody(app: ModuleType, dynamo_engine: DynamoEngine) -> None:
    stored(dynamo_engine, key())
    held = ApiKeys(dynamo_engine)
    seen = held.key("key_1")
    assert seen is not None and held.delete(seen)
    assert call(app) == {"error": "unauthenticated"}


def test_a_failure_of_ours_is_raised_because_answers_are_remembered(
    load_app: LoadApp, dynamo_engine: DynamoEngine
) -> None:
    with pytest.raises(TallygateError):
        call(load_app("authorize", TABLE_NAME="missing"))


def test_one_read_a_call_and_none_for_what_cannot_be_a_key(app: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[object] = []
    found = app.engine.get

    def counted(*args: object, **more: object) -> object:
        reads.append(args)
        return found(*args, **more)

    monkeypatch.setattr(app.engine, "get", counted)
    call(app)
    assert len(reads) == 1
    call(app, "Bearer other")
    assert len(reads) == 1
