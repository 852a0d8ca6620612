"""Suspend, resume and the audit trail as the gateway calls them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functions.managing import Client, problem

SUSPEND, RESUME = "/v1/customers/{customer}/suspend", "/v1/customers/{customer}/resume"
WHY = {"reason": "unpaid", "actor": "ops"}


pytestmark = pytest.mark.usefixtures("acme")


def post(call: Client, route: str, customer: str = "acme", **more: Any) -> dict[str, Any]:
    headers, bound_to = more.pop("headers", None), more.pop("bound_to", "")
    return call("POST", route, {**WHY, **more}, customer=customer, headers=headers, bound_to=bound_to)


def test_a_feature_is_suspended_told_everywhere_and_resumed(call: Client) -> None:
    suspended = post(call, SUSPEND, feature="images")
    assert suspended["statusCode"] == 200
    stands = suspended["json"]["suspended"]
    assert {name: stands[name] for name in ("feature", "scope", "reason", "actor", "by")} == {
        "feature": "images",
        "scope": {},
        **WHY,
        "by": "operator",
    }
    assert call("GET", "/v1/customers/{customer}", customer="acme")["json"]["suspensions"] == [stands]
    path = "/v1/customers/{customer}/entitlements/{feature}"
    state = call("GET", path, customer="acme", feature="images")["json"]
    assert (state["suspended"], state["limit"], state["used"]) == (stands, 5, 0)
    assert call("GET", path, customer="acme", feature="ai-tokens")["json"]["suspended"] is None
    resumed = post(call, RESUME, feature="images")["json"]
    assert (resumed["suspended"], resumed["changed"], resumed["lifted"]) == (None, True, [])
    assert call("GET", "/v1/customers/{customer}", customer="acme")["json"]["suspensions"] == []
    assert post(call, RESUME, feature="images")["json"]["changed"] is False


def test_the_trail_is_listed_newest_first_page_by_page(call: Client) -> None:
    first = post(call, SUSPEND)["json"]["audit_id"]
    second = post(call, RESUME, reason="paid")["json"]["audit_id"]
    page = call("GET", "/v1/audit", query={"customer": "acme", "limit": "1"})["json"]
    assert [(e["id"], e["action"], e["reason"]) for e in page["data"]] == [(second, "resumed", "paid")]
    rest = call("GET", "/v1/audit", query={"customer": "acme", "cursor": page["next_cursor"]})["json"]
    actions = ["suspended", "customer_created", "subscription_changed"]
    assert ([e["action"] for e in rest["data"]], rest["next_cursor"]) == (actions, None)
    assert (rest["data"][0]["id"], rest["data"][2]["actor"]) == (first, "k"), "the subscription came by a key"
    assert rest["data"][0]["after"]["reason"] == "unpaid"


def test_a_repeated_key_replays_the_answer(call: Client) -> None:
    headers = {"idempotency-key": "k"}
    first, again = (post(call, SUSPEND, headers=headers) for _ in range(2))
    assert (again["json"], again["headers"]["idempotent-replayed"]) == (first["json"], "true")
    problem(post(call, SUSPEND, reason="other", headers=headers), 422, "idempotency_key_reused")


def test_what_is_wrong_is_named(call: Client) -> None:
    problem(post(call, SUSPEND, customer="nobody"), 404, "customer_not_found")
    refused = problem(post(call, SUSPEND, feature="nope"), 422, "invalid_request")
    assert [(e["pointer"], e["code"]) for e in refused["errors"]] == [("/feature", "feature_not_found")]
    refused = problem(post(call, SUSPEND, scope={"model": "large"}), 422, "invalid_request")
    assert refused["errors"][0]["pointer"] == "/scope"
    problem(call("GET", "/v1/audit", query={"customer": "nobody"}), 404, "customer_not_found")


def test_a_key_of_one_customer_reaches_that_customer_only(call: Client) -> None:
    for route in (SUSPEND, RESUME):
        problem(post(call, route, customer="bolt", scopes="read", bound_to="acme"), 403, "other_customer")
    problem(call("GET", "/v1/audit", query={"customer": "bolt"}, bound_to="acme"), 403, "other_customer")
    problem(call("GET", "/v1/audit", query={"customer": "acme"}, scopes="check"), 403, "scope_missing")
