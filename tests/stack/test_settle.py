"""A decision settled over the deployed API: what it came to reaches cell, usage and billing, and stays told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from local.client import with_ours
from tests.stack.api import Api, unique, until

LIMIT = 1000


@pytest.fixture
def customer(api: Api) -> str:
    """A customer with a monthly limit on a feature of its own, declared beside what other tests declare."""
    name = unique("settle")
    held = api.good("GET", "/v1/catalog")
    entitlement = {"feature": name, "limit": LIMIT, "period": {"every": "month"}}
    catalog = {
        "meters": [{"key": name, "event_type": name, "aggregation": "count", "dimensions": {"model": "$.model"}}],
        "features": [{"key": name, "type": "metered", "meter": name}],
        "plans": [{"key": name, "version": 1, "entitlements": [entitlement]}],
    }
    api.good("PUT", "/v1/catalog", with_ours(held, catalog))
    api.good("PUT", f"/v1/customers/{name}", {"plan": name})
    return name


def consume(api: Api, customer: str, amount: int, **headers: str) -> str:
    question = {"customer": customer, "feature": customer, "amount": amount, "dimensions": {"model": "large"}}
    decision = api.settled("POST", "/v1/consume", question, **headers)
    assert decision["granted"]
    found: str = decision["decision_id"]
    return found


def test_an_estimate_becomes_what_it_came_to_everywhere(api: Api, customer: str) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    estimate, other = consume(api, customer, 600, traceparent=trace), consume(api, customer, 300)
    settled = api.settled("POST", f"/v1/consume/{estimate}/settle", {"amount": 150})
    assert (settled["granted_amount"], settled["amount"], settled["difference"]) == (600, 150, -450)
    state = api.good("GET", f"/v1/customers/{customer}/entitlements/{customer}")
    assert (state["used"], state["remaining"]) == (450, 550)
    more = api.settled("POST", f"/v1/consume/{other}/settle", {"amount": LIMIT})
    assert more["difference"] == LIMIT - 300, "it has happened, so it asks for no room"
    until(lambda: api.good("GET", f"/v1/usage?customer={customer}&feature={customer}")["total"], lambda t: t == 1150)
    refused = api("POST", f"/v1/consume/{estimate}/settle", {"amount": 151})
    assert (refused.status, refused.json["code"]) == (409, "already_settled")
    again = api("POST", f"/v1/consume/{estimate}/settle", {"amount": 150})
    assert (again.json["replayed"], again.headers["idempotent-replayed"]) == (True, "true")
    told = api.good("GET", f"/v1/decisions/{estimate}")
    assert (told["folded"], told["granted_amount"], told["amount"]) == (True, 600, 150)
    assert (told["plan"], told["plan_version"], told["traceparent"]) == (customer, 1, trace)
    assert told["dimensions"]["model"] == "large"
    (state,) = told["limits"]
    assert (state["name"], state["limit"]) == (customer, LIMIT)
    assert state["window"]["start"] <= datetime.now(UTC).isoformat() < state["window"]["end"]


def test_of_many_at_once_exactly_one_amount_stands(api: Api, customer: str) -> None:
    estimate = consume(api, customer, 100)

    def one(amount: int) -> Any:
        while True:
            reply = api("POST", f"/v1/consume/{estimate}/settle", {"amount": amount})
            if not reply.json.get("retryable"):
                return reply

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(one, [40, 160] * 8))
    assert {reply.status for reply in replies} == {200, 409}
    (stands,) = {reply.json["amount"] for reply in replies if reply.status == 200}
    assert sum(not reply.json["replayed"] for reply in replies if reply.status == 200) == 1
    state = api.good("GET", f"/v1/customers/{customer}/entitlements/{customer}")
    assert state["used"] == stands


def test_what_nobody_decided_is_not_found(api: Api, customer: str) -> None:
    for reply in (api("POST", "/v1/consume/dec_x/settle", {"amount": 1}), api("GET", "/v1/decisions/dec_x")):
        assert (reply.status, reply.json["code"]) == (404, "decision_not_found")


def test_what_a_limit_would_have_denied_is_told_before_it_is_enforced(api: Api, customer: str) -> None:
    limit = f"/v1/customers/{customer}/limits/{customer}"
    assert api("PUT", limit, {"enforcement": "observe"}).status == 201
    consume(api, customer, LIMIT)
    beyond = consume(api, customer, 7)
    (window,) = until(
        lambda: api.good("GET", f"{limit}/impact")["data"], lambda rows: rows and rows[0]["usage"] > LIMIT
    )
    assert (window["usage"], window["limit"], window["enforcement"]) == (LIMIT + 7, LIMIT, "observe")
    assert window["would_deny"] == {"decisions": 1, "amount": 7}
    told = api.good("GET", f"/v1/decisions/{beyond}")
    (state,) = told["limits"]
    assert (state["used_before"], state["used_after"], state["remaining_after"]) == (LIMIT, LIMIT + 7, 0)
    assert told["folded"]
