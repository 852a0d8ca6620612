"""The catalog's contract: what is sound is read exactly and given back, what is not is named all at once."""

from __future__ import annotations

import json
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.contracts.catalog.catalog import read_catalog
from tallygate.domain.base.json import write_json
from tallygate.domain.catalog.forms import catalog_form
from tallygate.errors import InvalidRequest

SAMPLE = json.loads(Path("events/catalog.json").read_text(), parse_float=Decimal)
DAILY = {"every": "day"}
QUOTA = {"limit": 10, "period": {"every": "month"}}
RATE = {"limit": 10, "per": "second", "burst": 10}


def catalog(*entitlements: Any, limits: Any = (), **plan: Any) -> dict[str, Any]:
    return {
        "meters": [{"key": "m", "event_type": "e", "aggregation": "count"}],
        "features": [{"key": f, "type": "metered", "meter": "m"} for f in ("f", "g")],
        "plans": [{"key": "p", "version": 1, "entitlements": list(entitlements), "limits": list(limits), **plan}],
    }


def broken(body: object) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        read_catalog(body)
    assert caught.value.status == 422
    return {error.pointer: error.code for error in caught.value.errors}


def round_trip(body: object) -> None:
    read = read_catalog(body)
    given_back = json.loads(write_json(catalog_form(read)), parse_float=Decimal)
    assert read_catalog(given_back) == read
    assert json.loads(write_json(catalog_form(read_catalog(given_back))), parse_float=Decimal) == given_back


def test_the_sample_catalog_is_given_back_to_be_put_again() -> None:
    round_trip(SAMPLE)


amounts = st.decimals(min_value=0, max_value=10**17, places=3).map(lambda value: f"{value:f}")
quotas = st.fixed_dictionaries(
    {
        "limit": st.none() | amounts,
        "period": st.sampled_from(
            [
                {"every": "day"},
                {"every": "month", "timezone": "Asia/Tokyo"},
                {"every": "week", "week_starts": "sunday"},
                {"every": "P30D", "anchor": "2026-01-31T12:00:00.25+01:00"},
                {"every": "PT5H", "anchor": "subscription_start"},
                {"every": "billing_period"},
                {"every": "never"},
                {"every": "P1W", "anchor": "rolling"},
            ]
        ),
    }
)
rates = st.builds(
    lambda limit, per, factor: {"rate": {"limit": limit, "per": per, "burst": limit * factor}},
    st.integers(1, 10**6),
    st.sampled_from(["second", "minute", "hour"]),
    st.integers(1, 20),
)


def _kind(window: dict[str, Any]) -> tuple[str, object]:
    if "rate" in window:
        rate = window["rate"]
        return (rate["per"], rate["burst"] // rate["limit"])
    return (window["period"]["every"], None)


@given(st.lists(quotas | rates, min_size=1, max_size=4, unique_by=_kind))
def test_windows_in_either_form_are_given_back_to_be_put_again(windows: list[Any]) -> None:
    round_trip(catalog({"feature": "f", "windows": windows}))


def test_a_filters_numbers_stay_numbers() -> None:
    body = catalog()
    values = [1, Decimal("1.5"), "1.5", True]
    body["meters"][0]["filters"] = [{"property": "$.x", "op": "in", "value": values}]
    round_trip(body)
    assert read_catalog(body).meters[0].filters[0].value == tuple(values)


def test_settings_are_given_back_and_what_is_left_out_is_the_default() -> None:
    accepting = {"unknown_events": "accept", "unknown_customers": "reject"}
    assert catalog_form(read_catalog({**catalog(), "settings": {"unknown_events": "accept"}}))["settings"] == accepting
    assert catalog_form(read_catalog(catalog()))["settings"]["unknown_events"] == "reject"


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"unknown_events": "park"}, {"/settings/unknown_events": "not_available"}),
        ({"unknown_customers": "park"}, {"/settings/unknown_customers": "not_available"}),
        ({"unknown_customers": "accept"}, {"/settings/unknown_customers": "not_allowed"}),
        ({"unknown_events": "ignore"}, {"/settings/unknown_events": "not_allowed"}),
        ({"unknown_events": None}, {"/settings/unknown_events": "type"}),
        ({"unknwon_events": "accept"}, {"/settings/unknwon_events": "unknown_field"}),
        (None, {"/settings": "type"}),
    ],
)
def test_a_setting_that_is_not_there_is_refused(settings: Any, wrong: dict[str, str]) -> None:
    assert broken({**catalog(), "settings": settings}) == wrong


