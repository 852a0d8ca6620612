"""Meters: the rule from an event to a quantity and its dimensions.

    event ─type─> its meters ─filters─> value (sum: `$.tokens`, count: 1), dimensions {model: $.model}

A filter that excludes (`ne`) does not drop an event that lacks the property. A value that is missing, no
quantity or negative makes the event *unmeasured* for that meter: it stays a fact and in the journal, with
the reason, and counts nothing there. Dimensions that are missing or null are left out.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tallygate.domain.base.quantities import ONE, NotAQuantity, parse_quantity, plain, read_quantity
from tallygate.domain.metering.contributions import Add, Contribution
from tallygate.domain.metering.settings import Settings

AGGREGATIONS = ("sum", "count")
OPERATORS = ("eq", "ne", "in", "gt", "gte", "lt", "lte", "exists", "prefix")
_ORDERED = ("gt", "gte", "lt", "lte")
DIMENSION_LENGTH_MAX = 255
"""A longer value is kept as its digest, so that no event can fill an item with one dimension."""
FILTERS_MAX = 16
DIMENSIONS_MAX = 16
_PATH = re.compile(r"\$(\.[A-Za-z_][A-Za-z0-9_-]*)+")

Path = tuple[str, ...]
"""Where a value lies in an event's data: the names on the way to it."""
Scalar = str | int | Decimal | bool | None


def parse_path(text: str) -> Path:
    """`$.usage.tokens` as ("usage", "tokens"). Raises ValueError for anything but names joined by dots."""
    if not _PATH.fullmatch(text):
        raise ValueError("must be a path of names like $.usage.tokens")
    return tuple(text.split(".")[1:])


def format_path(path: Path) -> str:
    """The text that `parse_path` reads."""
    return ".".join(("$", *path))


def value_at(data: Mapping[str, Any], path: Path) -> Any:
    """The value at a path; None where a step is missing, as for a JSON null."""
    found: Any = data
    for name in path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """One condition on a property. `value` is a scalar; a tuple of them for `in`; a bool for `exists`.

    eq, ne and in compare JSON values of one type (1 and "1" differ, 1 and 1.0 do not); gt, gte, lt and lte
    compare quantities, so that "5" and 5 are one; prefix compares strings. A property that is missing or null
    is not equal to anything: `ne` and `exists: false` match it, every other operator does not.
    """

    property: Path
    op: str
    value: Scalar | tuple[Scalar, ...]

    def __post_init__(self) -> None:
        """Raises ValueError that names the rule: the catalog's reader reports it beside the field."""
        if self.op not in OPERATORS:
            raise ValueError(f"op must be one of {', '.join(OPERATORS)}")
        if (self.op == "in") != isinstance(self.value, tuple):
            raise ValueError("value must be a list for in, and a single value for every other operator")
        if self.op == "exists" and not isinstance(self.value, bool):
            raise ValueError("value must be true or false for exists")
        if self.op == "prefix" and not isinstance(self.value, str):
            raise ValueError("value must be a string for prefix")
        if self.op in _ORDERED:
            parse_quantity(self.value)

    def matches(self, data: Mapping[str, Any]) -> bool:
        """Whether the event's data satisfies the condition."""
        found = value_at(data, self.property)
        if self.op == "exists":
            return (found is not None) == self.value
        if found is None:
            return self.op == "ne"
        if isinstance(self.value, tuple):
            return any(_same(found, value) for value in self.value)
        if self.op in ("eq", "ne"):
            return _same(found, self.value) == (self.op == "eq")
        if self.op == "prefix":
            return isinstance(found, str) and isinstance(self.value, str) and found.startswith(self.value)
        return _ordered(found, self.op, self.value)


def _same(left: Any, right: Scalar) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | Decimal) and isinstance(right, int | Decimal):
        return left == right
    return type(left) is type(right) and bool(left == right)


