"""The control plane on the deployed stack, with IAM enforced: every kind of write that it makes is one it may make."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import quote

import pytest

from tests.stack.api import Api, Reply, unique


def declared(api: Api, change: Any) -> Reply:
    """The catalog put again after a change, as somebody who minds others would: If-Match, and once more if it moved."""
    held = api("GET", "/v1/catalog")
    change(held.json)
    return api("PUT", "/v1/catalog", held.json, if_match=held.headers["etag"])


@pytest.fixture(scope="module")
def name(api: Api) -> str:
    """A meter, a feature and a plan of one new name."""
    name = f"control-{uuid.uuid4().hex[:8]}"

    def add(catalog: dict[str, Any]) -> None:
        catalog["meters"].append({"key": name, "event_type": name, "aggregation": "count"})
        catalog["features"].append({"key": name, "type": "metered", "meter": name})
        entitlement = {"feature": name, "limit": 3, "period": {"every": "day", "timezone": "Asia/Kathmandu"}}
        catalog["plans"].append({"key": name, "version": 1, "entitlements": [entitlement]})

    assert declared(api, add).status == 200
    return name


def test_entries_are_added_changed_and_removed(api: Api, name: str) -> None:
    def add(catalog: dict[str, Any]) -> None:
        catalog["meters"].append({"key": f"{name}-2", "event_type": name, "aggregation": "count"})

    def remove(catalog: dict[str, Any]) -> None:
        catalog["meters"] = [meter for meter in catalog["meters"] if meter["key"] != f"{name}-2"]

    assert [change["action"] for change in declared(api, add).json["changes"]] == ["added"]
    assert [change["action"] for change in declared(api, remove).json["changes"]] == ["removed"]
    assert api("PUT", "/v1/catalog", {"meters": [], "features": [], "plans": []}, if_match='"0"').status == 412


def test_a_customer_is_created_resubscribed_and_read(api: Api, name: str) -> None:
    customer, key = f"/v1/customers/{name}", f"{name}-key"
    created = api("PUT", customer, {"plan": name, "subject_keys": [key], "timezone": "Europe/Paris"})
    assert (created.status, created.json["subscription"]["plan"]) == (201, name)
    assert api("PUT", f"/v1/customers/{name}-2", {"subject_keys": [key]}).json["code"] == "subject_taken"
    given_up = api("PUT", customer, {"subject_keys": []}, if_match=created.headers["etag"])
    assert given_up.status == 200
    assert api("PUT", f"/v1/customers/{name}-2", {"subject_keys": [key]}).status == 201
    assert api("PUT", customer, {"name": "x"}, if_match=created.headers["etag"]).status == 412
    assert [api.good("POST", "/v1/consume", {"customer": name, "feature": name})["granted"] for _ in range(4)] == [
        *[True] * 3,
        False,
    ]
    state = api.good("GET", f"{customer}/entitlements/{name}")
    assert (state["used"], state["remaining"], state["stale"]) == (3, 0, False)
    assert api.good("DELETE", f"{customer}/subscription")["status"] == "ended"
    assert api.good("POST", "/v1/consume", {"customer": name, "feature": name})["reason"] == "no_active_subscription"
    assert api.good("PUT", f"{customer}/subscription", {"plan": name})["status"] == "active"
    assert not api.good("POST", "/v1/consume", {"customer": name, "feature": name})["granted"], "nothing was refilled"
    changed = declared(api, lambda catalog: catalog["plans"].clear())
    assert (changed.status, changed.json["code"]) == (409, "plan_in_use")


def test_a_key_works_until_it_is_revoked_and_is_made_once(api: Api, name: str) -> None:
    body = {"name": name, "scopes": ["read"], "customer": name}
    made = api("POST", "/v1/keys", body, idempotency_key=name)
    again = api("POST", "/v1/keys", body, idempotency_key=name)
    assert (made.status, again.headers["idempotent-replayed"], again.json["key"]) == (201, "true", None)
    assert again.json["id"] == made.json["id"]
    theirs = Api(handle=api.handle, key=made.json["key"])
    assert theirs("GET", f"/v1/customers/{name}").status == 200
    assert theirs("GET", f"/v1/customers/{name}-2").json["code"] == "other_customer"
    assert theirs("GET", "/v1/catalog").json["code"] == "other_customer"
    assert theirs("PUT", f"/v1/customers/{name}", {"plan": name}).json["code"] == "scope_missing"
    theirs.close()
    assert made.json["id"] in [key["id"] for key in api.good("GET", "/v1/keys?limit=100")["data"]]
    assert api("DELETE", f"/v1/keys/{made.json['id']}").status == 204
    assert api("DELETE", f"/v1/keys/{made.json['id']}").status == 404


def test_a_webhook_endpoint_is_registered_once_and_removed(api: Api, name: str) -> None:
    body = {"url": "https://example.com/hook", "events": ["usage.*"]}
    made = api("POST", "/v1/webhook-endpoints", body, idempotency_key=name)
    assert made.json["secret"].startswith("whsec_")
    assert api("POST", "/v1/webhook-endpoints", body, idempotency_key=name).json["secret"] is None
    endpoint = f"/v1/webhook-endpoints/{made.json['id']}"
    assert api.good("GET", f"{endpoint}/deliveries")["data"] == []
    assert api("DELETE", endpoint).status == 204
    assert api("GET", endpoint).json["code"] == "endpoint_not_found"


def test_health_goes_the_way_of_every_fact(api: Api) -> None:
    deep = api("GET", "/v1/health?deep=1")
    assert (deep.status, deep.json["status"]) == (200, "ok")
    assert deep.json["fold"]["lag_ms"] >= 0


def test_the_document_and_unknown_routes_are_public(api: Api) -> None:
    anybody = Api(handle=api.handle, key="")
    assert anybody("GET", "/v1/openapi.json").json["openapi"] == "3.1.0"
    assert "usage.period_closed" in [each["type"] for each in anybody("GET", "/v1/webhooks/schemas").json["data"]]
    unknown = anybody("GET", "/v1/nothing")
    assert (unknown.status, unknown.json["code"]) == (404, "route_not_found")
    other = anybody("DELETE", "/v1/catalog")
    assert (other.status, other.json["code"], other.headers["allow"]) == (405, "method_not_allowed", "GET, PUT")
    anybody.close()


def test_what_a_request_says_is_never_passed_over(api: Api) -> None:
    for query, pointer, code in (
        ("dry_run=on", "?dry_run", "not_allowed"),
        ("dryrun=1", "?dryrun", "unknown_field"),
        ("dry_run=1&dry_run=0", "?dry_run", "repeated"),
    ):
        refused = api("PUT", f"/v1/catalog?{query}", {})
        assert refused.status == 422
        assert [(e["pointer"], e["code"]) for e in refused.json["errors"]] == [(pointer, code)]
    csv = api("GET", "/v1/usage?customer=acme&meter=tokens", accept="text/csv")
    assert (csv.status, csv.json["code"]) == (406, "not_available")


def test_a_long_customer_is_reached_by_its_name(api: Api) -> None:
    customer = unique("😀" * 180)
    path = f"/v1/customers/{quote(customer)}"
    assert api("PUT", path, {}).status == 201
    body = {"reason": "r", "actor": "a"}
    assert api("POST", f"{path}/suspend", body, idempotency_key="k" * 255).status < 300
    assert api.good("GET", path)["id"] == customer


def test_the_test_clock_does_not_go_back(api: Api) -> None:
    refused = api("POST", "/v1/test-clock", {"now": "2020-01-01T00:00:00Z"})
    assert (refused.status, refused.json["code"]) == (409, "clock_moves_forward")


def test_the_clock_moves_under_a_receipt_with_an_audit_entry(api: Api, name: str) -> None:
    """One transaction writes the clock, its receipt and its entry: IAM judges each action by the keys of all three."""
    moved = [api("POST", "/v1/test-clock", {"now": None}, idempotency_key=name) for _ in range(2)]
    assert [answer.status for answer in moved] == [200, 200]
    assert moved[1].headers["idempotent-replayed"] == "true"
    newest = api.good("GET", "/v1/audit?limit=1")["data"][0]
    assert (newest["action"], newest["customer"]) == ("clock_moved", None)
