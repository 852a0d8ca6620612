"""A reset by hand over the deployed API: it acts at the next decision, and the bill keeps what was used."""

from __future__ import annotations

from typing import Any

import pytest

from local.client import with_ours
from tests.stack.api import Api, unique, until

WHY = {"reason": "outage", "actor": "ops@example.com"}


@pytest.fixture
def customer(api: Api) -> str:
    """A customer with a monthly limit on a feature of its own."""
    name = unique("reset")
    held = api.good("GET", "/v1/catalog")
    catalog = {
        "meters": [{"key": name, "event_type": name, "aggregation": "count"}],
        "features": [{"key": name, "type": "metered", "meter": name}],
        "plans": [{"key": name, "entitlements": [{"feature": name, "limit": 100, "period": {"every": "month"}}]}],
    }
    api.good("PUT", "/v1/catalog", with_ours(held, catalog))
    api.good("PUT", f"/v1/customers/{name}", {"plan": name})
    return name


def consume(api: Api, customer: str, amount: int) -> Any:
    return api.settled(
        "POST", "/v1/consume", {"customer": customer, "feature": customer, "amount": amount, "detail": True}
    )


def used(api: Api, customer: str) -> Any:
    return api.good("GET", f"/v1/customers/{customer}/entitlements/{customer}")["used"]


def billed(api: Api, customer: str) -> Any:
    return api.good("GET", f"/v1/usage?customer={customer}&feature={customer}")["total"]


def test_a_reset_gives_the_limit_back_once_and_takes_nothing_off_the_bill(api: Api, customer: str) -> None:
    estimate = consume(api, customer, 90)
    assert not consume(api, customer, 20)["granted"]
    path, body = f"/v1/customers/{customer}/reset", {"feature": customer, **WHY}
    made = api.settled("POST", path, body, idempotency_key=unique("key"))
    assert (made["changed"], made["windows"][0]["excluded"], used(api, customer)) == (True, 90, 0)
    assert consume(api, customer, 100)["granted"]
    assert not consume(api, customer, 1)["granted"]
    until(lambda: billed(api, customer), lambda total: total == 190)
    api.settled("POST", f"/v1/consume/{estimate['decision_id']}/settle", {"amount": 0})
    until(lambda: billed(api, customer), lambda total: total == 100)
    assert used(api, customer) == 100, "what was taken out is not taken out again"


def test_as_of_an_instant_waits_for_the_fold_and_keeps_what_came_since(api: Api, customer: str) -> None:
    consume(api, customer, 30)
    instant = consume(api, customer, 5)["as_of"]
    body = {"feature": customer, "effective_at": instant, **WHY}
    made = api.settled("POST", f"/v1/customers/{customer}/reset", body)
    assert made["windows"][0]["excluded"] == 30
    assert used(api, customer) == 5
    assert api("POST", f"/v1/customers/{customer}/reset", {**body, "anchor": "move"}).status == 422