def _ordered(found: Any, op: str, value: Scalar) -> bool:
    try:
        left = parse_quantity(found, exponent=True)
    except ValueError:
        return False
    right = parse_quantity(value)
    return {"gt": left > right, "gte": left >= right, "lt": left < right, "lte": left <= right}[op]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """`value` is where a sum finds what it adds up; a count has none."""

    key: str
    event_type: str
    aggregation: str
    value: Path | None = None
    dimensions: Mapping[str, Path] = field(default_factory=dict)
    filters: tuple[Filter, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError that names the rule: the catalog's reader reports it beside the field."""
        if self.aggregation not in AGGREGATIONS:
            raise ValueError(f"aggregation must be one of {', '.join(AGGREGATIONS)}")
        if (self.aggregation == "sum") != (self.value is not None):
            raise ValueError("value is needed for sum, and only there")
        if len(self.filters) > FILTERS_MAX:
            raise ValueError(f"a meter has at most {FILTERS_MAX} filters")
        if len(self.dimensions) > DIMENSIONS_MAX:
            raise ValueError(f"a meter has at most {DIMENSIONS_MAX} dimensions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Meters:
    """What ingest and the fold know of the catalog: the meters of each event type, and the meter of each feature.

    `upgrades` says of each plan version what the next plan allows of its features, where that can be compared.
    `required` are the dimensions that features require of each meter's events, `settings` the catalog's.
    """

    of_type: Mapping[str, tuple[Meter, ...]] = field(default_factory=dict)
    of_feature: Mapping[str, str] = field(default_factory=dict)
    upgrades: Mapping[tuple[str, int], Mapping[str, Decimal | None]] = field(default_factory=dict)
    required: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    settings: Settings = Settings()  # noqa: RUF009  # immutable


def meters_of(
    meters: tuple[Meter, ...],
    of_feature: Mapping[str, str],
    *,
    required: Mapping[str, tuple[str, ...]] | None = None,
    settings: Settings | None = None,
) -> Meters:
    """The catalog's meters, ready to measure events; those of one event type in order of their keys."""
    of_type: dict[str, tuple[Meter, ...]] = {}
    for meter in sorted(meters, key=lambda meter: meter.key):
        of_type[meter.event_type] = (*of_type.get(meter.event_type, ()), meter)
    return Meters(
        of_type=of_type,
        of_feature=dict(of_feature),
        required=dict(required or {}),
        settings=settings or Settings(),
    )


@dataclass(frozen=True, slots=True)
class Measured:
    """What an event adds to a meter, and under which dimension values."""

    meter: str
    contribution: Contribution
    dimensions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """The event concerns the meter but cannot be measured: `reason` is a stable machine string, `detail` says where."""

    meter: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a value cannot be counted: `code` is value_missing, value_invalid or value_negative."""

    code: str
    detail: str


def read_value(data: Mapping[str, Any], path: Path) -> Decimal | Unreadable:
    """The quantity at a path of an event's data, or why there is none that a meter could add up."""
    found, where = value_at(data, path), format_path(path)
    if found is None:
        return Unreadable("value_missing", f"{where} is absent")
    read = read_quantity(found, exponent=True)
    if isinstance(read, NotAQuantity):
        return Unreadable("value_invalid", f"{where} {read.detail}")
    if read.negative:
        return Unreadable("value_negative", f"{where} is negative")
    return read.quantity


def rounds_to_zero(found: Any, amount: Decimal) -> bool:
    """Whether what was found is more than nothing, and too small to count as more than 0."""
    if amount != 0:
        return False
    if isinstance(found, str):
        return any(digit in found.lower().partition("e")[0] for digit in "123456789")
    return bool(found != 0)


def measure(meter: Meter, data: Mapping[str, Any]) -> Measured | Unmeasured | None:
    """What an event of the meter's type adds to it; None where a filter does not match."""
    if not all(condition.matches(data) for condition in meter.filters):
        return None
    amount = ONE
    if meter.value is not None:
        read = read_value(data, meter.value)
        if isinstance(read, Unreadable):
            return Unmeasured(meter.key, read.code, read.detail)
        amount = read
    named = ((name, dimension_text(value_at(data, path))) for name, path in meter.dimensions.items())
    return Measured(meter.key, Add(amount), {name: text for name, text in named if text is not None})


def dimension_text(value: Any) -> str | None:
    """A dimension's value as text: "5" and 5 are one value; None for what is missing or no scalar."""
    match value:
        case bool():
            text = "true" if value else "false"
        case int():
            text = str(value)
        case Decimal() if value.is_finite() and abs(value.adjusted()) < DIMENSION_LENGTH_MAX:
            text = plain(value)
        case str():
            # Requests must name dimension values in NFC, so the same value in an event is counted with theirs.
            text = unicodedata.normalize("NFC", value)
        case _:
            return None
    return text if len(text) <= DIMENSION_LENGTH_MAX else _digest(text)


def _digest(value: str) -> str:
    return "sha256:" + hashlib.sha256(value.encode()).hexdigest()
