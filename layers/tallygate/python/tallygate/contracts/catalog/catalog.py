"""The catalog on the wire: the body of PUT /v1/catalog, checked as a whole, which is also the answer of GET.

    shape        every field by its contract; fields that this version does not offer are refused by name, not ignored
    references   feature -> meter, entitlement and limit -> feature, upgrade_to -> plan, within the same body
    repetitions  repeated keys, versions, names and windows

All broken rules are answered together, each with its pointer, so that a catalog can be fixed in one go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)

from tallygate.contracts.base.fields import DimensionKey, Empty, Id, Name, NotAvailable, PositiveQuantity, Text, one_of
from tallygate.contracts.base.reading import Contract, Judged, broken, broken_rules, invalid_fields, pointer, rule
from tallygate.contracts.catalog.aggregated import broken_by_aggregation
from tallygate.contracts.catalog.answers import SETTING_SCHEMA
from tallygate.contracts.catalog.limits import Scope, Windowed, broken_scope
from tallygate.domain.base.closest import did_you_mean
from tallygate.domain.base.quantities import FRACTION_DIGITS_MAX, NotAQuantity, read_quantity
from tallygate.domain.catalog.catalog import Catalog
from tallygate.domain.catalog.features import BOOLEAN, CONFIG, FEATURE_TYPES, METERED
from tallygate.domain.catalog.forms import Form, feature_of, filter_of, meter_of, plan_of
from tallygate.domain.catalog.units import PRECISION_MAX, Rounding
from tallygate.domain.limits.overrides import crowd_of
from tallygate.domain.metering.meters import (
    AGGREGATIONS,
    AVAILABLE,
    DIMENSIONS_MAX,
    FILTERS_MAX,
    LATER,
    OPERATORS,
    parse_path,
)
from tallygate.domain.metering.settings import PARK, REJECT, UNKNOWN_CUSTOMERS, UNKNOWN_EVENTS, settings_of
from tallygate.errors import FieldError

SAID_OF = {BOOLEAN: "enabled", CONFIG: "value"}
"""The field that an entitlement gives for a feature of these types."""
ENTRIES_MAX = 1_000
PLAN_VERSION_MAX = 999_999
FILTER_DIGITS_MAX = 15
SETTING_PARTS_MAX = 100
SETTING_LENGTH_MAX = 1_000


def _refers_to(kind: str) -> AfterValidator:
    """Return a validator for a reference to an entry of this kind. The reader's context has the existing keys."""

    def check(key: str, info: ValidationInfo) -> str:
        if info.context is not None and key not in info.context[kind]:
            raise broken(
                "unknown_reference", f"there is no {kind} {key} in this catalog{did_you_mean(key, info.context[kind])}"
            )
        return key

    return AfterValidator(check)


def _path(text: str) -> str:
    parse_path(text)
    return text


def _scalar(value: object) -> Any:
    if value is None or isinstance(value, str | bool):
        return value
    if not isinstance(value, int | Decimal):
        raise broken("type", "must be a string, a number, true, false or null")
    read = read_quantity(value)
    if isinstance(read, NotAQuantity):
        raise broken(read.code, read.detail)
    if read.exact != read.quantity:
        raise broken("out_of_range", f"must have at most {FRACTION_DIGITS_MAX} decimals")
    if len(read.quantity.as_tuple().digits) > FILTER_DIGITS_MAX:
        raise broken("out_of_range", f"must have at most {FILTER_DIGITS_MAX} digits")
    return value if isinstance(value, int) else read.quantity


def _setting(value: object) -> Any:
    parts = value if isinstance(value, list) else [value]
    if len(parts) > SETTING_PARTS_MAX:
        raise broken("length", f"must have at most {SETTING_PARTS_MAX} elements")
    read = [_scalar(part) for part in parts]
    if any(part is None for part in read):
        raise broken("type", "must be a string, a number, true, false, or a list of those")
    if any(isinstance(part, str) and len(part) > SETTING_LENGTH_MAX for part in read):
        raise broken("length", f"must have at most {SETTING_LENGTH_MAX} characters")
    return value


