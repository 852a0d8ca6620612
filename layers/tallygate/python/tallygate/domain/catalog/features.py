"""Features that are not counted: boolean (a switch) and config (a setting with a value).

The plan alone answers for such a feature, so it has no cell. A cell would prove that the limits in use are current.
Without one, callers must read the limits in force before they answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tallygate.domain.base.json import Scalar, read_json, write_json

METERED, BOOLEAN, CONFIG = "metered", "boolean", "config"
FEATURE_TYPES = (METERED, BOOLEAN, CONFIG)

Value = Scalar | tuple[Scalar, ...]
"""The value of a config feature: a string, a number, true, false, or a list of those."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A boolean feature, on or off."""

    feature: str
    enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A config feature with its value."""

    feature: str
    value: Value


Fixed = Switch | Setting


def fixed_form(fixed: Fixed) -> dict[str, Any]:
    """Return the form of an entitlement in a plan."""
    if isinstance(fixed, Switch):
        return {"feature": fixed.feature, "enabled": fixed.enabled}
    return {"feature": fixed.feature, "value": value_form(fixed.value)}


def fixed_of(form: Mapping[str, Any]) -> Fixed | None:
    """Read the entitlement of a feature that is not counted; None if it is an entitlement of a metered feature."""
    if "enabled" in form:
        return Switch(feature=form["feature"], enabled=form["enabled"])
    if "value" in form:
        return Setting(feature=form["feature"], value=value_of(form["value"]))
    return None


def value_form(value: Value) -> Any:
    """Return the value as a JSON value, with decimals as numbers."""
    return [value_form(part) for part in value] if isinstance(value, tuple) else value


def value_of(form: Any) -> Value:
    """Read a value from its JSON value, with exact decimals."""
    if isinstance(form, list):
        return tuple(_scalar_of(part) for part in form)
    return _scalar_of(form)


def _scalar_of(form: Any) -> Scalar:
    found: Scalar = Decimal(repr(form)) if isinstance(form, float) else form
    return found


def value_text(value: Value) -> str:
    """Return the value as JSON text, independent of the document that stores it."""
    return write_json(value_form(value))


def value_from(text: str) -> Value:
    return value_of(read_json(text))
