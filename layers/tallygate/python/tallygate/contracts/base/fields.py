"""The kinds of value that contracts are made of: identifiers, quantities, instants, and what is not available yet.

Callers choose identifiers. There is one rule for names in a path, and one for all others:

    name         customer, feature, meter, plan, limit, pool, alert, dimension
                 1 to 200 characters, NFC, no control or format characters, no `/`, no space at either end,
                 not `.` or `..`
    identifier   event id, source and type, subject (and subject keys), request_id, series, dimension values
                 1 to 255 characters, NFC, no control characters; `/` is allowed, and percent-encoded in a path

The same text must be reachable however it is typed, and two texts that look alike must not differ by accident: so NFC.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
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

from tallygate.contracts.base.reading import broken
from tallygate.domain.base import instants
from tallygate.domain.base.quantities import FRACTION_DIGITS_MAX, INTEGER_DIGITS_MAX, NotAQuantity, Read, read_quantity
from tallygate.domain.periods import boundaries

TEXT_LENGTH_MAX = 255
NAME_LENGTH_MAX = 200
IDENTIFIER_LENGTH_MAX = 255
DIMENSION_LENGTH_MAX = 64
DIMENSIONS_MAX = 10
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_EARLIEST = 0
_LATEST = 253_370_764_800_000
"""Instants are in the years 1970 to 9998, so that every window around one can be written as a date."""

Rule = tuple[str, str]
"""A broken rule: its code, and what it says."""


def broken_name(text: str, length_max: int = NAME_LENGTH_MAX) -> Rule | None:
    """Which rule the text breaks as a name in a path; None: none."""
    if found := _broken(text, length_max, ("Cc", "Cf"), "control or format characters"):
        return found
    if "/" in text:
        return "invalid", "must have no slash"
    if text != text.strip():
        return "invalid", "must have no space at either end"
    if text in (".", ".."):
        return "invalid", "must not be . or .., which paths resolve"
    return None


def broken_identifier(text: str) -> Rule | None:
    """Which rule the text breaks as an identifier that is no name in a path; None: none."""
    return _broken(text, IDENTIFIER_LENGTH_MAX, ("Cc",), "control characters")


def _broken(text: str, length_max: int, categories: tuple[str, ...], called: str) -> Rule | None:
    if not 1 <= len(text) <= length_max:
        return "length", f"must have 1 to {length_max} characters"
    if text.isascii():
        return None if text.isprintable() else ("invalid", f"must have no {called}")
    found = {unicodedata.category(letter) for letter in text}
    if "Cs" in found:
        return "invalid", "must be valid Unicode, without lone surrogates"
    if not found.isdisjoint(categories):
        return "invalid", f"must have no {called}"
    if not unicodedata.is_normalized("NFC", text):
        return "invalid", "must be in Unicode's normal form NFC"
    return None


def kept(rule: Callable[[Any], Rule | None]) -> AfterValidator:
    """Refuse what breaks the rule; what keeps it is never changed."""

    def check(value: Any) -> Any:
        if found := rule(value):
            raise broken(*found)
        return value

    return AfterValidator(check)


def _unprintable(text: str) -> Rule | None:
    return ("invalid", "must have no control characters") if _CONTROL.search(text) else None


def _blank(text: str) -> Rule | None:
    return None if text.strip() else ("invalid", "must have more than spaces")


def _not_a_zone(name: str) -> Rule | None:
    return None if boundaries.is_zone(name) else ("invalid", "must be an IANA time zone, like Europe/Paris")


def sent_amount(value: object) -> Read:
    """A quantity that is not negative, with what was sent before it was rounded; for validators."""
    return _read(value, negative=False)


def amount_of(value: object) -> Decimal:
    """A quantity that is not negative, for validators."""
    return sent_amount(value).quantity


def positive_of(value: object) -> Decimal:
    """A quantity of more than nothing, for validators."""
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
        raise broken("too_small", f"must not be so small: it has {FRACTION_DIGITS_MAX} decimals, and is 0 with them")
    return read


def instant_of(value: object) -> instants.Instant:
    """The instant of an RFC 3339 time, for validators."""
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
        raise wrong_word(value, f"must be {listed}")


def wrong_word(value: object, detail: str) -> PydanticCustomError:
    """What a validator raises for a value that is none of its words."""
    return broken("not_allowed" if isinstance(value, str) else "type", detail)


def one_of(available: tuple[str, ...], later: tuple[str, ...] = ()) -> _Words:
    """For `Annotated[str, …]`: one of these words. The words of `later` exist but are not available in this version."""
    return _Words(available, later)


_TOO_LARGE = r"(?!-?0*9{18}\.9{9}[5-9])"
"""What would be rounded to 19 integer digits."""
_NOTHING_LEFT = r"(?!-?0+\.0{9}(?:[0-4](?=[0-9]*[1-9])|[1-4]|50*$))"
"""What is not 0 and would be rounded to it: half of the last decimal is rounded to even, which is 0."""
_DIGITS = r"0*[0-9]{1,18}(?:\.[0-9]+)?"
_NOT_ZERO = r"(?=.*[1-9])"


_ROUNDED = "A number or decimal string with at most 18 integer digits; more than 9 decimals are rounded half-even to 9."


def _quantity_schema(more: str, pattern: str, **least: int) -> dict[str, Any]:
    """Numbers from `least` on, and strings that the parser accepts: a test holds the pattern to it."""
    number = {"type": "number", **least, "exclusiveMaximum": 10**INTEGER_DIGITS_MAX}
    return {"description": _ROUNDED + more, "anyOf": [number, {"type": "string", "pattern": f"^{pattern}$"}]}


QUANTITY_SCHEMA = _quantity_schema(
    "", rf"{_TOO_LARGE}{_NOTHING_LEFT}-?{_DIGITS}", exclusiveMinimum=-(10**INTEGER_DIGITS_MAX)
)
AMOUNT_SCHEMA = _quantity_schema(" Not negative.", rf"(?:{_TOO_LARGE}{_NOTHING_LEFT}{_DIGITS}|-0+(?:\.0+)?)", minimum=0)
POSITIVE_SCHEMA = _quantity_schema(
    " More than 0.", rf"{_TOO_LARGE}{_NOTHING_LEFT}{_NOT_ZERO}{_DIGITS}", exclusiveMinimum=0
)

Text = Annotated[str, StringConstraints(min_length=1, max_length=TEXT_LENGTH_MAX), kept(_unprintable)]
"""A word or two for people: 1 to 255 characters without control characters."""
Words = Annotated[Text, kept(_blank)]
"""A reason, or who gives it: what an audit entry is read for, so it says something."""
Id = Annotated[str, StringConstraints(min_length=1, max_length=IDENTIFIER_LENGTH_MAX), kept(broken_identifier)]
"""An identifier that is in no path: an event's id, source, type and subject, a request id."""
Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=NAME_LENGTH_MAX),
    kept(broken_name),
    Field(description="NFC, without control or format characters, slashes and outer spaces; not . or .."),
]
"""An identifier that is in a path: a customer, feature, meter, plan or limit."""
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
"""A field of the wire contract that this version refuses by name, so that nobody believes it was honoured."""
Empty = Annotated[list[Any], PlainValidator(_empty), WithJsonSchema({"type": "array", "maxItems": 0})]
"""A list of the wire contract that can only be empty in this version."""
