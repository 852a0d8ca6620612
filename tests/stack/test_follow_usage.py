"""Usage follows between kinds of window, on the deployed template: at once, and from months before."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from local.client import with_ours
from tests.stack.api import Api, unique

pytestmark = pytest.mark.timeout(240)
YEAR = datetime.now(UTC).year + 5


def test_a_month_shows_all_of_its_usage_and_so_does_the_year(api: Api) -> None:
    name = unique("follow")

    def plan(key: str, period: dict[str, Any]) -> dict[str, Any]:
        return {"key": f"{name}-{key}", "entitlements": [{"feature": name, "limit": 1000, "period": period}]}

    month = {"every": "month"}
    ours = {
        "meters": [{"key": name, "event_type": name, "aggregation": "count"}],
        "features": [{"key": name, "type": "metered", "meter": name}],
        "plans": [
            plan("free", month),
            plan("pro", {**month, "anchor": "subscription_start"}),
            plan("enterprise", month),
            plan("year", {"every": "year"}),
        ],
    }
    held = api("GET", "/v1/catalog")
    put = api("PUT", "/v1/catalog", with_ours(held.json, ours), if_match=held.headers["etag"])
    assert put.status == 200, put.json

    def at(number: int, day: int) -> str:
        now = f"{YEAR}-{number:02d}-{day:02d}T00:00:00Z"
        api.good("POST", "/v1/test-clock", {"now": now})
        return now

    def consume(amount: int) -> dict[str, Any]:
        asked = {"customer": name, "feature": name, "amount": amount}
        answer: dict[str, Any] = api.settled("POST", "/v1/consume", {**asked, "detail": True})
        return answer

    def change(key: str, **how: str) -> None:
        api.settled("PUT", f"/v1/customers/{name}/subscription", {"plan": f"{name}-{key}", **how})

    at(2, 10)
    api.good("PUT", f"/v1/customers/{name}", {"plan": f"{name}-free"})
    assert consume(5)["used"] == 5
    at(3, 10)
    assert consume(60)["used"] == 60
    change("pro", started_at=at(3, 12))
    assert consume(300)["used"] == 300
    at(3, 20)
    change("enterprise")
    shown = api.good("GET", f"/v1/customers/{name}/entitlements/{name}")
    assert (shown["used"], shown["remaining"], shown["breakdown"]["followed"]) == (360, 640, 300)
    assert not consume(641)["granted"]
    change("year")
    grown = consume(1)
    assert (grown["used"], grown["breakdown"]["followed"]) == (366, 365), "February's too"
