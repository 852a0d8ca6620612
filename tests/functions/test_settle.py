"""Settling over check and explaining over manage, as the gateway calls them."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest

from tallygate.storage.base.dynamo import DynamoEngine
from tests.functions.conftest import LoadApp, sample
from tests.given import FEATURE, effective, in_force, quota

TRACE = sample("check.consume")["headers"]["traceparent"]
Answered = dict[str, Any]


@pytest.fixture
def check(load_app: LoadApp, dynamo_engine: DynamoEngine) -> ModuleType:
    in_force(dynamo_engine, effective(quota(10_000), quota(5_000, ordinal=2, every="day")))
    return load_app("check")


@pytest.fixture
def made(check: ModuleType) -> str:
    """A decision of 1000."""
    found: str = json.loads(check.handler(sample("check.consume"), None)["body"])["decision_id"]
    return found


def call(app: ModuleType, route: str, decision_id: str, body: object = None, **principal: str) -> Answered:
    event = sample("check.consume")
    event["routeKey"], event["pathParameters"] = route, {"decision_id": decision_id}
    event["body"] = json.dumps(body)
    granted = {"key_id": "k", "scopes": "check read", "customer": "", **principal}
    event["requestContext"]["authorizer"]["lambda"] = granted
    result: Answered = app.handler(event, None)
    return {**result, "json": json.loads(result["body"])}


def settle(app: ModuleType, decision_id: str, amount: object, **principal: str) -> Answered:
    return call(app, "POST /v1/consume/{decision_id}/settle", decision_id, {"amount": amount}, **principal)


def test_a_settlement_answers_what_stands(check: ModuleType, made: str) -> None:
    first = settle(check, made, "870.5")
    settled_at = first["json"].pop("settled_at")
    assert first["json"] == {
        "decision_id": made,
        "customer": "acme",
        "feature": FEATURE,
        "granted_amount": 1000,
        "amount": 870.5,
        "difference": -129.5,
        "replayed": False,
    }
    assert "idempotent-replayed" not in first["headers"]
    again = settle(check, made, "870.50")
    assert (again["json"]["replayed"], again["json"]["settled_at"]) == (True, settled_at)
    assert again["headers"]["idempotent-replayed"] == "true"
    other = settle(check, made, 870)
    assert (other["statusCode"], other["json"]["code"], other["json"]["retryable"]) == (409, "already_settled", False)


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "/amount", "required"),
        ({"amount": -1}, "/amount", "out_of_range"),
        ({"amount": 1, "x": 1}, "/x", "unknown_field"),
    ],
)
def test_bad_input_names_the_field(check: ModuleType, made: str, body: object, pointer: str, code: str) -> None:
    refused = call(check, "POST /v1/consume/{decision_id}/settle", made, body)
    assert refused["statusCode"] == 422
    assert [(error["pointer"], error["code"]) for error in refused["json"]["errors"]] == [(pointer, code)]


def test_what_is_no_decision_is_not_found(check: ModuleType) -> None:
    refused = settle(check, "dec_nonsense", 1)
    assert (refused["statusCode"], refused["json"]["code"]) == (404, "decision_not_found")


@pytest.mark.parametrize(
    ("principal", "code"), [({"customer": "umbrella"}, "other_customer"), ({"scopes": "ingest"}, "scope_missing")]
)
def test_who_may_not_ask_is_told_so(
    check: ModuleType, load_app: LoadApp, made: str, principal: dict[str, str], code: str
) -> None:
    refused = settle(check, made, 1, **principal)
    assert (refused["statusCode"], refused["json"]["code"]) == (403, code)
    refused = call(load_app("manage"), "GET /v1/decisions/{decision_id}", made, **principal)
    assert (refused["statusCode"], refused["json"]["code"]) == (403, code)


def test_a_decision_is_told_as_it_was_made_and_settled(check: ModuleType, load_app: LoadApp, made: str) -> None:
    manage = load_app("manage")
    told = call(manage, "GET /v1/decisions/{decision_id}", made)
    assert told["statusCode"] == 200
    body = told["json"]
    assert (body["customer"], body["feature"], body["meter"]) == ("acme", FEATURE, "tokens")
    assert (body["granted_amount"], body["amount"], body["settled"], body["folded"]) == (1000, 1000, None, False)
    assert body["dimensions"] == {"api_key": "key_1", "team": "eng", "user": "u7", "model": "large"}
    assert [(state["name"], state["limit"]) for state in body["limits"]] == [(FEATURE, 10_000), ("further-2", 5_000)]
    assert {state["window"]["kind"] for state in body["limits"]} == {"quota"}
    numbers = ("used_before", "used_after", "remaining_after", "enforcement", "level")
    assert [[state[name] for name in numbers] for state in body["limits"]] == [
        [0, 1000, 9_000, "hard", "normal"],
        [0, 1000, 4_000, "hard", "normal"],
    ]
    assert (body["plan"], body["plan_version"], body["trace_id"]) == ("pro", 1, TRACE[3:35])
    settle(check, made, 10)
    after = call(manage, "GET /v1/decisions/{decision_id}", made)["json"]
    assert (after["granted_amount"], after["amount"], after["settled"]["amount"]) == (1000, 10, 10)
    assert [state["window"] for state in after["limits"]] == [state["window"] for state in body["limits"]]
    assert after["dimensions"] == body["dimensions"]
    left = {state["remaining_after"] for state in after["limits"]}
    assert left == {None}, "what the windows showed is known again once the decision is folded"
    check.handler(sample("check.consume"), None)
    gone_on = call(manage, "GET /v1/decisions/{decision_id}", made)
    assert (gone_on["statusCode"], gone_on["json"]["code"]) == (503, "decision_not_folded")
    unknown = call(manage, "GET /v1/decisions/{decision_id}", "dec_x")
    assert (unknown["statusCode"], unknown["json"]["code"]) == (404, "decision_not_found")
