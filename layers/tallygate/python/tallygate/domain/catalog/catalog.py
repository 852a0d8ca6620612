"""The catalog: meters, features and plans as the vendor declares them, and what a new declaration may change.

A plan version is immutable once a customer has had it. The identity of a meter or feature is immutable once it is
stored, because usage has been counted by it. A removed meter or feature is remembered: it may return only with its old
identity. Everything else in a new declaration replaces the old value. Every reference in a catalog names an entry of
the same catalog; the catalog's contract ensures this.

Also here: `ExpectedVersion`, the version that a conditional write requires (If-Match).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, assert_never

from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog.carryover import Carryover
from tallygate.domain.catalog.features import FEATURE_TYPES, METERED, Fixed
from tallygate.domain.catalog.rates import PER, rate_width
from tallygate.domain.catalog.scopes import Scope
from tallygate.domain.catalog.tiers import Enforcement, Tier
from tallygate.domain.catalog.units import Unit
from tallygate.domain.metering.meters import Meter
from tallygate.domain.metering.settings import Settings
from tallygate.domain.periods.boundaries import plainest
from tallygate.domain.periods.recurrence import CALENDAR, TIMESTAMP
from tallygate.errors import FieldError, PreconditionFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """What the product sells.

    type: metered (counted by one meter), boolean or config (both not counted)
    meter: only of a metered feature
    unit: how quantities are shown and billed. It may change at any time, because limits are in raw quantities.
    """

    key: str
    type: str = METERED
    meter: str | None = None
    unit: Unit | None = None
    require: tuple[str, ...] = ()
    """Dimensions of the meter that every request must give."""

    def __post_init__(self) -> None:
        assert self.type in FEATURE_TYPES
        assert (self.type == METERED) == (self.meter is not None)
        assert self.unit is None or self.type == METERED
        assert not self.require or self.type == METERED


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaTerms:
    """A quota: at most `limit` units in every period.

    limit: raw units; None: unlimited
    every: length of the period
    zone: IANA name; None: the customer's zone
    anchor: calendar, subscription_start, rolling, first_use or timestamp
    origin: the instant of a timestamp anchor; else None
    week_starts: first day of calendar weeks
    """

    limit: Decimal | None
    every: str
    zone: str | None = None
    anchor: str = CALENDAR
    origin: Instant | None = None
    week_starts: str = "monday"

    def __post_init__(self) -> None:
        assert (self.origin is not None) == (self.anchor == TIMESTAMP), "only a timestamp anchor has an origin"


@dataclass(frozen=True, slots=True, kw_only=True)
class RateTerms:
    """A rate: at most burst + limit × T ÷ per units in any interval T. `per` is a key of PER."""

    limit: Decimal
    per: str
    burst: Decimal

    @property
    def width(self) -> Instant:
        """The length of the rate's sub-windows, in ms."""
        return rate_width(limit=self.limit, per=PER[self.per], burst=self.burst)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLimit:
    """A limit that a plan sets on a feature for each customer.

    name: the limit of an entitlement has the name of its feature
    scope: the dimension values that the limit governs; empty: all requests for the feature
    carryover: None: every period begins with the limit alone
    """

    name: str
    feature: str
    quotas: tuple[QuotaTerms, ...] = ()
    rates: tuple[RateTerms, ...] = ()
    tiers: tuple[Tier, ...] = ()
    enforcement: Enforcement = Enforcement.HARD
    scope: Scope = field(default_factory=dict)
    carryover: Carryover | None = None

    def __post_init__(self) -> None:
        assert self.quotas or self.rates, "a limit has at least one window"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One version of a plan.

    entitlements: one limit for each metered feature, named like the feature
    limits: further limits on entitled features
    fixed: the values of boolean and config features
    upgrade_to: key of the next larger plan; None: none
    """

    key: str
    version: int
    entitlements: tuple[PlanLimit, ...] = ()
    limits: tuple[PlanLimit, ...] = ()
    fixed: tuple[Fixed, ...] = ()
    upgrade_to: str | None = None

    def __post_init__(self) -> None:
        assert self.version >= 1
        assert all(entitlement.name == entitlement.feature for entitlement in self.entitlements)

    @property
    def id(self) -> PlanId:
        return (self.key, self.version)

    @property
    def features(self) -> frozenset[str]:
        """Every feature that the plan mentions."""
        limits, fixed = (*self.entitlements, *self.limits), self.fixed
        return frozenset({limit.feature for limit in limits} | {each.feature for each in fixed})

    def limits_of(self, feature: str) -> tuple[PlanLimit, ...]:
        """Return the limits on an entitled feature, starting with the entitlement's own limit."""
        own = tuple(limit for limit in self.entitlements if limit.feature == feature)
        return own + tuple(limit for limit in self.limits if limit.feature == feature)


