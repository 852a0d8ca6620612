"""Reading: from a JSON value to a contract, or to all the rules that it breaks, each with its JSON pointer.

Every contract is a `Contract`: unknown fields are refused, no value is converted silently, and instances are immutable.
Only this module knows pydantic's errors. Callers get `InvalidRequest` with codes of this closed list:

    required  unknown_field  type  length  not_allowed  not_available  out_of_range  invalid
    and the codes that a contract's own rules raise through `broken`

A broken rule is a `FieldError`. Inside a validator, pointers are relative to the validated value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from tallygate.contracts.base.described import Described
from tallygate.contracts.base.teaching import known_fields, right_value
from tallygate.domain.base.closest import did_you_mean
from tallygate.errors import FieldError, InvalidRequest

ERRORS_MAX = 100
"""The most broken rules in one answer. A body that breaks more is wrong as a whole."""
_KEY = "[key]"
_WORD = re.compile(r"'([^']*)'")
_RULES_OF = "rules"
_OBJECT = ("type", "must be an object")
_WHOLE = ("type", "must be a whole number")
_RULES: Mapping[str, tuple[str, str]] = {
    "missing": ("required", "is required"),
    "extra_forbidden": ("unknown_field", "is not a field of this request"),
    "literal_error": ("not_allowed", "must be {expected}"),
    "value_error": ("invalid", "{error}"),
    "string_unicode": ("invalid", "must be valid Unicode, without lone surrogates"),
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "dict_type": _OBJECT,
    "list_type": ("type", "must be a list"),
    "string_type": ("type", "must be a string"),
    "bool_type": ("type", "must be true or false"),
    "int_type": _WHOLE,
    "int_from_float": _WHOLE,
    "none_required": ("type", "must be null"),
}
"""The wire codes and texts of pydantic's errors. Errors that are not listed keep pydantic's text."""


class Contract(Described):
    """The base of all wire contracts: exact types, no unknown fields, immutable once read."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Judged(Contract):
    """A contract with rules across its members. All broken rules are reported together."""

    def rules_broken(self, known: Mapping[str, Any]) -> Iterator[FieldError]:
        """Return the broken rules. `known`: the reader's context, the names that the catalog declares."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _sound(self, info: ValidationInfo) -> Self:
        if rules := tuple(self.rules_broken(info.context or {})):
            raise broken_several(rules)
        return self


C = TypeVar("C", bound=Contract)


def read(model: type[C], data: object, *, at: str = "", context: dict[str, Any] | None = None) -> C:
    """Read data as a contract.

    at: JSON pointer of the data, if it is a part of a body
    context: passed to the rules as `known`

    Raises InvalidRequest with one FieldError for every broken rule, at most ERRORS_MAX.
    """
    try:
        return model.model_validate(data, context=context)
    except ValidationError as failed:
        raise invalid_fields(broken_rules(failed, at, model)) from None


def rule(code: str, detail: str, *steps: str | int) -> FieldError:
    """Return a broken rule at a member of a value; without steps, at the value itself."""
    return FieldError(pointer=pointer(*steps), code=code, detail=detail)


def broken(code: str, detail: str, *steps: str | int) -> PydanticCustomError:
    """Return the error that a validator raises for one broken rule."""
    return broken_several((rule(code, detail, *steps),))


def broken_several(rules: Iterable[FieldError]) -> PydanticCustomError:
    """Return the error that a validator raises for several broken rules of one value."""
    found = tuple(rules)
    return PydanticCustomError(found[0].code, "{rules}", {_RULES_OF: found})


def broken_rules(failed: ValidationError, at: str = "", model: type[BaseModel] | None = None) -> tuple[FieldError, ...]:
    """Translate pydantic's errors to wire codes and texts.

    at: JSON pointer of the validated value
    model: its contract, by which errors name similar fields and show right values
    """
    details = failed.errors(include_url=False)
    return tuple(error for detail in details[:ERRORS_MAX] for error in _field_errors(detail, at, model))[:ERRORS_MAX]


def invalid_fields(errors: Iterable[FieldError]) -> InvalidRequest:
    """Return one InvalidRequest for all errors. Its detail names the first."""
    first, *more = errors = tuple(errors)
    also = f" (and {len(more)} more)" if more else ""
    return InvalidRequest(f"{first.pointer or 'the body'}: {first.detail}{also}", errors=errors)


def refused(code: str, detail: str, *steps: str | int) -> InvalidRequest:
    """Return an InvalidRequest for one broken rule of a body."""
    return invalid_fields((rule(code, detail, *steps),))


def pointer(*steps: str | int) -> str:
    """Build a JSON pointer (RFC 6901) from unescaped steps. Lone surrogates are escaped, since answers are UTF-8."""
    text = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
    return text.encode("utf-8", "backslashreplace").decode()


def _field_errors(detail: ErrorDetails, at: str, model: type[BaseModel] | None) -> Iterator[FieldError]:
    here = at + pointer(*(step for step in detail["loc"] if step != _KEY))
    subject = "this name " if _KEY in detail["loc"] else ""
    rules = detail.get("ctx", {}).get(_RULES_OF) or (_of_pydantic(detail),)
    for each in rules:
        more = "" if each.pointer or subject or model is None else _taught(detail, each, model)
        yield FieldError(pointer=here + each.pointer, code=each.code, detail=subject + each.detail + more)


def _taught(detail: ErrorDetails, broken: FieldError, model: type[BaseModel]) -> str:
    """Return what follows the rule: the name that was meant, or a right value."""
    if broken.code == "unknown_field":
        return known_fields(model, detail["loc"])
    if detail["type"] == "literal_error":
        return did_you_mean(detail["input"], _WORD.findall(detail["ctx"]["expected"]))
    return right_value(model, detail["loc"], broken.code, broken.detail)


def _of_pydantic(detail: ErrorDetails) -> FieldError:
    kind, context, message = detail["type"], detail.get("ctx") or {}, detail["msg"]
    if kind in _RULES:
        code, text = _RULES[kind]
        return rule(code, text.format(**context))
    for bound, words in (("min_length", "at least"), ("max_length", "at most")):
        if bound in context:
            count, unit = context[bound], "character" if kind.startswith("string") else "element"
            return rule("length", f"must have {words} {count} {unit}{'' if count == 1 else 's'}")
    code = "out_of_range" if kind.startswith(("greater_than", "less_than")) else "invalid"
    return rule(code, message[:1].lower() + message[1:])