def _filter_value(value: object) -> Any:
    """Refuse null and an empty list: no value equals them, so the filter would match all events or none."""
    if value == []:
        raise broken("length", "must have at least 1 element")
    parts = value if isinstance(value, list) else [value]
    read = [_scalar(part) for part in parts]
    if any(part is None for part in read):
        raise broken("not_allowed", "must not be null: use the operator exists to test whether a property is present")
    return read if isinstance(value, list) else value


Path = Annotated[str, StringConstraints(max_length=ENTRIES_MAX), AfterValidator(_path)]
PlanVersion = Annotated[int, Field(ge=1, le=PLAN_VERSION_MAX)]
SettingValue = Annotated[Any, PlainValidator(_setting), WithJsonSchema(SETTING_SCHEMA)]
FilterValue = Annotated[Any, PlainValidator(_filter_value), WithJsonSchema({})]
RoundingWord = Annotated[str, one_of(tuple(rounding.value for rounding in Rounding))]
_SAID_OF_FIXED = tuple(SAID_OF.values())


class MeterFilter(Judged):
    """A condition on an event's data. A meter counts an event only if the event meets all conditions."""

    property: Path
    op: Annotated[str, one_of(OPERATORS)]
    value: FilterValue

    def rules_broken(self, _known: Mapping[str, Any]) -> Iterator[FieldError]:
        try:
            filter_of(self.model_dump())
        except ValueError as error:
            yield rule("invalid", str(error), "value")


class MeterEntry(Judged):
    """A meter: the rule from events to a quantity.

    `value` is the path in the event's data of the number to add up or compare, like $.tokens; a count has none.
    `dimensions` are paths by dimension name. An event counts only if it meets all `filters`. With max, a limit bounds
    each request and not their sum.
    """

    key: Name
    event_type: Id
    aggregation: Annotated[str, one_of(AVAILABLE, LATER)]
    value: Path | None = None
    kind: Annotated[str, one_of(("cumulative",), ("total", "gauge", "up_down"))] = "cumulative"
    dimensions: dict[DimensionKey, Path] = Field(default_factory=dict, max_length=DIMENSIONS_MAX)
    filters: list[MeterFilter] = Field(default_factory=list, max_length=FILTERS_MAX)
    name: NotAvailable = None
    description: NotAvailable = None
    metadata: NotAvailable = None
    persistent: NotAvailable = None
    count_first: NotAvailable = None
    max_jump: NotAvailable = None
    period_value: NotAvailable = None
    floor: NotAvailable = None

    def rules_broken(self, _known: Mapping[str, Any]) -> Iterator[FieldError]:
        reads = AGGREGATIONS[self.aggregation].reads
        if reads is not None and self.value is None:
            yield rule("required", f"is required for {self.aggregation}: the path of {reads}", "value")
        if reads is None and self.value is not None:
            yield rule("not_allowed", f"is not allowed for {self.aggregation}", "value")


class BillingEntry(Judged):
    """How a bill rounds usage: to multiples of the increment in the display unit, once for a whole period."""

    increment: PositiveQuantity | None = None
    rounding: RoundingWord = Rounding.UP.value

    def rules_broken(self, _known: Mapping[str, Any]) -> Iterator[FieldError]:
        if self.rounding == Rounding.NONE and self.increment is not None:
            yield rule("not_allowed", "is not allowed with rounding none, which does not round", "increment")


