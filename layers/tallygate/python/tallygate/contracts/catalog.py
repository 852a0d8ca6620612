"""The catalog on the wire: what PUT /v1/catalog takes, checked as a whole, and what it answers.

    shape        every field by its contract; what this version does not offer is refused by name, never ignored
    references   feature -> meter, entitlement and limit -> feature, upgrade_to -> plan, against the same body
    repetitions  keys, versions, names and windows that are there twice

All broken rules come back together, each at its pointer, so that a catalog is mended in one go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from tallygate.contracts.catalog_whole import SAID_OF, declared_in, repetitions
from tallygate.contracts.fields import DimensionKey, Empty, Id, Name, NotAvailable, one_of
from tallygate.contracts.limits import Scope, Windowed, broken_scope
from tallygate.contracts.reading import (
    Broken,
    Contract,
    broken,
    broken_rules,
    broken_several,
    invalid_fields,
)
from tallygate.contracts.units import UnitEntry
from tallygate.domain.catalog import Catalog, Change, name_of
from tallygate.domain.catalog_forms import Form, feature_of, filter_of, meter_of, plan_of
from tallygate.domain.features import FEATURE_TYPES, METERED
from tallygate.domain.meters import AGGREGATIONS, DIMENSIONS_MAX, FILTERS_MAX, OPERATORS, parse_path
from tallygate.domain.overrides import crowd_of
from tallygate.domain.quantities import FRACTION_DIGITS_MAX, Refused, read_quantity
from tallygate.domain.settings import PARK, REJECT, UNKNOWN_CUSTOMERS, UNKNOWN_EVENTS, settings_of
from tallygate.errors import FieldError

ENTRIES_MAX = 1_000
PLAN_VERSION_MAX = 999_999
FILTER_DIGITS_MAX = 15
SETTING_PARTS_MAX = 100
SETTING_LENGTH_MAX = 1_000


def _refers_to(kind: str) -> AfterValidator:
    """The key of something of this kind in the same catalog; the reader's context holds what there is."""

    def check(key: str, info: ValidationInfo) -> str:
        if info.context is not None and key not in info.context[kind]:
            raise broken("unknown_reference", f"there is no {kind} {key} in this catalog")
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
    if isinstance(read, Refused):
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
    """Nothing equals null and nothing is in an empty list: such a filter would silently match all events or none."""
    if value == []:
        raise broken("length", "must have at least 1 element")
    parts = value if isinstance(value, list) else [value]
    read = [_scalar(part) for part in parts]
    if any(part is None for part in read):
        raise broken("not_allowed", "must not be null: ask with the operator exists whether the property is there")
    return read if isinstance(value, list) else value


Path = Annotated[str, StringConstraints(max_length=ENTRIES_MAX), AfterValidator(_path)]
PlanVersion = Annotated[int, Field(ge=1, le=PLAN_VERSION_MAX)]
Aggregation = Annotated[
    str,
    one_of(AGGREGATIONS, ("unique", "min", "max", "avg", "latest")),
    WithJsonSchema({"enum": list(AGGREGATIONS)}),
]
Kind = Annotated[str, one_of(("cumulative",), ("total", "gauge", "up_down")), WithJsonSchema({"enum": ["cumulative"]})]
Operator = Annotated[str, one_of(OPERATORS), WithJsonSchema({"enum": list(OPERATORS)})]
SettingValue = Annotated[
    Any, PlainValidator(_setting), WithJsonSchema({"type": ["string", "number", "boolean", "array"]})
]
FilterValue = Annotated[Any, PlainValidator(_filter_value), WithJsonSchema({})]
FeatureType = Annotated[str, one_of(FEATURE_TYPES), WithJsonSchema({"enum": list(FEATURE_TYPES)})]
UnknownEvents = Annotated[
    str, one_of(UNKNOWN_EVENTS, (PARK,)), WithJsonSchema({"enum": list(UNKNOWN_EVENTS), "default": REJECT})
]
UnknownCustomers = Annotated[
    str, one_of(UNKNOWN_CUSTOMERS, (PARK,)), WithJsonSchema({"enum": list(UNKNOWN_CUSTOMERS), "default": REJECT})
]


