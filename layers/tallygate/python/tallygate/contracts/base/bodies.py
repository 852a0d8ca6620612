"""The base of the contracts of answers and outgoing events, and the types of their fields.

An answer is built from values of the domain by its contract. The functions that decide and ingest build their JSON
themselves with `base.answers`, because a contract would cost them time. Tests hold that JSON to the contracts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Any

from pydantic import ConfigDict, GetJsonSchemaHandler, PlainValidator, WithJsonSchema
from pydantic_core import CoreSchema

from tallygate.contracts.base.answers import JSON
from tallygate.contracts.base.described import Described
from tallygate.domain.base.instants import Instant, format_instant, parse_instant
from tallygate.domain.base.quantities import FORM, FRACTION_DIGITS_MAX, Wire, format_quantity
from tallygate.domain.periods.boundaries import NEVER_ENDS

_STEP = Decimal(1).scaleb(-FRACTION_DIGITS_MAX)


class AnswerBody(Described):
    """The base of all contracts of answers and outgoing events.

    A field with a default may be absent. Clients must ignore unknown fields, since later versions may add some. So the
    published schema allows them; the model refuses them.
    """

    # Many models are never used in one container, so each is built at its first use.
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        from_attributes=True,
        defer_build=True,
        use_enum_values=True,
        populate_by_name=True,
        serialize_by_alias=True,
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JSON:
        schema = super().__get_pydantic_json_schema__(core, handler)
        schema.pop("additionalProperties", None)
        return schema

    @classmethod
    def of(cls, value: object = None, /, **stated: Any) -> JSON:
        """Return the answer as JSON: the stated fields, and the value's members of the other fields' names.

        An absent or null member is left out where the field may be absent.
        """
        if isinstance(value, Mapping):
            return cls.model_validate({**value, **stated}).model_dump(exclude_unset=True)
        for name, field in cls.model_fields.items():
            member = None if name in stated else getattr(value, name, None)
            if name not in stated and (member is not None or (field.is_required() and hasattr(value, name))):
                stated[name] = member
        return cls.model_validate(stated).model_dump(exclude_unset=True)


def _stated_quantity(value: object) -> Wire:
    """Return a quantity in its wire form. Refuse another form of the same number.

    A sum may have more integer digits than a quantity that is sent.
    """
    written = isinstance(value, str) and re.fullmatch(FORM, value) is not None
    number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    exact = Decimal(str(value)) if written or number else Decimal("NaN")
    if not exact.is_finite() or exact != exact.quantize(_STEP, rounding=ROUND_HALF_EVEN):
        raise ValueError("must be a quantity")
    wire = format_quantity(exact)
    if not isinstance(value, Decimal) and (type(wire), wire) != (type(value), value):
        raise ValueError(f"must be written as {wire!r}")
    return wire


def _stated_time(value: object) -> str:
    if isinstance(value, int):
        return format_instant(value)
    if not isinstance(value, str) or format_instant(parse_instant(value)) != value:
        raise ValueError("must be a time in UTC")
    return value


def _stated_end(value: object) -> str | None:
    return None if value is None or (isinstance(value, int) and value >= NEVER_ENDS) else _stated_time(value)


_TIME = {"type": "string", "format": "date-time", "examples": ["2026-11-21T12:00:00Z"]}
QuantityOut = Annotated[
    Wire,
    PlainValidator(_stated_quantity),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "pattern": f"^{FORM}$"}]}),
]
"""A number of at most 15 significant digits, which every JSON reader keeps exactly; a longer one is a string."""
TimeOut = Annotated[Instant | str, PlainValidator(_stated_time), WithJsonSchema(_TIME)]
EndOut = Annotated[
    Instant | str | None, PlainValidator(_stated_end), WithJsonSchema({"anyOf": [_TIME, {"type": "null"}]})
]
"""The end of a window; null: it never ends."""


class Span(AnswerBody):
    """A stretch of time.

    start: first instant
    end: first instant after it; null: it never ends
    """

    start: TimeOut
    end: EndOut


class Recurring(Span):
    """A period of a quota.

    every: length of the period, a word like month or an ISO 8601 duration
    anchor: what the boundaries are counted from
    timezone: IANA time zone of the boundaries
    """

    every: str
    anchor: str
    timezone: str


class Page(AnswerBody):
    """A page of a list.

    next_cursor: the cursor of the next page; null: this is the last one
    """

    data: list[Any]
    next_cursor: str | None
