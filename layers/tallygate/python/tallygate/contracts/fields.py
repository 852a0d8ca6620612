"""The kinds of value that contracts are made of: ids, quantities, instants, and what is not available yet."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from tallygate.contracts import identifiers
from tallygate.contracts.identifiers import DIMENSION_LENGTH_MAX, IDENTIFIER_LENGTH_MAX, NAME_LENGTH_MAX, Rule
from tallygate.contracts.reading import broken
from tallygate.domain import boundaries, instants
from tallygate.domain.quantities import FRACTION_DIGITS_MAX, INTEGER_DIGITS_MAX, Read, Refused, read_quantity

TEXT_LENGTH_MAX = 255
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_EARLIEST = 0
_LATEST = 253_370_764_800_000
"""Instants are in the years 1970 to 9998, so that every window around one can be written as a date."""


def _without_control_characters(text: str) -> str:
    if _CONTROL.search(text):
        raise broken("invalid", "must have no control characters")
    return text


def _said(text: str) -> str:
    if not text.strip():
        raise broken("invalid", "must have more than spaces")
    return text


def _quantity(value: object) -> Decimal:
    read = _read(value)
    if read.rounded_to_zero:
        raise _too_small()
    return read.quantity


def amount_of(value: object) -> Decimal:
    """A quantity that is not negative, for validators."""
    return sent_amount(value).quantity


def sent_amount(value: object) -> Read:
    """A quantity that is not negative, with what was sent before it was rounded; for validators."""
    read = _read(value)
    if read.negative:
        raise broken("out_of_range", "must not be negative")
    if read.rounded_to_zero:
        raise _too_small()
    return read


def positive_of(value: object) -> Decimal:
    """A quantity of more than nothing, for validators."""
    quantity = amount_of(value)
    if not quantity:
        raise broken("out_of_range", "must be more than 0")
    return quantity


def _read(value: object) -> Read:
    read = read_quantity(value)
    if isinstance(read, Refused):
        raise broken(read.code, read.detail)
    return read


def _too_small() -> PydanticCustomError:
    return broken("too_small", f"must not be so small: it has {FRACTION_DIGITS_MAX} decimals, and is 0 with them")


def instant_of(value: object) -> instants.Instant:
    """The instant of an RFC 3339 time, for validators; broken rules are raised as such."""
    if not isinstance(value, str):
        raise broken("type", "must be a string: an RFC 3339 time with an offset")
    try:
        instant = instants.parse_instant(value)
    except ValueError:
        raise broken("invalid", "must be an RFC 3339 time with an offset, like 2026-01-31T12:00:00Z") from None
    if not _EARLIEST <= instant < _LATEST:
        raise broken("out_of_range", "must be between the years 1970 and 9998")
    return instant


def _zone(name: str) -> str:
    if not boundaries.is_zone(name):
        raise broken("invalid", "must be an IANA time zone, like Europe/Paris")
    return name


def _not_available(_: object) -> Any:
    raise broken("not_available", "is not available in this version")


def _empty(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise broken("type", "must be a list")
    if value:
        raise broken("not_available", "is not available in this version")
    return []


_TOO_LARGE = r"(?!-?0*9{18}\.9{9}[5-9])"
"""What would be rounded to 19 integer digits."""
_NOTHING_LEFT = r"(?!-?0+\.0{9}(?:[0-4](?=[0-9]*[1-9])|[1-4]|50*$))"
"""What is not 0 and would be rounded to it: half of the last decimal is rounded to even, which is 0."""
_DIGITS = r"0*[0-9]{1,18}(?:\.[0-9]+)?"
_NOT_ZERO = r"(?=.*[1-9])"


def _quantity_schema(description: str, pattern: str, **least: int) -> dict[str, Any]:
    """Numbers from `least` on, and strings that the parser accepts: a test holds the pattern to it."""
    number = {"type": "number", **least, "exclusiveMaximum": 10**INTEGER_DIGITS_MAX}
    return {"description": description, "anyOf": [number, {"type": "string", "pattern": f"^{pattern}$"}]}


_ROUNDED = "A number or decimal string with at most 18 integer digits; more than 9 decimals are rounded half-even to 9."
QUANTITY_SCHEMA = _quantity_schema(
    _ROUNDED, rf"{_TOO_LARGE}{_NOTHING_LEFT}-?{_DIGITS}", exclusiveMinimum=-(10**INTEGER_DIGITS_MAX)
)
AMOUNT_SCHEMA = _quantity_schema(
    f"{_ROUNDED} Not negative.",
    rf"(?:{_TOO_LARGE}{_NOTHING_LEFT}{_DIGITS}|-0+(?:\.0+)?)",
    minimum=0,
)
POSITIVE_SCHEMA = _quantity_schema(
    f"{_ROUNDED} More than 0.", rf"{_TOO_LARGE}{_NOTHING_LEFT}{_NOT_ZERO}{_DIGITS}", exclusiveMinimum=0
)
_TIME_SCHEMA: dict[str, Any] = {"type": "string", "format": "date-time"}


def _kept(rule: Callable[[str], Rule | None]) -> AfterValidator:
    """Refuse what breaks the rule of identifiers; what keeps it is never changed."""

    def check(text: str) -> str:
        if found := rule(text):
            raise broken(*found)
        return text

    return AfterValidator(check)


Text = Annotated[
    str, StringConstraints(min_length=1, max_length=TEXT_LENGTH_MAX), AfterValidator(_without_control_characters)
]
"""A word or two for people: 1 to 255 characters without control characters."""
Words = Annotated[Text, AfterValidator(_said)]
"""A reason, or who gives it: what an audit entry is read for, so it says something."""
Id = Annotated[
    str, StringConstraints(min_length=1, max_length=IDENTIFIER_LENGTH_MAX), _kept(identifiers.broken_identifier)
]
"""An identifier that stands in no path: an event's id, source, type and subject, a request id."""
Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=NAME_LENGTH_MAX),
    _kept(identifiers.broken_name),
    Field(description="NFC, without control or format characters, slashes and outer spaces; not . or .."),
]
"""An identifier that stands in a path: a customer, feature, meter, plan or limit."""
CustomerId = Name
FeatureKey = Name
MeterKey = Name
DIMENSIONS_MAX = 10
DimensionKey = Annotated[
    str, StringConstraints(min_length=1, max_length=DIMENSION_LENGTH_MAX), _kept(identifiers.broken_name)
]
DimensionValue = Id
Quantity = Annotated[Decimal, PlainValidator(_quantity), WithJsonSchema(QUANTITY_SCHEMA)]
Amount = Annotated[Decimal, PlainValidator(amount_of), WithJsonSchema(AMOUNT_SCHEMA)]
"""A quantity that is not negative."""
PositiveQuantity = Annotated[Decimal, PlainValidator(positive_of), WithJsonSchema(POSITIVE_SCHEMA)]
Time = Annotated[instants.Instant, PlainValidator(instant_of), WithJsonSchema(_TIME_SCHEMA)]
"""An RFC 3339 time, read as an Instant (milliseconds)."""
Zone = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_zone)]
NotAvailable = Annotated[Any, PlainValidator(_not_available), WithJsonSchema({"not": {}})]
"""A field of the wire contract that this version refuses by name, so that nobody believes it was honoured."""
Empty = Annotated[list[Any], PlainValidator(_empty), WithJsonSchema({"type": "array", "maxItems": 0})]
"""A list of the wire contract that can only be empty in this version."""


def one_of(available: tuple[str, ...], later: tuple[str, ...] = ()) -> BeforeValidator:
    """Refuse what is none of `available`; the words of `later` exist but are not available in this version.

    Beside it stands a `WithJsonSchema` of the same words.
    """

    def check(value: object) -> object:
        if value in available:
            return value
        if value in later:
            raise broken("not_available", f"{value} is not available in this version; {listed} is")
        raise broken("not_allowed" if isinstance(value, str) else "type", f"must be {listed}")

    listed = " or ".join(available)
    return BeforeValidator(check)
