"""The documented statuses are answered: every operation is asked for each status that its document lists.

The bodies of successes are the document's own examples, in the order in which a new user would send them.
"""

from __future__ import annotations

import copy
import json
from types import ModuleType
from typing import Any

import pytest

from tallygate.http import BODY_BYTES_MAX
from tests.functions.conftest import LoadApp
from tests.functions.managing import SAMPLE

VERBS = ("manage", "check", "ingest")
GATEWAY = {"429"}
"""Answered by API Gateway."""
OURS = {"500", "503"}
"""Defects and failures of the database; other tests make them happen."""
NOT_YET = {"402"}
"""No reason of this version is answered so."""
UNTRIED = {
    ("POST /v1/test-clock", "404"): "only a stack without a test clock; see test_manage",
    ("DELETE /v1/customers/{customer}/subscription", "409"): "usage that cannot follow; see tests/operations",
    ("PUT /v1/customers/{customer}/subscription", "409"): "usage that cannot follow; see tests/operations",
    ("PUT /v1/customers/{customer}/limits/{name}", "409"): "usage that cannot follow; see tests/operations",
    ("DELETE /v1/customers/{customer}/limits/{name}", "409"): "usage that cannot follow; see tests/operations",
}
"""Statuses of an operation that this test does not reach, and why."""
ALL = "manage check ingest read"


class Caller:
    """Asks the functions as the gateway would, and keeps which statuses each operation answered."""

    def __init__(self, functions: list[ModuleType]) -> None:
        self.functions = {key: app for app in functions for key in app.ROUTES}
        self.rows = {key: app.ROUTES[key] for key, app in self.functions.items()}
        self.seen: set[tuple[str, str]] = set()
        found = self.ask("GET /v1/openapi.json")["paths"]
        self.operations = {
            f"{m.upper()} {path}": each for path, methods in found.items() for m, each in methods.items()
        }

    def ask(
        self,
        key: str,
        body: Any = "",
        /,
        *,
        headers: dict[str, str] | None = None,
        query: str = "",
        scopes: str | None = ALL,
        expect: int | None = None,
        encoded: bool = False,
        **path: str,
    ) -> Any:
        """The answered body. `expect`: the status that it must have."""
        event = copy.deepcopy(SAMPLE)
        pairs = [part.partition("=") for part in query.split("&") if part]
        event |= {"routeKey": key, "pathParameters": path, "rawQueryString": query, "isBase64Encoded": encoded}
        event["queryStringParameters"] = {name: value for name, _, value in pairs}
        event["headers"] |= headers or {}
        granted = {"key_id": "k", "scopes": scopes, "customer": ""}
        event["requestContext"]["authorizer"] = {"lambda": {} if scopes is None else granted}
        event["body"] = body if isinstance(body, str) else json.dumps(body)
        result = self.functions[key].handler(event, None)
        self.seen.add((key, str(result["statusCode"])))
        assert expect in (None, result["statusCode"]), (key, result["body"])
        return json.loads(result["body"]) if result["body"] else None

    def example(self, key: str) -> Any:
        """The document's example of the body."""
        content = self.operations[key].get("requestBody", {}).get("content", {})
        return content.get("application/json", {}).get("example", "")


@pytest.fixture
def caller(load_app: LoadApp) -> Caller:
    loaded = [
        load_app(verb, TEST_CLOCK="enabled", QUEUE_URL="", RESET_FUNCTION="r", DELIVER_FUNCTION="d") for verb in VERBS
    ]
    loaded[0].app.run, loaded[0].app.wait = lambda _: {}, lambda _: None
    return Caller(loaded)


def refuse_everything(caller: Caller) -> None:
    """What every route refuses alike."""
    for number, (key, row) in enumerate(caller.rows.items()):
        # Each operation has a customer of its own: PUT makes one.
        names = ("customer", "feature", "name", "key", "endpoint", "decision_id")
        nobody: dict[str, Any] = dict.fromkeys(names, f"nobody-{number}")
        caller.ask(key, "a", encoded=True, expect=400)
        caller.ask(key, headers={"accept": "text/csv"}, expect=406, **nobody)
        caller.ask(key, " " * (BODY_BYTES_MAX + 1), expect=413, **nobody)
        caller.ask(key, query="nothing=1", expect=422, **nobody)
        if row.scope is not None:
            caller.ask(key, scopes=None, expect=401, **nobody)
            caller.ask(key, scopes="", expect=403, **nobody)
        caller.ask(key, caller.example(key), **nobody)