@pytest.mark.parametrize(("op", "value"), [("eq", None), ("ne", None), ("in", ["a", None])])
def test_no_filter_compares_with_null(op: str, value: Any) -> None:
    body = catalog()
    body["meters"][0]["filters"] = [{"property": "$.x", "op": op, "value": value}]
    assert broken(body) == {"/meters/0/filters/0/value": "not_allowed"}


@pytest.mark.parametrize(
    ("op", "value", "code"),
    [
        ("in", [], "length"),
        ("in", "a", "invalid"),
        ("eq", ["a"], "invalid"),
        ("gt", "many", "invalid"),
        ("exists", 1, "invalid"),
        ("prefix", 5, "invalid"),
    ],
)
def test_a_filter_that_could_match_nothing_is_refused_at_its_value(op: str, value: Any, code: str) -> None:
    body = catalog()
    body["meters"][0]["filters"] = [{"property": "$.x", "op": op, "value": value}]
    assert broken(body) == {"/meters/0/filters/0/value": code}


def test_the_short_form_and_the_list_of_windows_say_the_same() -> None:
    short = read_catalog(catalog({"feature": "f", **QUOTA, "rate": RATE}))
    listed = read_catalog(catalog({"feature": "f", "windows": [QUOTA, {"rate": RATE}]}))
    assert short == listed


def test_unlimited_is_null_and_counted_by_the_month() -> None:
    (plan,) = read_catalog(catalog({"feature": "f", "limit": None})).plans
    assert [(quota.limit, quota.every) for quota in plan.entitlements[0].quotas] == [(None, "month")]


