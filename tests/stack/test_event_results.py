"""Events that count nothing are rejected by the deployed API, listed, and told to whoever asks for usage.rejected."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.client import with_ours
from tests.stack.api import Api, unique, until
from tests.stack.receiver import Receiver


@pytest.fixture
def customer(api: Api) -> str:
    """A customer whose feature is counted by a sum that excludes test events and requires a model."""
    name = unique("results")
    held = api.good("GET", "/v1/catalog")
    meter = {
        "key": name,
        "event_type": name,
        "aggregation": "sum",
        "value": "$.tokens",
        "dimensions": {"model": "$.model"},
        "filters": [{"property": "$.test", "op": "ne", "value": True}],
    }
    catalog = {
        "meters": [meter],
        "features": [{"key": name, "type": "metered", "meter": name, "require": ["model"]}],
        "plans": [
            {"key": name, "entitlements": [{"feature": name, "limit": 1000, "period": {"every": "month"}}]},
        ],
    }
    api.good("PUT", "/v1/catalog", with_ours(held, catalog))
    api.good("PUT", f"/v1/customers/{name}", {"plan": name})
    return name


def sent(customer: str, event_id: str, **data: Any) -> dict[str, Any]:
    return {"id": event_id, "type": customer, "subject": customer, "data": data}


def test_every_event_says_what_becomes_of_it_and_a_rejection_is_told(
    api: Api, customer: str, receiver: Receiver
) -> None:
    path = f"/{customer}"
    made = api.good("POST", "/v1/webhook-endpoints", {"url": receiver.url(path), "events": ["usage.rejected"]})
    batch = [
        sent(customer, "plain", tokens=5, model="large"),
        sent(customer, "live", tokens=7, test=False),
        sent(customer, "test", tokens=9, test=True),
        sent(customer, "missing", model="large"),
        {**sent(customer, "typo", tokens=1), "type": f"{customer}-typo"},
    ]
    answer = until(lambda: api.good("POST", "/v1/events", batch), lambda got: got["accepted"] + got["duplicates"] == 3)
    told = {result["id"]: result for result in answer["results"]}
    assert (told["missing"]["code"], told["typo"]["code"]) == ("value_missing", "unknown_event_type")
    again = api.good("POST", "/v1/events", batch)
    assert (again["accepted"], again["duplicates"], again["rejected"]) == (0, 3, 2)

    def listed() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = api.good("GET", f"/v1/events?customer={customer}")["data"]
        return found

    rows = {row["id"]: row for row in until(listed, lambda found: len(found) >= 5)}
    assert (rows["plain"]["counted_by"], rows["plain"]["warnings"]) == ([customer], [])
    assert [warning["code"] for warning in rows["live"]["warnings"]] == ["dimension_missing"]
    assert (rows["test"]["status"], rows["test"]["counted_by"]) == ("accepted", [])
    assert {rows[name]["status"] for name in ("missing", "typo")} == {"rejected"}
    usage = f"/v1/usage?customer={customer}&feature={customer}"
    until(lambda: api.good("GET", usage)["total"], lambda total: total == 12)

    def facts() -> set[str]:
        return {json.loads(arrival.body)["data"]["code"] for arrival in list(receiver.arrivals[path])}

    assert until(facts, lambda found: len(found) == 2) == {"value_missing", "unknown_event_type"}
    assert api("DELETE", f"/v1/webhook-endpoints/{made['id']}").status == 204


def test_a_request_with_an_undeclared_or_missing_dimension_is_refused(api: Api, customer: str) -> None:
    def consume(**dimensions: str) -> tuple[int, str | None]:
        reply = api("POST", "/v1/consume", {"customer": customer, "feature": customer, "dimensions": dimensions})
        return reply.status, reply.json.get("code")

    assert consume(modle="large") == (422, "unknown_dimension")
    assert consume() == (422, "dimension_required")
    assert consume(model="large") == (200, None)
