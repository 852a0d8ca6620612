"""Carryover on the deployed template: the worked example, over months of the test clock, with late and early usage."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from local.client import with_ours
from tests.stack.api import Api, unique, until

pytestmark = pytest.mark.timeout(240)
YEAR = datetime.now(UTC).year + 3


@pytest.fixture(scope="module")
def name(api: Api) -> str:
    """A customer with a plan of the same name on a feature of the same name."""
    name = unique("carry")
    ours = {
        "meters": [{"key": name, "event_type": name, "aggregation": "count"}],
        "features": [{"key": name, "type": "metered", "meter": name}],
        "plans": [
            {
                "key": name,
                "entitlements": [{"feature": name, "limit": 1000, "period": {"every": "month"}, "carryover": {}}],
            }
        ],
    }
    held = api("GET", "/v1/catalog")
    put = api("PUT", "/v1/catalog", with_ours(held.json, ours), if_match=held.headers["etag"])
    assert put.status == 200, put.json
    at(api, 1, 5)
    api.good("PUT", f"/v1/customers/{name}", {"plan": name})
    return name


def at(api: Api, month: int, day: int) -> None:
    api.good("POST", "/v1/test-clock", {"now": f"{YEAR}-{month:02d}-{day:02d}T12:00:00Z"})


def consume(api: Api, name: str, amount: int) -> dict[str, Any]:
    answer: dict[str, Any] = api.settled(
        "POST", "/v1/consume", {"customer": name, "feature": name, "amount": amount, "detail": True}
    )
    return answer


def state(api: Api, name: str) -> dict[str, Any]:
    found: dict[str, Any] = api.good("GET", f"/v1/customers/{name}/entitlements/{name}")
    return found


def test_base_1000_of_1300_available_and_800_used_makes_1500(api: Api, name: str) -> None:
    assert consume(api, name, 700)["breakdown"] == {"base": 1000, "carried": 0, "adjusted": 0, "followed": 0}
    at(api, 2, 5)
    second = consume(api, name, 800)
    assert (second["limit"], second["remaining"]) == (1300, 500)
    at(api, 3, 5)
    assert (state(api, name)["limit"], state(api, name)["used"]) == (1500, 0), "before anything is used"
    third = consume(api, name, 1400)
    assert (third["granted"], third["limit"], third["remaining"]) == (True, 1500, 100)
    assert third["breakdown"] == {"base": 1000, "carried": 500, "adjusted": 0, "followed": 0}
    assert consume(api, name, 101)["reason"] == "quota_exceeded"


def test_a_late_event_takes_from_what_was_carried(api: Api, name: str) -> None:
    event = {"id": unique("late"), "type": name, "subject": name, "data": {}, "time": f"{YEAR}-02-20T00:00:00Z"}
    assert api.good("POST", "/v1/events", [event])["accepted"] == 1
    found = until(lambda: state(api, name), lambda found: found["breakdown"]["carried"] != 500)
    assert (found["breakdown"]["carried"], found["limit"], found["used"], found["remaining"]) == (499, 1499, 1400, 99)


def test_events_open_a_month_with_what_is_carried(api: Api, name: str) -> None:
    at(api, 4, 5)
    event = {"id": unique("first"), "type": name, "subject": name, "data": {}}
    assert api.good("POST", "/v1/events", [event])["accepted"] == 1
    found = until(lambda: state(api, name), lambda found: found["used"] == 1)
    assert (found["limit"], found["remaining"]) == (1099, 1098)


def test_closed_periods_say_what_they_carried_out(api: Api, name: str) -> None:
    at(api, 5, 5)

    def closed() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = api.good("GET", f"/v1/customers/{name}/periods?feature={name}")["data"]
        return found

    periods = until(closed, lambda found: len(found) == 4 and found[1]["raw"] == 801)
    stated = [(p["raw"], p["breakdown"]["carried"], p["carried_out"]) for p in periods]
    assert stated == [(700, 0, 300), (801, 300, 499), (1400, 499, 99), (1, 99, 1098)]
