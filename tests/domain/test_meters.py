"""The rule from an event to a quantity: paths, filters, values, dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from tallygate.domain.metering.contributions import Add, Contribution, Lower, Mean, Raise, Set, stated, together
from tallygate.domain.metering.meters import (
    DIMENSION_LENGTH_MAX,
    Filter,
    Measured,
    Meter,
    Unmeasured,
    dimension_text,
    format_path,
    measure,
    meters_of,
    parse_path,
)

TOKENS = Meter(
    key="tokens",
    event_type="llm.completion",
    aggregation="sum",
    value=("usage", "tokens"),
    dimensions={"model": ("model",), "team": ("who", "team")},
)


def test_a_path_is_names_joined_by_dots_and_survives_its_text() -> None:
    assert parse_path("$.usage.total_tokens") == ("usage", "total_tokens")
    assert format_path(parse_path("$.a-b.c")) == "$.a-b.c"


@pytest.mark.parametrize("text", ["", "$", "tokens", "$.", "$.a.", "$..a", "$.a[0]", "$['a']", "$.a b", "$.1", "$.a\n"])
def test_anything_else_is_no_path(text: str) -> None:
    with pytest.raises(ValueError, match="path"):
        parse_path(text)


def test_a_sum_takes_its_value_and_dimensions_from_their_paths() -> None:
    data = {"usage": {"tokens": "1.50"}, "model": "large", "who": {"team": 7}, "other": 1}
    assert measure(TOKENS, data) == Measured("tokens", Add(Decimal("1.5")), {"model": "large", "team": "7"})


def test_a_maximum_raises_the_quantity_to_its_value() -> None:
    peak = Meter(key="peak", event_type="x", aggregation="max", value=("tokens",))
    assert measure(peak, {"tokens": 7}) == Measured("peak", Raise(Decimal(7)), {})


def test_a_count_counts_one_whatever_the_data() -> None:
    calls = Meter(key="calls", event_type="x", aggregation="count")
    assert measure(calls, {}) == Measured("calls", Add(Decimal(1)), {})


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({}, "value_missing"),
        ({"usage": 5}, "value_missing"),
        ({"usage": {"tokens": None}}, "value_missing"),
        ({"usage": {"tokens": "many"}}, "value_invalid"),
        ({"usage": {"tokens": True}}, "value_invalid"),
        ({"usage": {"tokens": [1]}}, "value_invalid"),
        ({"usage": {"tokens": Decimal("1e18")}}, "value_invalid"),
        ({"usage": {"tokens": "1e1000000"}}, "value_invalid"),
        ({"usage": {"tokens": Decimal("1e999999999999999999")}}, "value_invalid"),
        ({"usage": {"tokens": "-0.0000000001"}}, "value_negative"),
        ({"usage": {"tokens": -1}}, "value_negative"),
    ],
)
def test_a_value_that_cannot_be_counted_is_named_and_never_a_zero(data: dict[str, Any], reason: str) -> None:
    found = measure(TOKENS, data)
    assert isinstance(found, Unmeasured)
    assert (found.meter, found.reason) == ("tokens", reason)
    assert found.detail.startswith("$.usage.tokens ")


@pytest.mark.parametrize(
    ("op", "value", "found", "matches"),
    [
        ("eq", "a", "a", True),
        ("eq", 1, Decimal("1.0"), True),
        ("eq", 1, "1", False),
        ("eq", 1, True, False),
        ("eq", True, True, True),
        ("eq", "a", None, False),
        ("ne", True, False, True),
        ("ne", True, True, False),
        ("ne", True, None, True),
        ("ne", "a", None, True),
        ("in", ("a", 2), None, False),
        ("prefix", "gpt-", None, False),
        ("lte", 5, None, False),
        ("exists", False, 0, False),
        ("ne", "a", 1, True),
        ("in", ("a", 2), 2, True),
        ("in", ("a", 2), "2", False),
        ("gt", 5, "5.1", True),
        ("gt", 5, 5, False),
        ("gte", "5", 5, True),
        ("lt", 5, 4, True),
        ("lte", 5, Decimal("5.000"), True),
        ("lt", 5, "few", False),
        ("gt", 5, None, False),
        ("exists", True, 0, True),
        ("exists", True, None, False),
        ("exists", False, None, True),
        ("prefix", "gpt-", "gpt-4", True),
        ("prefix", "gpt-", "claude", False),
        ("prefix", "1", 10, False),
    ],
)
def test_each_operator_compares_json_values(op: str, value: Any, found: Any, matches: bool) -> None:
    data = {} if found is None else {"p": found}
    assert Filter(property=("p",), op=op, value=value).matches(data) is matches


def test_an_exclusion_does_not_drop_what_never_had_the_property() -> None:
    meter = Meter(
        key="m", event_type="x", aggregation="count", filters=(Filter(property=("test",), op="ne", value=True),)
    )
    posted: list[dict[str, Any]] = [{}] * 70 + [{"test": None}] * 30 + [{"test": False}] * 50 + [{"test": True}] * 100
    assert sum(isinstance(measure(meter, data), Measured) for data in posted) == 150


@pytest.mark.parametrize(
    ("op", "value"),
    [
        ("like", "a"),
        ("in", "a"),
        ("eq", ("a",)),
        ("exists", "yes"),
        ("prefix", 1),
        ("gt", "tall"),
        ("lt", True),
    ],
)
def test_a_filter_that_cannot_mean_anything_is_refused(op: str, value: Any) -> None:
    with pytest.raises(ValueError):
        Filter(property=("p",), op=op, value=value)


def test_all_filters_must_match_and_a_miss_is_no_error() -> None:
    filters = (
        Filter(property=("test",), op="exists", value=False),
        Filter(property=("n",), op="gt", value=1),
    )
    meter = Meter(key="m", event_type="x", aggregation="count", filters=filters)
    assert measure(meter, {"n": 2}) == Measured("m", Add(Decimal(1)), {})
    assert measure(meter, {"n": 2, "test": True}) is None
    assert measure(meter, {"n": 1}) is None
    assert measure(meter, {}) is None


@pytest.mark.parametrize(
    ("aggregation", "value"), [("sum", None), ("count", ("a",)), ("max", None), ("unique", ("a",))]
)
def test_a_meter_has_a_known_aggregation_and_a_value_exactly_where_it_reads_one(aggregation: str, value: Any) -> None:
    with pytest.raises(ValueError):
        Meter(key="m", event_type="x", aggregation=aggregation, value=value)


def test_dimension_values_are_text_of_bounded_length() -> None:
    values: list[Any] = ["5", 5, Decimal("5.00"), True, None, [5], {}]
    assert [dimension_text(value) for value in values] == ["5", "5", "5", "true", None, None, None]
    assert dimension_text(Decimal("1e999999")) is None
    long = dimension_text("x" * (DIMENSION_LENGTH_MAX + 1))
    assert long is not None
    assert long.startswith("sha256:")
    assert long == dimension_text("x" * (DIMENSION_LENGTH_MAX + 1)) != dimension_text("x" * (DIMENSION_LENGTH_MAX + 2))


def test_meters_are_found_by_event_type_in_a_fixed_order() -> None:
    one, two = (Meter(key=k, event_type="x", aggregation="count") for k in ("b", "a"))
    found = meters_of((one, two, TOKENS), {"ai-tokens": "tokens"})
    assert [meter.key for meter in found.of_type["x"]] == ["a", "b"]
    assert found.of_feature == {"ai-tokens": "tokens"}


@pytest.mark.parametrize(
    ("sent", "counted"),
    [(Decimal("0.30000000000000004"), "0.3"), ("1e-07", "0.0000001"), ("2.5E+1", "25"), (Decimal("1e-10"), "0")],
)
def test_what_a_producer_sends_counts_with_nine_decimals(sent: object, counted: str) -> None:
    assert measure(TOKENS, {"usage": {"tokens": sent}}) == Measured("tokens", Add(Decimal(counted)), {})


def test_contributions_combine_in_any_order() -> None:
    lower = [Lower(Decimal(each)) for each in (5, 3, 4)]
    latest = [Set(Decimal(1), 10, "b"), Set(Decimal(2), 10, "a"), Set(Decimal(3), 9, "c")]
    mean = [Mean(Decimal(each)) for each in (1, 2, 6)]
    cases: list[tuple[Sequence[Contribution], int]] = [(lower, 3), (latest, 1), (mean, 3)]
    for made, quantity in cases:
        for each in permutations(made):
            assert stated(together(each)) == quantity
    assert stated(together([])) == 0
    assert together([Mean(Decimal(0))]) == Mean(Decimal(0), 1), "a value of 0 is a value"
