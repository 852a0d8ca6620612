"""Quantities: exact decimals, never floats.

    sent                       counted
    0.30000000000000004        0.3          more than 9 decimals are rounded half-even to 9: producers add floats
    "1e-07"                    0.0000001    exponents in strings are allowed only in the data of events
    0.0000000001               0            refused `too_small` in a request; in an event it counts 0, with a warning
    1e18, 1e1000000            refused      more than 18 integer digits after rounding

A quantity has at most 18 integer and 9 fractional digits, so that every sum fits DynamoDB's 38 digits. Sums are exact
because the whole process computes in one context (`domain.base.exact`).

The wire form is a JSON number for at most 15 significant digits, which every JSON reader keeps exactly. A longer
quantity is written as a string. Neither form has an exponent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

from tallygate.domain.base.values import value

ZERO = Decimal(0)
ONE = Decimal(1)
INTEGER_DIGITS_MAX = 18
FRACTION_DIGITS_MAX = 9
NUMBER_DIGITS_MAX = 15
"""The number of significant digits that survive a reader that parses JSON numbers as doubles."""
FORM = r"-?[0-9]+(?:\.[0-9]+)?"
"""The pattern of a quantity written as a string."""
_FORM = re.compile(FORM)
_FORM_WITH_EXPONENT = re.compile(FORM + r"(?:[eE][+-]?[0-9]{1,17})?")
STEP = Decimal(1).scaleb(-FRACTION_DIGITS_MAX)

Wire = int | Decimal | str
"""The wire form of a quantity: a whole number, a plain decimal number, or a decimal string."""


@value()
class Read:
    """A quantity as read.

    quantity: the value rounded to 9 decimals
    exact: the value as sent, before rounding
    """

    quantity: Decimal
    exact: Decimal

    @property
    def negative(self) -> bool:
        """Whether the sent value is below zero, even if it rounds to 0."""
        return self.exact < 0

    @property
    def rounded_to_zero(self) -> bool:
        """Whether the sent value is not zero but rounds to 0."""
        return not self.quantity and bool(self.exact)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAQuantity:
    """The reason why a value is not a quantity.

    code: `type` (neither number nor string), `invalid` (not a decimal number) or `out_of_range`
    """

    code: str
    detail: str


_NO_TYPE = NotAQuantity(code="type", detail="must be a number or a decimal string")
_NO_NUMBER = NotAQuantity(code="invalid", detail="must be a number or a decimal string like -12.5")
_TOO_LARGE = NotAQuantity(code="out_of_range", detail=f"must have at most {INTEGER_DIGITS_MAX} integer digits")


def read_quantity(value: object, *, exponent: bool = False) -> Read | NotAQuantity:
    """Read a JSON number or decimal string as a quantity.

    exponent: allow an exponent in strings, as in the data of events

    The work is linear in the length of the input: exponents are never expanded into digits. `read_json` already
    delivers JSON fractions as Decimal, so a Python float here is a defect and is refused.
    """
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return _NO_TYPE
    if isinstance(value, str) and not (_FORM_WITH_EXPONENT if exponent else _FORM).fullmatch(value):
        return _NO_NUMBER
    sent = Decimal(value)
    if sent.is_nan():
        return _NO_NUMBER
    if not sent.is_finite() or (sent and sent.adjusted() >= INTEGER_DIGITS_MAX):
        return _TOO_LARGE
    if not sent:
        return Read(quantity=ZERO, exact=ZERO)
    if sent.adjusted() < -FRACTION_DIGITS_MAX - 1:
        return Read(quantity=ZERO, exact=sent)
    rounded = sent.quantize(STEP, rounding=ROUND_HALF_EVEN)
    if rounded.adjusted() >= INTEGER_DIGITS_MAX:
        return _TOO_LARGE
    return Read(quantity=rounded.normalize() + 0 if rounded else ZERO, exact=sent)


def parse_quantity(value: object, *, exponent: bool = False) -> Decimal:
    """Read a quantity with `read_quantity`. Raises ValueError whose message states the broken rule."""
    found = read_quantity(value, exponent=exponent)
    if isinstance(found, NotAQuantity):
        raise ValueError(found.detail)  # noqa: TRY004  # one kind of error for one rule
    return found.quantity


@lru_cache(maxsize=4_096)
def format_quantity(quantity: Decimal) -> Wire:
    """Return the wire form: a number up to 15 significant digits, else a plain decimal string.

    An answer states the same few quantities many times. Equal quantities have one wire form, whatever their exponents.
    """
    text = format(quantity, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if len(text.replace("-", "").replace(".", "").strip("0")) > NUMBER_DIGITS_MAX:
        return text
    return Decimal(text) if "." in text else int(text)


def plain(quantity: Decimal) -> str:
    """Return a decimal string without exponent or trailing zeros: the form stored in documents and journal entries."""
    text = format(quantity, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
