"""JSON schemas and examples of contracts.

An example is composed from the schema: the value of EXAMPLES for the field's name, else one by type. So a name has the
same value wherever it occurs, and no example can lag behind its contract. A test reads every example by its contract.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from pydantic import Field, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from tallygate.contracts.base.answers import JSON
from tallygate.contracts.base.bodies import AnswerBody
from tallygate.contracts.base.examples import example
from tallygate.contracts.facts.events import events

_MODE: JsonSchemaMode = "validation"
REF = "#/components/schemas/"


def schemas_of(types: Iterable[Any]) -> tuple[list[JSON], JSON]:
    """Return a schema for each type, and the definitions to which they refer, by name."""
    found, named = TypeAdapter.json_schemas(
        [(index, _MODE, TypeAdapter(kind)) for index, kind in enumerate(types)], ref_template=REF + "{model}"
    )
    return list(found.values()), named.get("$defs", {})


class EventSchema(AnswerBody):
    """The contract of one type of event.

    schema: JSON schema (2020-12) of the event, with its data
    example: an event of this type
    """

    type: str
    description: str
    json_schema: dict[str, Any] = Field(alias="schema")
    example: dict[str, Any]


class EventSchemas(AnswerBody):
    """The contracts of all types of events that this version sends."""

    data: list[EventSchema]


@cache
def event_schemas() -> JSON:
    """Return the contract of each type of event that this version sends. Made at the first call."""
    found = [(kind, contract.model_json_schema()) for kind, contract in events().items()]
    return EventSchemas.of(
        data=[
            EventSchema(
                type=kind,
                description=schema["description"],
                json_schema={"$schema": "https://json-schema.org/draft/2020-12/schema", **schema},
                example=example(schema, schema["$defs"]),
            )
            for kind, schema in found
        ]
    )
