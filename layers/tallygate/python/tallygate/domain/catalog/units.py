"""Units: how raw quantities of a feature are shown to people and rounded on a bill. Pure.

    20,000,000 byte ── ÷ 1,000,000,000 ──> 0.02 GB ─┬─ to the precision ──────> shown "0.02"
                                                    └─ to the next increment ──> billed 1

Units do not affect decisions: limits are declared, stored and enforced in raw quantities. So changing a unit changes no
limit. Rounded values are never used in further calculations: each number is converted from the raw one and rounded
once. A bill rounds once for the line of a period, not for each use: two uses of 0.02 GB still bill 1.

Rounding applies to the magnitude, so negative quantities round like positive ones: `up` away from zero, `down` towards
zero, `half_up` to the nearest and in the middle away from zero.

The declarative form of units, as stated in a catalog and as stored:

    {"name": "byte", "display": "GB", "divide_by": 1000000000, "precision": 2, "rounding": "half_up",
     "billing": {"increment": 1, "rounding": "up"}}

A factor of one, an absent plural and absent billing are left out. So are a precision and an increment that rounding
`none` would not use. Reading a form that this module wrote gives an equal unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.quantities import (
    FRACTION_DIGITS_MAX,
    ONE,
    ZERO,
    Wire,
    format_quantity,
    parse_quantity,
    plain,
)

PRECISION_MAX = FRACTION_DIGITS_MAX


class Rounding(StrEnum):
    """The rounding modes. `none` rounds to the nearest 9 decimals, the resolution of every quantity."""

    NONE = "none"
    UP = "up"
    DOWN = "down"
    HALF_UP = "half_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Billing:
    """How a bill rounds: to multiples of the increment, in display units."""

    increment: Decimal = ONE
    rounding: Rounding = Rounding.UP

    def __post_init__(self) -> None:
        assert self.increment > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A display unit for raw quantities: display = raw × multiply_by ÷ divide_by, where one factor is 1.

    name: the raw unit
    display: the unit shown
    plural: plural of `display`; None: not declared
    precision: decimals shown, 0 to PRECISION_MAX
    billing: None: the bill has the exact quantity
    """

    name: str
    display: str
    plural: str | None = None
    divide_by: Decimal = ONE
    multiply_by: Decimal = ONE
    precision: int = 0
    rounding: Rounding = Rounding.HALF_UP
    billing: Billing | None = None

    def __post_init__(self) -> None:
        assert self.divide_by > 0, "a factor is positive"
        assert self.multiply_by > 0, "a factor is positive"
        assert ONE in (self.divide_by, self.multiply_by), "only one of the factors converts"
        assert 0 <= self.precision <= PRECISION_MAX

    def present(self, quantity: Decimal) -> str:
        """Return a raw quantity in display units: a decimal string at the precision, without trailing zeros."""
        digits = PRECISION_MAX if self.rounding is Rounding.NONE else self.precision
        return plain(self._in_steps(quantity, ONE.scaleb(-digits), self.rounding))

    def billable(self, quantity: Decimal) -> Decimal:
        """Return a raw quantity as one line of a bill, in display units."""
        if self.billing is None or self.billing.rounding is Rounding.NONE:
            return self._in_steps(quantity, ONE.scaleb(-FRACTION_DIGITS_MAX), Rounding.NONE)
        return self._in_steps(quantity, self.billing.increment, self.billing.rounding)

    def _in_steps(self, quantity: Decimal, step: Decimal, rounding: Rounding) -> Decimal:
        """Return the quantity in display units as a multiple of the step. All rounding happens here."""
        raw, whole_step = EXACT.multiply(quantity.copy_abs(), self.multiply_by), EXACT.multiply(step, self.divide_by)
        steps, rest = EXACT.divmod(raw, whole_step)
        nearest = rounding in (Rounding.HALF_UP, Rounding.NONE)
        if (rounding is Rounding.UP and rest > 0) or (nearest and EXACT.add(rest, rest) >= whole_step):
            steps = EXACT.add(steps, ONE)
        if not steps:
            return ZERO
        return EXACT.multiply(steps, step).copy_sign(quantity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a bill, all values in one unit.

    billable: the whole quantity
    included: the part within the limit
    overage: the part beyond the limit
    """

    billable: Decimal
    included: Decimal
    overage: Decimal


def line_of(unit: Unit | None, *, raw: Decimal, overage: Decimal) -> Line:
    """Return the bill's line of a period, in display units, or in raw quantities without a unit.

    raw: usage of the period
    overage: the part of the usage beyond the limit

    The whole and the overage are each rounded once from the raw value. The included part is their difference, so the
    two parts always sum to the whole.
    """
    billable = raw if unit is None else unit.billable(raw)
    beyond = overage if unit is None else unit.billable(overage)
    return Line(billable=billable, included=EXACT.subtract(billable, beyond), overage=beyond)


Form = dict[str, Any]


def unit_form(unit: Unit) -> Form:
    form: Form = {"name": unit.name, "display": unit.display}
    if unit.plural is not None:
        form["plural"] = unit.plural
    if unit.divide_by != ONE:
        form["divide_by"] = format_quantity(unit.divide_by)
    if unit.multiply_by != ONE:
        form["multiply_by"] = format_quantity(unit.multiply_by)
    if unit.rounding is not Rounding.NONE:
        form["precision"] = unit.precision
    form["rounding"] = unit.rounding.value
    if unit.billing is not None:
        form["billing"] = _billing_form(unit.billing)
    return form


def unit_of(form: Mapping[str, Any]) -> Unit:
    billing = form.get("billing")
    return Unit(
        name=form["name"],
        display=form.get("display") or form["name"],
        plural=form.get("plural"),
        divide_by=parse_quantity(_or(form.get("divide_by"), ONE)),
        multiply_by=parse_quantity(_or(form.get("multiply_by"), ONE)),
        precision=_or(form.get("precision"), 0),
        rounding=Rounding(form.get("rounding", Rounding.HALF_UP)),
        billing=None if billing is None else _billing_of(billing),
    )


def presented(unit: Unit | None, quantities: Mapping[str, Decimal | None]) -> Form | None:
    """Return named raw quantities in display units together with the unit's name; None without a unit.

    The plural is included only if the catalog declares one.
    """
    if unit is None:
        return None
    called = {"unit": unit.display} if unit.plural is None else {"unit": unit.display, "plural": unit.plural}
    return {**called, **{name: None if q is None else _shown(unit, q) for name, q in quantities.items()}}


def _shown(unit: Unit, quantity: Decimal) -> Wire:
    return format_quantity(Decimal(unit.present(quantity)))


def _billing_form(billing: Billing) -> Form:
    rounding = {"rounding": billing.rounding.value}
    return (
        rounding if billing.rounding is Rounding.NONE else {"increment": format_quantity(billing.increment), **rounding}
    )


def _billing_of(form: Mapping[str, Any]) -> Billing:
    return Billing(
        increment=parse_quantity(_or(form.get("increment"), ONE)),
        rounding=Rounding(form.get("rounding", Rounding.UP)),
    )


def _or(stated: Any, default: Any) -> Any:
    return default if stated is None else stated
