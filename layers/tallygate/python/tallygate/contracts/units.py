"""Units on the wire, as the catalog declares them of metered features.

What nothing would be rounded to is refused, never ignored: a precision or an increment beside `rounding: none`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field, WithJsonSchema, model_validator

from tallygate.contracts.fields import PositiveQuantity, Text, one_of
from tallygate.contracts.reading import Broken, Contract, broken, broken_several
from tallygate.domain.units import PRECISION_MAX, Rounding

ROUNDINGS = tuple(rounding.value for rounding in Rounding)
RoundingWord = Annotated[str, one_of(ROUNDINGS), WithJsonSchema({"enum": list(ROUNDINGS)})]


class BillingEntry(Contract):
    """A bill counts multiples of the increment, in the unit that is shown: rounded once for all of a period."""

    increment: PositiveQuantity | None = None
    rounding: RoundingWord = Rounding.UP.value

    @model_validator(mode="after")
    def _rounded_to_something(self) -> Self:
        if self.rounding == Rounding.NONE and self.increment is not None:
            raise broken("not_allowed", "does not go with rounding none, which rounds to no increment", at="increment")
        return self


class UnitEntry(Contract):
    """What raw quantities are called, and the unit that they are shown in: so many of them, or so many in each."""

    name: Text
    display: Text | None = None
    plural: Text | None = None
    divide_by: PositiveQuantity | None = None
    multiply_by: PositiveQuantity | None = None
    precision: Annotated[int, Field(ge=0, le=PRECISION_MAX)] | None = None
    rounding: RoundingWord = Rounding.HALF_UP.value
    billing: BillingEntry | None = None

    @model_validator(mode="after")
    def _converts_in_one_way(self) -> Self:
        if rules := list(_broken_unit(self)):
            raise broken_several(rules)
        return self


def _broken_unit(unit: UnitEntry) -> Iterator[Broken]:
    if unit.divide_by is not None and unit.multiply_by is not None:
        yield (("multiply_by",), "not_allowed", "divide_by is there already: one of the two converts")
    if unit.rounding == Rounding.NONE and unit.precision is not None:
        yield (("precision",), "not_allowed", "does not go with rounding none, which rounds to no precision")
