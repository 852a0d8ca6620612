"""Quantities: exact decimals, never floats.

    sent                       counted
    0.30000000000000004        0.3          more than 9 decimals are rounded half-even to 9: producers add floats
    "1e-07"                    0.0000001    an exponent in a string: only in the data of events
    0.0000000001               0            refused `too_small` in a request; in an event it counts 0, with a warning
    1e18, 1e1000000            refused      more than 18 integer digits after rounding

At most 18 integer and 9 fractional digits each, so that every sum fits DynamoDB's 38. Sums are exact because the whole
process computes in one context (`domain.base.exact`). The wire form is a JSON number where at most 15 digits are
significant, so that every JSON reader keeps it exactly, else a string; never with an exponent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

ZERO = Decimal(0)
ONE = Decimal(1)
INTEGER_DIGITS_MAX = 18
FRACTION_DIGITS_MAX = 9
NUMBER_DIGITS_MAX = 15
"""So many significant digits survive a reader that takes JSON numbers for doubles."""
FORM = r"-?[0-9]+(?:\.[0-9]+)?"
"""A quantity as a string."""
_FORM = re.compile(FORM)
_FORM_WITH_EXPONENT = re.compile(FORM + r"(?:[eE][+-]?[0-9]{1,17})?")
_STEP = Decimal(1).scaleb(-FRACTION_DIGITS_MAX)

Wire = int | Decimal | str
"""A quantity as it is written: a whole number, a plain decimal number, or a decimal string."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A quantity that was read, rounded to 9 decimals. `exact` is what was sent, before it was rounded."""

    quantity: Decimal
    exact: Decimal

    @property
    def negative(self) -> bool:
        """Whether what was sent is below zero, however little."""
        return self.exact < 0

    @property
    def rounded_to_zero(self) -> bool:
        """Whether something was sent, of which nothing is left."""
        return not self.quantity and bool(self.exact)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAQuantity:
    """No quantity. `code` is type (no number and no string), invalid (no decimal number) or out_of_range."""

    code: str
    detail: str


_NO_TYPE = NotAQuantity(code="type", detail="must be a number or a decimal string")
_NO_NUMBER = NotAQuantity(code="invalid", detail="must be a number or a decimal string like -12.5")
_TOO_LARGE = NotAQuantity(code="out_of_range", detail=f"must have at most {INTEGER_DIGITS_MAX} integer digits")


def read_quantity(value: object, *, exponent: bool = False) -> Read | NotAQuantity:
    """A JSON number or decimal string as a quantity. `exponent`: strings may have one, as in the data of events.

    Its work is bounded by the length of what was sent: no exponent is ever written out. Floats arrive as Decimal
    already (`exact_json` reads them so); a Python float here is a defect and refused.
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
    rounded = sent.quantize(_STEP, rounding=ROUND_HALF_EVEN)
    if rounded.adjusted() >= INTEGER_DIGITS_MAX:
        return _TOO_LARGE
    return Read(quantity=rounded.normalize() + 0 if rounded else ZERO, exact=sent)


def parse_quantity(value: object, *, exponent: bool = False) -> Decimal:
    """The quantity that `read_quantity` reads. Raises ValueError that names the rule."""
    found = read_quantity(value, exponent=exponent)
    if isinstance(found, NotAQuantity):
        raise ValueError(found.detail)  # noqa: TRY004  # one kind of error for one rule
    return found.quantity


def format_quantity(quantity: Decimal) -> Wire:
    """The wire form: a number where at most 15 digits are significant, else a plain decimal string."""
    text = format(quantity, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if len(text.replace("-", "").replace(".", "").strip("0")) > NUMBER_DIGITS_MAX:
        return text
    return Decimal(text) if "." in text else int(text)


def plain(quantity: Decimal) -> str:
    """A decimal string without exponent or trailing zeros, the form that is stored in documents and entries."""
    text = format(quantity, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
