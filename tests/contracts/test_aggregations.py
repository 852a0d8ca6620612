"""What a limit may state depends on how its meter aggregates."""

from __future__ import annotations

from typing import Any

import pytest

from tallygate.contracts.catalog.catalog import read_catalog
from tallygate.contracts.limits.own_limits import judge
from tallygate.domain.limits.overrides import OwnLimit
from tallygate.errors import InvalidRequest

MONTHLY = {"every": "month"}
QUOTA: dict[str, Any] = {"limit": 10, "period": MONTHLY}
RATE = {"limit": 10, "per": "second", "burst": 10}
SLOW = {"at": "80%", "level": "slow", "policy": "rate_limit", **RATE}
LATER_SLOW = {
    "at": "80%",
    "level": "slow",
    "policy": {"allow_with_grace": {"grace_amount": 1, "then": {"rate_limit": RATE}}},
}
DISPLAYED = ("min", "avg", "latest")
REFUSED = [
    ({**QUOTA, "carryover": {}}, "/carryover"),
    ({**QUOTA, "rate": RATE}, "/rate"),
    ({"rate": RATE}, "/rate"),
    ({"windows": [QUOTA, {"rate": RATE}]}, "/windows/1/rate"),
    ({**QUOTA, "period": {"every": "P30D", "anchor": "rolling"}}, "/period/anchor"),
    ({"windows": [{**QUOTA, "period": {**MONTHLY, "anchor": "first_use"}}]}, "/windows/0/period/anchor"),
    ({**QUOTA, "tiers": [SLOW]}, "/tiers/0/policy"),
    ({**QUOTA, "tiers": [LATER_SLOW]}, "/tiers/0/policy"),
]


def catalog(entitlement: dict[str, Any], *limits: dict[str, Any], aggregation: str = "max") -> dict[str, Any]:
    value = {} if aggregation == "count" else {"value": "$.v"}
    return {
        "meters": [{"key": "m", "event_type": "e", "aggregation": aggregation, **value}],
        "features": [{"key": "f", "type": "metered", "meter": "m"}],
        "plans": [{"key": "p", "entitlements": [{"feature": "f", **entitlement}], "limits": list(limits)}],
    }


def broken(body: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        read_catalog(body)
    return {error.pointer: error.code for error in caught.value.errors}


@pytest.mark.parametrize("aggregation", DISPLAYED)
def test_what_is_displayed_only_is_counted_and_not_limited(aggregation: str) -> None:
    counted = {"limit": None, "period": MONTHLY}
    read_catalog(catalog(counted, {"name": "daily", "feature": "f", "limit": None}, aggregation=aggregation))
    assert broken(catalog(QUOTA, aggregation=aggregation)) == {"/plans/0/entitlements/0/limit": "not_allowed"}
    further = {"name": "further", "feature": "f", **QUOTA}
    assert broken(catalog(counted, further, aggregation=aggregation)) == {"/plans/0/limits/0/limit": "not_allowed"}
    declared = read_catalog(catalog(counted, aggregation=aggregation))
    with pytest.raises(InvalidRequest) as caught:
        judge(declared.plans[0], declared, OwnLimit(name="mine", form={**further, "windows": [QUOTA]}))
    assert "not_allowed" in {error.code for error in caught.value.errors}


@pytest.mark.parametrize(("limit", "at"), REFUSED)
def test_what_needs_sums_is_refused_for_a_maximum(limit: dict[str, Any], at: str) -> None:
    read_catalog(catalog(limit, aggregation="sum"))
    assert broken(catalog(limit)) == {f"/plans/0/entitlements/0{at}": "not_allowed"}
    further = {"name": "further", "feature": "f", **limit}
    assert broken(catalog(QUOTA, further)) == {f"/plans/0/limits/0{at}": "not_allowed"}


def test_a_maximum_may_have_quotas_and_tiers() -> None:
    tiers = [{"at": "80%", "level": "warning"}, {"at": "100%", "level": "over", "policy": "allow_with_overage"}]
    yearly = {"limit": 20, "period": {"every": "year", "anchor": "subscription_start"}}
    read = read_catalog(catalog({"windows": [QUOTA, yearly], "tiers": tiers, "enforcement": "soft"}))
    assert read.meters[0].aggregation == "max"


@pytest.mark.parametrize("aggregation", ["max", *DISPLAYED])
def test_a_value_is_required(aggregation: str) -> None:
    body = catalog({"limit": None}, aggregation=aggregation)
    del body["meters"][0]["value"]
    assert broken(body) == {"/meters/0/value": "required"}


@pytest.mark.parametrize("given", [{"carryover": {}}, {"tiers": [SLOW]}])
def test_an_own_limit_obeys_the_same_rules(given: dict[str, Any]) -> None:
    declared = read_catalog(catalog(QUOTA))
    form = {"enforcement": "hard", "tiers": [], **given}
    with pytest.raises(InvalidRequest) as caught:
        judge(declared.plans[0], declared, OwnLimit(name="f", form=form))
    assert {error.code for error in caught.value.errors} == {"not_allowed"}
