"""Units: how a feature's raw quantities are shown to people, and what they come to on a bill. Pure.

    20,000,000 byte ── ÷ 1,000,000,000 ──> 0.02 GB ─┬─ to the precision ──────> shown "0.02"
                                                    └─ to the next increment ──> billed 1

A unit decides nothing. Limits are declared, kept and enforced in raw quantities, so that changing a unit changes no
limit, and what is rounded is never counted with again: every number is converted from the raw one, and rounded once.
What is billed is rounded once for the line of a period, not for each use: two uses of 0.02 GB still bill 1.

Rounding goes by magnitude, so that a negative quantity is its positive counterpart with a sign: `up` is away from zero,
`down` towards it, `half_up` to the nearest, and away from zero in the middle.

The declarative form of units: what a catalog states, and what is stored of them; and quantities as they show them.

    {"name": "byte", "display": "GB", "divide_by": 1000000000, "precision": 2, "rounding": "half_up",
     "billing": {"increment": 1, "rounding": "up"}}

A factor of one, a plural and a bill's rounding stand there only where they say something, a precision and an increment
only where something is rounded to them. Reading a form that was written here gives an equal unit.
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
    """`none` rounds no further than every quantity is: to nine decimals, the nearest."""

    NONE = "none"
    UP = "up"
    DOWN = "down"
    HALF_UP = "half_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Billing:
    """A bill counts multiples of the increment, in the unit that is shown."""

    increment: Decimal = ONE
    rounding: Rounding = Rounding.UP

    def __post_init__(self) -> None:
        assert self.increment > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One `display` is `divide_by` raw quantities called `name`, or one raw quantity is `multiply_by` of it.

    Without `billing` a bill counts what was used, not rounded.
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
        assert self.divide_by > 0, "a factor keeps the sign"
        assert self.multiply_by > 0, "a factor keeps the sign"
        assert ONE in (self.divide_by, self.multiply_by), "one of the two converts"
        assert 0 <= self.precision <= PRECISION_MAX

    def present(self, quantity: Decimal) -> str:
        """A raw quantity as people read it: a decimal string at the precision, without trailing zeros."""
        digits = PRECISION_MAX if self.rounding is Rounding.NONE else self.precision
        return plain(self._in_steps(quantity, ONE.scaleb(-digits), self.rounding))

    def billable(self, quantity: Decimal) -> Decimal:
        """What a raw quantity comes to as one line of a bill, in this unit."""
        if self.billing is None or self.billing.rounding is Rounding.NONE:
            return self._in_steps(quantity, ONE.scaleb(-FRACTION_DIGITS_MAX), Rounding.NONE)
        return self._in_steps(quantity, self.billing.increment, self.billing.rounding)

    def _in_steps(self, quantity: Decimal, step: Decimal, rounding: Rounding) -> Decimal:
        """The quantity in this unit as a multiple of the step: the one place where anything is rounded."""
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
    """One line of a bill: all of it, what of it the limit covers, and what lies beyond. All in one unit."""

    billable: Decimal
    included: Decimal
    overage: Decimal


def line_of(unit: Unit | None, *, raw: Decimal, overage: Decimal) -> Line:
    """The line of a period with this much usage, of which `overage` is beyond the limit; raw where there is no unit.

    The whole and what is beyond are rounded, each once and from what was counted, and what is included is the rest:
    so the two parts always make the whole.
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
    """Raw quantities as people read them, each under its name, beside the unit; None without one.

    The plural stands there only where the catalog has one.
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