class MeterFilter(Contract):
    """A condition on an event's data; an event is counted where all of a meter's hold."""

    property: Path
    op: Operator
    value: FilterValue

    @model_validator(mode="after")
    def _sound(self) -> Self:
        try:
            filter_of(self.model_dump())
        except ValueError as error:
            raise broken("invalid", str(error), at="value") from None
        return self


class MeterEntry(Contract):
    """The rule from events to a quantity."""

    key: Name
    event_type: Id
    aggregation: Aggregation
    value: Path | None = None
    kind: Kind = "cumulative"
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

    @model_validator(mode="after")
    def _value_where_it_is_needed(self) -> Self:
        if self.aggregation == "sum" and self.value is None:
            raise broken("required", "a sum needs the path of the value that it adds up", at="value")
        if self.aggregation != "sum" and self.value is not None:
            raise broken("not_allowed", f"{self.aggregation} takes no value", at="value")
        return self


class FeatureEntry(Contract):
    """What the product sells: metered, counted by one meter; boolean, there or not; config, set to a value.

    A metered one may have a unit that its quantities are shown and billed in, and may require dimensions of its meter
    in every request.
    """

    key: Name
    type: FeatureType
    meter: Annotated[Name, _refers_to("meter")] | None = None
    name: NotAvailable = None
    description: NotAvailable = None
    metadata: NotAvailable = None
    billing: NotAvailable = None
    on_unavailable: NotAvailable = None
    unit: UnitEntry | None = None
    require: list[DimensionKey] = Field(default_factory=list, max_length=DIMENSIONS_MAX)

    @model_validator(mode="after")
    def _requires_what_is_declared(self, info: ValidationInfo) -> Self:
        declared = (info.context or {}).get("dimensions", {}).get(self.key)
        rules = [
            (("require", index), "unknown_reference", f"the feature's meter has no dimension {name}")
            for index, name in enumerate(self.require)
            if declared is not None and name not in declared
        ]
        rules += [
            (("require", index), "repeated", "is required already")
            for index, name in enumerate(self.require)
            if name in self.require[:index]
        ]
        if rules:
            raise broken_several(rules)
        return self

    @model_validator(mode="after")
    def _meter_where_it_counts(self) -> Self:
        if self.type == METERED and self.meter is None:
            raise broken("required", "a metered feature needs the meter that counts it", at="meter")
        said = sorted({"meter", "unit", "require"} & self.model_fields_set) if self.type != METERED else ()
        if said:
            detail = f"nothing is counted for a {self.type} feature"
            raise broken_several([((name,), "not_allowed", detail) for name in said])
        return self


class EntitlementEntry(Windowed):
    """What a plan grants of a feature: limits of a metered one, `enabled` of a boolean, `value` of a config one.

    A rate alone is counted by the calendar month, without a limit.
    """

    feature: Annotated[Name, _refers_to("feature")]
    enabled: bool = False
    value: SettingValue = None

    @property
    def fixed(self) -> bool:
        """Whether it is of a feature that nothing is counted for."""
        return not self.model_fields_set.isdisjoint(_SAID_OF_FIXED)

    def rules_broken(self, known: Mapping[str, Any]) -> Iterator[Broken]:
        kind = known["type"].get(self.feature, METERED)
        rules = list(_broken_type(self, kind))
        yield from rules if rules or kind != METERED else super().rules_broken(known)

    def form(self) -> Form:
        """The stored form."""
        said = {name: getattr(self, name) for name in _SAID_OF_FIXED if name in self.model_fields_set}
        return {"feature": self.feature, **(said or self.window_forms())}


