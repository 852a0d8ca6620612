"""Who may ask what: every route, asked by keys of every scope, of all customers and of one."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest

from tallygate.http import CustomerIn, Route
from tests.functions.conftest import LoadApp
from tests.functions.managing import SAMPLE

OWN, OTHER = "acme", "bolt"
VERBS = ("manage", "check", "ingest")


@pytest.fixture
def functions(load_app: LoadApp) -> dict[str, ModuleType]:
    return {verb: load_app(verb, QUEUE_URL="", RESET_FUNCTION="r", DELIVER_FUNCTION="d") for verb in VERBS}


def rows(functions: dict[str, ModuleType]) -> list[tuple[ModuleType, Route[Any]]]:
    return [(app, route) for app in functions.values() for route in app.ROUTES.values() if route.scope is not None]


def ask(app: ModuleType, route: Route[Any], *, customer: str, scopes: str, bound_to: str = "") -> tuple[int, str]:
    """Status and problem code of a request of this route that concerns a customer; its body says nothing."""
    event = json.loads(json.dumps(SAMPLE))
    event["routeKey"] = route.key
    named = {"feature": "images", "key": "key_1", "endpoint": "we_1", "name": "limit", "decision_id": "dec_x"}
    event["pathParameters"] = {"customer": customer, **named}
    event["queryStringParameters"] = {"customer": customer} if route.reach is CustomerIn.QUERY else {}
    event["requestContext"]["authorizer"]["lambda"] = {"key_id": "k", "scopes": scopes, "customer": bound_to}
    event["body"] = "{}"
    result = app.handler(event, None)
    body = json.loads(result["body"]) if result["body"] else {}
    return result["statusCode"], body.get("code", "") if isinstance(body, dict) else ""


def test_a_key_without_the_scope_is_refused_on_every_route(functions: dict[str, ModuleType]) -> None:
    for app, route in rows(functions):
        assert route.scope is not None
        others = {"ingest", "check", "read", "manage"} - {route.scope}
        if route.scope == "read":
            others -= {"manage"}
        for scope in others:
            assert ask(app, route, customer=OWN, scopes=scope) == (403, "scope_missing"), (route.key, scope)


def test_read_reads_and_changes_nothing(functions: dict[str, ModuleType]) -> None:
    for route in functions["manage"].ROUTES.values():
        if route.scope is not None:
            assert (route.scope == "read") == (route.method == "GET"), route.key


def test_manage_includes_read(functions: dict[str, ModuleType]) -> None:
    for app, route in rows(functions):
        if route.scope == "read":
            assert ask(app, route, customer=OWN, scopes="manage")[1] != "scope_missing", route.key


def test_a_key_of_one_customer_reaches_nothing_of_another_and_nothing_of_all(functions: dict[str, ModuleType]) -> None:
    for app, route in rows(functions):
        if route.reach is CustomerIn.FOUND:
            continue  # the body, or the decision itself, names the customer: each has its own test
        answered = ask(app, route, customer=OTHER, scopes="read manage check ingest", bound_to=OWN)
        assert answered == (403, "other_customer"), route.key
        if route.reach is CustomerIn.NOWHERE:
            answered = ask(app, route, customer=OWN, scopes="read manage check ingest", bound_to=OWN)
            assert answered == (403, "other_customer"), route.key


def test_a_key_of_one_customer_reads_its_own_and_changes_nothing(functions: dict[str, ModuleType]) -> None:
    """Also where manage was stored of it by some other way than the API, which refuses that."""
    reached = 0
    for app, route in rows(functions):
        if route.reach not in (CustomerIn.PATH, CustomerIn.QUERY):
            continue
        _, code = ask(app, route, customer=OWN, scopes="read manage", bound_to=OWN)
        if route.scope == "read":
            assert code not in ("scope_missing", "other_customer"), route.key
            reached += 1
        else:
            assert code == "scope_missing", route.key
    assert reached >= 8, "the routes of a customer are read by its own key"


def test_usage_without_a_customer_is_not_for_a_key_of_one(functions: dict[str, ModuleType]) -> None:
    event = json.loads(json.dumps(SAMPLE))
    event["routeKey"], event["queryStringParameters"] = "GET /v1/usage", {"feature": "images"}
    event["requestContext"]["authorizer"]["lambda"] = {"key_id": "k", "scopes": "read", "customer": OWN}
    result = functions["manage"].handler(event, None)
    assert (result["statusCode"], json.loads(result["body"])["code"]) == (403, "other_customer")