def test_every_broken_rule_of_a_catalog_is_named_at_once() -> None:
    body = deepcopy(SAMPLE)
    body["meters"].append({"key": "tokens", "event_type": "x", "aggregation": "unique", "value": "tokens"})
    body["features"][0]["meter"] = "nope"
    body["features"][1]["unit"] = {"divide_by": 0}
    body["pools"] = [{"key": "main"}]
    plan = body["plans"][0]
    plan["upgrade_to"] = "enterprise"
    plan["grants"] = [{}]
    plan["entitlements"][0]["period"] = {"every": "P1M15D", "anchor": "birthday"}
    plan["entitlements"][1]["limit"] = -1
    plan["entitlements"].append(
        {
            "feature": "images",
            "tiers": [{"at": -80, "level": "X", "policy": {"allow_with_overage": {"max": 1}}}],
            "carryover": {"max": -1},
        }
    )
    plan["limits"] = [
        {"name": "a", "feature": "zzz", "scope": {"user": "*"}, "rate": {"limit": 10, "per": "second", "burst": 5}},
        {"name": "a", "feature": "images", "rate": {"limit": 0, "per": "fortnight"}, "speed": 1},
        {"name": "c", "feature": "images", "enforcement": "strict"},
    ]
    assert broken(body) == {
        "/meters/2/key": "repeated",
        "/meters/2/aggregation": "not_available",
        "/meters/2/value": "invalid",
        "/features/0/meter": "unknown_reference",
        "/features/1/unit/name": "required",
        "/features/1/unit/divide_by": "out_of_range",
        "/pools": "not_available",
        "/plans/0/upgrade_to": "unknown_reference",
        "/plans/0/grants": "not_available",
        "/plans/0/entitlements/0/period/every": "not_allowed",
        "/plans/0/entitlements/0/period/anchor": "not_allowed",
        "/plans/0/entitlements/1/limit": "out_of_range",
        "/plans/0/entitlements/2/feature": "repeated",
        "/plans/0/entitlements/2/tiers/0/at": "out_of_range",
        "/plans/0/entitlements/2/tiers/0/level": "invalid",
        "/plans/0/entitlements/2/tiers/0/policy/allow_with_overage/max": "unknown_field",
        "/plans/0/entitlements/2/carryover/max": "out_of_range",
        "/plans/0/limits/0/feature": "not_entitled",
        "/plans/0/limits/0/scope/user": "not_available",
        "/plans/0/limits/0/rate/burst": "out_of_range",
        "/plans/0/limits/1/name": "repeated",
        "/plans/0/limits/1/rate/limit": "out_of_range",
        "/plans/0/limits/1/rate/per": "not_allowed",
        "/plans/0/limits/1/speed": "unknown_field",
        "/plans/0/limits/2/enforcement": "not_allowed",
    }


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        (None, {""}),
        ([], {""}),
        ({}, {"/meters", "/features", "/plans"}),
        ({"meters": {}, "features": [5], "plans": [{"key": ["x"]}]}, {"/meters", "/features/0", "/plans/0/key"}),
        (catalog({"feature": "f"}), {"/plans/0/entitlements/0/limit"}),
        (catalog({"feature": "f", "limit": 5}), {"/plans/0/entitlements/0/period"}),
        (catalog({"feature": "f", "period": {"every": "day"}}), {"/plans/0/entitlements/0/limit"}),
        (
            catalog({"feature": "f", **QUOTA, "windows": [QUOTA]}),
            {f"/plans/0/entitlements/0/{n}" for n in ("limit", "period")},
        ),
        (catalog({"feature": "f", "windows": [QUOTA, QUOTA]}), {"/plans/0/entitlements/0/windows"}),
        (catalog({"feature": "f", "windows": [{**QUOTA, "rate": RATE}]}), {"/plans/0/entitlements/0/windows/0"}),
        (
            catalog({"feature": "f", "limit": None, "tiers": [{"at": "80%", "level": "a"}]}),
            {"/plans/0/entitlements/0/tiers"},
        ),
        (
            catalog({"feature": "f", **QUOTA, "tiers": [{"at": "80%", "level": "a"}, {"at": "80.0%", "level": "b"}]}),
            {"/plans/0/entitlements/0/tiers/1/at"},
        ),
        (catalog({"feature": "f", "enabled": True}), {"/plans/0/entitlements/0/enabled"}),
        (
            catalog({"feature": "f", **QUOTA}, limits=[{"name": "f", "feature": "f", **QUOTA}]),
            {"/plans/0/limits/0/name"},
        ),
        (
            catalog({"feature": "f", **QUOTA}, limits=[{"name": "x", "feature": "g", **QUOTA}]),
            {"/plans/0/limits/0/feature"},
        ),
        (catalog(version=0), {"/plans/0/version"}),
        (catalog(version="1"), {"/plans/0/version"}),
        (
            catalog({"feature": "f", "rate": {"limit": 1, "per": "day", "burst": 10**6}}),
            {"/plans/0/entitlements/0/rate/burst"},
        ),
    ],
)
def test_each_rule_is_named_at_its_place(body: object, pointers: set[str]) -> None:
    assert set(broken(body)) == pointers


TYPED = {
    "meters": [{"key": "m", "event_type": "e", "aggregation": "count"}],
    "features": [
        {"key": "f", "type": "metered", "meter": "m"},
        {"key": "sso", "type": "boolean"},
        {"key": "region", "type": "config"},
    ],
}


def typed(*entitlements: Any, limits: Any = ()) -> dict[str, Any]:
    return {**TYPED, "plans": [{"key": "p", "entitlements": list(entitlements), "limits": list(limits)}]}


@given(
    st.booleans(),
    st.recursive(
        st.text(max_size=20) | st.booleans() | st.integers(-(10**12), 10**12) | st.decimals("-9999", "9999", places=4),
        lambda one: st.lists(one, max_size=5),
        max_leaves=1,
    ),
)
def test_switches_and_settings_are_given_back_to_be_put_again(enabled: bool, value: object) -> None:
    round_trip(
        typed({"feature": "sso", "enabled": enabled}, {"feature": "region", "value": value}, {"feature": "f", **QUOTA})
    )


