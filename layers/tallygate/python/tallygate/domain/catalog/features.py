"""Features that nothing is counted for: a switch that a plan turns on or off, a setting that a plan gives a value.

They need no cell: what a plan says of them is the whole answer. So nothing proves them as a cell proves its limits, and
whoever answers by them reads the limits in force first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tallygate.domain.base.json import read_json, write_json
from tallygate.domain.metering.meters import Scalar

METERED, BOOLEAN, CONFIG = "metered", "boolean", "config"
FEATURE_TYPES = (METERED, BOOLEAN, CONFIG)

Value = Scalar | tuple[Scalar, ...]
"""What a config feature may be set to: a string, a number, true, false, or a list of those."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A boolean feature, on or off."""

    feature: str
    enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A config feature, at a value."""

    feature: str
    value: Value


Fixed = Switch | Setting


def fixed_form(fixed: Fixed) -> dict[str, Any]:
    """As a plan's entitlement in the catalog."""
    if isinstance(fixed, Switch):
        return {"feature": fixed.feature, "enabled": fixed.enabled}
    return {"feature": fixed.feature, "value": value_form(fixed.value)}


def fixed_of(form: Mapping[str, Any]) -> Fixed | None:
    """What an entitlement's form says of a feature that is not counted; None: it is one of a metered feature."""
    if "enabled" in form:
        return Switch(feature=form["feature"], enabled=form["enabled"])
    if "value" in form:
        return Setting(feature=form["feature"], value=value_of(form["value"]))
    return None


def value_form(value: Value) -> Any:
    """The value as JSON, in which a decimal is a number."""
    return [value_form(part) for part in value] if isinstance(value, tuple) else value


def value_of(form: Any) -> Value:
    """The value that its JSON states, with decimals read exactly."""
    if isinstance(form, list):
        return tuple(_scalar_of(part) for part in form)
    return _scalar_of(form)


def _scalar_of(form: Any) -> Scalar:
    found: Scalar = Decimal(repr(form)) if isinstance(form, float) else form
    return found


def value_text(value: Value) -> str:
    """The value as JSON text, whatever else its document holds."""
    return write_json(value_form(value))


def value_from(text: str) -> Value:
    return value_of(read_json(text))