class LimitEntry(Windowed):
    """A further limit on an entitled feature: over all its requests, or those with certain dimension values."""

    name: Name
    feature: Annotated[Name, _refers_to("feature")]
    scope: Scope = Field(default_factory=dict)

    def rules_broken(self, known: Mapping[str, Any]) -> Iterator[Broken]:
        if (kind := known["type"].get(self.feature, METERED)) != METERED:
            yield (("feature",), "not_allowed", f"{self.feature} is a {kind} feature, which has no limits")
        yield from broken_scope(self.scope, known["dimensions"].get(self.feature))
        yield from super().rules_broken(known)

    def form(self) -> Form:
        """The stored form."""
        return {"name": self.name, "feature": self.feature, "scope": self.scope, **self.window_forms()}


class PlanEntry(Contract):
    """One version of a plan; immutable once a customer has had it."""

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

    @model_validator(mode="after")
    def _windows_that_fit_a_cell(self) -> Self:
        if rules := list(_too_many_windows(self)):
            raise broken_several(rules)
        return self

    def form(self) -> Form:
        """The stored form."""
        return {
            "key": self.key,
            "version": self.version,
            "upgrade_to": self.upgrade_to,
            "entitlements": [entitlement.form() for entitlement in self.entitlements],
            "limits": [limit.form() for limit in self.limits],
        }


_SAID_OF_FIXED = tuple(SAID_OF.values())


class SettingsEntry(Contract):
    """What becomes of events that would count nothing."""

    unknown_events: UnknownEvents = REJECT
    unknown_customers: UnknownCustomers = REJECT


class CatalogBody(Contract):
    """The whole catalog: what is not in it is removed, and a setting that is not in it has its default."""

    settings: SettingsEntry = Field(default_factory=SettingsEntry)
    meters: list[MeterEntry] = Field(max_length=ENTRIES_MAX)
    features: list[FeatureEntry] = Field(max_length=ENTRIES_MAX)
    plans: list[PlanEntry] = Field(max_length=ENTRIES_MAX)
    pools: Empty = Field(default_factory=list)


def read_catalog(body: object) -> Catalog:
    """The catalog that a body declares. Raises InvalidRequest with every broken rule at its pointer."""
    errors: list[FieldError] = []
    read = None
    try:
        read = CatalogBody.model_validate(body, context=declared_in(body))
    except ValidationError as failed:
        errors += broken_rules(failed)
    errors += repetitions(body)
    if errors or read is None:
        raise invalid_fields(tuple(errors))
    return Catalog(
        meters=tuple(meter_of(meter.model_dump()) for meter in read.meters),
        features=tuple(feature_of(feature.model_dump()) for feature in read.features),
        plans=tuple(plan_of(plan.form()) for plan in read.plans),
        settings=settings_of(read.settings.model_dump()),
    )


def changes_answer(
    changes: tuple[Change, ...],
    concerned: tuple[int, ...],
    *,
    version: int,
    dry_run: bool,
    customers: int,
    resumed: bool,
) -> Form:
    """What PUT answers: every change with the number of customers that it touches, and all of them together."""
    return {
        "version": version,
        "dry_run": dry_run,
        "changes": [
            {"action": change.action, **name_of(change.entry), "customers": count}
            for change, count in zip(changes, concerned, strict=True)
        ],
        "customers": customers,
        "resumed": resumed,
    }


def _too_many_windows(plan: PlanEntry) -> Iterator[Broken]:
    """All limits of a feature share a cell, and one condition holds so many windows."""
    read = plan_of(plan.form())
    for index, entitlement in enumerate(plan.entitlements):
        if entitlement.fixed:
            continue
        if crowd := crowd_of(read.limits_of(entitlement.feature)):
            yield (("entitlements", index), "too_many", f"{entitlement.feature} has {crowd}")


def _broken_type(entitlement: EntitlementEntry, kind: str) -> Iterator[Broken]:
    """What an entitlement says must be of its feature's type."""
    wanted = SAID_OF.get(kind)
    if wanted is not None and wanted not in entitlement.model_fields_set:
        yield ((wanted,), "required", f"is required: {entitlement.feature} is a {kind} feature")
    for name in sorted(entitlement.model_fields_set - {"feature", wanted}):
        if wanted is not None or name in _SAID_OF_FIXED:
            yield ((name,), "not_allowed", f"does not go with a {kind} feature like {entitlement.feature}")