@pytest.mark.parametrize(
    ("entitlement", "errors"),
    [
        ({"feature": "sso"}, {"/enabled": "required"}),
        ({"feature": "sso", "enabled": None}, {"/enabled": "type"}),
        ({"feature": "sso", "enabled": True, "value": 1}, {"/value": "not_allowed"}),
        ({"feature": "sso", "enabled": True, "limit": None}, {"/limit": "not_allowed"}),
        ({"feature": "sso", **QUOTA}, {"/enabled": "required", "/limit": "not_allowed", "/period": "not_allowed"}),
        ({"feature": "region", "enabled": True}, {"/value": "required", "/enabled": "not_allowed"}),
        ({"feature": "region", "value": None}, {"/value": "type"}),
        ({"feature": "region", "value": {"a": 1}}, {"/value": "type"}),
        ({"feature": "region", "value": ["x" * 1001]}, {"/value": "length"}),
        ({"feature": "region", "value": [1] * 101}, {"/value": "length"}),
        ({"feature": "f", "enabled": True, **QUOTA}, {"/enabled": "not_allowed"}),
    ],
)
def test_an_entitlement_says_what_goes_with_its_features_type(entitlement: Any, errors: dict[str, str]) -> None:
    assert broken(typed(entitlement)) == {f"/plans/0/entitlements/0{at}": code for at, code in errors.items()}


SCOPED = [{"key": "m", "event_type": "e", "aggregation": "count", "dimensions": {"model": "$.model", "team": "$.team"}}]


@pytest.mark.parametrize(
    ("scope", "errors"),
    [
        ({"model": "large"}, {}),
        ({"model": "large", "team": "a", "api_key": "key_1"}, {}),
        ({}, {}),
        ({"modle": "large"}, {"/modle": "unknown_reference"}),
        ({"model": "*"}, {"/model": "not_available"}),
        ({"model": ""}, {"/model": "length"}),
        ({"model": 1}, {"/model": "type"}),
        ("model", {"": "type"}),
    ],
)
def test_a_scope_fixes_dimensions_that_the_meter_counts_by(scope: Any, errors: dict[str, str]) -> None:
    body = {**typed({"feature": "f", **QUOTA}, limits=[{"name": "x", "feature": "f", "scope": scope, **QUOTA}])}
    body["meters"] = SCOPED
    if errors:
        assert broken(body) == {f"/plans/0/limits/0/scope{at}": code for at, code in errors.items()}
    else:
        assert read_catalog(body).plans[0].limits[0].scope == scope
        round_trip(body)


def test_limits_over_values_of_one_dimension_are_never_met_together() -> None:
    limits = [
        {"name": f"{n}", "feature": "f", "scope": {"model": f"m{n}"}, "windows": [QUOTA, {**QUOTA, "period": DAILY}]}
        for n in range(16)
    ]
    body = typed({"feature": "f", **QUOTA}, limits=limits[:15])
    body["meters"] = SCOPED
    assert len(read_catalog(body).plans[0].limits) == 15
    body["plans"][0]["limits"] = limits
    assert broken(body) == {"/plans/0/entitlements/0": "too_many"}, "33 windows in one cell"
    body["plans"][0]["limits"] = [{**limit, "scope": {"model": "m"}} for limit in limits[:4]]
    assert broken(body) == {"/plans/0/entitlements/0": "too_many"}, "9 quotas in one write"


def test_only_a_metered_feature_has_a_meter_and_limits() -> None:
    body = typed({"feature": "sso", "enabled": True}, limits=[{"name": "x", "feature": "sso", **QUOTA}])
    assert broken(body) == {"/plans/0/limits/0/feature": "not_allowed"}
    body = typed()
    body["features"] = [{"key": "a", "type": "metered"}, {"key": "b", "type": "boolean", "meter": "m"}]
    assert broken(body) == {"/features/0/meter": "required", "/features/1/meter": "not_allowed"}


def test_the_limits_of_a_feature_fit_one_cell() -> None:
    limits = [{"name": f"l{n}", "feature": "f", "rate": {**RATE, "burst": 10 + n}} for n in range(9)]
    assert len(read_catalog(catalog({"feature": "f", **QUOTA}, limits=limits[:8])).plans[0].limits) == 8
    assert broken(catalog({"feature": "f", **QUOTA}, limits=limits)) == {"/plans/0/entitlements/0": "too_many"}
    slow = {"at": "100%", "level": "slow", "policy": "rate_limit", "limit": 1, "per": "minute"}
    body = catalog({"feature": "f", **QUOTA, "tiers": [slow]}, limits=limits[:8])
    assert broken(body) == {"/plans/0/entitlements/0": "too_many"}, "a tier's rate is one of them"
