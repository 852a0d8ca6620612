"""Units: how a feature's raw quantities are shown to people, and what they come to on a bill. Pure.

    20,000,000 byte ── ÷ 1,000,000,000 ──> 0.02 GB ─┬─ to the precision ──────> shown "0.02"
                                                    └─ to the next increment ──> billed 1

A unit decides nothing. Limits are declared, kept and enforced in raw quantities, so that changing a unit changes no
limit, and what is rounded is never counted with again: every number is converted from the raw one, and rounded once.
What is billed is rounded once for the line of a period, not for each use: two uses of 0.02 GB still bill 1.

Rounding goes by magnitude, so that a negative quantity is its positive counterpart with a sign: `up` is away from zero,
`down` towards it, `half_up` to the nearest, and away from zero in the middle.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.quantities import FRACTION_DIGITS_MAX, ONE, ZERO, plain

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
