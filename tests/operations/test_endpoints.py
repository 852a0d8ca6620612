"""Webhook endpoints: registered once for each Idempotency-Key, the secret shown once, removed for good."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.functions import HeldSecrets
from tallygate.contracts.delivery.endpoints import endpoint_answer
from tallygate.domain.delivery.deliveries import Endpoint, EndpointStatus, SigningSecret
from tallygate.domain.facts.audits import Author
from tallygate.errors import NotFound, StoreUnavailable
from tallygate.operations.base.receipts import Outcome, Planned, once
from tallygate.operations.delivery.endpoints import (
    Stores,
    delete_endpoint,
    list_deliveries,
    list_endpoints,
    read_endpoint,
    register_endpoint,
    rotate_endpoint,
)
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.receipts import Receipts
from tallygate.storage.delivery.endpoints import Endpoints
from tallygate.storage.facts.audits import Audits
from tests.given import NOW


def new(endpoint_id: str) -> Endpoint:
    return Endpoint(
        id=endpoint_id,
        url="https://receiver.example/",
        events=("usage.*",),
        scheme="standard",
        secrets=(SigningSecret(slot="a", version=1),),
        status=EndpointStatus.ACTIVE,
        created_at=NOW,
    )


def author(name: str = "audit", now: int = NOW) -> Author:
    return Author(id=name, key_id="key_1", at=now)


def stores(engine: Engine, held: HeldSecrets) -> Stores:
    return Stores(endpoints=Endpoints(engine), secrets=held, audits=Audits(engine))


def register(engine: Engine, endpoint_id: str, key: str | None = None, held: HeldSecrets | None = None) -> Outcome:
    keeper = held or HeldSecrets()

    def plan() -> Planned:
        bare, by = replace(new(endpoint_id), secrets=()), author(endpoint_id)
        return register_endpoint(stores(engine, keeper), bare, f"whsec_{endpoint_id}", endpoint_answer, by=by)

    return once(
        Receipts(engine), plan, operation="POST /v1/webhook-endpoints", idempotency_key=key, fingerprint="f", now=NOW
    )


def rotate(
    engine: Engine, held: HeldSecrets, secret: str, *, overlap: int = 100, now: int = NOW, key: str | None = None
) -> Outcome:
    def plan() -> Planned:
        by = author(secret, now)
        return rotate_endpoint(stores(engine, held), "we_1", secret, endpoint_answer, overlap=overlap, by=by)

    return once(Receipts(engine), plan, operation="rotate", idempotency_key=key, fingerprint="f", now=NOW)


def signed_with(engine: Engine, held: HeldSecrets, now: int) -> tuple[str, ...]:
    return held.texts(read_endpoint(Endpoints(engine), "we_1"), now)


def test_registering_answers_the_secret_once_and_the_table_has_none(engine: Engine) -> None:
    held = HeldSecrets()
    outcome = register(engine, "we_1", held=held)
    assert outcome.status == 201
    assert (outcome.body["id"], outcome.body["secret"]) == ("we_1", "whsec_we_1")
    assert read_endpoint(Endpoints(engine), "we_1") == new("we_1")
    assert signed_with(engine, held, NOW) == ("whsec_we_1",)
    assert "whsec_" not in str(engine.get(keys.endpoint("we_1")))


def test_a_repeated_registration_makes_one_endpoint_and_shows_no_secret_again(engine: Engine) -> None:
    first, second = register(engine, "we_1", "key"), register(engine, "we_2", "key")
    assert (first.body["secret"], first.replayed) == ("whsec_we_1", False)
    assert (second.body["id"], second.body["secret"], second.replayed) == ("we_1", None, True)
    assert list_endpoints(Endpoints(engine), after=None, limit=9) == ((new("we_1"),), None)


def test_after_a_rotation_both_secrets_sign_until_the_overlap_ends(engine: Engine) -> None:
    held = HeldSecrets()
    register(engine, "we_1", held=held)
    rotated = rotate(engine, held, "whsec_2")
    assert (rotated.status, rotated.body["secret"]) == (200, "whsec_2")
    assert rotated.body["former_secret_until"] is not None
    assert signed_with(engine, held, NOW + 99) == ("whsec_2", "whsec_we_1")
    assert signed_with(engine, held, NOW + 100) == ("whsec_2",)
    rotate(engine, held, "whsec_3", now=NOW + 50)
    assert signed_with(engine, held, NOW + 50) == ("whsec_3", "whsec_2"), "never more than two"
    rotate(engine, held, "whsec_4", overlap=0, now=NOW + 60)
    assert signed_with(engine, held, NOW + 60) == ("whsec_4",)


def test_a_repeated_rotation_makes_one_and_shows_no_secret_again(engine: Engine) -> None:
    held = HeldSecrets()
    register(engine, "we_1", held=held)
    first, second = rotate(engine, held, "whsec_2", key="k"), rotate(engine, held, "whsec_3", key="k")
    assert (first.body["secret"], second.body["secret"], second.replayed) == ("whsec_2", None, True)
    assert signed_with(engine, held, NOW) == ("whsec_2", "whsec_we_1")


def test_of_two_rotations_at_once_the_secret_that_is_shown_last_signs(engine: Engine) -> None:
    """Both kept a version in the same slot; the one that lost plans again and comes after the winner."""
    held = HeldSecrets()
    register(engine, "we_1", held=held)
    seen = read_endpoint(Endpoints(engine), "we_1")
    lost = held.keep("we_1", seen.spare_slot, "whsec_lost")
    rotate(engine, held, "whsec_won")
    moves = Endpoints(engine).replace_secrets(seen, seen.rotated(lost, now=NOW, overlap=100))
    assert not Receipts(engine).commit(moves)
    assert signed_with(engine, held, NOW) == ("whsec_won", "whsec_we_1")


def test_deleting_an_endpoint_removes_its_secrets_and_may_be_repeated_where_it_failed(engine: Engine) -> None:
    class Away(HeldSecrets):
        away = True

        def remove(self, endpoint_id: str) -> None:
            if self.away:
                raise StoreUnavailable("away")
            HeldSecrets.remove(self, endpoint_id)

    held = Away()
    register(engine, "we_1", held=held)
    rotate(engine, held, "whsec_2")
    with pytest.raises(StoreUnavailable):
        delete_endpoint(stores(engine, held), "we_1", by=author())
    left = read_endpoint(Endpoints(engine), "we_1")
    assert (left.status, left.disabled_reason) == (EndpointStatus.DISABLED, "it is being deleted")
    held.away = False
    delete_endpoint(stores(engine, held), "we_1", by=author())
    assert held.kept == {}


@pytest.mark.parametrize("endpoint_id", ["we_9", "a#b", "x" * 3_000, "%"])
def test_an_endpoint_that_does_not_exist_is_not_found(engine: Engine, endpoint_id: str) -> None:
    store = Endpoints(engine)
    for ask in (
        lambda: read_endpoint(store, endpoint_id),
        lambda: delete_endpoint(stores(engine, HeldSecrets()), endpoint_id, by=author()),
        lambda: list_deliveries(store, endpoint_id, after=None, limit=9),
    ):
        with pytest.raises(NotFound) as raised:
            ask()
        assert raised.value.code == "endpoint_not_found"


def test_a_deleted_endpoint_is_gone(engine: Engine) -> None:
    register(engine, "we_1")
    held = HeldSecrets()
    delete_endpoint(stores(engine, held), "we_1", by=author("later"))
    with pytest.raises(NotFound):
        delete_endpoint(stores(engine, held), "we_1", by=author("again"))
    trail, _ = Audits(engine).page(None, after=None, limit=9)
    assert {entry.action for entry in trail} == {"endpoint_created", "endpoint_deleted"}
    assert [(entry.key_id, entry.about) for entry in trail] == [("key_1", {"endpoint": "we_1"})] * 2
    assert "whsec" not in str(trail), "the trail keeps no secret"
    assert list_endpoints(Endpoints(engine), after=None, limit=9) == ((), None)
