"""Meters: the rule from an event to a quantity and its dimensions.

    event ─type─> its meters ─filters─> value (sum: `$.tokens`, count: 1), dimensions {model: $.model}

`AGGREGATIONS` says what a value does to a meter's quantity. Totals, hours and queries combine contributions by their
kind (`domain.metering.contributions`), so a further aggregation is one row here.

An excluding filter (`ne`) keeps events that lack the property. If the value is missing, negative or not a quantity, the
event is *unmeasured* for that meter. An unmeasured event stays in the journal with the reason, but the meter does not
count it. Dimensions that are missing or null are left out.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tallygate.domain.base.json import Scalar
from tallygate.domain.base.quantities import ONE, NotAQuantity, parse_quantity, plain, read_quantity
from tallygate.domain.metering.contributions import Add, Contribution, Lower, Mean, Merge, Raise, Set
from tallygate.domain.metering.settings import Settings

OPERATORS = ("eq", "ne", "in", "gt", "gte", "lt", "lte", "exists", "prefix")
_ORDERED = ("gt", "gte", "lt", "lte")
DIMENSION_LENGTH_MAX = 255
"""A longer value is replaced by its digest, so that one dimension of an event cannot fill an item."""
FILTERS_MAX = 16
DIMENSIONS_MAX = 16
_PATH = re.compile(r"\$(\.[A-Za-z_][A-Za-z0-9_-]*)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregation:
    """How events become one quantity.

    contribution: what a value does to the quantity
    merge: how contributions merge
    reads: what the value is, for messages; None: every event counts 1
    available: whether a catalog may declare it
    """

    contribution: Callable[[Decimal], Contribution]
    merge: Merge = Merge.ADD
    reads: str | None = None
    available: bool = False


AGGREGATIONS: Mapping[str, Aggregation] = {
    "sum": Aggregation(contribution=Add, reads="the value to add up", available=True),
    "count": Aggregation(contribution=Add, available=True),
    "max": Aggregation(contribution=Raise, merge=Merge.RAISE, reads="the value to compare", available=True),
    "min": Aggregation(contribution=Lower, merge=Merge.LOWER, reads="the value to compare", available=True),
    "avg": Aggregation(contribution=Mean, merge=Merge.MEAN, reads="the value to average", available=True),
    "latest": Aggregation(contribution=Set, merge=Merge.SET, reads="the value to keep", available=True),
}
AVAILABLE = tuple(name for name, aggregation in AGGREGATIONS.items() if aggregation.available)
LATER = tuple(name for name in ("unique", "min", "max", "avg", "latest") if name not in AVAILABLE)
"""Aggregations of the wire contract that a catalog may not declare in this version."""

Path = tuple[str, ...]
"""The path to a value in an event's data: the property names from the outside in."""


def parse_path(text: str) -> Path:
    """Parse `$.usage.tokens` to ("usage", "tokens"). Raises ValueError unless the text is names joined by dots."""
    if not _PATH.fullmatch(text):
        raise ValueError("must be a path of names like $.usage.tokens")
    return tuple(text.split(".")[1:])


def format_path(path: Path) -> str:
    """Return the text form of a path, the inverse of `parse_path`."""
    return ".".join(("$", *path))