class UnitEntry(Judged):
    """The name of raw quantities and their display unit: raw ÷ divide_by, or raw × multiply_by.

    With rounding none, a precision or increment is refused instead of being ignored.
    """

    name: Text
    display: Text | None = None
    plural: Text | None = None
    divide_by: PositiveQuantity | None = None
    multiply_by: PositiveQuantity | None = None
    precision: Annotated[int, Field(ge=0, le=PRECISION_MAX)] | None = None
    rounding: RoundingWord = Rounding.HALF_UP.value
    billing: BillingEntry | None = None

    def rules_broken(self, _known: Mapping[str, Any]) -> Iterator[FieldError]:
        if self.divide_by is not None and self.multiply_by is not None:
            yield rule("not_allowed", "is not allowed together with divide_by", "multiply_by")
        if self.rounding == Rounding.NONE and self.precision is not None:
            yield rule("not_allowed", "is not allowed with rounding none, which does not round", "precision")


class FeatureEntry(Judged):
    """A feature: metered (counted by one meter), boolean (on or off) or config (set to a value).

    A metered feature may have a unit in which its quantities are shown and billed. It may require dimensions of its
    meter in every request.
    """

    key: Name
    type: Annotated[str, one_of(FEATURE_TYPES)]
    meter: Annotated[Name, _refers_to("meter")] | None = None
    name: NotAvailable = None
    description: NotAvailable = None
    metadata: NotAvailable = None
    billing: NotAvailable = None
    on_unavailable: NotAvailable = None
    unit: UnitEntry | None = None
    require: list[DimensionKey] = Field(default_factory=list, max_length=DIMENSIONS_MAX)

    def rules_broken(self, known: Mapping[str, Any]) -> Iterator[FieldError]:
        declared = known.get("dimensions", {}).get(self.key)
        yield from list(self._required(declared)) or self._of_type()

    def _required(self, declared: Mapping[str, Any] | None) -> Iterator[FieldError]:
        for index, name in enumerate(self.require):
            if declared is not None and name not in declared:
                yield rule(
                    "unknown_reference",
                    f"the feature's meter has no dimension {name}{did_you_mean(name, declared or ())}",
                    "require",
                    index,
                )
        for index, name in enumerate(self.require):
            if name in self.require[:index]:
                yield rule("repeated", "is listed twice", "require", index)

    def _of_type(self) -> Iterator[FieldError]:
        if self.type != METERED:
            for name in sorted({"meter", "unit", "require"} & self.model_fields_set):
                yield rule("not_allowed", f"is not allowed for a {self.type} feature, which is not counted", name)
        elif self.meter is None:
            yield rule("required", "is required for a metered feature", "meter")


class EntitlementEntry(Windowed):
    """The right to a feature: limits of a metered feature, `enabled` of a boolean one, `value` of a config one.

    An entitlement with only a rate also counts usage by calendar month, without a limit.
    """

    feature: Annotated[Name, _refers_to("feature")]
    enabled: bool = False
    value: SettingValue = None

    @property
    def fixed(self) -> Form:
        """The given fields of a boolean or config feature."""
        return {name: getattr(self, name) for name in _SAID_OF_FIXED if name in self.model_fields_set}

    def rules_broken(self, known: Mapping[str, Any]) -> Iterator[FieldError]:
        kind = known["type"].get(self.feature, METERED)
        rules = list(self._broken_type(kind))
        if rules or kind != METERED:
            yield from rules
            return
        yield from super().rules_broken(known)
        yield from broken_by_aggregation(self, known.get("aggregation", {}).get(self.feature))

    def _broken_type(self, kind: str) -> Iterator[FieldError]:
        """Return the fields that are missing or not allowed for the feature's type."""
        wanted = SAID_OF.get(kind)
        if wanted is not None and wanted not in self.model_fields_set:
            yield rule("required", f"is required: {self.feature} is a {kind} feature", wanted)
        for name in sorted(self.model_fields_set - {"feature", wanted}):
            if wanted is not None or name in _SAID_OF_FIXED:
                yield rule("not_allowed", f"is not allowed for {self.feature}, a {kind} feature", name)

    def form(self) -> Form:
        """Return the stored form."""
        return {"feature": self.feature, **(self.fixed or self.window_forms())}


