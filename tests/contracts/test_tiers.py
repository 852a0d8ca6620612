"""Tiers in the catalog: both spellings of a policy say the same, and what makes no sense is refused at its place."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.contracts.catalog.catalog import CatalogBody, read_catalog
from tallygate.domain.base.instants import DAY, HOUR, MINUTE
from tallygate.domain.base.json import write_json
from tallygate.domain.catalog.forms import catalog_form
from tallygate.domain.catalog.rates import Rate
from tallygate.domain.catalog.tiers import (
    AllowWithGrace,
    AllowWithOverage,
    Deny,
    NotifyOnly,
    RateLimit,
    SuspendUsage,
    Threshold,
    percent,
)
from tallygate.errors import InvalidRequest

MONTH, NEVER, ROLLING = {"every": "month"}, {"every": "never"}, {"every": "P30D", "anchor": "rolling"}
QUOTA = {"limit": 1000, "period": MONTH}
HALF_A_SECOND = {"limit": 60, "per": "minute", "burst": "0.5"}
TIERS = "/plans/0/entitlements/0/tiers"


def catalog(tiers: list[Any], **limit: Any) -> dict[str, Any]:
    return {
        "meters": [{"key": "m", "event_type": "e", "aggregation": "count"}],
        "features": [{"key": "f", "type": "metered", "meter": "m"}],
        "plans": [{"key": "p", "entitlements": [{"feature": "f", **(limit or QUOTA), "tiers": tiers}]}],
    }


def tiers_of(body: object) -> Any:
    return read_catalog(body).plans[0].entitlements[0].tiers


def given_back(body: object) -> Any:
    """What GET answers, which PUT takes for the same."""
    form = json.loads(write_json(catalog_form(read_catalog(body))), parse_float=Decimal)
    assert read_catalog(form) == read_catalog(body)
    assert json.loads(write_json(catalog_form(read_catalog(form))), parse_float=Decimal) == form
    return form["plans"][0]["entitlements"][0]["tiers"]


def broken(tiers: list[Any], **limit: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        read_catalog(catalog(tiers, **limit))
    return {error.pointer.removeprefix(TIERS): error.code for error in caught.value.errors}


def tier(policy: Any, *, at: Any = "100%", level: str = "over", **given: Any) -> dict[str, Any]:
    return {"at": at, "level": level, "policy": policy, **given}


FIVE_A_MINUTE = Rate(ordinal=0, limit=Decimal(5), per=MINUTE, burst=Decimal(5))


@pytest.mark.parametrize(
    ("name", "parameters", "policy"),
    [
        ("notify_only", {}, NotifyOnly()),
        ("deny", {}, Deny()),
        ("allow_with_overage", {}, AllowWithOverage()),
        ("allow_with_overage", {"max_overage": "0.5"}, AllowWithOverage(max_overage=Decimal("0.5"))),
        ("allow_with_overage", {"max_overage": None}, AllowWithOverage()),
        ("allow_with_grace", {"grace_amount": 5}, AllowWithGrace(amount=Decimal(5))),
        ("allow_with_grace", {"grace_for": "P3D"}, AllowWithGrace(lasts=3 * DAY)),
        (
            "allow_with_grace",
            {"grace_amount": 5, "grace_for": "PT12H", "then": "suspend_usage"},
            AllowWithGrace(amount=Decimal(5), lasts=12 * HOUR, then=SuspendUsage(until="resumed")),
        ),
        (
            "allow_with_grace",
            {"grace_for": "P1W", "then": {"suspend_usage": {"until": "PT36H"}}},
            AllowWithGrace(lasts=7 * DAY, then=SuspendUsage(until="after", lasts=36 * HOUR)),
        ),
        (
            "allow_with_grace",
            {"grace_amount": 5, "then": {"rate_limit": {"limit": 5, "per": "minute"}}},
            AllowWithGrace(amount=Decimal(5), then=RateLimit(rate=FIVE_A_MINUTE)),
        ),
        (
            "allow_with_grace",
            {"grace_amount": 5, "then": {"allow_with_overage": {"max_overage": 9}}},
            AllowWithGrace(amount=Decimal(5), then=AllowWithOverage(max_overage=Decimal(9))),
        ),
        ("rate_limit", {"limit": 5, "per": "minute"}, RateLimit(rate=FIVE_A_MINUTE)),
        ("rate_limit", {"limit": "5", "per": "minute", "burst": "5"}, RateLimit(rate=FIVE_A_MINUTE)),
        ("suspend_usage", {}, SuspendUsage(until="resumed")),
        ("suspend_usage", {"until": "next_period"}, SuspendUsage(until="next_period")),
        ("suspend_usage", {"until": "top_up"}, SuspendUsage(until="top_up")),
        ("suspend_usage", {"until": "P1D"}, SuspendUsage(until="after", lasts=DAY)),
    ],
)
def test_the_parameters_beside_the_name_and_under_it_say_the_same(
    name: str, parameters: dict[str, Any], policy: object
) -> None:
    beside, under = catalog([tier(name, **parameters)]), catalog([tier({name: parameters})])
    assert tiers_of(beside) == tiers_of(under)
    assert tiers_of(beside)[0].policy == policy
    assert given_back(beside) == given_back(under)
    assert given_back(beside)[0]["policy"] == name, "the name is given back as one"


def test_what_is_given_back_is_the_form_with_the_parameters_beside_the_name() -> None:
    stated = [
        tier("rate_limit", at=1500, level="slow", limit=5, per="minute"),
        tier({"suspend_usage": {}}, at="200%", level="gone", hysteresis="5%"),
        tier({"allow_with_grace": {"grace_for": "PT24H", "then": "deny"}}, at="80.50%", level="grace", hysteresis="50"),
        {"at": "50%", "level": "half"},
    ]
    assert given_back(catalog(stated)) == [
        {"at": "50%", "level": "half", "policy": "notify_only"},
        tier("allow_with_grace", at="80.5%", level="grace", hysteresis=50, grace_for="P1D", then="deny"),
        tier("rate_limit", at=1500, level="slow", limit=5, per="minute", burst=5),
        tier("suspend_usage", at="200%", level="gone", hysteresis="5%", until="resumed"),
    ], "from the lowest to the highest"


@pytest.mark.parametrize(
    ("at", "threshold"),
    [
        ("80%", percent(80)),
        ("0.5%", percent("0.5")),
        ("1000%", percent(1000)),
        (80, Threshold(amount=Decimal(80))),
        ("80.5", Threshold(amount=Decimal("80.5"))),
        (Decimal("0.25"), Threshold(amount=Decimal("0.25"))),
    ],
)
def test_a_threshold_is_a_share_or_an_amount(at: object, threshold: Threshold) -> None:
    body = catalog([{"at": at, "level": "a"}])
    assert [tier.at for tier in tiers_of(body)] == [threshold]
    given_back(body)


@pytest.mark.parametrize(
    ("at", "code"),
    [
        ("0%", "out_of_range"),
        ("1001%", "out_of_range"),
        ("-1%", "out_of_range"),
        ("x%", "invalid"),
        ("%", "invalid"),
        (0, "out_of_range"),
        (-5, "out_of_range"),
        ("five", "invalid"),
        (True, "type"),
        (None, "type"),
        ({"percent": 80}, "type"),
    ],
)
def test_what_is_no_threshold_is_refused(at: object, code: str) -> None:
    assert broken([{"at": at, "level": "a"}]) == {"/0/at": code}
    if at is not None:
        assert broken([{"at": "80%", "level": "a", "hysteresis": at}]) == {"/0/hysteresis": code}


@pytest.mark.parametrize(
    ("name", "parameters", "errors"),
    [
        ("allow_with_overage", {"max_overage": -1}, {"max_overage": "out_of_range"}),
        ("allow_with_grace", {}, {"grace_amount": "required"}),
        ("allow_with_grace", {"then": "deny"}, {"grace_amount": "required"}),
        ("allow_with_grace", {"grace_amount": 0}, {"grace_amount": "out_of_range"}),
        ("allow_with_grace", {"grace_for": "P1M"}, {"grace_for": "not_allowed"}),
        ("allow_with_grace", {"grace_for": "month"}, {"grace_for": "not_allowed"}),
        ("allow_with_grace", {"grace_for": 3}, {"grace_for": "type"}),
        ("allow_with_grace", {"grace_for": "P3D", "then": "notify_only"}, {"then": "not_allowed"}),
        ("allow_with_grace", {"grace_for": "P3D", "then": "rate_limit"}, {"then": "required"}),
        ("allow_with_grace", {"grace_for": "P3D", "then": 5}, {"then": "type"}),
        ("allow_with_grace", {"grace_for": "P3D", "then": {}}, {"then": "invalid"}),
        ("allow_with_grace", {"grace_for": "P3D", "then": {"deny": {}, "suspend_usage": {}}}, {"then": "invalid"}),
        ("allow_with_grace", {"grace_for": "P3D", "then": {"deny": None}}, {"then/deny": "type"}),
        ("allow_with_grace", {"grace_for": "P3D", "then": {"deny": {"x": 1}}}, {"then/deny/x": "unknown_field"}),
        (
            "allow_with_grace",
            {"grace_for": "P3D", "then": {"allow_with_grace": {"grace_amount": 1}}},
            {"then/allow_with_grace": "unknown_field"},
        ),
        (
            "allow_with_grace",
            {"grace_for": "P3D", "then": {"rate_limit": HALF_A_SECOND}},
            {"then/rate_limit/burst": "out_of_range"},
        ),
        ("rate_limit", {}, {"limit": "required", "per": "required"}),
        ("rate_limit", {"limit": 0, "per": "minute"}, {"limit": "out_of_range"}),
        ("rate_limit", {"limit": 5, "per": "month"}, {"per": "not_allowed"}),
        ("rate_limit", HALF_A_SECOND, {"burst": "out_of_range"}),
        ("rate_limit", {"limit": 1, "per": "day", "burst": 400}, {"burst": "out_of_range"}),
        ("suspend_usage", {"until": "after"}, {"until": "not_allowed"}),
        ("suspend_usage", {"until": "P1M"}, {"until": "not_allowed"}),
        ("suspend_usage", {"until": 5}, {"until": "type"}),
    ],
)
def test_a_broken_parameter_is_named_where_it_was_given(
    name: str, parameters: dict[str, Any], errors: dict[str, str]
) -> None:
    assert broken([tier(name, **parameters)]) == {f"/0/{at}": code for at, code in errors.items()}
    under = {f"/0/policy/{name}/{at}": code for at, code in errors.items()}
    assert broken([tier({name: parameters})]) == under


@pytest.mark.parametrize(
    ("stated", "errors"),
    [
        (tier("deny", max_overage=5), {"/max_overage": "not_allowed"}),
        (tier("notify_only", until="resumed"), {"/until": "not_allowed"}),
        (tier("rate_limit", per="day", grace_for="P1D"), {"/grace_for": "not_allowed", "/limit": "required"}),
        (tier({"deny": {}}, max_overage=5), {"/max_overage": "not_allowed"}),
        (tier({"allow_with_overage": {}}, max_overage=5), {"/max_overage": "not_allowed"}),
        (tier({"deny": {"until": "resumed"}}), {"/policy/deny/until": "unknown_field"}),
        (tier({"deny": None}), {"/policy/deny": "type"}),
        (tier({}), {"/policy": "invalid"}),
        (tier({"deny": {}, "notify_only": {}}), {"/policy": "invalid"}),
        (tier({"forbid": {}}), {"/policy/forbid": "unknown_field"}),
        (tier("forbid"), {"/policy": "not_allowed"}),
        (tier(5), {"/policy": "type"}),
        (tier("deny", speed=5), {"/speed": "unknown_field"}),
        (tier("deny", level="Over"), {"/level": "invalid"}),
        (tier("deny", hysteresis="100%"), {"/hysteresis": "out_of_range"}),
        (tier("deny", at=50, hysteresis=60), {"/hysteresis": "out_of_range"}),
        (tier("deny", at=50, hysteresis="5%"), {"/hysteresis": "out_of_range"}),
        (tier("deny", at="10%", hysteresis=100), {"/hysteresis": "out_of_range"}),
        (tier("allow_with_overage", max_overage=0), {"/max_overage": "out_of_range"}),
        (tier("allow_with_overage", at="150%", max_overage=500), {"/max_overage": "out_of_range"}),
        (tier("allow_with_overage", at=1501, max_overage=500), {"/max_overage": "out_of_range"}),
        (
            tier({"allow_with_overage": {"max_overage": 500}}, at="150%"),
            {"/policy/allow_with_overage/max_overage": "out_of_range"},
        ),
        (
            tier("allow_with_grace", grace_for="P1D", then={"allow_with_overage": {"max_overage": 500}}, at="150%"),
            {"/then/allow_with_overage/max_overage": "out_of_range"},
        ),
        (
            tier(
                {"allow_with_grace": {"grace_for": "P1D", "then": {"allow_with_overage": {"max_overage": 5}}}},
                at="150%",
            ),
            {"/policy/allow_with_grace/then/allow_with_overage/max_overage": "out_of_range"},
        ),
    ],
)
def test_what_a_tier_must_not_say_is_named_at_its_place(stated: dict[str, Any], errors: dict[str, str]) -> None:
    assert broken([stated]) == {f"/0{at}": code for at, code in errors.items()}


def two(one: Any, other: Any) -> list[Any]:
    return [{"at": one, "level": "a"}, {"at": other, "level": "b"}]


TWO_QUOTAS = [QUOTA, {"limit": 100, "period": {"every": "day"}}]


@pytest.mark.parametrize(
    ("tiers", "limit", "errors"),
    [
        (two("80%", "80.0%"), QUOTA, {"/1/at": "repeated"}),
        (two(80, "80"), QUOTA, {"/1/at": "repeated"}),
        (two("80%", 800), QUOTA, {"/1/at": "repeated"}),
        (two(800, "80%"), {"windows": [QUOTA, {"limit": None, "period": NEVER}]}, {"/1/at": "repeated"}),
        (two("80%", 80), {"windows": TWO_QUOTAS}, {"/1/at": "not_allowed"}),
        (two("80%", "80%"), {"windows": TWO_QUOTAS}, {"/1/at": "repeated"}),
        ([{"at": "80%", "level": "a"}, {"at": "90%", "level": "a"}], QUOTA, {"/1/level": "repeated"}),
        ([{"at": "80%", "level": "a"}], {"limit": None}, {"": "not_allowed"}),
        ([{"at": "80%", "level": "a"}], {"rate": {"limit": 5, "per": "day"}}, {"": "not_allowed"}),
        ([tier("deny")], {"limit": 5, "period": ROLLING}, {"": "not_available"}),
        ([tier("suspend_usage", until="next_period")], {"limit": 5, "period": NEVER}, {"/0/until": "not_allowed"}),
        (
            [tier("allow_with_grace", grace_for="P1D", then={"suspend_usage": {"until": "next_period"}})],
            {"windows": [QUOTA, {"limit": 5, "period": NEVER}]},
            {"/0/then/suspend_usage/until": "not_allowed"},
        ),
    ],
)
def test_what_tiers_must_not_say_together_is_named_at_the_later_one(
    tiers: list[Any], limit: dict[str, Any], errors: dict[str, str]
) -> None:
    assert broken(tiers, **limit) == errors


@pytest.mark.parametrize(
    ("tiers", "limit"),
    [
        (two("80%", 801), QUOTA),
        (two("80%", 80), QUOTA),
        (two("80%", 80), {"limit": 0, "period": MONTH}),
        ([tier("deny", hysteresis=5)], {"windows": TWO_QUOTAS}),
        ([tier("deny", hysteresis=5)], {"limit": 0, "period": MONTH}),
        ([tier("allow_with_overage", at="80%", max_overage=0)], QUOTA),
        ([tier("suspend_usage", until="next_period")], QUOTA),
        ([tier("suspend_usage", until="P1D")], {"limit": 5, "period": NEVER}),
        ([tier("deny", at="80%")], {**QUOTA, "enforcement": "observe"}),
        ([tier("suspend_usage")], {**QUOTA, "enforcement": "off"}),
        ([tier("allow_with_overage")], {**QUOTA, "enforcement": "soft"}),
    ],
)
def test_what_makes_sense_is_taken(tiers: list[Any], limit: dict[str, Any]) -> None:
    given_back(catalog(tiers, **limit))


amounts = st.decimals(min_value="0.001", max_value=10**9, places=3).map(lambda value: f"{value:f}")
durations = st.sampled_from(["P3D", "PT12H", "P2W", "PT90M", "PT61S"])
overages = st.tuples(st.just("allow_with_overage"), st.fixed_dictionaries({}, optional={"max_overage": amounts}))
slowed = st.tuples(
    st.just("rate_limit"),
    st.fixed_dictionaries({"limit": st.integers(1, 99), "per": st.sampled_from(["second", "minute", "day"])}),
)
suspensions = st.tuples(
    st.just("suspend_usage"),
    st.fixed_dictionaries({}, optional={"until": st.sampled_from(["resumed", "next_period", "top_up"]) | durations}),
)
denials: st.SearchStrategy[tuple[str, Any]] = st.just(("deny", {}))
ends = st.one_of(overages, slowed, suspensions, denials).map(lambda policy: {policy[0]: policy[1]})
graces = st.tuples(
    st.just("allow_with_grace"),
    st.fixed_dictionaries(
        {"grace_for": durations},
        optional={"grace_amount": amounts, "then": ends | st.sampled_from(["deny", "suspend_usage"])},
    ),
)
shares = st.decimals(min_value="0.1", max_value=100, places=1).map(lambda value: f"{value}%")


@given(
    st.lists(
        st.tuples(shares, st.one_of(st.just(("notify_only", {})), overages, slowed, suspensions, denials, graces)),
        max_size=8,
        unique_by=lambda tier: tier[0],
    ),
    st.booleans(),
)
def test_whatever_is_taken_is_given_back_to_be_put_again(
    stated: list[tuple[str, tuple[str, Any]]], nested: bool
) -> None:
    tiers = [
        tier({name: parameters}, at=at, level=f"l{n}") if nested else tier(name, at=at, level=f"l{n}", **parameters)
        for n, (at, (name, parameters)) in enumerate(stated)
    ]
    body = catalog(tiers, limit=10**6, period=MONTH)
    if tiers:
        assert len(given_back(body)) == len(tiers)


def test_the_published_schema_knows_every_policy_and_parameter() -> None:
    schemas = CatalogBody.model_json_schema()["$defs"]
    tier = schemas["TierEntry"]["properties"]
    assert set(tier["policy"]["anyOf"][0]["enum"]) == set(schemas["PolicyByName"]["properties"])
    assert {"max_overage", "grace_amount", "grace_for", "then", "limit", "per", "burst", "until"} <= tier.keys()
    assert tier["policy"]["anyOf"][1] == {"$ref": "#/$defs/PolicyByName"}
    assert set(schemas["ThenByName"]["properties"]) == {"deny", "suspend_usage", "rate_limit", "allow_with_overage"}
    assert schemas["RateWindow"]["required"] == ["limit", "per"]
