"""The main job on the deployed template: usage counted, a cap that holds, a month rolled, billing told."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import standardwebhooks
import stripe

from local.client import with_ours
from tests.stack.api import Api, unique, until
from tests.stack.receiver import Receiver

LIMIT = 500
THREADS = 16
ROUNDS = 5


@pytest.fixture(scope="module")
def plan(api: Api) -> str:
    """A plan with a feature that is asked for first and one that is reported."""
    tiers = [{"at": "80%", "level": "warning", "policy": "notify_only"}]
    month = {"every": "month"}
    catalog: dict[str, list[Any]] = {
        "meters": [
            {"key": "calls", "event_type": "api.call", "aggregation": "count"},
            {
                "key": "tokens",
                "event_type": "llm.completion",
                "aggregation": "sum",
                "value": "$.tokens",
                "dimensions": {"model": "$.model"},
            },
        ],
        "features": [
            {"key": "api-calls", "type": "metered", "meter": "calls"},
            {"key": "ai-tokens", "type": "metered", "meter": "tokens"},
        ],
        "plans": [
            {
                "key": "stack",
                "version": 1,
                "entitlements": [
                    {"feature": "api-calls", "limit": LIMIT, "period": month, "tiers": tiers},
                    {"feature": "ai-tokens", "limit": 10_000, "period": month, "tiers": tiers},
                ],
            }
        ],
    }
    # What other tests have declared stays: a plan that customers have cannot be removed.
    api.good("PUT", "/v1/catalog", with_ours(api.good("GET", "/v1/catalog"), catalog))
    return "stack"


@pytest.fixture
def customer(api: Api, plan: str) -> str:
    name = unique("customer")
    api.good("PUT", f"/v1/customers/{name}", {"plan": plan, "stripe_customer_id": f"cus_{name}"})
    return name


def consume(api: Api, customer: str, amount: int = 1, **more: Any) -> Any:
    question = {"customer": customer, "feature": "api-calls", "amount": amount, **more}
    return api.settled("POST", "/v1/consume", question)


def endpoint(api: Api, receiver: Receiver, path: str, *events: str, scheme: str = "standard") -> Any:
    body = {"url": receiver.url(path), "events": list(events), "scheme": scheme}
    return api.good("POST", "/v1/webhook-endpoints", body)


def webhooks(receiver: Receiver, path: str, customer: str, kind: str) -> list[Any]:
    """The arrivals of one kind of fact of one customer, as (arrival, body)."""
    bodies = [(arrival, json.loads(arrival.body)) for arrival in list(receiver.arrivals[path])]
    return [(a, b) for a, b in bodies if b["type"] == kind and b["data"]["customer"] == customer]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("twice", [False, True], ids=["no ids", "every id sent twice"])
def test_sixteen_threads_are_granted_exactly_the_limit_in_every_round(api: Api, plan: str, twice: bool) -> None:
    api.good("PUT", f"/v1/customers/{unique('warm')}", {"plan": plan})

    def one(work: tuple[str, int]) -> tuple[bool, bool]:
        name, index = work
        more: dict[str, Any] = {"request_id": f"r-{index // 2}"} if twice else {}
        decision = consume(api, name, **more)
        return decision["granted"], decision.get("replayed", False)

    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(ROUNDS):
            name = unique("race")
            api.good("PUT", f"/v1/customers/{name}", {"plan": plan})
            requests = [(name, index) for index in range((LIMIT + 50) * (2 if twice else 1))]
            answers = list(pool.map(one, requests))
            state = api.good("GET", f"/v1/customers/{name}/entitlements/api-calls")
            granted = sum(granted and not replayed for granted, replayed in answers)
            assert (granted, state["used"], state["remaining"]) == (LIMIT, LIMIT, 0)


def test_events_are_counted_once_however_often_they_are_sent(api: Api, customer: str) -> None:
    events = [
        {"id": f"e{n}", "type": "llm.completion", "subject": customer, "data": {"tokens": n, "model": "large"}}
        for n in range(1, 101)
    ]
    first = api.good("POST", "/v1/events", [*events, events[0]])
    assert (first["accepted"], first["duplicates"], first["rejected"]) == (100, 1, 0)
    again = api.good("POST", "/v1/events", events)
    assert (again["accepted"], again["duplicates"]) == (0, 100)
    query = f"/v1/usage?customer={customer}&feature=ai-tokens"
    until(lambda: api.good("GET", query)["total"], lambda total: total == 5050)
    by_day = api.good("GET", f"{query}&window=day&group_by=model")
    assert [(row["group"], row["value"]) for row in by_day["data"]] == [({"model": "large"}, 5050)]
    seen = until(
        lambda: api.good("POST", "/v1/check", {"customer": customer, "feature": "ai-tokens", "amount": 0}),
        lambda state: state["used"] == 5050,
    )
    assert seen["remaining"] == 4950, "usage by event counts against the limit too"


def test_what_was_consumed_is_usage_too(api: Api, customer: str) -> None:
    for _ in range(3):
        consume(api, customer, 7)
    query = f"/v1/usage?customer={customer}&feature=api-calls"
    until(lambda: api.good("GET", query)["total"], lambda total: total == 21)


def test_a_threshold_is_told_once_and_signed_in_both_schemes(api: Api, customer: str, receiver: Receiver) -> None:
    standard = endpoint(api, receiver, f"/s/{customer}", "usage.threshold_crossed", "usage.limit_reached")
    striped = endpoint(api, receiver, f"/t/{customer}", "usage.threshold_crossed", scheme="stripe")
    for amount in (399, 1, 1, LIMIT - 401):
        assert consume(api, customer, amount)["granted"]
    (reached,) = until(
        lambda: webhooks(receiver, f"/s/{customer}", customer, "usage.limit_reached"), lambda found: found
    )
    assert reached[1]["data"]["limit"] == LIMIT
    (crossed,) = until(
        lambda: webhooks(receiver, f"/s/{customer}", customer, "usage.threshold_crossed"), lambda found: found
    )
    arrival, body = crossed
    standardwebhooks.Webhook(standard["secret"]).verify(arrival.body, arrival.headers)
    assert (body["specversion"], body["data"]["level"]) == ("1.0", "warning")
    assert reached[1]["data"]["sequence"] > body["data"]["sequence"]
    ((arrival, other),) = until(
        lambda: webhooks(receiver, f"/t/{customer}", customer, "usage.threshold_crossed"), lambda found: found
    )
    stripe.WebhookSignature.verify_header(
        arrival.body.decode(), arrival.headers["stripe-signature"], striped["secret"], tolerance=300
    )
    assert other["id"] == body["id"]
    for made in (standard, striped):
        assert api("DELETE", f"/v1/webhook-endpoints/{made['id']}").status in (200, 204)


def test_a_failing_receiver_is_retried_and_a_hanging_one_delays_nobody(
    api: Api, customer: str, receiver: Receiver
) -> None:
    failing, hanging, fine = (f"/{kind}/{customer}" for kind in ("failing", "hanging", "fine"))
    receiver.answers[failing] = lambda earlier: 500 if earlier == 0 else 200
    receiver.answers[hanging] = receiver.hang
    made = [endpoint(api, receiver, path, "usage.threshold_crossed") for path in (hanging, failing, fine)]
    consume(api, customer, 450)
    until(lambda: len(receiver.arrivals[fine]), lambda count: count == 1)
    until(lambda: len(receiver.arrivals[hanging]), lambda count: count == 1)
    until(lambda: len(receiver.arrivals[failing]), lambda count: count == 2)
    first, second = receiver.arrivals[failing]
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    for each in made:
        api("DELETE", f"/v1/webhook-endpoints/{each['id']}")


@pytest.mark.timeout(200)
def test_the_month_rolls_without_a_job_and_its_closing_is_told_once(
    api: Api, customer: str, receiver: Receiver
) -> None:
    path = f"/closed/{customer}"
    made = endpoint(api, receiver, path, "usage.period_closed")
    assert consume(api, customer, LIMIT)["granted"]
    assert not consume(api, customer)["granted"]
    until(
        lambda: api.good("GET", f"/v1/usage?customer={customer}&feature=api-calls")["total"],
        lambda total: total == LIMIT,
    )
    month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = (month + timedelta(days=32)).replace(day=1)
    try:
        api.good("POST", "/v1/test-clock", {"now": (end - timedelta(seconds=1)).isoformat()})
        assert not consume(api, customer)["granted"], "the month's last second is still the month"
        api.good("POST", "/v1/test-clock", {"now": end.isoformat()})
        rolled = consume(api, customer)
        assert (rolled["granted"], rolled["used"]) == (True, 1)
        ((arrival, body),) = until(
            lambda: webhooks(receiver, path, customer, "usage.period_closed"), lambda found: found
        )
        standardwebhooks.Webhook(made["secret"]).verify(arrival.body, arrival.headers)
        data = body["data"]
        assert (data["raw"], data["included"], data["overage"]) == (LIMIT, LIMIT, 0)
        assert data["period"]["end"] == end.strftime("%Y-%m-%dT%H:%M:%SZ")
        assert (data["stripe_customer_id"], data["plan"], data["plan_version"]) == (f"cus_{customer}", "stack", 1)
        api.good("POST", "/v1/test-clock", {"now": (end + timedelta(hours=1)).isoformat()})
        assert len(webhooks(receiver, path, customer, "usage.period_closed")) == 1
        periods = api.good("GET", f"/v1/customers/{customer}/periods?feature=api-calls")["data"]
        assert [period["raw"] for period in periods] == [LIMIT]
    finally:
        api.good("POST", "/v1/test-clock", {"now": None})
        api("DELETE", f"/v1/webhook-endpoints/{made['id']}")


def test_a_trace_is_followed_from_the_decision_to_the_webhook(api: Api, customer: str, receiver: Receiver) -> None:
    path = f"/trace/{customer}"
    made = endpoint(api, receiver, path, "usage.threshold_crossed")
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    question = {"customer": customer, "feature": "api-calls", "amount": 450}
    reply = api("POST", "/v1/consume", question, traceparent=trace)
    assert reply.headers["traceparent"] == trace
    (arrival,) = until(lambda: receiver.arrivals[path], lambda found: found)
    assert arrival.headers["traceparent"] == trace
    api("DELETE", f"/v1/webhook-endpoints/{made['id']}")