class LimitEntry(Windowed):
    """A further limit on an entitled feature: for all requests, or for requests with certain dimension values."""

    name: Name
    feature: Annotated[Name, _refers_to("feature")]
    scope: Scope = Field(default_factory=dict)

    def rules_broken(self, known: Mapping[str, Any]) -> Iterator[FieldError]:
        if (kind := known["type"].get(self.feature, METERED)) != METERED:
            yield rule("not_allowed", f"{self.feature} is a {kind} feature, which has no limits", "feature")
        yield from broken_scope(self.scope, known["dimensions"].get(self.feature))
        yield from super().rules_broken(known)
        yield from broken_by_aggregation(self, known.get("aggregation", {}).get(self.feature))

    def form(self) -> Form:
        """Return the stored form."""
        return {"name": self.name, "feature": self.feature, "scope": self.scope, **self.window_forms()}


class PlanEntry(Judged):
    """One version of a plan. Immutable once a customer has had it."""

    key: Name
    version: PlanVersion = 1
    upgrade_to: Annotated[Name, _refers_to("plan")] | None = None
    entitlements: list[EntitlementEntry] = Field(default_factory=list, max_length=ENTRIES_MAX)
    limits: list[LimitEntry] = Field(default_factory=list, max_length=ENTRIES_MAX)
    grants: Empty = Field(default_factory=list)
    name: NotAvailable = None
    description: NotAvailable = None
    metadata: NotAvailable = None
    archived: NotAvailable = None
    billing: NotAvailable = None

    def rules_broken(self, _known: Mapping[str, Any]) -> Iterator[FieldError]:
        """Refuse plans with too many windows for a feature: one condition must check them all."""
        plan = plan_of(self.form())
        for index, entitlement in enumerate(self.entitlements):
            feature = entitlement.feature
            if not entitlement.fixed and (crowd := crowd_of(plan.limits_of(feature))):
                yield rule("too_many", f"{feature} has {crowd}", "entitlements", index)

    def form(self) -> Form:
        """Return the stored form."""
        return {
            "key": self.key,
            "version": self.version,
            "upgrade_to": self.upgrade_to,
            "entitlements": [entitlement.form() for entitlement in self.entitlements],
            "limits": [limit.form() for limit in self.limits],
        }


class SettingsEntry(Contract):
    """How to treat events of unknown types and of unknown customers."""

    unknown_events: Annotated[str, one_of(UNKNOWN_EVENTS, (PARK,))] = REJECT
    unknown_customers: Annotated[str, one_of(UNKNOWN_CUSTOMERS, (PARK,))] = REJECT


class CatalogBody(Contract):
    """The whole catalog. A PUT removes every entry that the body does not list. An absent setting has its default."""

    settings: SettingsEntry = Field(default_factory=SettingsEntry)
    meters: list[MeterEntry] = Field(max_length=ENTRIES_MAX)
    features: list[FeatureEntry] = Field(max_length=ENTRIES_MAX)
    plans: list[PlanEntry] = Field(max_length=ENTRIES_MAX)
    pools: Empty = Field(default_factory=list)


def read_catalog(body: object) -> Catalog:
    """Read the catalog that a body declares. Raises InvalidRequest with every broken rule and its pointer."""
    try:
        read = CatalogBody.model_validate(body, context=declared_in(body))
    except ValidationError as failed:
        raise invalid_fields((*broken_rules(failed, model=CatalogBody), *repetitions(body))) from None
    if repeated := tuple(repetitions(body)):
        raise invalid_fields(repeated)
    return Catalog(
        meters=tuple(meter_of(meter.model_dump()) for meter in read.meters),
        features=tuple(feature_of(feature.model_dump()) for feature in read.features),
        plans=tuple(plan_of(plan.form()) for plan in read.plans),
        settings=settings_of(read.settings.model_dump()),
    )


