"""Tiers on the deployed template: from the warning through the grace into the suspension, and out of it by the month.

    10 Feb 12:00:00Z   80 % warning, 100 % over: the grace begins with the first unit beyond
    13 Feb 11:59:59Z   the last second of the grace
    13 Feb 12:00:00Z   it is over: who asks for more is suspended until the next period
     1 Mar 00:00:00Z   the next period, with a grace of its own

The test clock is everybody's: it is given back when the module is done.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from local.client import with_ours
from tests.stack.api import Api, unique, until
from tests.stack.receiver import Receiver

EVENTS = ["usage.threshold_crossed", "usage.denied", "entitlement.suspended"]
MONTH = {"every": "month"}
TIERS = [
    {"at": "80%", "level": "warning", "policy": "notify_only"},
    {
        "at": "100%",
        "level": "over",
        "policy": "allow_with_grace",
        "grace_amount": 50,
        "grace_for": "P3D",
        "then": {"suspend_usage": {"until": "next_period"}},
    },
]
pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def answers(api: Api, receiver: Receiver) -> Iterator[dict[str, Any]]:
    """What a customer was answered, step by step; the customer, its plan and its features have one name."""
    name, year = unique("tiers"), datetime.now(UTC).year + 1
    catalog = {
        "meters": [{"key": name, "event_type": name, "aggregation": "count"}],
        "features": [{"key": key, "type": "metered", "meter": name} for key in (name, f"{name}-hard")],
        "plans": [
            {
                "key": name,
                "entitlements": [
                    {"feature": name, "limit": 100, "period": MONTH, "tiers": TIERS},
                    {"feature": f"{name}-hard", "limit": 1, "period": MONTH},
                ],
            }
        ],
    }
    api.good("PUT", "/v1/catalog", with_ours(api.good("GET", "/v1/catalog"), catalog))
    endpoint = api.good("POST", "/v1/webhook-endpoints", {"url": receiver.url("/tiers"), "events": EVENTS})
    try:
        yield {"name": name, **walk(api, name, year)}
    finally:
        api.good("POST", "/v1/test-clock", {"now": None})
        api("DELETE", f"/v1/webhook-endpoints/{endpoint['id']}")


def walk(api: Api, name: str, year: int) -> dict[str, Any]:
    def stop(moment: str) -> None:
        api.good("POST", "/v1/test-clock", {"now": f"{year}-{moment}"})

    def ask(amount: int, feature: str = name) -> Any:
        return api.settled("POST", "/v1/consume", {"customer": name, "feature": feature, "amount": amount})

    stop("02-10T12:00:00Z")
    api.good("PUT", f"/v1/customers/{name}", {"plan": name})
    found: dict[str, Any] = {"normal": ask(79), "warned": ask(1), "reached": ask(20), "beyond": ask(30)}
    found["denied"] = [ask(1, f"{name}-hard") for _ in range(3)]
    stop("02-13T11:59:59Z")
    found["in grace"] = ask(5)
    stop("02-13T12:00:00Z")
    found["peeked"] = api.settled("POST", "/v1/check", {"customer": name, "feature": name})
    found["suspended"] = [ask(1) for _ in range(3)]
    found["entitlement"] = api.good("GET", f"/v1/customers/{name}/entitlements/{name}")
    stop("03-01T00:00:00Z")
    found["anew"] = ask(120)
    found["year"] = year
    return found


def told(receiver: Receiver, answers: dict[str, Any], kind: str) -> list[Any]:
    """The facts of one kind that have arrived for the customer, each once however often it was delivered."""
    bodies = {arrival.headers["webhook-id"]: json.loads(arrival.body) for arrival in list(receiver.arrivals["/tiers"])}
    return [b["data"] for b in bodies.values() if b["type"] == kind and b["data"]["customer"] == answers["name"]]


def test_usage_goes_from_level_to_level_into_the_grace(answers: dict[str, Any]) -> None:
    steps = [answers[step] for step in ("normal", "warned", "reached", "beyond", "in grace")]
    assert [step["reason"] for step in steps] == ["ok", "ok", "ok", "grace", "grace"]
    assert [step["level"] for step in steps] == ["normal", "warning", "over", "over", "over"]
    assert [step["used"] for step in steps] == [79, 80, 100, 130, 135]
    assert (steps[-1]["overage"], steps[-1]["over_limit"], steps[-1]["max_grantable"]) == (35, True, 15)


def test_the_grace_is_over_to_the_second_and_suspends_until_the_next_period(answers: dict[str, Any]) -> None:
    ends = f"{answers['year']}-03-01T00:00:00Z"
    for answer in (answers["peeked"], *answers["suspended"]):
        assert (answer["granted"], answer["reason"], answer["retry_at"]) == (False, "suspended", ends)
    assert answers["suspended"][0]["used"] == 135
    assert answers["entitlement"]["used"] == 135


def test_the_next_period_is_granted_again_with_a_grace_of_its_own(answers: dict[str, Any]) -> None:
    anew = answers["anew"]
    assert (anew["granted"], anew["reason"], anew["used"], anew["overage"]) == (True, "grace", 120, 20)


def test_every_crossing_is_told_once_a_period_and_the_suspension_once(
    answers: dict[str, Any], receiver: Receiver
) -> None:
    crossed = until(lambda: told(receiver, answers, "usage.threshold_crossed"), lambda found: len(found) >= 4)
    assert sorted(fact["level"] for fact in crossed) == ["over", "over", "warning", "warning"]
    suspended = until(lambda: told(receiver, answers, "entitlement.suspended"), bool)
    assert len(suspended) == 1
    assert (suspended[0]["until"], suspended[0]["by"]) == (f"{answers['year']}-03-01T00:00:00Z", "tier")


def test_the_first_denial_of_a_window_is_told_once(answers: dict[str, Any], receiver: Receiver) -> None:
    assert [answer["reason"] for answer in answers["denied"]] == ["ok", "quota_exceeded", "quota_exceeded"]
    denied = until(lambda: told(receiver, answers, "usage.denied"), bool)
    assert [(fact["feature"], fact["requested"], fact["reason"]) for fact in denied] == [
        (f"{answers['name']}-hard", 1, "quota_exceeded")
    ]
