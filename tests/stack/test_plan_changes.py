"""Changes of plan on the deployed template, by the test clock: prorated, from the next period, told once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from local.client import with_ours
from tests.stack.api import Api, unique, until
from tests.stack.receiver import Receiver

pytestmark = pytest.mark.timeout(240)
YEAR = datetime.now(UTC).year + 4


@pytest.fixture(scope="module")
def name(api: Api, receiver: Receiver) -> Iterator[str]:
    """A customer of the first of two plans that are named after it, on a feature of its name; changes are received."""
    name = unique("change")
    body = {"url": receiver.url(f"/{name}"), "events": ["subscription.changed"]}
    made = api.good("POST", "/v1/webhook-endpoints", body)

    def plan(key: str, limit: int) -> dict[str, Any]:
        return {"key": key, "entitlements": [{"feature": name, "limit": limit, "period": {"every": "month"}}]}

    ours = {
        "meters": [{"key": name, "event_type": name, "aggregation": "count"}],
        "features": [{"key": name, "type": "metered", "meter": name}],
        "plans": [plan(f"{name}-s", 100), plan(f"{name}-l", 200)],
    }
    held = api("GET", "/v1/catalog")
    put = api("PUT", "/v1/catalog", with_ours(held.json, ours), if_match=held.headers["etag"])
    assert put.status == 200, put.json
    at(api, 4, 1)
    api.good("PUT", f"/v1/customers/{name}", {"plan": f"{name}-s"})
    yield name
    assert api("DELETE", f"/v1/webhook-endpoints/{made['id']}").status == 204


def at(api: Api, month: int, day: int) -> None:
    api.good("POST", "/v1/test-clock", {"now": f"{YEAR}-{month:02d}-{day:02d}T00:00:00Z"})


def consume(api: Api, name: str, amount: int) -> dict[str, Any]:
    answer: dict[str, Any] = api.settled(
        "POST", "/v1/consume", {"customer": name, "feature": name, "amount": amount, "detail": True}
    )
    return answer


def change(api: Api, name: str, plan: str, **how: str) -> dict[str, Any]:
    found: dict[str, Any] = api.good("PUT", f"/v1/customers/{name}/subscription", {"plan": f"{name}-{plan}", **how})
    return found


def test_half_a_month_of_each_plan_and_the_smaller_from_the_next(api: Api, name: str, receiver: Receiver) -> None:
    assert consume(api, name, 100)["remaining"] == 0
    at(api, 4, 16)
    change(api, name, "l", base="prorated")
    grown = consume(api, name, 50)
    assert (grown["limit"], grown["used"], grown["breakdown"]["base"]) == (150, 150, 150)
    assert consume(api, name, 1)["reason"] == "quota_exceeded"
    boundary = f"{YEAR}-05-01T00:00:00Z"
    later = change(api, name, "s", effective="next_period")
    assert (later["plan"], later["pending"]["plan"], later["pending"]["at"]) == (f"{name}-l", f"{name}-s", boundary)
    assert change(api, name, "s", effective="next_period") == later
    at(api, 5, 1)
    assert consume(api, name, 100)["limit"] == 100
    assert not consume(api, name, 1)["granted"]
    shown = api.good("GET", f"/v1/customers/{name}")
    assert (shown["plan"], shown["subscription"]["pending"]) == (f"{name}-s", None)

    def told() -> list[tuple[Any, ...]]:
        data = [json.loads(arrival.body)["data"] for arrival in list(receiver.arrivals[f"/{name}"])]
        mine = sorted((each for each in data if each["customer"] == name), key=lambda each: each["sequence"])
        return [(each["previous_plan"], each["plan"], each["effective"], each["at"], each["base"]) for each in mine]

    expected = [
        (None, f"{name}-s", "now", f"{YEAR}-04-01T00:00:00Z", "full"),
        (f"{name}-s", f"{name}-l", "now", f"{YEAR}-04-16T00:00:00Z", "prorated"),
        (f"{name}-l", f"{name}-s", "next_period", boundary, "full"),
    ]
    assert until(told, lambda found: len(found) >= len(expected)) == expected


def test_closed_periods_state_the_plan_and_base_that_they_had(api: Api, name: str) -> None:
    at(api, 6, 2)

    def closed() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = api.good("GET", f"/v1/customers/{name}/periods?feature={name}")["data"]
        return found

    periods = until(closed, lambda found: len(found) == 2)
    stated = [(each["plan"], each["breakdown"]["base"], each["raw"]) for each in periods]
    assert stated == [(f"{name}-l", 150, 150), (f"{name}-s", 100, 100)]


def test_what_comes_late_is_stated_under_the_plan_of_its_period_s_end(api: Api, name: str) -> None:
    """June's only usage comes in July, when the plan is another. Reset and aggregate look for the plan of June."""
    at(api, 7, 1)
    change(api, name, "l")
    event = {"id": f"late-{name}", "type": name, "subject": name, "time": f"{YEAR}-06-20T00:00:00Z", "data": {}}
    assert api.good("POST", "/v1/events", [event])["accepted"] == 1
    usage = f"/v1/usage?customer={name}&feature={name}&from={YEAR}-06-01T00:00:00Z&to={YEAR}-07-01T00:00:00Z"
    until(lambda: api.good("GET", usage)["total"], lambda total: total == 1)
    at(api, 7, 2)

    def closed() -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = api.good("GET", f"/v1/customers/{name}/periods?feature={name}")["data"]
        return [each for each in listed if each["period"]["start"].startswith(f"{YEAR}-06")]

    (june,) = until(closed, lambda found: len(found) == 1)
    assert (june["plan"], june["plan_version"], june["breakdown"]["base"], june["raw"]) == (f"{name}-s", 1, 100, 1)
    change(api, name, "s")


def test_a_change_of_plan_that_resets_begins_at_nothing_used(api: Api, name: str) -> None:
    at(api, 7, 3)
    assert consume(api, name, 60)["remaining"] == 40
    change(api, name, "l", usage="reset")
    reset = consume(api, name, 200)
    assert (reset["granted"], reset["limit"], reset["used"]) == (True, 200, 200)
    assert consume(api, name, 1)["reason"] == "quota_exceeded"
