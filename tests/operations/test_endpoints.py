"""Webhook endpoints: registered once for each Idempotency-Key, the secret shown once, removed for good."""

from __future__ import annotations

import pytest

from tallygate.contracts.endpoints import endpoint_answer
from tallygate.domain.audits import Author
from tallygate.domain.deliveries import Endpoint, EndpointStatus
from tallygate.errors import NotFound
from tallygate.operations.endpoints import (
    delete_endpoint,
    list_deliveries,
    list_endpoints,
    read_endpoint,
    register_endpoint,
)
from tallygate.operations.receipts import Outcome, Planned, once
from tallygate.storage.audits import Audits
from tallygate.storage.endpoints import Endpoints
from tallygate.storage.engine import Engine
from tallygate.storage.receipts import Receipts
from tests.given import NOW


def new(endpoint_id: str) -> Endpoint:
    return Endpoint(
        id=endpoint_id,
        url="https://receiver.example/",
        events=("usage.*",),
        scheme="standard",
        secrets=(f"whsec_{endpoint_id}",),
        status=EndpointStatus.ACTIVE,
        created_at=NOW,
    )


def author(name: str = "audit") -> Author:
    return Author(id=name, key_id="key_1", at=NOW)


def register(engine: Engine, endpoint_id: str, key: str | None = None) -> Outcome:
    endpoint = new(endpoint_id)

    def plan() -> Planned:
        return register_endpoint(
            Endpoints(engine), Audits(engine), endpoint, endpoint_answer(endpoint), by=author(endpoint_id)
        )

    return once(
        Receipts(engine), plan, operation="POST /v1/webhook-endpoints", idempotency_key=key, fingerprint="f", now=NOW
    )


def test_registering_answers_the_secret_once(engine: Engine) -> None:
    outcome = register(engine, "we_1")
    assert outcome.status == 201
    assert (outcome.body["id"], outcome.body["secret"]) == ("we_1", "whsec_we_1")
    assert read_endpoint(Endpoints(engine), "we_1") == new("we_1")


def test_a_repeated_registration_makes_one_endpoint_and_shows_no_secret_again(engine: Engine) -> None:
    first, second = register(engine, "we_1", "key"), register(engine, "we_2", "key")
    assert (first.body["secret"], first.replayed) == ("whsec_we_1", False)
    assert (second.body["id"], second.body["secret"], second.replayed) == ("we_1", None, True)
    assert list_endpoints(Endpoints(engine), after=None, limit=9) == ((new("we_1"),), None)


@pytest.mark.parametrize("endpoint_id", ["we_9", "a#b", "x" * 3_000, "%"])
def test_an_endpoint_that_does_not_exist_is_not_found(engine: Engine, endpoint_id: str) -> None:
    store = Endpoints(engine)
    for ask in (
        lambda: read_endpoint(store, endpoint_id),
        lambda: delete_endpoint(store, Audits(engine), endpoint_id, by=author()),
        lambda: list_deliveries(store, endpoint_id, after=None, limit=9),
    ):
        with pytest.raises(NotFound) as raised:
            ask()
        assert raised.value.code == "endpoint_not_found"


def test_a_deleted_endpoint_is_gone(engine: Engine) -> None:
    register(engine, "we_1")
    delete_endpoint(Endpoints(engine), Audits(engine), "we_1", by=author("later"))
    with pytest.raises(NotFound):
        delete_endpoint(Endpoints(engine), Audits(engine), "we_1", by=author("again"))
    trail, _ = Audits(engine).page(None, after=None, limit=9)
    assert {entry.action for entry in trail} == {"endpoint_created", "endpoint_deleted"}
    assert [(entry.key_id, entry.about) for entry in trail] == [("key_1", {"endpoint": "we_1"})] * 2
    assert "whsec" not in str(trail), "the trail keeps no secret"
    assert list_endpoints(Endpoints(engine), after=None, limit=9) == ((), None)