def known_of(catalog: Catalog) -> dict[str, Any]:
    """Return the names that a catalog declares, as the context of `read`."""
    dimensions = {meter.key: set(meter.dimensions) for meter in catalog.meters}
    aggregations = {meter.key: meter.aggregation for meter in catalog.meters}
    return {
        "meter": set(dimensions),
        "feature": {feature.key for feature in catalog.features},
        "plan": {plan.key for plan in catalog.plans},
        "type": {feature.key: feature.type for feature in catalog.features if feature.type in SAID_OF},
        "dimensions": {f.key: dimensions[f.meter] for f in catalog.features if f.meter is not None},
        "aggregation": {f.key: aggregations[f.meter] for f in catalog.features if f.meter is not None},
    }


def declared_in(body: object) -> dict[str, Any]:
    """Return the names that a body declares, as `known_of` does for a catalog.

    An entry with other errors still declares its key, so references to it are no additional errors.
    """
    declared = {
        kind: [entry for _, entry in _objects(body, f"{kind}s") if isinstance(entry.get("key"), str)]
        for kind in ("meter", "feature", "plan")
    }
    features = declared["feature"]
    measured = {str(meter.get("key")): meter.get("dimensions", {}) for _, meter in _objects(body, "meters")}
    aggregations = {str(meter.get("key")): str(meter.get("aggregation")) for _, meter in _objects(body, "meters")}
    counted = {entry["key"]: measured.get(str(entry.get("meter"))) for entry in features}
    return {
        **{kind: {entry["key"] for entry in entries} for kind, entries in declared.items()},
        "type": {entry["key"]: str(entry.get("type")) for entry in features if str(entry.get("type")) in SAID_OF},
        "dimensions": {key: set(names) for key, names in counted.items() if isinstance(names, dict)},
        "aggregation": {entry["key"]: aggregations.get(str(entry.get("meter"))) for entry in features},
    }


def repetitions(body: object) -> Iterator[FieldError]:
    """Return an error for every repetition, in a body that may have other errors."""
    for kind in ("meters", "features"):
        keys = [(pointer(kind, index, "key"), entry.get("key")) for index, entry in _objects(body, kind)]
        yield from _repeated(keys, f"another of the {kind} has this key")
    plans = list(_objects(body, "plans"))
    ids = [(pointer("plans", i, "version"), (plan.get("key"), plan.get("version", 1))) for i, plan in plans]
    yield from _repeated(ids, "another plan has this key and version")
    for index, plan in plans:
        at = ("plans", index)
        limits = list(_objects(plan, "limits"))
        entitled = [
            (pointer(*at, "entitlements", i, "feature"), entry.get("feature"))
            for i, entry in _objects(plan, "entitlements")
        ]
        named = [(pointer(*at, "limits", i, "name"), entry.get("name")) for i, entry in limits]
        yield from _repeated(
            entitled + named, "another limit of this plan has this name (an entitlement has the name of its feature)"
        )
        features = {feature for _, feature in entitled if isinstance(feature, str)}
        for i, entry in limits:
            if isinstance(entry.get("feature"), str) and entry["feature"] not in features:
                detail = f"this plan has no entitlement for {entry['feature']}"
                yield rule("not_entitled", detail, *at, "limits", i, "feature")


def _repeated(named: Iterable[tuple[str, object]], detail: str) -> Iterator[FieldError]:
    """Return an error for every repeated name. Invalid names are skipped, because they have an error already."""
    seen: set[object] = set()
    for where, name in named:
        parts = name if isinstance(name, tuple) else (name,)
        if all(isinstance(part, str) or (isinstance(part, int) and len(parts) > 1) for part in parts):
            if name in seen:
                yield FieldError(pointer=where, code="repeated", detail=detail)
            seen.add(name)


def _objects(body: object, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Return the objects in a list of a body with their indexes; nothing if the body has another shape."""
    listed = body.get(name) if isinstance(body, dict) else None
    for index, entry in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(entry, dict):
            yield index, entry
