"""Models whose JSON schema takes its descriptions from the docstring: one line `field: meaning` for each field."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any, ClassVar

from pydantic import BaseModel, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

_FIELDS = re.compile(r"^(\w+(?:, \w+)*): (.+(?:\n +.+)*)", re.MULTILINE)
LEFT_OUT: Any = Field(default=None)
"""A field that may be left out, and is never null unless its type says so."""


class Described(BaseModel):
    """A model described by its docstring.

    The schema states defaults in words only. Generated clients send every default that a schema states as one, but for
    some fields leaving them out is different from sending their default.

    patches: whether a field that is left out keeps its present value, so that no default applies
    """

    patches: ClassVar[bool] = False

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the schema, without titles and without fields that are refused."""
        schema = handler.resolve_ref_schema(handler(core))
        schema.pop("title", None)
        schema["description"] = " ".join(_FIELDS.sub("", inspect.cleandoc(cls.__doc__ or "")).split())
        schema["properties"] = {
            name: cls._described(name, of) for name, of in schema.get("properties", {}).items() if of.get("not") != {}
        }
        return schema

    @classmethod
    def _described(cls, name: str, field: dict[str, Any]) -> dict[str, Any]:
        described = {key: value for key, value in field.items() if key not in ("title", "default")}
        default = field.get("default")
        meaning = cls._meaning(name) or described.get("description", "")
        if default is not None and default not in ([], {}) and not cls.patches:
            meaning = f"{meaning} Default: {json.dumps(default) if isinstance(default, bool) else default}.".strip()
        return {**described, "description": meaning} if meaning and "$ref" not in field else described

    @classmethod
    def _meaning(cls, name: str) -> str:
        for parent in cls.__mro__:
            for names, meaning in _FIELDS.findall(inspect.cleandoc(parent.__doc__ or "")):
                if name in names.split(", "):
                    return " ".join(meaning.split())
        return ""
