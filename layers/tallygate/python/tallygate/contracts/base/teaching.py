"""What follows a broken rule: the name that the caller may have meant, or an example of a right value.

Only refusals use this module. It finds the contract at the place of the error by the types of fields.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel

from tallygate.contracts.base.answers import JSON
from tallygate.contracts.base.examples import example
from tallygate.domain.base.closest import did_you_mean

SHOWN_LENGTH_MAX = 160
"""A longer example would hide the rule. The OpenAPI document has it."""
_BY_EXAMPLE = frozenset(("required", "type", "length", "out_of_range", "invalid", "too_small"))
"""Codes whose rule an example of the field satisfies."""
Steps = Sequence[str | int]


def known_fields(model: type[BaseModel], steps: Steps) -> str:
    """Return the end of a sentence about an unknown field: the name that was meant, or all names of its object."""
    names = [name for contract in _contracts_at(model, steps[:-1]) for name in _properties(contract)]
    return did_you_mean(steps[-1], names) or (f"; its fields are {', '.join(dict.fromkeys(names))}" if names else "")


def right_value(model: type[BaseModel], steps: Steps, code: str, detail: str) -> str:
    """Return the end of a sentence about a wrong value: an example, unless the sentence has one."""
    if code not in _BY_EXAMPLE or " like " in detail or "null" in detail or "leave it out" in detail:
        return ""
    shown = _example_at(model, tuple(steps))
    return "" if shown is None else f"; for example {shown}"


@cache
def _example_at(model: type[BaseModel], steps: tuple[str | int, ...]) -> str | None:
    """Return an example of the value at this place as JSON; None: none is known, or it is no plain value."""
    *above, last = steps or ("",)
    element = isinstance(last, int)
    name = next((step for step in reversed(steps) if isinstance(step, str)), "")
    if element and not isinstance(above[-1] if above else None, str):
        return None
    for contract in _contracts_at(model, above[:-1] if element else above):
        schema = _schema(contract)
        field = schema["properties"].get(name) if name else schema
        field = next(iter(_elements(field)), None) if element and field else field
        if field:
            value = example(field, schema.get("$defs", {}), name)
            shown = json.dumps(value)
            return shown if value not in ([], None) and "{" not in shown and len(shown) <= SHOWN_LENGTH_MAX else None
    return None


def _elements(schema: JSON) -> Iterator[JSON]:
    """Return the schemas of a list's elements."""
    for each in (schema, *schema.get("anyOf", ())):
        if each.get("items"):
            yield each["items"]


def _properties(contract: type[BaseModel]) -> list[str]:
    """Return the fields that a caller may send."""
    return [name for name, schema in _schema(contract)["properties"].items() if schema.get("maxItems") != 0]


@cache
def _schema(contract: type[BaseModel]) -> JSON:
    return contract.model_json_schema()


def _contracts_at(model: type[BaseModel], steps: Steps) -> list[type[BaseModel]]:
    """Return the contracts that the value at this place may have. Steps that name no field change nothing."""
    found = [model]
    for step in steps:
        known = [each.model_fields[step].annotation for each in found if step in each.model_fields]
        found = [contract for annotation in known for contract in _contracts_in(annotation)] if known else found
    return found


def _contracts_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _contracts_in(part)
