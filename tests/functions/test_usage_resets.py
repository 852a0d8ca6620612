"""Resets by hand as the gateway calls them."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from tallygate.operations.admission.check import check
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.storage.admission.cells import Cells
from tests.answers import detailed
from tests.functions.managing import Client, problem
from tests.given import wanted

RESET = "/v1/customers/{customer}/reset"
WHY = {"feature": "images", "reason": "goodwill", "actor": "ops"}


pytestmark = pytest.mark.usefixtures("acme")


def used(app: ModuleType, amount: int = 0) -> Any:
    """What is used of the feature, once so much more is."""
    cells, now = Cells(app.app.engine), app.app.clock.now()
    if amount:
        asked = wanted(amount, feature="images")
        assert consume(cells, Memory(), asked, now=now, entropy=lambda count: b"\x01" * count).granted
    return detailed(check(cells, Memory(), wanted(0, feature="images"), now=now))["used"]


def post(call: Client, customer: str = "acme", **more: Any) -> dict[str, Any]:
    headers, bound_to = more.pop("headers", None), more.pop("bound_to", "")
    return call("POST", RESET, {**WHY, **more}, customer=customer, headers=headers, bound_to=bound_to)


def test_a_reset_says_what_it_took_out_and_is_in_the_trail(app: ModuleType, call: Client) -> None:
    assert used(app, 4) == 4
    made = post(call)
    assert made["statusCode"] == 200
    body = made["json"]
    (window,) = body["windows"]
    assert (window["limit_name"], window["used_before"], window["excluded"], window["used"]) == ("images", 4, 4, 0)
    assert (body["changed"], body["anchor"], body["overage"], body["rolling"]) == (True, "keep", "forgive", [])
    assert used(app) == 0
    trail = call("GET", "/v1/audit", query={"customer": "acme"})["json"]["data"]
    (entry,) = [entry for entry in trail if entry["action"] == "reset"]
    assert (entry["id"], entry["action"], entry["overage"]) == (body["audit_id"], "reset", "forgive")
    assert [window["used"] for window in entry["before"]["windows"] + entry["after"]["windows"]] == [4, 0]
    assert post(call)["json"]["changed"] is False


def test_a_repeated_key_replays_the_answer_and_resets_nothing(app: ModuleType, call: Client) -> None:
    used(app, 2)
    first = post(call, headers={"idempotency-key": "k"})
    used(app, 3)
    again = post(call, headers={"idempotency-key": "k"})
    assert (again["json"], again["headers"]["idempotent-replayed"]) == (first["json"], "true")
    assert used(app) == 3
    problem(post(call, reason="other", headers={"idempotency-key": "k"}), 422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("more", "pointer", "code"),
    [
        ({"feature": "nope"}, "/feature", "feature_not_found"),
        ({"reason": ""}, "/reason", "length"),
        ({"actor": None}, "/actor", "type"),
        ({"overage": "drop"}, "/overage", "not_allowed"),
        ({"anchor": "move"}, "/anchor", "not_available"),
        ({"anchor": "away"}, "/anchor", "not_allowed"),
        ({"effective_at": "yesterday"}, "/effective_at", "invalid"),
        ({"effective_at": "2999-01-01T00:00:00Z"}, "/effective_at", "out_of_range"),
        ({"limit": "images"}, "/limit", "unknown_field"),
    ],
)
def test_what_is_wrong_is_named(call: Client, more: dict[str, Any], pointer: str, code: str) -> None:
    refused = problem(post(call, **more), 422, "invalid_request")
    assert [(error["pointer"], error["code"]) for error in refused["errors"]] == [(pointer, code)]


def test_a_key_of_one_customer_reaches_that_customer_only(call: Client) -> None:
    problem(post(call, customer="nobody"), 404, "customer_not_found")
    problem(post(call, customer="bolt", bound_to="acme"), 403, "other_customer")
