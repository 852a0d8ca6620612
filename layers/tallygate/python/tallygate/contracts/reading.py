"""From a JSON value to a contract, or to every rule that it breaks, each at its JSON pointer.

Every contract is a `Contract`: unknown fields are refused, nothing is converted silently, and a value that was read is
never changed. This module alone knows pydantic's errors; a caller sees `InvalidRequest` with codes of this closed list:

    required  unknown_field  type  length  not_allowed  not_available  out_of_range  invalid
    and what a contract's own rules raise through `broken`
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from tallygate.errors import FieldError, InvalidRequest

ERRORS_MAX = 100
"""So many broken rules are named in one answer; a body that breaks more is wrong as a whole."""
_KEY = "[key]"
_CUSTOM_AT = "at"
_SEVERAL = "several"

_CODES = {
    "missing": "required",
    "extra_forbidden": "unknown_field",
    "string_too_short": "length",
    "string_too_long": "length",
    "too_short": "length",
    "too_long": "length",
    "literal_error": "not_allowed",
    "string_pattern_mismatch": "invalid",
    "string_unicode": "invalid",
    "greater_than": "out_of_range",
    "greater_than_equal": "out_of_range",
    "less_than": "out_of_range",
    "less_than_equal": "out_of_range",
    "recursion_loop": "invalid",
}
_TYPES = {
    "model_type": "an object",
    "model_attributes_type": "an object",
    "dict_type": "an object",
    "list_type": "a list",
    "string_type": "a string",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "none_required": "null",
}


class Contract(BaseModel):
    """What goes over the wire in one direction: exact types, no unknown fields, immutable once read."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


C = TypeVar("C", bound=Contract)


def read(model: type[C], data: object, *, at: str = "", context: dict[str, Any] | None = None) -> C:
    """The contract that the data states. `at` is the pointer of the data itself, where it is part of a body.

    Raises InvalidRequest with one FieldError for every rule that is broken (at most ERRORS_MAX).
    """
    try:
        return model.model_validate(data, context=context)
    except ValidationError as failed:
        raise invalid_fields(broken_rules(failed, at)) from None


def broken(code: str, detail: str, *, at: str | int | None = None) -> PydanticCustomError:
    """What a contract's own validator raises: a broken rule, at the validated value or at a member of it."""
    context = {"detail": detail} if at is None else {"detail": detail, _CUSTOM_AT: at}
    return PydanticCustomError(code, "{detail}", context)


Broken = tuple[tuple[str | int, ...], str, str]
"""One broken rule of a larger value: the steps to the member, code, detail."""


def broken_several(rules: Sequence[Broken]) -> PydanticCustomError:
    """What a validator of a whole object raises: every rule that its members break together."""
    return PydanticCustomError(_SEVERAL, "{several}", {_SEVERAL: tuple(rules)})


def broken_rules(failed: ValidationError, at: str = "") -> tuple[FieldError, ...]:
    """Pydantic's errors in the terms of the wire."""
    details = failed.errors(include_url=False, include_input=False)
    return tuple(error for detail in details[:ERRORS_MAX] for error in _field_errors(detail, at))[:ERRORS_MAX]


def member_rules(failed: ValidationError) -> tuple[Broken, ...]:
    """The same as what a validator raises by `broken_several`, where it has read a part of its object itself."""
    return tuple((_steps(error.pointer), error.code, error.detail) for error in broken_rules(failed))


def invalid_fields(errors: tuple[FieldError, ...]) -> InvalidRequest:
    """One InvalidRequest about all of them; its detail names the first."""
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return InvalidRequest(f"{first.pointer or 'the body'}: {first.detail}{more}", errors=errors)


def pointer(*steps: str | int) -> str:
    """A JSON pointer (RFC 6901) of unescaped steps; a lone surrogate, which no answer could carry, is written out."""
    text = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
    return text.encode("utf-8", "backslashreplace").decode()


def _steps(text: str) -> tuple[str, ...]:
    """The steps of a pointer."""
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:])


def _field_errors(detail: ErrorDetails, at: str) -> tuple[FieldError, ...]:
    if detail["type"] == _SEVERAL:
        rules: tuple[Broken, ...] = detail["ctx"][_SEVERAL]
        here = at + pointer(*detail["loc"])
        return tuple(FieldError(pointer=here + pointer(*steps), code=code, detail=rule) for steps, code, rule in rules)
    return (_field_error(detail, at),)


def _field_error(detail: ErrorDetails, at: str) -> FieldError:
    kind = detail["type"]
    context: dict[str, Any] = detail.get("ctx") or {}
    steps = [step for step in detail["loc"] if step != _KEY]
    if _CUSTOM_AT in context:
        steps.append(context[_CUSTOM_AT])
    code, rule = _rule(kind, detail["msg"], context)
    if _KEY in detail["loc"]:
        rule = f"this name {rule}"
    return FieldError(pointer=at + pointer(*steps), code=code, detail=rule)


def _rule(kind: str, message: str, context: dict[str, Any]) -> tuple[str, str]:
    if kind in _TYPES:
        return "type", f"must be {_TYPES[kind]}"
    if kind == "missing":
        return "required", "is required"
    if kind == "extra_forbidden":
        return "unknown_field", "is not a field of this request"
    if kind == "literal_error":
        return "not_allowed", f"must be {context['expected']}"
    if kind in ("string_too_short", "too_short"):
        return "length", f"must have at least {context['min_length']} {_unit(kind, context['min_length'])}"
    if kind in ("string_too_long", "too_long"):
        return "length", f"must have at most {context['max_length']} {_unit(kind, context['max_length'])}"
    if kind == "value_error":
        return "invalid", str(context.get("error", message))
    if kind == "string_unicode":
        return "invalid", "must be valid Unicode, without lone surrogates"
    if "detail" in context:
        return kind, context["detail"]
    return _CODES.get(kind, "invalid"), message[:1].lower() + message[1:]


def _unit(kind: str, count: int) -> str:
    unit = "character" if kind.startswith("string") else "element"
    return unit if count == 1 else f"{unit}s"
