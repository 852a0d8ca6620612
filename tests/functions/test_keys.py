"""API keys over HTTP: rotated with overlap, listed with their last use, expiring by default, and audited."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest

from tallygate.errors import StoreUnavailable
from tests.functions.conftest import LoadApp, sample
from tests.functions.managing import CATALOG, Client, problem

ROTATE = "/v1/keys/{key}/rotate"
STACK = "/v1/audit"


@pytest.fixture
def authorize(load_app: LoadApp) -> ModuleType:
    return load_app("authorize")


def known(authorize: ModuleType, text: str) -> str | None:
    """The id of the key that calls with this text; None: nobody."""
    event = {**sample("authorize"), "headers": {"authorization": f"Bearer {text}"}}
    found: dict[str, Any] = authorize.handler(event, None)["context"]
    return found.get("key_id")


def make(call: Client, **more: Any) -> dict[str, Any]:
    made = call("POST", "/v1/keys", {"name": "n", "scopes": ["check"], **more})
    assert made["statusCode"] == 201, made
    found: dict[str, Any] = made["json"]
    return found


def trail(call: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call("GET", STACK)["json"]["data"]
    return found


def test_a_key_of_one_customer_cannot_have_manage(call: Client) -> None:
    refused = call("POST", "/v1/keys", {"name": "n", "scopes": ["read", "manage"], "customer": "acme"})
    errors = problem(refused, 422, "invalid_request")["errors"]
    assert [(error["pointer"], error["code"]) for error in errors] == [("/scopes", "not_allowed")]
    assert make(call, scopes=["read", "check", "ingest"], customer="acme")["scopes"] == ["read", "check", "ingest"]


def test_a_rotation_gives_another_text_and_keeps_the_one_before_for_the_overlap(
    call: Client, authorize: ModuleType
) -> None:
    made = make(call)
    rotated = call("POST", ROTATE, {"overlap_seconds": 60}, key=made["id"])
    assert rotated["statusCode"] == 200
    text = rotated["json"].pop("key")
    assert text.startswith("tg_") and text != made["key"]
    assert [known(authorize, each) for each in (made["key"], text)] == [made["id"], made["id"]]
    listed = call("GET", "/v1/keys")["json"]["data"]
    assert [entry["id"] for entry in listed] == [made["id"]]
    assert len(listed[0]["previous"]) == 1
    ended = call("POST", ROTATE, {"overlap_seconds": 0}, key=made["id"])
    assert [known(authorize, each) for each in (made["key"], text)] == [None, None]
    assert known(authorize, ended["json"]["key"]) == made["id"]
    assert call("DELETE", "/v1/keys/{key}", key=made["id"])["statusCode"] == 204
    assert known(authorize, ended["json"]["key"]) is None


def test_a_repeated_rotation_rotates_once_and_shows_no_text_again(call: Client, authorize: ModuleType) -> None:
    made, headers = make(call), {"idempotency-key": "once"}
    first = call("POST", ROTATE, {"overlap_seconds": 0}, key=made["id"], headers=headers)
    again = call("POST", ROTATE, {"overlap_seconds": 0}, key=made["id"], headers=headers)
    assert (again["headers"]["idempotent-replayed"], again["json"]["key"]) == ("true", None)
    assert known(authorize, first["json"]["key"]) == made["id"]


def test_so_many_texts_of_a_key_are_valid_at_once(call: Client) -> None:
    made = make(call)
    for _ in range(3):
        assert call("POST", ROTATE, {"overlap_seconds": 60}, key=made["id"])["statusCode"] == 200
    problem(call("POST", ROTATE, {"overlap_seconds": 60}, key=made["id"]), 409, "too_many")
    assert call("POST", ROTATE, {"overlap_seconds": 0}, key=made["id"])["statusCode"] == 200


@pytest.mark.parametrize(
    "body", [{}, {"overlap_seconds": -1}, {"overlap_seconds": 2_592_001}, {"overlap_seconds": "1"}]
)
def test_the_overlap_is_said_in_seconds(call: Client, body: Any) -> None:
    errors = problem(call("POST", ROTATE, body, key="key_1"), 422, "invalid_request")["errors"]
    assert [error["pointer"] for error in errors] == ["/overlap_seconds"]


def test_a_key_that_does_not_exist_has_no_other_text(call: Client) -> None:
    problem(call("POST", ROTATE, {"overlap_seconds": 0}, key="key_9"), 404, "key_not_found")


def test_the_day_of_the_last_use_is_listed(call: Client, authorize: ModuleType) -> None:
    made = make(call)
    assert made["last_used"] is None
    assert known(authorize, made["key"]) == made["id"]
    (listed,) = call("GET", "/v1/keys")["json"]["data"]
    assert listed["last_used"] == made["created_at"][:10]


@pytest.mark.parametrize("overlap_seconds", [0, 60])
def test_a_rotation_and_a_revocation_keep_the_day_of_the_last_use(
    call: Client, authorize: ModuleType, overlap_seconds: int
) -> None:
    made = make(call)
    day = made["created_at"][:10]
    assert known(authorize, made["key"]) == made["id"]
    for _ in range(2):
        rotated = call("POST", ROTATE, {"overlap_seconds": overlap_seconds}, key=made["id"])
        assert rotated["json"]["last_used"] == day
    (listed,) = call("GET", "/v1/keys")["json"]["data"]
    assert listed["last_used"] == day
    assert call("DELETE", "/v1/keys/{key}", key=made["id"])["statusCode"] == 204
    entries = {entry["action"]: entry for entry in trail(call)}
    assert [entries[action]["before"]["last_used"] for action in ("key_rotated", "key_revoked")] == [day, day]


def test_a_use_is_written_once_a_day_and_never_refuses(
    call: Client, authorize: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(call)
    writes: list[object] = []
    held = authorize.engine.write

    def write(*given: Any, **more: Any) -> Any:
        writes.append(given)
        return held(*given, **more)

    monkeypatch.setattr(authorize.engine, "write", write)
    for _ in range(3):
        assert known(authorize, made["key"]) == made["id"]
    assert len(writes) == 1
    later = make(call)

    def lost(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("throttled")

    monkeypatch.setattr(authorize.engine, "write", lost)
    assert known(authorize, later["key"]) == later["id"], "a day that cannot be written refuses nobody"


def test_a_key_is_made_for_the_default_lifetime_unless_it_says_otherwise(load_app: LoadApp) -> None:
    call = Client(load_app("manage", KEY_LIFETIME_DAYS="90", RESET_FUNCTION="r", DELIVER_FUNCTION="d"))
    made, forever = make(call), make(call, expires_at=None)
    assert forever["expires_at"] is None
    assert made["expires_at"] is not None and made["expires_at"] > made["created_at"]
    said = make(call, expires_at="2999-01-01T00:00:00Z")
    assert said["expires_at"] == "2999-01-01T00:00:00Z"


def test_the_text_about_revocation_says_what_the_stack_was_deployed_with(load_app: LoadApp) -> None:
    app = load_app("manage", AUTHORIZER_CACHE_SECONDS="300", RESET_FUNCTION="r", DELIVER_FUNCTION="d")
    document = Client(app)("GET", "/v1/openapi.json")["json"]
    assert "within 300 seconds" in document["paths"]["/v1/keys/{key}"]["delete"]["summary"]


def test_every_change_of_the_stack_is_in_its_own_trail_with_the_key_that_asked(load_app: LoadApp) -> None:
    app = load_app("manage", TEST_CLOCK="enabled", RESET_FUNCTION="r", DELIVER_FUNCTION="d")
    app.app.run, app.app.wait = lambda _: {}, lambda _: None
    call = Client(app)
    made = make(call)
    assert call("POST", ROTATE, {"overlap_seconds": 0}, key=made["id"])["statusCode"] == 200
    assert call("DELETE", "/v1/keys/{key}", key=made["id"])["statusCode"] == 204
    assert call("PUT", "/v1/catalog", CATALOG)["statusCode"] == 200
    endpoint = call("POST", "/v1/webhook-endpoints", {"url": "https://example.com/", "events": ["usage.*"]})["json"]
    assert call("DELETE", "/v1/webhook-endpoints/{endpoint}", endpoint=endpoint["id"])["statusCode"] == 204
    assert call("POST", "/v1/test-clock", {"now": "2999-01-01T00:00:00Z"})["statusCode"] == 200
    entries = trail(call)
    assert sorted(entry["action"] for entry in entries) == [
        "catalog_changed",
        "clock_moved",
        "endpoint_created",
        "endpoint_deleted",
        "key_created",
        "key_revoked",
        "key_rotated",
    ]
    assert {(entry["key_id"], entry["customer"]) for entry in entries} == {("k", None)}
    text = json.dumps(entries)
    assert made["key"] not in text and endpoint["secret"] not in text, "the trail keeps no secret"


def test_what_changes_a_customer_is_in_its_trail_with_the_key_that_asked(acme: Client) -> None:
    limit = {"feature": "images", "limit": 9}
    assert (
        acme("PUT", "/v1/customers/{customer}/limits/{name}", limit, customer="acme", name="images")["statusCode"]
        == 201
    )
    assert (
        acme("PUT", "/v1/customers/{customer}/limits/{name}", limit, customer="acme", name="images")["statusCode"]
        == 200
    )
    assert acme("DELETE", "/v1/customers/{customer}/limits/{name}", customer="acme", name="images")["statusCode"] == 204
    assert acme("PUT", "/v1/customers/{customer}", {"name": "Acme"}, customer="acme")["statusCode"] == 200
    said = {"reason": "unpaid", "actor": "ann"}
    assert acme("POST", "/v1/customers/{customer}/suspend", said, customer="acme")["statusCode"] == 200
    entries = acme("GET", "/v1/audit", query={"customer": "acme"})["json"]["data"]
    changes = {entry["action"]: entry for entry in entries}
    assert sorted(entry["action"] for entry in entries) == [
        "customer_changed",
        "customer_created",
        "limit_removed",
        "limit_set",
        "subscription_changed",
        "suspended",
    ], "a limit that was put again as it is changed nothing"
    assert {entry["key_id"] for entry in entries} == {"k"}
    assert changes["suspended"]["actor"] == "ann"
    assert (changes["limit_set"]["before"], changes["limit_set"]["after"]["limit"]) == (None, 9)
    assert (changes["limit_removed"]["before"]["limit"], changes["limit_removed"]["after"]) == (9, None)
    assert (changes["customer_changed"]["before"]["name"], changes["customer_changed"]["after"]["name"]) == (
        None,
        "Acme",
    )
