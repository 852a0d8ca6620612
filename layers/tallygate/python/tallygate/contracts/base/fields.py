"""Field types of contracts: identifiers (`contracts.base.names`), quantities, instants, fields not available yet."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    GetCoreSchemaHandler,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from tallygate.contracts.base.names import (
    DIMENSION_LENGTH_MAX,
    IDENTIFIER_LENGTH_MAX,
    NAME_LENGTH_MAX,
    Rule,
    broken_identifier,
    broken_name,
)
from tallygate.contracts.base.reading import broken
from tallygate.domain.base import instants
from tallygate.domain.base.closest import did_you_mean
from tallygate.domain.base.quantities import FRACTION_DIGITS_MAX, INTEGER_DIGITS_MAX, NotAQuantity, Read, read_quantity
from tallygate.domain.periods import boundaries

TEXT_LENGTH_MAX = 255
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_EARLIEST = 0
_LATEST = 253_370_764_800_000
"""Instants are limited to the years 1970 to 9998, so that the bounds of every window are valid dates."""


def kept(rule: Callable[[Any], Rule | None]) -> AfterValidator:
    """Return a validator that refuses values that break the rule. It never changes a value."""

    def check(value: Any) -> Any:
        if found := rule(value):
            raise broken(*found)
        return value

    return AfterValidator(check)


def _unprintable(text: str) -> Rule | None:
    return ("invalid", "must have no control characters") if _CONTROL.search(text) else None


def _blank(text: str) -> Rule | None:
    return None if text.strip() else ("invalid", "must not consist of spaces only")


def _not_a_zone(name: str) -> Rule | None:
    return None if boundaries.is_zone(name) else ("invalid", "must be an IANA time zone, like Europe/Paris")


def sent_amount(value: object) -> Read:
    """Read a quantity that is not negative, with its value before rounding; for validators."""
    return _read(value, negative=False)


def amount_of(value: object) -> Decimal:
    """Read a quantity that is not negative; for validators."""
    return sent_amount(value).quantity


def positive_of(value: object) -> Decimal:
    """Read a quantity above 0; for validators."""
    quantity = amount_of(value)
    if not quantity:
        raise broken("out_of_range", "must be more than 0")
    return quantity


def _quantity(value: object) -> Decimal:
    return _read(value, negative=True).quantity


def _read(value: object, *, negative: bool) -> Read:
    read = read_quantity(value)
    if isinstance(read, NotAQuantity):
        raise broken(read.code, read.detail)
    if read.negative and not negative:
        raise broken("out_of_range", "must not be negative")
    if read.rounded_to_zero:
        raise broken("too_small", f"is too small: rounded to {FRACTION_DIGITS_MAX} decimals it is 0")
    return read


def instant_of(value: object) -> instants.Instant:
    """Read the instant of an RFC 3339 time; for validators."""
    if not isinstance(value, str):
        raise broken("type", "must be a string: an RFC 3339 time with an offset")
    try:
        instant = instants.parse_instant(value)
    except ValueError:
        raise broken("invalid", "must be an RFC 3339 time with an offset, like 2026-01-31T12:00:00Z") from None
    if not _EARLIEST <= instant < _LATEST:
        raise broken("out_of_range", "must be between the years 1970 and 9998")
    return instant


def _not_available(_: object) -> Any:
    raise broken("not_available", "is not available in this version")


def _empty(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise broken("type", "must be a list")
    return _not_available(value) if value else []


@dataclass(frozen=True, slots=True)
class _Words:
    available: tuple[str, ...]
    later: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, _schema: Any, _handler: Any) -> dict[str, Any]:
        return {"enum": list(self.available)}

    def _check(self, value: object) -> object:
        if value in self.available:
            return value
        listed = " or ".join(self.available)
        if value in self.later:
            raise broken("not_available", f"{value} is not available in this version; {listed} is")
        raise wrong_word(value, f"must be {listed}", self.available)


def wrong_word(value: object, detail: str, words: Iterable[str]) -> PydanticCustomError:
    """Return the error of a validator for a value that is none of its words."""
    code = "not_allowed" if isinstance(value, str) else "type"
    return broken(code, detail + did_you_mean(value, words))


def one_of(available: tuple[str, ...], later: tuple[str, ...] = ()) -> _Words:
    """Return an annotation for `Annotated[str, …]`: one of these words.

    later: words of the wire contract that are refused as not available in this version
    """
    return _Words(available, later)


_TOO_LARGE = r"(?!-?0*9{18}\.9{9}[5-9])"
"""Excludes strings that would be rounded to 19 integer digits."""
_NOTHING_LEFT = r"(?!-?0+\.0{9}(?:[0-4](?=[0-9]*[1-9])|[1-4]|50*$))"
"""Excludes strings other than 0 that would be rounded to 0. Half of the last decimal is rounded to even, which is 0."""
_DIGITS = r"0*[0-9]{1,18}(?:\.[0-9]+)?"
_NOT_ZERO = r"(?=.*[1-9])"


_ROUNDED = "A number or decimal string with at most 18 integer digits; more than 9 decimals are rounded half-even to 9."


def _quantity_schema(more: str, pattern: str, **least: int) -> dict[str, Any]:
    """Return the schema of a number with a lower bound `least`, or a string that the parser accepts.

    A test compares the pattern with the parser.
    """
    number = {"type": "number", **least, "exclusiveMaximum": 10**INTEGER_DIGITS_MAX}
    return {"description": _ROUNDED + more, "anyOf": [number, {"type": "string", "pattern": f"^{pattern}$"}]}


QUANTITY_SCHEMA = _quantity_schema(
    "", rf"{_TOO_LARGE}{_NOTHING_LEFT}-?{_DIGITS}", exclusiveMinimum=-(10**INTEGER_DIGITS_MAX)
)
AMOUNT_SCHEMA = _quantity_schema(
    " Must not be negative.", rf"(?:{_TOO_LARGE}{_NOTHING_LEFT}{_DIGITS}|-0+(?:\.0+)?)", minimum=0
)
POSITIVE_SCHEMA = _quantity_schema(
    " Must be more than 0.", rf"{_TOO_LARGE}{_NOTHING_LEFT}{_NOT_ZERO}{_DIGITS}", exclusiveMinimum=0
)

Text = Annotated[str, StringConstraints(min_length=1, max_length=TEXT_LENGTH_MAX), kept(_unprintable)]
"""A short text for people: 1 to 255 characters without control characters."""
Words = Annotated[Text, kept(_blank)]
"""A reason or an actor for the audit trail, so it must not be blank."""
Id = Annotated[str, StringConstraints(min_length=1, max_length=IDENTIFIER_LENGTH_MAX), kept(broken_identifier)]
"""An identifier that never occurs in a path: an event's id, source, type and subject, a request id."""
Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=NAME_LENGTH_MAX),
    kept(broken_name),
    Field(description="NFC; no control or format characters, no slash, no space at either end; not . or .."),
]
"""An identifier that may occur in a path: a customer, feature, meter, plan or limit."""
CustomerId = Name
FeatureKey = Name
DimensionKey = Annotated[str, StringConstraints(min_length=1, max_length=DIMENSION_LENGTH_MAX), kept(broken_name)]
DimensionValue = Id
Quantity = Annotated[Decimal, PlainValidator(_quantity), WithJsonSchema(QUANTITY_SCHEMA)]
Amount = Annotated[Decimal, PlainValidator(amount_of), WithJsonSchema(AMOUNT_SCHEMA)]
"""A quantity that is not negative."""
PositiveQuantity = Annotated[Decimal, PlainValidator(positive_of), WithJsonSchema(POSITIVE_SCHEMA)]
Time = Annotated[
    instants.Instant, PlainValidator(instant_of), WithJsonSchema({"type": "string", "format": "date-time"})
]
"""An RFC 3339 time, read as an Instant (milliseconds)."""
Zone = Annotated[str, StringConstraints(min_length=1, max_length=64), kept(_not_a_zone)]
NotAvailable = Annotated[Any, PlainValidator(_not_available), WithJsonSchema({"not": {}})]
"""A field of the wire contract that this version refuses by name instead of ignoring it."""
Empty = Annotated[list[Any], PlainValidator(_empty), WithJsonSchema({"type": "array", "items": {}, "maxItems": 0})]
"""A list of the wire contract that must be empty in this version."""
