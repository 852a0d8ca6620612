"""Carryover in the catalog: that it is there lets what is unused move on, where a period leaves something."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tallygate.contracts.catalog.catalog import CatalogBody, read_catalog
from tallygate.domain.base.json import write_json
from tallygate.domain.catalog.carryover import Cap, Carryover
from tallygate.domain.catalog.forms import catalog_form
from tallygate.errors import InvalidRequest

MONTH, NEVER, ROLLING = {"every": "month"}, {"every": "never"}, {"every": "P30D", "anchor": "rolling"}
QUOTA = {"limit": 1000, "period": MONTH}
AT = "/plans/0/entitlements/0/carryover"


def catalog(carryover: Any, **limit: Any) -> dict[str, Any]:
    return {
        "meters": [{"key": "m", "event_type": "e", "aggregation": "count"}],
        "features": [{"key": "f", "type": "metered", "meter": "m"}],
        "plans": [{"key": "p", "entitlements": [{"feature": "f", **(limit or QUOTA), "carryover": carryover}]}],
    }


def broken(body: object) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        read_catalog(body)
    return {error.pointer: error.code for error in caught.value.errors}


ALL = {"max": None, "expires_after": None, "overage": "forgive"}


@pytest.mark.parametrize(
    ("stated", "read", "told"),
    [
        ({}, Carryover(), ALL),
        ({"max": None, "expires_after": None}, Carryover(), ALL),
        ({"max": 0}, Carryover(most=Cap(amount=Decimal(0))), {**ALL, "max": 0}),
        ({"max": "500.50"}, Carryover(most=Cap(amount=Decimal("500.5"))), {**ALL, "max": Decimal("500.5")}),
        ({"max": "50.0%"}, Carryover(most=Cap(percent=Decimal(50))), {**ALL, "max": "50%"}),
        ({"max": "300%"}, Carryover(most=Cap(percent=Decimal(300))), {**ALL, "max": "300%"}),
        ({"max": {"periods": 3}}, Carryover(most=Cap(periods=3)), {**ALL, "max": {"periods": 3}}),
        (
            {"expires_after": 2, "overage": "deduct"},
            Carryover(expires_after=2, overage="deduct"),
            {"max": None, "expires_after": 2, "overage": "deduct"},
        ),
    ],
)
def test_carryover_is_read_exactly_and_told_whole(stated: Any, read: Carryover, told: Any) -> None:
    found = read_catalog(catalog(stated))
    assert found.plans[0].entitlements[0].carryover == read
    form = json.loads(write_json(catalog_form(found)), parse_float=Decimal)
    assert form["plans"][0]["entitlements"][0]["carryover"] == told
    assert read_catalog(form) == found


def test_without_it_or_with_null_nothing_carries_over() -> None:
    left_out = catalog(None)
    left_out["plans"][0]["entitlements"][0].pop("carryover")
    assert read_catalog(left_out) == read_catalog(catalog(None))
    assert read_catalog(left_out).plans[0].entitlements[0].carryover is None


@pytest.mark.parametrize(
    ("stated", "errors"),
    [
        ({"max": -1}, {"/max": "out_of_range"}),
        ({"max": "0%"}, {"/max": "out_of_range"}),
        ({"max": "half"}, {"/max": "invalid"}),
        ({"max": True}, {"/max": "type"}),
        ({"max": []}, {"/max": "type"}),
        ({"max": {}}, {"/max/periods": "required"}),
        ({"max": {"periods": 0}}, {"/max/periods": "out_of_range"}),
        ({"max": {"periods": "3"}}, {"/max/periods": "type"}),
        ({"max": {"periods": 3, "months": 1}}, {"/max/months": "unknown_field"}),
        ({"expires_after": 0}, {"/expires_after": "out_of_range"}),
        ({"expires_after": 121}, {"/expires_after": "out_of_range"}),
        ({"expires_after": "P2M"}, {"/expires_after": "type"}),
        ({"expires_after": Decimal("1.5")}, {"/expires_after": "type"}),
        ({"overage": "ignore"}, {"/overage": "not_allowed"}),
        ({"cap": 5, "max": -1}, {"/cap": "unknown_field", "/max": "out_of_range"}),
        (True, {"": "type"}),
    ],
)
def test_a_broken_field_is_named_at_its_place(stated: Any, errors: dict[str, str]) -> None:
    assert broken(catalog(stated)) == {f"{AT}{at}": code for at, code in errors.items()}


@pytest.mark.parametrize(
    "limit",
    [
        {"limit": 5, "period": NEVER},
        {"limit": 5, "period": ROLLING},
        {"limit": 5, "period": {"every": "minute"}},
        {"limit": 5, "period": {"every": "PT59M"}},
        {"limit": None},
        {"rate": {"limit": 5, "per": "day"}},
        {"windows": [QUOTA, {"limit": 5, "period": NEVER}]},
    ],
)
def test_only_a_period_that_leaves_something_carries_over(limit: dict[str, Any]) -> None:
    assert broken(catalog({}, **limit)) == {AT: "not_allowed"}


@pytest.mark.parametrize(
    "limit",
    [
        {"limit": 5, "period": {"every": "hour"}},
        {"limit": 5, "period": {"every": "PT60M", "anchor": "subscription_start"}},
        {"limit": 0, "period": {"every": "billing_period"}},
        {"windows": [QUOTA, {"limit": 5, "period": {"every": "day"}}]},
        {"windows": [QUOTA, {"limit": None, "period": NEVER}]},
        {**QUOTA, "rate": {"limit": 5, "per": "day"}},
        {**QUOTA, "enforcement": "observe"},
    ],
)
def test_every_quota_that_leaves_something_carries_over(limit: dict[str, Any]) -> None:
    assert read_catalog(catalog({}, **limit)).plans[0].entitlements[0].carryover == Carryover()


def test_the_published_schema_knows_every_form_of_a_cap() -> None:
    schema = CatalogBody.model_json_schema()["$defs"]["CarryoverEntry"]
    assert schema["properties"].keys() == {"max", "expires_after", "overage"}
    assert {form.get("type") for form in schema["properties"]["max"]["anyOf"]} == {"number", "string", "object", "null"}
