"""The kinds of value that contracts are made of: ids, quantities, instants, and what is not available yet."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from tallygate.contracts.reading import broken
from tallygate.domain import boundaries, instants, quantities

ID_LENGTH_MAX = 255
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
    try:
        return quantities.parse_quantity(value)
    except ValueError as error:
        raise _of_value(value, error) from None


def amount_of(value: object) -> Decimal:
    """A quantity that is not negative, for validators."""
    quantity = _quantity(value)
    if quantity < 0:
        raise broken("out_of_range", "must not be negative")
    return quantity


def positive_of(value: object) -> Decimal:
    """A quantity of more than nothing, for validators."""
    quantity = _quantity(value)
    if quantity <= 0:
        raise broken("out_of_range", "must be more than 0")
    return quantity


def _of_value(value: object, error: ValueError) -> PydanticCustomError:
    typed = isinstance(value, int | str | Decimal) and not isinstance(value, bool)
    return broken("invalid" if typed else "type", str(error))


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


QUANTITY_SCHEMA: dict[str, Any] = {
    "description": "An exact quantity: at most 18 integer and 9 fractional digits.",
    "anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^-?\d{1,18}(\.\d{1,9})?$"}],
}
_TIME_SCHEMA: dict[str, Any] = {"type": "string", "format": "date-time"}

Id = Annotated[
    str, StringConstraints(min_length=1, max_length=ID_LENGTH_MAX), AfterValidator(_without_control_characters)
]
"""An id that callers choose: 1 to 255 characters without control characters."""
Words = Annotated[Id, AfterValidator(_said)]
"""A reason, or who gives it: what an audit entry is read for, so it says something."""
CustomerId = Id
FeatureKey = Id
MeterKey = Id
DIMENSIONS_MAX = 10
DimensionKey = Annotated[str, StringConstraints(min_length=1, max_length=64)]
DimensionValue = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Name = Id
Quantity = Annotated[Decimal, PlainValidator(_quantity), WithJsonSchema(QUANTITY_SCHEMA)]
Amount = Annotated[Decimal, PlainValidator(amount_of), WithJsonSchema(QUANTITY_SCHEMA)]
"""A quantity that is not negative."""
PositiveQuantity = Annotated[Decimal, PlainValidator(positive_of), WithJsonSchema(QUANTITY_SCHEMA)]
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
