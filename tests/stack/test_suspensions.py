"""An operator suspends and resumes over the deployed API: it acts at the next decision, and is told once each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.client import with_ours
from tests.stack.api import Api, unique, until
from tests.stack.receiver import Receiver

WHY = {"reason": "runaway agent", "actor": "ops@example.com"}
LARGE = {"model": "large"}


@pytest.fixture
def customer(api: Api) -> str:
    """A customer with a metered feature of its own name and a boolean one beside it."""
    name = unique("suspend")
    held = api.good("GET", "/v1/catalog")
    entitlements = [{"feature": name, "limit": 100, "period": {"every": "month"}}]
    entitlements += [{"feature": f"{name}-sso", "enabled": True}]
    catalog = {
        "meters": [{"key": name, "event_type": name, "aggregation": "count", "dimensions": {"model": "$.model"}}],
        "features": [
            {"key": name, "type": "metered", "meter": name},
            {"key": f"{name}-sso", "type": "boolean"},
        ],
        "plans": [{"key": name, "entitlements": entitlements}],
    }
    api.good("PUT", "/v1/catalog", with_ours(held, catalog))
    api.good("PUT", f"/v1/customers/{name}", {"plan": name})
    return name


def reason(api: Api, customer: str, **dimensions: str) -> str:
    question = {"customer": customer, "feature": customer, "dimensions": dimensions}
    found: str = api.settled("POST", "/v1/consume", question)["reason"]
    return found


def move(api: Api, customer: str, verb: str, **target: Any) -> dict[str, Any]:
    found: dict[str, Any] = api.good("POST", f"/v1/customers/{customer}/{verb}", {**WHY, **target})
    return found


def test_a_suspended_scope_denies_that_model_alone_and_a_customer_everything(api: Api, customer: str) -> None:
    assert reason(api, customer, **LARGE) == "ok"
    move(api, customer, "suspend", feature=customer, scope=LARGE)
    assert (reason(api, customer, **LARGE), reason(api, customer, model="small")) == ("suspended", "ok")
    move(api, customer, "suspend")
    assert (reason(api, customer, model="small"), reason(api, customer)) == ("suspended", "suspended")
    check = {"customer": customer, "feature": f"{customer}-sso"}
    assert api.good("POST", "/v1/check", check)["reason"] == "suspended"
    state = api.good("GET", f"/v1/customers/{customer}/entitlements/{customer}")
    assert (state["suspended"]["reason"], state["suspended"]["feature"], state["used"]) == (WHY["reason"], None, 2)
    move(api, customer, "resume")
    assert (reason(api, customer, **LARGE), reason(api, customer, model="small")) == ("suspended", "ok")
    move(api, customer, "resume", feature=customer, scope=LARGE)
    assert reason(api, customer, **LARGE) == "ok"
    assert api.good("POST", "/v1/check", check)["granted"]


def test_each_change_is_audited_and_told_once_in_order(api: Api, customer: str, receiver: Receiver) -> None:
    path = f"/{customer}"
    body = {"url": receiver.url(path), "events": ["entitlement.*"]}
    made = api.good("POST", "/v1/webhook-endpoints", body)
    moves = [
        move(api, customer, verb, **target)
        for target in ({}, {"feature": customer, "scope": LARGE})
        for verb in ("suspend", "suspend", "resume", "resume")
    ]
    assert [done["changed"] for done in moves] == [True, False] * 4
    trail = api.good("GET", f"/v1/audit?customer={customer}")["data"]
    begun = {trail.pop()["action"] for _ in range(2)}
    assert begun == {"customer_created", "subscription_changed"}, "which began it all"
    assert [entry["id"] for entry in trail] == [done["audit_id"] for done in moves if done["changed"]][::-1]

    def told() -> list[tuple[str, int, str]]:
        facts = [json.loads(arrival.body) for arrival in list(receiver.arrivals[path])]
        mine = [fact for fact in facts if fact["data"]["customer"] == customer]
        return sorted((f["data"]["feature"] or "", f["data"]["sequence"], f["type"]) for f in mine)

    # The whole customer's facts began with its subscription.
    whole = [("", 2, "entitlement.suspended"), ("", 3, "entitlement.resumed")]
    expected = [*whole, (customer, 1, "entitlement.suspended"), (customer, 2, "entitlement.resumed")]
    assert until(told, lambda found: len(found) >= len(expected)) == expected
    assert api("DELETE", f"/v1/webhook-endpoints/{made['id']}").status == 204


def test_what_a_tier_suspended_is_lifted_with_the_customer_s_suspension(api: Api, customer: str) -> None:
    """The transaction that updates the cell beside the customer is one that the deployed role may make."""
    body = {"at": "100%", "level": "stopped", "policy": {"suspend_usage": {"until": "resumed"}}}
    api.good("PUT", f"/v1/customers/{customer}/limits/{customer}", {"limit": 1, "tiers": [body]})
    assert [reason(api, customer), reason(api, customer)] == ["ok", "suspended"]
    api.good("PUT", f"/v1/customers/{customer}/limits/{customer}", {"limit": 10})
    assert reason(api, customer) == "suspended", "what a tier suspends stays so whatever the limit is"
    lifted = move(api, customer, "resume", feature=customer)
    assert (lifted["changed"], lifted["lifted"]) == (True, [customer])
    assert reason(api, customer) == "ok"


def test_a_resume_waives_the_tier_so_that_the_next_unit_does_not_suspend_again(api: Api, customer: str) -> None:
    body = {"at": "50%", "level": "half", "policy": {"suspend_usage": {"until": "resumed"}}}
    api.good("PUT", f"/v1/customers/{customer}/limits/{customer}", {"limit": 2, "tiers": [body]})
    assert [reason(api, customer), reason(api, customer)] == ["ok", "suspended"]
    (shown,) = api.good("GET", f"/v1/customers/{customer}")["suspensions"]
    assert (shown["by"], shown["limit"], shown["level"], shown["until"]) == ("tier", customer, "half", None)
    lifted = move(api, customer, "resume", feature=customer)
    state = api.good("GET", f"/v1/customers/{customer}/entitlements/{customer}")
    assert (lifted["waived_until"], lifted["waived"][0]["levels"]) == (state["resets_at"], ["half"])
    assert (state["suspended"], state["waived"]) == (None, lifted["waived"])
    assert [reason(api, customer), reason(api, customer)] == ["ok", "quota_exceeded"]
