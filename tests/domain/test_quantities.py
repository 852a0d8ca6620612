"""Quantities are exact on the way in and on the way out; what cannot be exact is rounded by a rule, or refused."""

from __future__ import annotations

import time
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.domain.base.json import read_json, write_json
from tallygate.domain.base.quantities import (
    NUMBER_DIGITS_MAX,
    NotAQuantity,
    Read,
    format_quantity,
    parse_quantity,
    plain,
    read_quantity,
)

QUANTITIES = st.decimals(-(10**18) + 1, 10**18 - 1, places=9)
OVERFLOWING = ["1e1000000", "1e999999999999999999", "1e99999999999999999999", "-1e400", "1" + "0" * 5_000]
"""As JSON numbers."""


@given(QUANTITIES)
def test_a_quantity_survives_the_wire_exactly(quantity: Decimal) -> None:
    assert parse_quantity(read_json(write_json(format_quantity(quantity)))) == quantity
    assert parse_quantity(plain(quantity)) == quantity
    assert "E" not in plain(quantity)


@given(QUANTITIES)
def test_a_quantity_is_a_number_up_to_15_significant_digits_and_else_a_string(quantity: Decimal) -> None:
    written = write_json(format_quantity(quantity))
    significant = plain(quantity).replace("-", "").replace(".", "").strip("0")
    assert written.startswith('"') == (len(significant) > NUMBER_DIGITS_MAX)
    assert "e" not in written.lower()
    if not written.startswith('"'):
        assert Decimal(repr(float(written))) == quantity, "every reader keeps it exactly"


@pytest.mark.parametrize(
    ("quantity", "written"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("1.50", "1.5"),
        ("0.000000001", "0.000000001"),
        ("999999999999999", "999999999999999"),
        ("1000000000000001", '"1000000000000001"'),
        ("100000000000000000", "100000000000000000"),
        ("-0.123456789", "-0.123456789"),
        ("123456.123456789", "123456.123456789"),
        ("1234567.123456789", '"1234567.123456789"'),
    ],
)
def test_the_written_form(quantity: str, written: str) -> None:
    assert write_json(format_quantity(parse_quantity(quantity))) == written


@given(st.decimals(allow_nan=False, allow_infinity=False), st.booleans())
def test_what_is_read_is_the_half_even_rounding_of_what_was_sent(sent: Decimal, as_text: bool) -> None:
    read = read_quantity(format(sent, "f") if as_text else sent)
    exact = sent if sent.adjusted() < 20 else Decimal(10) ** 20
    rounded = exact.quantize(Decimal("1e-9"), rounding=ROUND_HALF_EVEN) if exact.adjusted() < 18 else exact
    if abs(rounded) >= 10**18:
        assert isinstance(read, NotAQuantity)
        assert read.code == "out_of_range"
    else:
        assert isinstance(read, Read)
        assert (read.quantity, read.exact) == (rounded, sent)
        assert (read.negative, read.rounded_to_zero) == (sent < 0, sent != 0 and rounded == 0)


def test_what_a_producer_adds_as_floats_counts_as_it_meant() -> None:
    assert parse_quantity(read_json(repr(0.1 + 0.2))) == Decimal("0.3")


@pytest.mark.parametrize(
    ("sent", "counted"),
    [("0.0000000005", "0"), ("0.0000000015", "0.000000002"), ("0.00000000051", "0.000000001"), ("-0.0000000005", "0")],
)
def test_half_of_the_last_decimal_is_rounded_to_even(sent: str, counted: str) -> None:
    assert parse_quantity(sent) == Decimal(counted)


@pytest.mark.parametrize(
    "value",
    [None, [], "", " 1", "1 ", "1_000", "NaN", "Infinity", "1e3", "+5", "5.", ".5", "-", "--1", "१", "1\n", "0x10"],
)
def test_what_is_no_decimal_number_is_refused(value: object) -> None:
    with pytest.raises(ValueError):
        parse_quantity(value)


@pytest.mark.parametrize("value", [True, 1.5, None, {}])
def test_the_type_is_said(value: object) -> None:
    assert read_quantity(value) == NotAQuantity(code="type", detail="must be a number or a decimal string")


@pytest.mark.parametrize(("text", "counted"), [("1e-07", "0.0000001"), ("1E3", "1000"), ("-2.5e+1", "-25")])
def test_an_exponent_in_a_string_is_for_the_data_of_events(text: str, counted: str) -> None:
    assert parse_quantity(text, exponent=True) == Decimal(counted)
    with pytest.raises(ValueError):
        parse_quantity(text)


@pytest.mark.parametrize("text", ["+5", "5.", "e5", "1e", "1e+", "1e 5", "Infinity", "1e1000000000000000000000"])
def test_an_exponent_does_not_allow_anything_else(text: str) -> None:
    assert isinstance(read_quantity(text, exponent=True), NotAQuantity)


@pytest.mark.parametrize("text", OVERFLOWING)
def test_a_number_that_overflows_is_refused_at_once(text: str) -> None:
    begun = time.perf_counter()
    for value, exponent in ((read_json(text), False), (text[:1_000], True)):
        assert isinstance(read_quantity(value, exponent=exponent), NotAQuantity)
    assert time.perf_counter() - begun < 1, "its exponent was written out"


@pytest.mark.parametrize("text", ["1e-1000000", "1e-999999999999999999", "-1e-99999999999999999999", "5e-10"])
def test_a_number_that_is_next_to_nothing_is_0_and_says_so(text: str) -> None:
    read = read_quantity(read_json(text))
    assert isinstance(read, Read)
    assert (read.quantity, read.rounded_to_zero, read.negative) == (0, True, text.startswith("-"))


@pytest.mark.parametrize("text", ["0e999999999999999999", "0e99999999999999999999", "-0.0"])
def test_a_zero_is_a_zero_whatever_its_exponent(text: str) -> None:
    read = read_quantity(read_json(text))
    assert isinstance(read, Read)
    assert (read.quantity, read.rounded_to_zero, read.negative) == (0, False, False)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_spoils_its_place_and_not_the_text(text: str) -> None:
    body: Any = read_json(f'{{"a": {text}, "b": 1}}')
    assert body["b"] == 1
    assert isinstance(read_quantity(body["a"]), NotAQuantity)


def test_a_long_fraction_is_read_in_linear_time() -> None:
    begun = time.perf_counter()
    assert parse_quantity("0." + "1" * 900_000) == Decimal("0.111111111")
    assert parse_quantity("0" * 900_000 + "1") == 1
    assert time.perf_counter() - begun < 1
