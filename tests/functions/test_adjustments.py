"""Adjustments as the gateway calls them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functions.managing import Client, problem

ROUTE = "/v1/customers/{customer}/adjustments"
ASKED: dict[str, Any] = {"feature": "images", "amount": 3, "reason": "outage", "actor": "ops", "category": "goodwill"}


pytestmark = pytest.mark.usefixtures("acme")


def post(call: Client, customer: str = "acme", **changed: Any) -> dict[str, Any]:
    headers, bound_to = changed.pop("headers", None), changed.pop("bound_to", "")
    return call("POST", ROUTE, {**ASKED, **changed}, customer=customer, headers=headers, bound_to=bound_to)


def test_an_adjustment_is_answered_and_is_in_the_entitlement_at_once(call: Client) -> None:
    made = post(call)
    assert made["statusCode"] == 201
    assert {name: made["json"][name] for name in ASKED} == ASKED
    assert (made["json"]["limit"], made["json"]["breakdown"]) == (
        8,
        {"base": 5, "carried": 0, "adjusted": 3},
    )
    path = "/v1/customers/{customer}/entitlements/{feature}"
    state = call("GET", path, customer="acme", feature="images")["json"]
    assert (state["limit"], state["breakdown"]) == (8, {**made["json"]["breakdown"], "followed": 0})
    period = {name: state["period"][name] for name in ("start", "end")}
    assert made["json"]["period"] == period
    trail = call("GET", "/v1/audit", query={"customer": "acme"})["json"]["data"]
    assert (trail[0]["id"], trail[0]["action"], trail[0]["amount"]) == (made["json"]["id"], "adjusted", 3)


def test_adjustments_are_listed_newest_first_page_by_page_and_by_feature(call: Client) -> None:
    first, second = post(call)["json"], post(call, amount="-0.5")["json"]
    page = call("GET", ROUTE, customer="acme", query={"limit": "1"})["json"]
    assert page["data"] == [second]
    rest = call("GET", ROUTE, customer="acme", query={"cursor": page["next_cursor"]})["json"]
    assert (rest["data"], rest["next_cursor"]) == ([first], None)
    assert call("GET", ROUTE, customer="acme", query={"feature": "images"})["json"]["data"] == [second, first]
    assert call("GET", ROUTE, customer="acme", query={"feature": "ai-tokens"})["json"]["data"] == []
    refused = problem(call("GET", ROUTE, customer="acme", query={"meter": "x"}), 422, "invalid_request")
    assert refused["errors"][0]["pointer"] == "?meter"


def test_a_repeated_key_adjusts_once(call: Client) -> None:
    headers = {"idempotency-key": "k"}
    first, again = (post(call, headers=headers) for _ in range(2))
    assert (again["json"], again["statusCode"]) == (first["json"], 201)
    assert again["headers"]["idempotent-replayed"] == "true"
    problem(post(call, amount=4, headers=headers), 422, "idempotency_key_reused")
    assert len(call("GET", ROUTE, customer="acme")["json"]["data"]) == 1


def test_what_is_wrong_is_named(call: Client) -> None:
    problem(post(call, customer="nobody"), 404, "customer_not_found")
    problem(call("GET", ROUTE, customer="nobody"), 404, "customer_not_found")
    wrong: list[tuple[dict[str, Any], str, str]] = [
        ({"feature": "nope"}, "/feature", "feature_not_found"),
        ({"amount": 0}, "/amount", "out_of_range"),
        ({"amount": -6}, "/amount", "out_of_range"),
        ({"reason": ""}, "/reason", "length"),
    ]
    for changed, pointer, code in wrong:
        refused = problem(post(call, **changed), 422, "invalid_request")
        assert [(e["pointer"], e["code"]) for e in refused["errors"]] == [(pointer, code)]


def test_a_key_of_one_customer_reaches_that_customer_only(call: Client) -> None:
    problem(post(call, customer="bolt", bound_to="acme"), 403, "other_customer")
    problem(call("GET", ROUTE, customer="bolt", bound_to="acme"), 403, "other_customer")
    problem(call("GET", ROUTE, customer="acme", scopes="check"), 403, "scope_missing")
