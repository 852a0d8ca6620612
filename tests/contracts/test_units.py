"""Units in the catalog: given back to be put again, with every broken rule at its place."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tallygate.contracts.catalog.catalog import read_catalog
from tallygate.domain.base.json import read_json, write_json
from tallygate.domain.catalog.catalog import changes, forbidden
from tallygate.domain.catalog.forms import catalog_form
from tallygate.domain.catalog.units import Billing, Rounding, Unit, presented, unit_of
from tallygate.errors import InvalidRequest

GB: dict[str, Any] = {
    "name": "byte",
    "display": "GB",
    "divide_by": 1_000_000_000,
    "precision": 2,
    "billing": {"increment": 1, "rounding": "up"},
}


def catalog(unit: object, **feature: Any) -> dict[str, Any]:
    return {
        "meters": [{"key": "bytes", "event_type": "e", "aggregation": "sum", "value": "$.n"}],
        "features": [{"key": "storage", "type": "metered", "meter": "bytes", "unit": unit, **feature}],
        "plans": [],
    }


def read(unit: object) -> Unit | None:
    return read_catalog(catalog(unit)).features[0].unit


def broken(body: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as refused:
        read_catalog(body)
    return {error.pointer.removeprefix("/features/0"): error.code for error in refused.value.errors}


def test_the_contracts_example() -> None:
    assert read(GB) == Unit(
        name="byte", display="GB", divide_by=Decimal(10**9), precision=2, billing=Billing(rounding=Rounding.UP)
    )


@pytest.mark.parametrize(
    "unit",
    [
        GB,
        {"name": "token"},
        {"name": "byte", "display": "GiB", "divide_by": 2**30, "precision": 9, "rounding": "down"},
        {"name": "dollar", "display": "cent", "plural": "cents", "multiply_by": "100.5", "rounding": "none"},
        {"name": "call", "billing": {"increment": "0.5"}},
        {"name": "call", "billing": {"rounding": "none"}},
        None,
    ],
)
def test_a_unit_is_given_back_to_be_put_again(unit: object) -> None:
    first = read_catalog(catalog(unit))
    form = read_json(write_json(catalog_form(first)))
    assert read_catalog(form) == first
    assert catalog_form(read_catalog(form)) == form


@pytest.mark.parametrize(
    ("unit", "wrong"),
    [
        ("GB", {"/unit": "type"}),
        ({}, {"/unit/name": "required"}),
        ({**GB, "per": 1}, {"/unit/per": "unknown_field"}),
        ({**GB, "name": "", "display": 5, "plural": "\x00"}, {
            "/unit/name": "length", "/unit/display": "type", "/unit/plural": "invalid",
        }),
        ({**GB, "divide_by": 0}, {"/unit/divide_by": "out_of_range"}),
        ({**GB, "divide_by": -1}, {"/unit/divide_by": "out_of_range"}),
        ({**GB, "divide_by": "GB"}, {"/unit/divide_by": "invalid"}),
        ({"name": "a", "multiply_by": 0}, {"/unit/multiply_by": "out_of_range"}),
        ({**GB, "multiply_by": 1}, {"/unit/multiply_by": "not_allowed"}),
        ({**GB, "precision": 10}, {"/unit/precision": "out_of_range"}),
        ({**GB, "precision": -1}, {"/unit/precision": "out_of_range"}),
        ({**GB, "precision": Decimal("1.5")}, {"/unit/precision": "type"}),
        ({**GB, "rounding": "ceil"}, {"/unit/rounding": "not_allowed"}),
        ({**GB, "multiply_by": 1, "rounding": "none"}, {
            "/unit/multiply_by": "not_allowed", "/unit/precision": "not_allowed",
        }),
        ({**GB, "billing": {"increment": 0, "rounding": "near"}}, {
            "/unit/billing/increment": "out_of_range", "/unit/billing/rounding": "not_allowed",
        }),
        ({**GB, "billing": {"increment": 1, "rounding": "none"}}, {"/unit/billing/increment": "not_allowed"}),
    ],
)  # fmt: skip
def test_every_broken_rule_is_named_at_its_place(unit: object, wrong: dict[str, str]) -> None:
    assert broken(catalog(unit)) == wrong


@pytest.mark.parametrize("kind", ["boolean", "config"])
def test_a_feature_that_is_not_counted_has_no_unit(kind: str) -> None:
    assert broken(catalog(GB, type=kind)) == {"/meter": "not_allowed", "/unit": "not_allowed"}


def test_a_unit_may_change_at_any_time() -> None:
    before, after = read_catalog(catalog(None)), read_catalog(catalog(GB))
    assert [(change.action, change.entry) for change in changes(before, after)] == [("changed", after.features[0])]
    for one, other in ((before, after), (after, before)):
        assert not forbidden(one, one, other, frozenset())


def test_what_is_shown_beside_the_unit() -> None:
    quantities = {"used": Decimal(20_000_000), "limit": None}
    assert presented(unit_of(GB), quantities) == {"unit": "GB", "used": Decimal("0.02"), "limit": None}
    called = presented(unit_of({"name": "call", "plural": "calls"}), {"used": Decimal(2)})
    assert called == {"unit": "call", "plural": "calls", "used": 2}
    assert presented(None, quantities) is None
