"""Quantities: exact decimals, never floats.

At most 18 integer and 9 fractional digits each, so that every sum fits DynamoDB's 38. Sums are exact because the whole
process computes in one context (`domain.exact`). The wire form is a JSON number where the value is an integer below
2^53, else a string.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

ZERO = Decimal(0)
ONE = Decimal(1)
INTEGER_DIGITS_MAX = 18
FRACTION_DIGITS_MAX = 9
_LIMIT = Decimal(10) ** INTEGER_DIGITS_MAX
_STEP = Decimal(1).scaleb(-FRACTION_DIGITS_MAX)
_SAFE_INTEGER = 2**53


def parse_quantity(value: object) -> Decimal:
    """A JSON number or decimal string as an exact decimal. Raises ValueError that names the rule.

    Floats arrive as Decimal already (the JSON reader parses them so); a Python float here is a defect and refused.
    """
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise ValueError("must be a number or a decimal string")  # noqa: TRY004  # one kind of error for one rule
    if isinstance(value, str) and (len(value) > 64 or not value.isascii() or "_" in value or value.strip() != value):
        raise ValueError("must be a number or a decimal string")
    try:
        quantity = Decimal(value)
    except InvalidOperation:
        raise ValueError("must be a number or a decimal string") from None
    if not quantity.is_finite():
        raise ValueError("must be finite")
    if abs(quantity) >= _LIMIT:
        raise ValueError(f"must have at most {INTEGER_DIGITS_MAX} integer digits")
    if quantity != quantity.quantize(_STEP):
        raise ValueError(f"must have at most {FRACTION_DIGITS_MAX} fractional digits")
    return quantity.normalize() + 0 if quantity else ZERO


def format_quantity(quantity: Decimal) -> int | str:
    """The wire form: an int where exact and below 2^53 in size, else a plain decimal string without exponent."""
    if quantity == quantity.to_integral_value():
        whole = int(quantity)
        return whole if -_SAFE_INTEGER < whole < _SAFE_INTEGER else str(whole)
    return plain(quantity)


def plain(quantity: Decimal) -> str:
    """A decimal string without exponent or trailing zeros, the form that is stored in documents and entries."""
    text = format(quantity, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