PlanId = tuple[str, int]
"""A plan's key and version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Everything that is declared, in the order of the declaration."""

    meters: tuple[Meter, ...] = ()
    features: tuple[Feature, ...] = ()
    plans: tuple[Plan, ...] = ()
    settings: Settings = Settings()  # noqa: RUF009  # immutable

    def feature(self, key: str) -> Feature | None:
        return next((feature for feature in self.features if feature.key == key), None)

    def plan(self, key: str, version: int | None = None) -> Plan | None:
        """Return a version of a plan. `version` None: the newest. Returns None if there is no such plan."""
        versions = [plan for plan in self.plans if plan.key == key and version in (None, plan.version)]
        return max(versions, key=lambda plan: plan.version, default=None)


CatalogEntry = Settings | Meter | Feature | Plan
"""One entry of a catalog."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogChange:
    """The change of one entry. `entry`: the new entry, or the removed one."""

    action: Literal["added", "changed", "removed"]
    entry: CatalogEntry

    @property
    def writes(self) -> int:
        """The number of items to write. A removed meter or feature takes two, because it is also stored as former."""
        return 2 if self.action == "removed" and not isinstance(self.entry, Plan) else 1


def changes(stored: Catalog, wanted: Catalog) -> tuple[CatalogChange, ...]:
    """Return the changes from `stored` to `wanted`, in an order in which all references hold after each step.

    A referenced entry is added before and removed after the entries that refer to it. So the order of additions is
    meters, features, plans; of removals plans, features, meters. Settings always exist, and no entry refers to them.
    """
    before, after = _entries(stored), _entries(wanted)
    found: list[CatalogChange] = []
    for name, entry in after.items():
        if name not in before:
            found.append(CatalogChange(action="added", entry=entry))
        elif before[name] != entry:
            found.append(CatalogChange(action="changed", entry=entry))
    gone = [entry for name, entry in before.items() if name not in after]
    return (*found, *(CatalogChange(action="removed", entry=entry) for entry in reversed(gone)))


def upgrades(catalog: Catalog, plan: Plan) -> Mapping[str, Decimal | None]:
    """Return the limit of each feature in the newest version of the `upgrade_to` plan; None: unlimited.

    Only limits over the same period and anchor are comparable. A feature is left out if the next plan lacks it or
    counts it over another period.
    """
    better = catalog.plan(plan.upgrade_to) if plan.upgrade_to is not None else None
    if better is None:
        return {}
    offered = {
        (limit.feature, plainest(quota.every), quota.anchor): quota.limit
        for limit in better.entitlements
        for quota in reversed(limit.quotas)
    }
    found: dict[str, Decimal | None] = {}
    for limit in plan.entitlements:
        for quota in limit.quotas[:1]:
            if (name := (limit.feature, plainest(quota.every), quota.anchor)) in offered:
                found[limit.feature] = offered[name]
    return found


def touched(stored: Catalog, wanted: Catalog, change: CatalogChange) -> frozenset[PlanId]:
    """Return the stored plan versions whose customers a change affects.

    The limits of a plan in use cannot change. But a meter or feature of the plan can change, and so can the limits of
    its `upgrade_to` plan.
    """
    entry = change.entry
    match entry:
        case Settings():
            return frozenset()
        case Meter():
            counted = {feature.key for feature in stored.features if feature.meter == entry.key}
            return frozenset(plan.id for plan in stored.plans if counted & plan.features)
        case Feature():
            return frozenset(plan.id for plan in stored.plans if entry.key in plan.features)
        case Plan():
            below = [plan for plan in stored.plans if plan.upgrade_to == entry.key]
            concerned = {plan.id for plan in below if upgrades(stored, plan) != upgrades(wanted, plan)}
            return frozenset(concerned | ({entry.id} if change.action != "added" else set()))
    assert_never(entry)


def forbidden(stored: Catalog, former: Catalog, wanted: Catalog, in_use: frozenset[PlanId]) -> tuple[FieldError, ...]:
    """Return an error for every forbidden change, with pointers into the wanted catalog's form.

    former: removed entries, whose identity is still reserved
    in_use: plan versions that customers have or have had
    """
    meters = {meter.key: meter for meter in (*former.meters, *stored.meters)}
    features = {feature.key: feature for feature in (*former.features, *stored.features)}
    return (
        *_changed_meters(meters, wanted),
        *_changed_features(features, wanted),
        *_changed_plans(stored, wanted, in_use),
    )


def _entries(catalog: Catalog) -> dict[tuple[str, str, int], CatalogEntry]:
    named: dict[tuple[str, str, int], CatalogEntry] = {("settings", catalog.settings.key, 0): catalog.settings}
    named |= {("meter", meter.key, 0): meter for meter in catalog.meters}
    named |= {("feature", feature.key, 0): feature for feature in catalog.features}
    named |= {("plan", plan.key, plan.version): plan for plan in catalog.plans}
    return named


def _changed_meters(before: Mapping[str, Meter], wanted: Catalog) -> Iterable[FieldError]:
    for index, meter in enumerate(wanted.meters):
        held = before.get(meter.key)
        if held is None:
            continue
        for name in ("event_type", "aggregation", "value"):
            if getattr(held, name) != getattr(meter, name):
                yield _immutable(f"/meters/{index}/{name}", f"the {name} of meter {meter.key} cannot change")
        for name, path in held.dimensions.items():
            if meter.dimensions.get(name) != path:
                detail = f"the dimension {name} of meter {meter.key} cannot change or be removed; others may be added"
                yield _immutable(f"/meters/{index}/dimensions", detail)


def _changed_features(before: Mapping[str, Feature], wanted: Catalog) -> Iterable[FieldError]:
    for index, feature in enumerate(wanted.features):
        held = before.get(feature.key)
        if held is not None and held.type != feature.type:
            yield _immutable(f"/features/{index}/type", f"the type of feature {feature.key} cannot change")
        elif held is not None and held.meter != feature.meter:
            yield _immutable(f"/features/{index}/meter", f"the meter of feature {feature.key} cannot change")


def _changed_plans(stored: Catalog, wanted: Catalog, in_use: frozenset[PlanId]) -> Iterable[FieldError]:
    after = {plan.id: (index, plan) for index, plan in enumerate(wanted.plans)}
    for held in stored.plans:
        if held.id not in in_use:
            continue
        index, plan = after.get(held.id, (None, None))
        if plan is None:
            yield in_use_error("/plans", held.id, "cannot be removed: keep it beside the new version")
        elif plan != held:
            yield in_use_error(f"/plans/{index}", held.id, "cannot change: declare the change as a new version")


def _immutable(pointer: str, detail: str) -> FieldError:
    return FieldError(pointer=pointer, code="immutable", detail=detail)


def in_use_error(pointer: str, plan: PlanId, rule: str) -> FieldError:
    """Return the error for a forbidden change of a plan version in use."""
    detail = f"plan {plan[0]} version {plan[1]} is in use by customers and {rule}"
    return FieldError(pointer=pointer, code="plan_in_use", detail=detail)


def name_of(entry: CatalogEntry) -> dict[str, str | int]:
    """Return the fields that identify an entry in an answer."""
    match entry:
        case Settings():
            return {"kind": "settings", "key": entry.key}
        case Meter():
            return {"kind": "meter", "key": entry.key}
        case Feature():
            return {"kind": "feature", "key": entry.key}
        case Plan():
            return {"kind": "plan", "key": entry.key, "version": entry.version}
    assert_never(entry)


@dataclass(frozen=True, slots=True)
class ExpectedVersion:
    """The versions that a conditional write accepts (If-Match); None: any existing version (`If-Match: *`)."""

    versions: frozenset[int] | None


def require(expected: ExpectedVersion | None, version: int) -> None:
    """Raise PreconditionFailed unless the version is expected. Version 0 means that the resource does not exist."""
    if expected is None or (expected.versions is None and version > 0):
        return
    if expected.versions is None or version not in expected.versions:
        held = f'its ETag is "{version}"' if version else "it does not exist"
        raise PreconditionFailed(f"If-Match does not hold: {held}")