def succeed(caller: Caller) -> None:
    """One success of each operation, with the bodies that the document shows, and denials with a status."""

    def done(key: str, status: int = 200, body: Any = None, /, **more: Any) -> Any:
        return caller.ask(key, caller.example(key) if body is None else body, expect=status, **more)

    customer, limit = "/v1/customers/{customer}", "/v1/customers/{customer}/limits/{name}"
    acme: dict[str, Any] = {"customer": "acme"}
    done("PUT /v1/catalog")
    done(f"PUT {customer}", 201, **acme)
    done(f"PUT {customer}", **acme)
    done(f"PUT {customer}/subscription", **acme)
    done("POST /v1/check")
    granted = done("POST /v1/consume")["decision_id"]
    done("POST /v1/events")
    settle = "POST /v1/consume/{decision_id}/settle"
    done(settle, decision_id=granted)
    done(settle, 409, {"amount": 1}, decision_id=granted)
    done("GET /v1/decisions/{decision_id}", decision_id=granted)
    done("POST /v1/consume", 429, {**caller.example("POST /v1/consume"), "amount": 10**9}, query="http_status=1")
    done("POST /v1/check", 429, {**caller.example("POST /v1/check"), "amount": 10**9}, query="http_status=1")
    done(f"PUT {limit}", 201, name="ai-tokens", **acme)
    done(f"PUT {limit}", name="ai-tokens", **acme)
    done(f"GET {limit}", name="ai-tokens", **acme)
    done(f"GET {limit}/impact", name="ai-tokens", **acme)
    for path in ("", "/limits", "/adjustments", "/entitlements", "/periods"):
        done(f"GET {customer}{path}", **acme)
    done(f"GET {customer}/entitlements/{{feature}}", feature="ai-tokens", **acme)
    done(f"POST {customer}/adjustments", 201, **acme)
    for verb in ("reset", "suspend", "resume"):
        done(f"POST {customer}/{verb}", **acme)
    for key in ("catalog", "audit", "events", "keys", "webhook-endpoints", "health", "webhooks/schemas"):
        done(f"GET /v1/{key}")
    done("GET /v1/usage", query="customer=acme&feature=ai-tokens")
    made = done("POST /v1/keys", 201)["id"]
    done("POST /v1/keys/{key}/rotate", key=made)
    endpoint = done("POST /v1/webhook-endpoints", 201)["id"]
    done("POST /v1/webhook-endpoints/{endpoint}/rotate", endpoint=endpoint)
    done("GET /v1/webhook-endpoints/{endpoint}", endpoint=endpoint)
    done("GET /v1/webhook-endpoints/{endpoint}/deliveries", endpoint=endpoint)
    refuse_by_state(caller, made)
    done("DELETE /v1/webhook-endpoints/{endpoint}", 204, endpoint=endpoint)
    done("DELETE /v1/keys/{key}", 204, key=made)
    done(f"DELETE {limit}", 204, name="ai-tokens", **acme)
    done(f"DELETE {customer}/subscription", **acme)
    done("POST /v1/test-clock", 200, {"now": "2999-01-01T00:00:00Z"})
    done("POST /v1/test-clock", 409, {"now": "2998-01-01T00:00:00Z"})


def refuse_by_state(caller: Caller, key_id: str) -> None:
    """What the state of the customer, the catalog or a key refuses."""
    for key, row in caller.rows.items():
        if row.conditional:
            path: dict[str, Any] = {"customer": "acme", "name": "ai-tokens"}
            caller.ask(key, caller.example(key), headers={"if-match": '"999999"'}, expect=412, **path)
    changed = caller.example("PUT /v1/catalog")
    changed["plans"][0]["entitlements"][0]["limit"] = 1
    caller.ask("PUT /v1/catalog", changed, expect=409)
    caller.ask("PUT /v1/customers/{customer}", {"subject_keys": ["acme"]}, customer="bolt", expect=409)
    unlimited = {"feature": "ai-tokens", "limit": None, "period": {"every": "month"}}
    caller.ask("PUT /v1/customers/{customer}/limits/{name}", unlimited, customer="acme", name="ai-tokens", expect=200)
    adjustments = "POST /v1/customers/{customer}/adjustments"
    caller.ask(adjustments, caller.example(adjustments), customer="acme", expect=409)
    for _ in range(3):
        caller.ask("POST /v1/keys/{key}/rotate", {"overlap_seconds": 60}, key=key_id)
    caller.ask("POST /v1/keys/{key}/rotate", {"overlap_seconds": 60}, key=key_id, expect=409)
    for key in ("POST /v1/check", "POST /v1/consume"):
        caller.ask(key, {"customer": "nobody", "feature": "x"}, query="http_status=1", expect=403)
    for key in ("audit", "usage", "events"):
        more = "&feature=ai-tokens" if key == "usage" else ""
        caller.ask(f"GET /v1/{key}", query=f"customer=nobody{more}", expect=404)
    caller.ask("GET /v1/health", query="deep=1", expect=401)
    ingests = caller.ask("POST /v1/keys", {"name": "ingest", "scopes": ["ingest"]}, expect=201)["key"]
    caller.ask("GET /v1/health", query="deep=1", headers={"authorization": f"Bearer {ingests}"}, expect=403)


def test_every_documented_status_is_answered_or_is_known_not_to_be(caller: Caller) -> None:
    refuse_everything(caller)
    succeed(caller)
    documented = {(key, status) for key, each in caller.operations.items() for status in each["responses"]}
    untried = {(key, status) for key, status in documented - caller.seen if status not in GATEWAY | OURS | NOT_YET}
    assert untried == set(UNTRIED), "an operation documents a status that no request here gets"
