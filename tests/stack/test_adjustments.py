"""An operator adjusts a quota over the deployed API: at the next decision, once for a key, told, counted and stated."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.client import with_ours
from tests.stack.api import Api, unique, until
from tests.stack.receiver import Receiver

WHY = {"reason": "outage of Tuesday", "actor": "ops@example.com", "category": "goodwill"}


@pytest.fixture
def customer(api: Api) -> str:
    """A customer with a feature of its own name that stops at 10 until it is topped up, and carries over."""
    name = unique("adjust")
    entitlement = {
        "feature": name,
        "limit": 10,
        "period": {"every": "month"},
        "carryover": {},
        "tiers": [{"at": "100%", "level": "out", "policy": {"suspend_usage": {"until": "top_up"}}}],
    }
    catalog = {
        "meters": [{"key": name, "event_type": name, "aggregation": "count"}],
        "features": [{"key": name, "type": "metered", "meter": name}],
        "plans": [{"key": name, "entitlements": [entitlement]}],
    }
    api.good("PUT", "/v1/catalog", with_ours(api.good("GET", "/v1/catalog"), catalog))
    api.good("PUT", f"/v1/customers/{name}", {"plan": name})
    return name


def consume(api: Api, customer: str, amount: int) -> dict[str, Any]:
    asked = {"customer": customer, "feature": customer, "amount": amount}
    found: dict[str, Any] = api.settled("POST", "/v1/consume", {**asked, "detail": True})
    return found


def test_a_top_up_acts_at_once_is_made_once_and_told_once(api: Api, customer: str, receiver: Receiver) -> None:
    path = f"/{customer}"
    body = {"url": receiver.url(path), "events": ["quota.*", "entitlement.resumed"]}
    made = api.good("POST", "/v1/webhook-endpoints", body)
    assert consume(api, customer, 10)["granted"]
    assert consume(api, customer, 1)["reason"] == "suspended"
    route, asked = f"/v1/customers/{customer}/adjustments", {**WHY, "feature": customer, "amount": 5}
    answers = [api("POST", route, asked, idempotency_key=customer) for _ in range(2)]
    assert [answer.status for answer in answers] == [201, 201]
    adjusted = answers[0].json
    assert (answers[1].json, adjusted["resumed"], adjusted["limit"]) == (adjusted, True, 15)
    granted = consume(api, customer, 5)
    assert (granted["granted"], granted["limit"], granted["used"], granted["remaining"]) == (True, 15, 15, 0)
    assert granted["breakdown"] == {"base": 10, "carried": 0, "adjusted": 5, "followed": 0}
    assert api.good("GET", f"{route}?feature={customer}")["data"] == [adjusted]
    trail = api.good("GET", f"/v1/audit?customer={customer}")["data"]
    assert [entry["id"] for entry in trail if entry["action"] == "adjusted"] == [adjusted["id"]]

    def told() -> list[tuple[str, str, str]]:
        facts = [json.loads(arrival.body) for arrival in list(receiver.arrivals[path])]
        return sorted((fact["type"], fact["data"]["reason"], fact["data"]["actor"]) for fact in facts)

    expected = [(kind, WHY["reason"], WHY["actor"]) for kind in ("entitlement.resumed", "quota.adjusted")]
    assert until(told, lambda found: len(found) >= len(expected)) == expected
    assert api("DELETE", f"/v1/webhook-endpoints/{made['id']}").status == 204
