"""Problems name what they are about, link to their page, and say whether a repetition is harmless."""

from __future__ import annotations

import copy
import json
from types import ModuleType
from typing import Any

import pytest

from tallygate.errors import Contended, OutcomeUnknown, TallygateError
from tallygate.http import Answer, Request, answer, answered, dispatch
from tests.functions.conftest import LoadApp
from tests.functions.managing import CATALOG, SAMPLE, Client, problem
from tools.routes import rows

PAGES = "https://example.com/tallygate"
CONSUME, ADJUST = "POST /v1/consume", "POST /v1/customers/{customer}/adjustments"


@pytest.mark.parametrize(
    ("method", "route", "path", "pointer", "code"),
    [
        ("GET", "/v1/customers/{customer}", {"customer": "acmee"}, "{customer}", "customer_not_found"),
        ("DELETE", "/v1/keys/{key}", {"key": "key_x"}, "{key}", "key_not_found"),
        ("GET", "/v1/webhook-endpoints/{endpoint}", {"endpoint": "we_x"}, "{endpoint}", "endpoint_not_found"),
    ],
)
def test_a_missing_thing_is_pointed_at(
    call: Client, method: str, route: str, path: dict[str, Any], pointer: str, code: str
) -> None:
    found = problem(call(method, route, **path), 404, code)
    assert [(each["pointer"], each["code"]) for each in found["errors"]] == [(pointer, code)]
    assert found["errors"][0]["detail"] == found["detail"]


def test_what_is_named_in_the_query_is_pointed_at_there(call: Client) -> None:
    found = problem(call("GET", "/v1/usage", query={"customer": "no", "feature": "x"}), 404, "customer_not_found")
    assert found["errors"][0]["pointer"] == "?customer"


def test_a_key_without_the_scope_points_at_the_key(call: Client) -> None:
    found = problem(call("PUT", "/v1/catalog", CATALOG, scopes="read"), 403, "scope_missing")
    assert found["errors"][0]["pointer"] == "!authorization"


def test_a_misspelt_parameter_is_met_with_the_right_one(call: Client) -> None:
    found = problem(call("GET", "/v1/usage", query={"custmer": "acme"}), 422, "invalid_request")
    assert "did you mean customer?" in found["errors"][0]["detail"]
    none = problem(call("GET", "/v1/catalog", query={"page": "1"}), 422, "invalid_request")
    assert none["errors"][0]["detail"] == "is not a parameter of this request, which has none"


def test_a_misspelt_plan_is_met_with_the_right_one(acme: Client) -> None:
    found = problem(acme("PUT", "/v1/customers/{customer}", {"plan": "tuor"}, customer="acme"), 422, "invalid_request")
    assert found["errors"][0]["code"] == "plan_not_found"
    assert "did you mean tour?" in found["errors"][0]["detail"]


@pytest.mark.parametrize(("docs_url", "start"), [("", ""), (PAGES, f"{PAGES}/"), (f"{PAGES}/", f"{PAGES}/")])
def test_links_are_absolute_where_the_stack_says_where_the_pages_are(
    load_app: LoadApp, docs_url: str, start: str
) -> None:
    manage = load_app("manage", DOCS_URL=docs_url)
    missing = Client(manage)("GET", "/v1/customers/{customer}", customer="nobody")
    assert missing["json"]["docs"] == f"{start}docs/problems/customer_not_found.md"
    check = load_app("check", DOCS_URL=docs_url)
    asked = {"customer": "nobody", "feature": "x"}
    denied = Client(check)("POST", "/v1/check", asked, scopes="check", query={"http_status": "1"})
    assert denied["json"]["docs"] == f"{start}docs/reasons/customer_not_found.md"


def test_a_request_that_cannot_be_read_has_a_trace(app: ModuleType) -> None:
    event = {**copy.deepcopy(SAMPLE), "body": "a", "isBase64Encoded": True}
    result = app.handler(event, None)
    found = json.loads(result["body"])
    assert (found["status"], found["trace_id"]) == (400, result["headers"]["traceparent"][3:35])
    assert len(found["trace_id"]) == 32


def failing(key: str, error: TallygateError, body: Any, headers: dict[str, str]) -> dict[str, Any]:
    """The problem of a route whose operation fails."""

    def fail(_app: object, _request: Request) -> Answer:
        raise error

    event = copy.deepcopy(SAMPLE)
    event |= {"routeKey": key, "body": json.dumps(body), "pathParameters": {}}
    event["headers"] |= headers
    event["requestContext"]["authorizer"]["lambda"] = {"key_id": "k", "scopes": "manage check", "customer": ""}
    routes = {key: answered(rows()[key], fail)}
    return answer(event, lambda request: dispatch(routes, None, request), print)


@pytest.mark.parametrize(
    ("key", "body", "headers", "harmless"),
    [
        (CONSUME, {}, {}, False),
        (CONSUME, {"request_id": None}, {}, False),
        (CONSUME, {"request_id": "r1"}, {}, True),
        (CONSUME, {}, {"idempotency-key": "k1"}, True),
        (ADJUST, {}, {}, False),
        (ADJUST, {"request_id": "r1"}, {}, False),
        (ADJUST, {}, {"idempotency-key": "k1"}, True),
        ("POST /v1/check", {}, {}, True),
        ("PUT /v1/catalog", {}, {}, True),
    ],
)
def test_an_unknown_outcome_is_retryable_only_where_a_repetition_is_harmless(
    key: str, body: Any, headers: dict[str, str], harmless: bool
) -> None:
    result = failing(key, OutcomeUnknown("the database did not answer in time"), body, headers)
    found = json.loads(result["body"])
    assert (found["status"], found["retryable"], "retry-after" in result["headers"]) == (503, harmless, harmless)
    assert ("look whether it happened" in found["detail"]) != harmless


def test_contention_is_always_retryable() -> None:
    assert json.loads(failing(ADJUST, Contended("other writers won every try"), {}, {})["body"])["retryable"]
