"""Carryover on the wire: that a limit has one at all, even `{}`, lets what is unused move on to the next period."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import Field, PlainValidator, WithJsonSchema

from tallygate.contracts.fields import AMOUNT_SCHEMA, amount_of, one_of
from tallygate.contracts.reading import Broken, Contract, broken
from tallygate.contracts.tiers import percent_of
from tallygate.domain.carryover import FORGIVE, OVERAGE, nothing_carried
from tallygate.domain.carryover_forms import carryover_form, carryover_of
from tallygate.domain.catalog_forms import Form, as_json

EXPIRES_AFTER_MAX = 120
PERIODS_MAX = 1_000
PERCENT_MAX = 100 * PERIODS_MAX


class CapOfPeriods(Contract):
    """The base of so many periods."""

    periods: int = Field(ge=1, le=PERIODS_MAX)


def _most(value: object) -> object:
    if value is None:
        return None
    if isinstance(value, dict):
        return CapOfPeriods.model_validate(value).model_dump()
    if isinstance(value, str) and value.endswith("%"):
        percent_of(value, PERCENT_MAX)
        return value
    try:
        return amount_of(value)
    except ValueError as error:
        if isinstance(value, str | int) and not isinstance(value, bool):
            raise
        rule = 'must be a quantity, a share of the base like "50%", {"periods": 3}, or null: without a cap'
        raise broken("type", rule) from error


_MOST_SCHEMA: dict[str, Any] = {
    "description": "The most that is carried: an amount, a share of the base, the base of so many periods; null: all.",
    "anyOf": [
        *AMOUNT_SCHEMA["anyOf"],
        {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?%$", "examples": ["50%"]},
        {
            "type": "object",
            "properties": {"periods": {"type": "integer", "minimum": 1, "maximum": PERIODS_MAX}},
            "required": ["periods"],
            "additionalProperties": False,
        },
        {"type": "null"},
    ],
}


class CarryoverEntry(Contract):
    """What is unused of every quota of the limit carries over: up to `max`, for `expires_after` periods.

    What was used beyond the total is forgiven, or deducted from the next period's.
    """

    max: Annotated[Any, PlainValidator(_most), WithJsonSchema(_MOST_SCHEMA)] = None
    expires_after: Annotated[int, Field(ge=1, le=EXPIRES_AFTER_MAX)] | None = None
    overage: Annotated[str, one_of(OVERAGE), WithJsonSchema({"enum": list(OVERAGE)})] = FORGIVE

    def form(self) -> Form:
        """The stored form, all of it."""
        return carryover_form(carryover_of(as_json(self.model_dump())))


def broken_carryover(quotas: Sequence[tuple[str, str]]) -> Iterator[Broken]:
    """Why the limited quotas, each with its period and anchor, cannot carry over; the steps begin at the limit."""
    if not quotas:
        yield (("carryover",), "not_allowed", "needs a quota with a limit")
    for reason in dict.fromkeys(filter(None, (nothing_carried(every, anchor) for every, anchor in quotas))):
        yield (("carryover",), "not_allowed", reason)
