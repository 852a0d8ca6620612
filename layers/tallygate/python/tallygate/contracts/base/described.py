"""Models whose JSON schema takes its descriptions from the docstring: one line `field: meaning` for each field."""

from __future__ import annotations

import inspect
import re
from typing import Any

from pydantic import BaseModel, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

_FIELDS = re.compile(r"^(\w+(?:, \w+)*): (.+(?:\n +.+)*)", re.MULTILINE)


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


def left_out(**more: Any) -> Any:
    """Return a field that may be left out, and is never null unless its type says so."""
    return Field(default=None, json_schema_extra=_without_default, **more)


LEFT_OUT = left_out()


class Described(BaseModel):
    """A model described by its docstring."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the schema, without titles and without fields that are refused."""
        schema = handler.resolve_ref_schema(handler(core))
        schema.pop("title", None)
        text = inspect.cleandoc(cls.__doc__ or "")
        schema["description"] = " ".join(_FIELDS.sub("", text).split())
        properties = schema.get("properties", {})
        for name in [name for name, of in properties.items() if of.get("not") == {}]:
            del properties[name]
        for of in properties.values():
            of.pop("title", None)
        for parent in reversed(cls.__mro__):
            for names, meaning in _FIELDS.findall(inspect.cleandoc(parent.__doc__ or "")):
                for name in names.split(", "):
                    if name in properties and "$ref" not in properties[name]:
                        properties[name]["description"] = " ".join(meaning.split())
        return schema
