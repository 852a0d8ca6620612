"""Units as a customer could read them in a contract: what is shown, what is billed, and how both are rounded."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.domain.base.quantities import ONE, ZERO
from tallygate.domain.catalog.units import Billing, Line, Rounding, Unit, line_of, unit_form, unit_of

GB: dict[str, Any] = {
    "name": "byte",
    "display": "GB",
    "divide_by": 10**9,
    "precision": 2,
    "billing": {"increment": 1, "rounding": "up"},
}
GIB = {**GB, "display": "GiB", "divide_by": 2**30}
THIRDS = {"name": "piece", "display": "box", "divide_by": 3, "precision": 2}
CENTS = {"name": "dollar", "display": "cent", "multiply_by": 100}
MOST = "99999999999999999999999999999.999999999"
"""Every digit that a total can have."""
HUNDREDS = {"name": "token", "billing": {"increment": 100}}


def billed(**billing: object) -> dict[str, Any]:
    return {**GB, "billing": billing}


def shown(**unit: object) -> dict[str, Any]:
    return {**GB, **unit}


@pytest.mark.parametrize(
    ("unit", "raw", "text"),
    [
        (GB, "20000000", "0.02"),
        (GB, "40000000", "0.04"),
        (GB, "10000000000", "10"),
        (GB, "9980000000", "9.98"),
        (GB, "100000000", "0.1"),
        (GB, "0", "0"),
        # Half up, by magnitude, at the precision.
        (GB, "4999999.999999999", "0"),
        (GB, "5000000", "0.01"),
        (GB, "14999999", "0.01"),
        (GB, "15000000", "0.02"),
        (GB, "-5000000", "-0.01"),
        (GB, "-4999999", "0"),
        (GB, "-20000000", "-0.02"),
        # Up is away from zero, down towards it.
        (shown(rounding="up"), "1", "0.01"),
        (shown(rounding="up"), "20000000", "0.02"),
        (shown(rounding="up"), "-1", "-0.01"),
        (shown(rounding="down"), "19999999", "0.01"),
        (shown(rounding="down"), "-19999999", "-0.01"),
        (shown(rounding="down"), "-1", "0"),
        # None is as exact as a quantity is: nine decimals.
        (shown(rounding="none"), "20000001", "0.020000001"),
        ({**THIRDS, "rounding": "none"}, "1", "0.333333333"),
        ({**THIRDS, "rounding": "none"}, "2", "0.666666667"),
        # A thousand million is not two to the thirtieth.
        (GIB, str(2**30), "1"),
        (GIB, "1000000000", "0.93"),
        # A division that does not end is rounded at the precision, and nowhere before.
        (THIRDS, "1", "0.33"),
        (THIRDS, "2", "0.67"),
        (THIRDS, "3", "1"),
        (CENTS, "0.125", "13"),
        (CENTS, "1.5", "150"),
        # Without a factor a unit is a name; the precision is whole units, unless it is given.
        ({"name": "token"}, "1234567.5", "1234568"),
        # The largest quantities that there are, and sums of them.
        (GB, "999999999999999999.999999999", "1000000000"),
        ({"name": "token", "precision": 9}, MOST, MOST),
        ({**CENTS, "precision": 0}, MOST, "10000000000000000000000000000000"),
    ],
)  # fmt: skip
def test_what_is_shown(unit: dict[str, Any], raw: str, text: str) -> None:
    assert unit_of(unit).present(Decimal(raw)) == text


@pytest.mark.parametrize(
    ("unit", "raw", "billable"),
    [
        (GB, "20000000", "1"),
        (GB, "40000000", "1"),
        (GB, "0", "0"),
        (GB, "0.000000001", "1"),
        (GB, "1000000000", "1"),
        (GB, "1000000000.000000001", "2"),
        (GB, "-20000000", "-1"),
        (GIB, "1000000000", "1"),
        (GIB, "1073741825", "2"),
        (billed(increment="0.5"), "20000000", "0.5"),
        (billed(increment="0.1"), "100000000", "0.1"),
        (billed(increment=5), "5000000001", "10"),
        (billed(rounding="down"), "1999999999", "1"),
        (billed(rounding="down"), "-1999999999", "-1"),
        (billed(rounding="half_up"), "499999999", "0"),
        (billed(rounding="half_up"), "500000000", "1"),
        (billed(rounding="half_up"), "-500000000", "-1"),
        (billed(rounding="none"), "20000001", "0.020000001"),
        (HUNDREDS, "1", "100"),
        (HUNDREDS, "100", "100"),
        (HUNDREDS, "101", "200"),
        # Without terms of billing nothing is rounded; what is shown is another matter.
        (THIRDS, "1", "0.333333333"),
        ({**GB, "billing": None}, "20000001", "0.020000001"),
    ],
)
def test_what_is_billed(unit: dict[str, Any], raw: str, billable: str) -> None:
    assert unit_of(unit).billable(Decimal(raw)) == Decimal(billable)


def test_two_uses_in_one_period_are_rounded_once() -> None:
    use, unit = Decimal(20_000_000), unit_of(GB)
    assert (unit.present(use), unit.billable(use)) == ("0.02", 1)
    assert (unit.present(use + use), unit.billable(use + use)) == ("0.04", 1)


@pytest.mark.parametrize(
    ("unit", "raw", "limit", "billable", "included", "overage"),
    [
        # A limit of 10 GB: what fits is one line, what lies beyond is rounded from what lies beyond.
        (GB, 20_000_000, 10**10, 1, 1, 0),
        (GB, 10**10, 10**10, 10, 10, 0),
        (GB, 10**10 + 1, 10**10, 11, 10, 1),
        (GB, 12_500_000_000, 10**10, 13, 10, 3),
        # A limit between two increments: what is beyond is billed from its first byte, and never twice.
        (GB, 9_800_000_000, 9_500_000_000, 10, 9, 1),
        (GB, 40_000_000, 0, 1, 0, 1),
        (None, 5, 3, 5, 3, 2),
    ],
)
def test_included_and_overage_make_the_whole(
    unit: dict[str, Any] | None, raw: int, limit: int, billable: int, included: int, overage: int
) -> None:
    line = line_of(None if unit is None else unit_of(unit), raw=Decimal(raw), overage=Decimal(max(0, raw - limit)))
    assert line == Line(billable=Decimal(billable), included=Decimal(included), overage=Decimal(overage))


QUANTITIES = st.decimals(0, 10**18 - 1, places=9)
FACTORS = st.sampled_from(["1", "3", "7", "100", "1000", "1000000000", "1073741824", "0.000000007"]).map(Decimal)
INCREMENTS = st.sampled_from(["1", "0.5", "0.000000001", "7", "1000"]).map(Decimal)


@st.composite
def units(draw: st.DrawFn, billing: Rounding | None = None) -> Unit:
    divides, factor = draw(st.booleans()), draw(FACTORS)
    rounding = draw(st.sampled_from(Rounding))
    return Unit(
        name="raw",
        display="shown",
        precision=0 if rounding is Rounding.NONE else draw(st.integers(0, 9)),
        rounding=rounding,
        billing=Billing(increment=draw(INCREMENTS), rounding=billing or draw(st.sampled_from(Rounding))),
        divide_by=factor if divides else ONE,
        multiply_by=ONE if divides else factor,
    )


def exactly(unit: Unit, raw: Decimal) -> Fraction:
    return Fraction(raw) * Fraction(unit.multiply_by) / Fraction(unit.divide_by)


@given(units(), QUANTITIES, QUANTITIES)
def test_more_usage_never_bills_less_nor_shows_less(unit: Unit, one: Decimal, other: Decimal) -> None:
    less, more = sorted((one, other))
    assert unit.billable(less) <= unit.billable(more)
    assert Decimal(unit.present(less)) <= Decimal(unit.present(more))


@given(units(Rounding.UP), QUANTITIES)
def test_rounded_up_a_bill_covers_what_was_used_and_less_than_an_increment_more(unit: Unit, raw: Decimal) -> None:
    assert unit.billing is not None
    billable = unit.billable(raw)
    assert 0 <= Fraction(billable) - exactly(unit, raw) < Fraction(unit.billing.increment)
    assert Fraction(billable) % Fraction(unit.billing.increment) == 0


@given(units(Rounding.UP), QUANTITIES, QUANTITIES)
def test_one_line_never_bills_more_than_two(unit: Unit, one: Decimal, other: Decimal) -> None:
    parts = Fraction(unit.billable(one)) + Fraction(unit.billable(other))
    assert Fraction(unit.billable(one + other)) <= parts


@given(units(), QUANTITIES)
def test_what_is_shown_is_less_than_a_step_from_what_was_used(unit: Unit, raw: Decimal) -> None:
    step = Fraction(1, 10 ** (9 if unit.rounding is Rounding.NONE else unit.precision))
    off = Fraction(unit.present(raw)) - exactly(unit, raw)
    bounds = {
        Rounding.UP: (0 <= off < step),
        Rounding.DOWN: (-step < off <= 0),
        Rounding.HALF_UP: (-step / 2 < off <= step / 2),
        Rounding.NONE: (-step / 2 < off <= step / 2),
    }
    assert bounds[unit.rounding]


@given(units(), QUANTITIES)
def test_a_negative_quantity_is_its_positive_counterpart_with_a_sign(unit: Unit, raw: Decimal) -> None:
    assert unit.billable(raw.copy_negate()) == unit.billable(raw).copy_negate()
    assert Decimal(unit.present(raw.copy_negate())) == Decimal(unit.present(raw)).copy_negate()


@given(units(), QUANTITIES)
def test_a_shown_quantity_is_a_plain_decimal_string(unit: Unit, raw: Decimal) -> None:
    for text in (unit.present(raw), unit.present(raw.copy_negate())):
        assert "E" not in text
        assert text == "0" or text.strip("-")[0] != "0" or text.strip("-").startswith("0.")
        assert "." not in text or text[-1] != "0"
        assert text != "-0"


@given(units(Rounding.UP), QUANTITIES, QUANTITIES)
def test_the_parts_of_a_line_make_the_whole_and_neither_is_less_than_nothing(
    unit: Unit, raw: Decimal, limit: Decimal
) -> None:
    line = line_of(unit, raw=raw, overage=max(ZERO, raw - limit))
    with localcontext(prec=80):
        assert line.included + line.overage == line.billable
    assert min(line.included, line.overage) >= 0


@given(units())
def test_a_unit_survives_its_form(unit: Unit) -> None:
    form = unit_form(unit)
    assert unit_form(unit_of(form)) == form
    assert unit.billing is not None
    if unit.billing.rounding is not Rounding.NONE:
        assert unit_of(form) == unit
