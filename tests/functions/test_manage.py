"""The manage function as the gateway calls it: sample events in, answers and problems out."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tallygate.domain.base.instants import format_instant, parse_instant
from tallygate.errors import StoreUnavailable
from tallygate.storage.base import keys
from tallygate.storage.base.dynamo import DynamoEngine
from tests.functions.conftest import LoadApp, sample
from tests.functions.managing import CATALOG, Client, problem

Call = Any


@pytest.fixture
def customer(acme: Client) -> str:
    return "acme"


def test_the_sample_events_are_answered(app: ModuleType) -> None:
    declared = app.handler(sample("manage.catalog"), None)
    created = app.handler(sample("manage"), None)
    key = app.handler(sample("manage.key"), None)
    health = app.handler(sample("manage.health"), None)
    assert [r["statusCode"] for r in (declared, created, key, health)] == [200, 201, 201, 200]
    assert json.loads(created["body"])["subscription"]["plan"] == "tour"
    assert json.loads(key["body"])["key"].startswith("tg_")
    assert json.loads(health["body"])["status"] == "ok"


def test_the_catalog_is_given_back_with_its_version(call: Client) -> None:
    empty = call("GET", "/v1/catalog")
    settings = {"unknown_events": "reject", "unknown_customers": "reject"}
    nothing = {"settings": settings, "meters": [], "features": [], "plans": []}
    assert (empty["headers"]["etag"], empty["json"]) == ('"0"', nothing)
    dry = call("PUT", "/v1/catalog", CATALOG, query={"dry_run": "1"})
    assert (dry["json"]["dry_run"], len(dry["json"]["changes"]), dry["headers"]["etag"]) == (True, 5, '"0"')
    assert call("PUT", "/v1/catalog", CATALOG)["headers"]["etag"] == '"1"'
    held = call("GET", "/v1/catalog")
    again = call("PUT", "/v1/catalog", held["json"], headers={"if-match": held["headers"]["etag"]})
    assert (again["json"]["changes"], again["headers"]["etag"]) == ([], '"1"')
    problem(call("PUT", "/v1/catalog", CATALOG, headers={"if-match": '"7"'}), 412, "precondition_failed")
    problem(call("PUT", "/v1/catalog", CATALOG, headers={"if-match": 'W/"1"'}), 412, "precondition_failed")


def test_a_broken_catalog_is_refused_with_every_pointer(call: Client) -> None:
    body = {**CATALOG, "pools": [{"key": "main"}], "plans": [{"key": "p", "entitlements": [{"feature": "nope"}]}]}
    errors = problem(call("PUT", "/v1/catalog", body), 422, "invalid_request")["errors"]
    assert {error["pointer"] for error in errors} == {"/pools", "/plans/0/entitlements/0/feature"}


@pytest.mark.parametrize(
    ("body", "code"), [("", "malformed_request"), ("{", "malformed_request"), ('{"a":Nan}', "malformed_request")]
)
def test_what_is_no_json_is_refused(call: Client, body: str, code: str) -> None:
    problem(call("PUT", "/v1/catalog", body), 400, code)


def test_a_query_parameter_that_nobody_knows_is_refused(call: Client) -> None:
    result = call("PUT", "/v1/catalog", CATALOG, query={"dryrun": "1"})
    assert problem(result, 422, "invalid_request")["errors"][0]["pointer"] == "?dryrun"
    assert call("GET", "/v1/catalog")["headers"]["etag"] == '"0"'


def test_a_customer_is_created_changed_and_read(call: Client, customer: str) -> None:
    held = call("GET", "/v1/customers/{customer}", customer=customer)
    assert held["json"]["subscription"]["plan"] == held["json"]["plan"] == "tour"
    assert held["json"]["plan_version"] == 1
    assert held["json"]["subscription"]["status"] == "active"
    changed = call(
        "PUT",
        "/v1/customers/{customer}",
        {"name": "Acme", "metadata": {"a": "b"}},
        headers={"if-match": held["headers"]["etag"]},
        customer=customer,
    )
    assert (changed["statusCode"], changed["json"]["name"], changed["json"]["plan"]) == (200, "Acme", "tour")
    late = call("PUT", "/v1/customers/{customer}", {}, headers={"if-match": held["headers"]["etag"]}, customer=customer)
    problem(late, 412, "precondition_failed")
    problem(call("GET", "/v1/customers/{customer}", customer="nobody"), 404, "customer_not_found")


def test_a_corrected_start_answers_the_partial_period_that_results(call: Client) -> None:
    period = {"every": "month", "anchor": "subscription_start"}
    plans = [{"key": "tour", "entitlements": [{"feature": "images", "limit": 3, "period": period}]}]
    call("PUT", "/v1/catalog", {**CATALOG, "plans": plans})
    call("PUT", "/v1/customers/{customer}", {"plan": "tour"}, customer="acme")
    body = {"plan": "tour", "started_at": "2026-01-31T00:00:00Z"}
    corrected = call("PUT", "/v1/customers/{customer}/subscription", body, customer="acme")["json"]
    (change,) = corrected["period_changes"]
    assert (change["feature"], change["partial"], change["period"]["anchor"]) == ("images", True, "subscription_start")
    assert change["period"]["end"].endswith("T00:00:00Z"), "the first boundary that the 31st leads to"


def test_a_zone_that_acts_now_answers_the_periods_that_begin_at_its_own_boundary(call: Client) -> None:
    call("PUT", "/v1/catalog", CATALOG)
    created = call("PUT", "/v1/customers/{customer}", {"plan": "tour", "timezone": "UTC"}, customer="acme")["json"]
    assert created["period_changes"] == []
    body = {"timezone": "Asia/Kathmandu", "effective": "now"}
    moved = call("PUT", "/v1/customers/{customer}", body, customer="acme")["json"]
    assert moved["period_changes"]
    for change in moved["period_changes"]:
        assert change["effective_at"] == change["period"]["start"] > moved["changed_at"]
        assert {change["period"][end][10:] for end in ("start", "end")} == {"T18:15:00Z"}
        assert (change["partial"], change["period"]["timezone"]) == (False, "Asia/Kathmandu")
    again = call("PUT", "/v1/customers/{customer}", body, customer="acme")
    assert (again["json"], again["headers"]["etag"]) == (moved, '"2"')
    back = call("PUT", "/v1/customers/{customer}", {"timezone": "UTC"}, customer="acme")["json"]
    assert back["period_changes"] == [], "nothing has begun yet, so that nothing is changed"


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ([], "", "type"),
        ({"nmae": "x"}, "/nmae", "unknown_field"),
        ({"plan": None}, "/plan", "type"),
        ({"plan": "gold"}, "/plan", "plan_not_found"),
        ({"timezone": "Mars/Olympus"}, "/timezone", "invalid"),
        ({"timezone": "UTC", "effective": "later"}, "/effective", "not_allowed"),
        ({"subject_keys": ["a", 5]}, "/subject_keys/1", "type"),
        ({"subject_keys": [f"k{n}" for n in range(41)]}, "/subject_keys", "length"),
        ({"metadata": {"a": 1}}, "/metadata/a", "type"),
        ({"name": ""}, "/name", "length"),
    ],
)
def test_every_field_of_a_customer_is_checked(call: Client, body: Any, pointer: str, code: str) -> None:
    result = call("PUT", "/v1/customers/{customer}", body, customer="acme")
    found = [(error["pointer"], error["code"]) for error in problem(result, 422, "invalid_request")["errors"]]
    assert found == [(pointer, code)]


@pytest.mark.parametrize(
    "customer_id", ["a\x00b", "x" * 201, "", "..", ".", " a", "a ", "a/b", "a\u202eb", "e\u0301", "\u00a0a", "\ud800"]
)
def test_an_id_in_the_path_is_checked(call: Client, customer_id: str) -> None:
    result = call("PUT", "/v1/customers/{customer}", {}, customer=customer_id)
    assert problem(result, 422, "invalid_request")["errors"][0]["pointer"] == "{customer}"


@pytest.mark.parametrize(
    "customer_id", ["a b", "a#bc%", "日本", "x" * 200, "😀" * 200, "...", "é", "EFFECTIVE", "HEAD"]
)
def test_foreign_ids_of_customers_are_kept(call: Client, customer_id: str) -> None:
    call("PUT", "/v1/catalog", CATALOG)
    assert call("PUT", "/v1/customers/{customer}", {"plan": "tour"}, customer=customer_id)["statusCode"] == 201
    assert call("GET", "/v1/customers/{customer}", customer=customer_id)["json"]["id"] == customer_id


def test_a_long_customer_takes_an_idempotency_key(call: Client) -> None:
    named = "😀" * 200
    call("PUT", "/v1/catalog", CATALOG)
    call("PUT", "/v1/customers/{customer}", {"plan": "tour"}, customer=named)
    body, headers = {"reason": "r", "actor": "a"}, {"Idempotency-Key": "k" * 255}
    first = call("POST", "/v1/customers/{customer}/suspend", body, customer=named, headers=headers)
    again = call("POST", "/v1/customers/{customer}/suspend", body, customer=named, headers=headers)
    assert (first["statusCode"], first["json"]) == (again["statusCode"], again["json"])
    assert first["statusCode"] < 300, first
    assert again["headers"]["idempotent-replayed"] == "true"


def test_a_subscription_is_changed_and_ended(call: Client, customer: str) -> None:
    route = "/v1/customers/{customer}/subscription"
    changed = call(
        "PUT", route, {"plan": "tour", "version": 1, "effective": "now", "usage": "reset"}, customer=customer
    )
    assert (changed["json"]["plan"], changed["json"]["version"], changed["json"]["status"]) == ("tour", 1, "active")
    for body, pointer, code in (
        ({"effective": "next_period", "usage": "reset"}, "/usage", "not_allowed"),
        ({"effective": "next_period", "base": "prorated"}, "/base", "not_allowed"),
        ({"effective": "next_period", "started_at": "2026-01-01T00:00:00Z"}, "/started_at", "not_allowed"),
        ({"base": "half"}, "/base", "not_allowed"),
        ({"effective": "later"}, "/effective", "not_allowed"),
    ):
        refused = problem(call("PUT", route, {"plan": "tour", **body}, customer=customer), 422, "invalid_request")
        assert [(e["pointer"], e["code"]) for e in refused["errors"]] == [(pointer, code)]
    assert call("DELETE", route, customer=customer)["json"]["status"] == "ended"
    assert call("DELETE", route, customer=customer)["json"]["status"] == "ended"
    assert call("GET", "/v1/customers/{customer}", customer=customer)["json"]["plan"] is None
    problem(call("PUT", route, {"plan": "tour"}, customer="nobody"), 404, "customer_not_found")


def test_a_plan_that_follows_is_shown_and_audited_with_the_key_that_asked(call: Client, customer: str) -> None:
    route = "/v1/customers/{customer}/subscription"
    more = {**CATALOG, "plans": [*CATALOG["plans"], {**CATALOG["plans"][0], "key": "more"}]}
    assert call("PUT", "/v1/catalog", more)["statusCode"] == 200
    body = {"plan": "more", "effective": "next_period"}
    changed = call("PUT", route, body, customer=customer)
    assert changed["json"]["plan"] == "tour"
    pending = changed["json"]["pending"]
    assert (pending["plan"], pending["version"]) == ("more", 1)
    shown = call("GET", "/v1/customers/{customer}", customer=customer)
    assert (shown["json"]["plan"], shown["json"]["subscription"]["pending"]) == ("tour", pending)
    assert call("PUT", route, body, customer=customer)["headers"]["etag"] == changed["headers"]["etag"]
    (audit, created, first) = call("GET", "/v1/audit", query={"customer": customer})["json"]["data"]
    assert (created["action"], created["key_id"], created["before"]) == ("customer_created", "k", None)
    assert (audit["action"], audit["actor"], audit["effective_at"]) == ("subscription_changed", "k", pending["at"])
    assert (audit["before"], audit["after"]) == ({"plan": "tour", "version": 1}, {"plan": "more", "version": 1})
    assert (first["before"], first["after"]) == (None, {"plan": "tour", "version": 1})
    refused = problem(call("PUT", "/v1/catalog", CATALOG), 409, "plan_in_use")
    assert refused["errors"][0]["code"] == "plan_in_use"
    assert call("PUT", route, {"plan": "tour"}, customer=customer)["json"]["pending"] is None


def test_entitlements_state_what_a_customer_may_consume(call: Client, customer: str) -> None:
    route = "/v1/customers/{customer}/entitlements"
    state = call("GET", f"{route}/{{feature}}", customer=customer, feature="images")["json"]
    assert (state["limit"], state["used"], state["remaining"], state["unlimited"], state["stale"]) == (
        5,
        0,
        5,
        False,
        False,
    )
    assert (state["presented"], state["breakdown"]["base"], len(state["limits"])) == (None, 5, 1)
    first = call("GET", route, customer=customer, query={"limit": "1"})["json"]
    assert [entry["feature"] for entry in first["data"]] == ["ai-tokens"]
    second = call("GET", route, customer=customer, query={"limit": "1", "cursor": first["next_cursor"]})["json"]
    assert ([entry["feature"] for entry in second["data"]], second["next_cursor"]) == (["images"], None)
    problem(call("GET", f"{route}/{{feature}}", customer=customer, feature="x"), 404, "feature_not_found")
    problem(call("GET", f"{route}/{{feature}}", customer="nobody", feature="x"), 404, "customer_not_found")
    problem(call("GET", route, customer="nobody"), 404, "customer_not_found")
    call("DELETE", "/v1/customers/{customer}/subscription", customer=customer)
    assert call("GET", route, customer=customer)["json"]["data"] == []
    problem(call("GET", f"{route}/{{feature}}", customer=customer, feature="images"), 404, "no_active_subscription")


def test_entitlements_and_usage_are_presented_in_the_unit_of_the_moment(call: Client, customer: str) -> None:
    catalog = json.loads(json.dumps(CATALOG))
    for feature in catalog["features"]:
        if feature["key"] == "images":
            feature["unit"] = {"name": "image", "plural": "images", "divide_by": 10, "precision": 1}
    assert call("PUT", "/v1/catalog", catalog)["json"]["customers"] == 1
    route = "/v1/customers/{customer}/entitlements"
    shown = {"unit": "image", "plural": "images", "used": 0, "limit": 0.5, "remaining": 0.5}
    assert call("GET", f"{route}/{{feature}}", customer=customer, feature="images")["json"]["presented"] == shown
    states = call("GET", route, customer=customer)["json"]["data"]
    assert {state["feature"]: state["presented"] for state in states} == {"ai-tokens": None, "images": shown}
    asked = {"customer": customer, "feature": "images"}
    total = {"unit": "image", "plural": "images", "total": 0}
    assert call("GET", "/v1/usage", query=asked)["json"]["presented"] == total
    assert call("GET", "/v1/catalog")["json"]["features"] != CATALOG["features"], "the unit is given back"
    assert call("PUT", "/v1/catalog", CATALOG)["statusCode"] == 200
    assert call("GET", f"{route}/{{feature}}", customer=customer, feature="images")["json"]["presented"] is None


def test_usage_is_asked_for_by_customer_and_feature(call: Client, customer: str) -> None:
    answer = call("GET", "/v1/usage", query={"customer": customer, "feature": "ai-tokens"})
    assert (answer["statusCode"], answer["json"]["total"], answer["json"]["meter"]) == (200, 0, "tokens")
    errors = problem(call("GET", "/v1/usage", query={"from": "x"}), 422, "invalid_request")["errors"]
    assert {error["pointer"] for error in errors} == {"?customer", "?feature", "?from"}
    query = {"customer": "bolt", "feature": "ai-tokens"}
    problem(call("GET", "/v1/usage", query=query, bound_to="acme"), 403, "other_customer")
    problem(call("GET", "/v1/usage", query=query), 404, "customer_not_found")


def test_closed_periods_are_listed(call: Client, customer: str) -> None:
    answer = call("GET", "/v1/customers/{customer}/periods", customer=customer, query={"feature": "images"})
    assert answer["json"] == {"data": [], "next_cursor": None}
    problem(call("GET", "/v1/customers/{customer}/periods", customer="nobody"), 404, "customer_not_found")


def test_closed_periods_are_listed_by_limit(call: Client, customer: str) -> None:
    route = "/v1/customers/{customer}/periods"
    for query in ({"limit": "images"}, {"limit": "100"}, {"page_size": "5"}, {"limit": "images", "page_size": "5"}):
        assert call("GET", route, customer=customer, query=query)["json"]["data"] == []
    problem(call("GET", route, customer=customer, query={"limit": "imagse"}), 404, "limit_not_found")
    for name, given in (("limit", "101"), ("limit", "0"), ("page_size", "many"), ("page_size", "101")):
        refused = problem(call("GET", route, customer=customer, query={name: given}), 422, "invalid_request")
        assert [(each["pointer"], each["code"]) for each in refused["errors"]] == [(f"?{name}", "out_of_range")]


def test_a_key_is_shown_once_listed_without_its_text_and_revoked(call: Client, dynamo_engine: DynamoEngine) -> None:
    body = {"name": "ci", "scopes": ["check", "ingest"], "customer": "acme", "expires_at": "2999-01-01T00:00:00Z"}
    made = call("POST", "/v1/keys", body)
    assert made["statusCode"] == 201
    text = made["json"].pop("key")
    assert len(text) == 46
    listed = call("GET", "/v1/keys")["json"]
    assert listed == {"data": [made["json"]], "next_cursor": None}
    held = dynamo_engine.query(keys.KEYS_PARTITION).items
    assert text not in str(held)
    assert call("DELETE", "/v1/keys/{key}", key=made["json"]["id"])["statusCode"] == 204
    assert call("GET", "/v1/keys")["json"]["data"] == []
    problem(call("DELETE", "/v1/keys/{key}", key=made["json"]["id"]), 404, "key_not_found")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"scopes": ["check"]}, "/name"),
        ({"name": "x", "scopes": []}, "/scopes"),
        ({"name": "x", "scopes": ["admin"]}, "/scopes/0"),
        ({"name": "x", "scopes": ["check", "check"]}, "/scopes"),
        ({"name": "x", "scopes": ["check"], "expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"name": "x", "scopes": ["check"], "expires_at": "tomorrow"}, "/expires_at"),
    ],
)
def test_every_field_of_a_key_is_checked(call: Client, body: Any, pointer: str) -> None:
    errors = problem(call("POST", "/v1/keys", body), 422, "invalid_request")["errors"]
    assert [error["pointer"] for error in errors] == [pointer]


def test_a_repeated_post_is_replayed_without_its_secret(call: Client) -> None:
    headers = {"idempotency-key": '"once"'}
    first = call("POST", "/v1/keys", {"name": "a", "scopes": ["check"]}, headers=headers)
    again = call("POST", "/v1/keys", '{ "scopes": ["check"], "name": "a" }', headers={"idempotency-key": "once"})
    assert again["headers"]["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first["headers"]
    assert (again["statusCode"], again["json"]) == (201, {**first["json"], "key": None})
    assert len(call("GET", "/v1/keys")["json"]["data"]) == 1
    other = call("POST", "/v1/keys", {"name": "b", "scopes": ["check"]}, headers=headers)
    problem(other, 422, "idempotency_key_reused")
    problem(call("POST", "/v1/keys", {}, headers={"idempotency-key": "x" * 256}), 422, "invalid_request")


def test_a_secret_is_rotated_with_an_overlap(call: Client) -> None:
    made = call("POST", "/v1/webhook-endpoints", {"url": "https://example.com/hook", "events": ["usage.*"]})["json"]
    route, endpoint = "/v1/webhook-endpoints/{endpoint}", made["id"]
    rotated = call("POST", f"{route}/rotate", "", endpoint=endpoint)
    assert rotated["statusCode"] == 200
    assert rotated["json"]["secret"].startswith("whsec_")
    assert rotated["json"]["secret"] != made["secret"]
    read = call("GET", route, endpoint=endpoint)["json"]
    assert read["former_secret_until"] == rotated["json"]["former_secret_until"] is not None
    assert "secret" not in read
    at_once = call("POST", f"{route}/rotate", {"overlap_seconds": 0}, endpoint=endpoint)["json"]
    assert at_once["former_secret_until"] is None
    key = {"headers": {"idempotency-key": "r-1"}, "endpoint": endpoint}
    first, second = (call("POST", f"{route}/rotate", {"overlap_seconds": 60}, **key) for _ in range(2))
    assert (first["json"]["secret"] is None, second["json"]["secret"]) == (False, None)
    assert second["headers"]["idempotent-replayed"] == "true"
    for overlap, code in ((-1, "out_of_range"), (604_801, "out_of_range"), ("1", "type"), (True, "type")):
        refused = call("POST", f"{route}/rotate", {"overlap_seconds": overlap}, endpoint=endpoint)
        error = problem(refused, 422, "invalid_request")["errors"][0]
        assert (error["pointer"], error["code"]) == ("/overlap_seconds", code)
    problem(call("POST", f"{route}/rotate", {}, endpoint="nope"), 404, "endpoint_not_found")


def test_a_webhook_endpoint_is_registered_listed_and_removed(call: Client) -> None:
    made = call("POST", "/v1/webhook-endpoints", {"url": "https://example.com/hook", "events": ["usage.*"]})
    assert made["statusCode"] == 201
    assert made["json"].pop("secret").startswith("whsec_")
    endpoint = made["json"]["id"]
    assert call("GET", "/v1/webhook-endpoints")["json"]["data"] == [made["json"]]
    assert call("GET", "/v1/webhook-endpoints/{endpoint}", endpoint=endpoint)["json"] == made["json"]
    deliveries = call("GET", "/v1/webhook-endpoints/{endpoint}/deliveries", endpoint=endpoint)
    assert deliveries["json"] == {"data": [], "next_cursor": None}
    assert call("DELETE", "/v1/webhook-endpoints/{endpoint}", endpoint=endpoint)["statusCode"] == 204
    problem(call("GET", "/v1/webhook-endpoints/{endpoint}", endpoint=endpoint), 404, "endpoint_not_found")
    local = call("POST", "/v1/webhook-endpoints", {"url": "http://127.0.0.1/", "events": ["usage.*"]})
    assert problem(local, 422, "invalid_request")["errors"][0]["pointer"] == "/url"


def test_who_may_ask_is_decided_before_what(call: Client, app: ModuleType) -> None:
    assert problem(call("PUT", "/v1/catalog", {}, scopes="check ingest"), 403, "scope_missing")
    anonymous = sample("manage")
    anonymous["requestContext"]["authorizer"] = {"lambda": {"error": "unauthenticated"}}
    assert app.handler(anonymous, None)["statusCode"] == 401
    anonymous["requestContext"].pop("authorizer")
    assert json.loads(app.handler(anonymous, None)["body"])["code"] == "unauthenticated"


def test_a_key_of_one_customer_reaches_that_customer_only(call: Client, customer: str) -> None:
    assert (
        call("GET", "/v1/customers/{customer}", customer=customer, scopes="read", bound_to="acme")["statusCode"] == 200
    )
    problem(call("GET", "/v1/customers/{customer}", customer="bolt", bound_to="acme"), 403, "other_customer")
    for method, route in (
        ("PUT", "/v1/catalog"),
        ("GET", "/v1/catalog"),
        ("POST", "/v1/keys"),
        ("GET", "/v1/keys"),
        ("DELETE", "/v1/keys/{key}"),
        ("POST", "/v1/webhook-endpoints"),
        ("GET", "/v1/webhook-endpoints"),
        ("GET", "/v1/webhook-endpoints/{endpoint}"),
        ("DELETE", "/v1/webhook-endpoints/{endpoint}"),
        ("GET", "/v1/webhook-endpoints/{endpoint}/deliveries"),
        ("POST", "/v1/webhook-endpoints/{endpoint}/rotate"),
    ):
        problem(call(method, route, {}, bound_to="acme", key="k", endpoint="e"), 403, "other_customer")


def test_a_route_that_nobody_knows_is_a_problem(call: Client, app: ModuleType) -> None:
    event = sample("manage.health")
    event["routeKey"] = "$default"
    for path in ("/", "/v1/nothing", "/v1/catalog/", "/v1/customers//limits", "/v1/customers/a/limits/b/c"):
        event["rawPath"] = path
        result = app.handler(event, None)
        assert (result["statusCode"], json.loads(result["body"])["code"]) == (404, "route_not_found")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/catalog", "GET, PUT"),
        ("/v1/customers/acme/limits/a b", "DELETE, GET, PUT"),
        ("/v1/consume", "POST"),
        ("/v1/consume/dec_x/settle", "POST"),
        ("/v1/health", "GET"),
    ],
)
def test_another_method_of_a_known_path_says_which_there_are(app: ModuleType, path: str, allowed: str) -> None:
    event = {**sample("manage.health"), "routeKey": "$default", "rawPath": path}
    result = app.handler(event, None)
    assert (result["statusCode"], json.loads(result["body"])["code"]) == (405, "method_not_allowed")
    assert result["headers"]["allow"] == allowed


def test_the_test_clock_is_no_route_where_it_is_not_enabled(call: Client) -> None:
    problem(call("POST", "/v1/test-clock", {"now": None}), 404, "test_clock_disabled")


def test_the_test_clock_moves_forward_and_runs_what_time_drives(
    load_app: LoadApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = load_app("manage", TEST_CLOCK="enabled")
    call = Client(app)
    ran: list[Any] = []

    def runs(verb: str) -> dict[str, str]:
        ran.append(verb)
        return {"of": verb}

    monkeypatch.setattr(app.app, "wait", ran.append)
    monkeypatch.setattr(app.app, "run", runs)
    future = "2999-02-01T00:00:01Z"
    headers = {"idempotency-key": "move"}
    moved = call("POST", "/v1/test-clock", {"now": future}, headers=headers)
    assert (moved["statusCode"], moved["json"]["now"], moved["json"]["frozen"]) == (200, future, True)
    assert (moved["json"]["reset"], moved["json"]["deliver"]) == ({"of": "reset"}, {"of": "deliver"})
    assert ran[0] > 1.0
    assert ran[1:] == ["reset", "deliver"]
    assert app.app.clock_item.frozen_at() == parse_instant(future)
    again = call("POST", "/v1/test-clock", {"now": future}, headers=headers)
    assert (again["headers"]["idempotent-replayed"], again["json"]) == ("true", moved["json"])
    back = problem(call("POST", "/v1/test-clock", {"now": "2999-02-01T00:00:00Z"}), 409, "clock_moves_forward")
    assert future in back["detail"]
    assert "2999-02-01T00:00:00Z" in back["detail"]
    real = call("POST", "/v1/test-clock", {"now": None})["json"]
    assert real["frozen"] is False
    assert real["now"] < format_instant(parse_instant(future))
    past = problem(call("POST", "/v1/test-clock", {"now": "2020-01-01T00:00:00Z"}), 409, "clock_moves_forward")
    assert "2020-01-01T00:00:00Z" in past["detail"]
    assert problem(call("POST", "/v1/test-clock", {}), 422, "invalid_request")["errors"][0]["pointer"] == "/now"


def test_a_function_that_fails_while_the_clock_is_moved_is_reported_as_retryable(
    load_app: LoadApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = load_app("manage", TEST_CLOCK="enabled")

    def fails(verb: str) -> None:
        raise StoreUnavailable(f"{verb} failed", code="function_failed")

    monkeypatch.setattr(app.app, "wait", lambda _: None)
    monkeypatch.setattr(app.app, "run", fails)
    result = Client(app)("POST", "/v1/test-clock", {"now": "2999-01-01T00:00:00Z"})
    assert problem(result, 503, "function_failed")["retryable"] is True


def test_the_version_is_the_projects(call: Client) -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    assert call("GET", "/v1/health")["json"]["version"] == project["version"]


def test_every_call_leaves_one_line_with_its_trace_and_its_metrics(
    call: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    result = call("GET", "/v1/catalog")
    (line,) = [json.loads(text) for text in capsys.readouterr().out.strip().splitlines()]
    assert line["trace_id"] == result["headers"]["traceparent"][3:35]
    assert (line["route"], line["status"], line["ManageRequests"]) == ("GET /v1/catalog", "200", [1.0])


def test_what_a_limit_would_have_denied_is_told_of_any_limit_that_the_customer_has_had(
    call: Client, customer: str
) -> None:
    route = "/v1/customers/{customer}/limits/{name}/impact"
    told = call("GET", route, customer=customer, name="ai-tokens", query={"from": "2026-11-01T00:00:00+01:00"})
    assert told["statusCode"] == 200
    assert (told["json"]["customer"], told["json"]["name"], told["json"]["from"]) == (
        customer,
        "ai-tokens",
        "2026-10-31T23:00:00Z",
    )
    assert (told["json"]["data"], told["json"]["sums"]) == ([], [])
    problem(call("GET", route, customer=customer, name="nope"), 404, "limit_not_found")
    problem(call("GET", route, customer="nobody", name="ai-tokens"), 404, "customer_not_found")
    for query, pointer in (({"from": "x"}, "?from"), ({"form": "2026-11-01T00:00:00Z"}, "?form")):
        refused = call("GET", route, customer=customer, name="ai-tokens", query=query)
        assert problem(refused, 422, "invalid_request")["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("listed", ["periods", "adjustments"])
def test_a_list_of_a_misspelt_feature_is_not_an_empty_one(acme: Client, listed: str) -> None:
    def ask(feature: str) -> dict[str, Any]:
        return acme("GET", f"/v1/customers/{{customer}}/{listed}", customer="acme", query={"feature": feature})

    assert ask("images")["json"] == {"data": [], "next_cursor": None}
    problem(ask("image"), 404, "feature_not_found")