def value_at(data: Mapping[str, Any], path: Path) -> Any:
    """Return the value at a path; None if it is null or a step is missing."""
    found: Any = data
    for name in path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """One condition on a property of an event's data.

    property: path of the property
    op: one of OPERATORS
    value: a scalar; a tuple of scalars for `in`; a bool for `exists`

    eq, ne, in          compare JSON values of one type: 1 and "1" differ, 1 and 1.0 are equal
    gt, gte, lt, lte    compare quantities: "5" and 5 are equal
    prefix              compares strings

    A missing or null property equals nothing: `ne` and `exists: false` match it, every other operator does not.
    """

    property: Path
    op: str
    value: Scalar | tuple[Scalar, ...]

    def __post_init__(self) -> None:
        """Raises ValueError whose message states the broken rule. The catalog's reader reports it with the field."""
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
        """Return whether the event's data satisfies the condition."""
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
    """The rule from events of one type to a quantity and its dimensions.

    aggregation: one of AGGREGATIONS
    value: path of the value; None for a count
    dimensions: path of each dimension's value, by the dimension's name
    filters: an event counts only if it satisfies all of them
    """

    key: str
    event_type: str
    aggregation: str
    value: Path | None = None
    dimensions: Mapping[str, Path] = field(default_factory=dict)
    filters: tuple[Filter, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError whose message states the broken rule. The catalog's reader reports it with the field."""
        if self.aggregation not in AGGREGATIONS:
            raise ValueError(f"aggregation must be one of {', '.join(AGGREGATIONS)}")
        if (self.counted.reads is None) != (self.value is None):
            raise ValueError("value is required for an aggregation that reads one, and not allowed for others")
        if len(self.filters) > FILTERS_MAX:
            raise ValueError(f"a meter has at most {FILTERS_MAX} filters")
        if len(self.dimensions) > DIMENSIONS_MAX:
            raise ValueError(f"a meter has at most {DIMENSIONS_MAX} dimensions")

    @property
    def counted(self) -> Aggregation:
        return AGGREGATIONS[self.aggregation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meters:
    """The parts of the catalog that ingest and the fold need.

    of_type: meters by event type, in order of their keys
    of_feature: meter by feature
    upgrades: for each plan version, the limits of its `upgrade_to` plan by feature, where comparable; None: unlimited
    required: by meter, the dimensions that features require
    settings: the catalog's settings
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
    """Return `Meters` with the meters grouped by event type and sorted by key."""
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
    """What an event adds to a meter, with the event's dimension values."""

    meter: str
    contribution: Contribution
    dimensions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """The event passes the meter's filters but has no countable value.

    reason: stable machine-readable code
    detail: the path of the value and the problem
    """

    meter: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a value cannot be counted. `code`: value_missing, value_invalid or value_negative."""

    code: str
    detail: str


def read_value(data: Mapping[str, Any], path: Path) -> Decimal | Unreadable:
    """Return the quantity at a path of an event's data, or why a meter cannot add it up."""
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
    """Return whether the value found is not 0 but its amount was rounded to 0."""
    if amount != 0:
        return False
    if isinstance(found, str):
        return any(digit in found.lower().partition("e")[0] for digit in "123456789")
    return bool(found != 0)


def measure(meter: Meter, data: Mapping[str, Any]) -> Measured | Unmeasured | None:
    """Measure an event of the meter's type; None if a filter does not match."""
    if not all(condition.matches(data) for condition in meter.filters):
        return None
    amount = ONE
    if meter.value is not None:
        read = read_value(data, meter.value)
        if isinstance(read, Unreadable):
            return Unmeasured(meter.key, read.code, read.detail)
        amount = read
    named = ((name, dimension_text(value_at(data, path))) for name, path in meter.dimensions.items())
    return Measured(
        meter.key, meter.counted.contribution(amount), {name: text for name, text in named if text is not None}
    )


def dimension_text(value: Any) -> str | None:
    """Return a dimension's value as text, so that "5" and 5 are one value; None if missing or not a scalar."""
    match value:
        case bool():
            text = "true" if value else "false"
        case int():
            text = str(value)
        case Decimal() if value.is_finite() and abs(value.adjusted()) < DIMENSION_LENGTH_MAX:
            text = plain(value)
        case str():
            # Requests must send dimension values in NFC. Normalising here makes equal values of events match.
            text = unicodedata.normalize("NFC", value)
        case _:
            return None
    return text if len(text) <= DIMENSION_LENGTH_MAX else _digest(text)


def _digest(value: str) -> str:
    return "sha256:" + hashlib.sha256(value.encode()).hexdigest()
