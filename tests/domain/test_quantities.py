"""Quantities are exact on the way in and on the way out."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.domain.quantities import format_quantity, parse_quantity, plain

QUANTITIES = st.decimals(-(10**18) + 1, 10**18 - 1, places=9)


@given(QUANTITIES)
def test_a_quantity_survives_the_wire_exactly(quantity: Decimal) -> None:
    assert parse_quantity(json.loads(json.dumps(format_quantity(quantity)))) == quantity
    assert parse_quantity(plain(quantity)) == quantity
    assert "E" not in plain(quantity)


@pytest.mark.parametrize(
    ("quantity", "wire"),
    [("0", 0), ("-0", 0), ("1E3", 1000), ("1.50", "1.5"), (str(2**53), str(2**53)), (str(2**53 - 1), 2**53 - 1)],
)
def test_integers_below_2_53_are_numbers_and_the_rest_strings(quantity: str, wire: object) -> None:
    assert format_quantity(parse_quantity(quantity)) == wire


@pytest.mark.parametrize(
    "value",
    [True, None, 1.5, [], "", " 1", "1 ", "1_000", "NaN", "Infinity", "1e18", 10**18, "0.0000000001", "१", "1" * 70],
)
def test_what_is_no_exact_quantity_is_refused(value: object) -> None:
    with pytest.raises(ValueError):
        parse_quantity(value)
