"""The catalog: meters, features and plans as the vendor declares them, and what a new declaration may change.

A plan's version is immutable once a customer has had it; a meter's and a feature's identity once it is stored, because
usage has been counted by it: one that is removed is remembered, and comes back as what it was or not at all. Whatever
else is declared anew simply replaces what was there. A catalog is whole: every
name in it refers to something in it (its contract sees to that).

Expected versions: what a caller that has read something requires of it when it writes.
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
    """What the product sells. A metered one is counted by one meter; nothing is counted for the others.

    Its `unit` is how what is counted is shown and billed, and may change at any time: limits are raw.
    """

    key: str
    type: str = METERED
    meter: str | None = None
    unit: Unit | None = None
    require: tuple[str, ...] = ()
    """Dimensions of its meter that every request must give."""

    def __post_init__(self) -> None:
        assert self.type in FEATURE_TYPES
        assert (self.type == METERED) == (self.meter is not None)
        assert self.unit is None or self.type == METERED
        assert not self.require or self.type == METERED


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaTerms:
    """At most `limit` units (None: unlimited) in every period; `zone` None is the customer's.

    `anchor` is calendar, subscription_start, rolling, first_use, or timestamp with its `origin`.
    """

    limit: Decimal | None
    every: str
    zone: str | None = None
    anchor: str = CALENDAR
    origin: Instant | None = None
    week_starts: str = "monday"

    def __post_init__(self) -> None:
        assert (self.origin is not None) == (self.anchor == TIMESTAMP), "a timestamp is an instant"


@dataclass(frozen=True, slots=True, kw_only=True)
class RateTerms:
    """At most burst + limit × T ÷ per units in any interval T; `per` is a key of PER."""

    limit: Decimal
    per: str
    burst: Decimal

    @property
    def width(self) -> Instant:
        """Length of the sub-windows that it is counted in."""
        return rate_width(limit=self.limit, per=PER[self.per], burst=self.burst)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLimit:
    """A limit that every customer of a plan has on a feature; an entitlement's own is named by its feature.

    Without a `carryover` every period begins with the limit alone.
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
        assert self.quotas or self.rates, "a limit limits something"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One version of a plan.

    `entitlements` are limits on metered features, named by them; `limits` are further ones. `fixed` is what the plan
    says of boolean and config features.
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
        """Every feature that it says something of."""
        limits, fixed = (*self.entitlements, *self.limits), self.fixed
        return frozenset({limit.feature for limit in limits} | {each.feature for each in fixed})

    def limits_of(self, feature: str) -> tuple[PlanLimit, ...]:
        """The limits on an entitled feature, the entitlement's own first."""
        own = tuple(limit for limit in self.entitlements if limit.feature == feature)
        return own + tuple(limit for limit in self.limits if limit.feature == feature)


PlanId = tuple[str, int]
"""A plan's key and version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """All that is declared, in the order of the declaration."""

    meters: tuple[Meter, ...] = ()
    features: tuple[Feature, ...] = ()
    plans: tuple[Plan, ...] = ()
    settings: Settings = Settings()  # noqa: RUF009  # immutable

    def feature(self, key: str) -> Feature | None:
        return next((feature for feature in self.features if feature.key == key), None)

    def plan(self, key: str, version: int | None = None) -> Plan | None:
        """A version of a plan; None for the newest."""
        versions = [plan for plan in self.plans if plan.key == key and version in (None, plan.version)]
        return max(versions, key=lambda plan: plan.version, default=None)


CatalogEntry = Settings | Meter | Feature | Plan
"""What a catalog consists of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogChange:
    """What becomes of one entry; `entry` is the new one, or the one that goes."""

    action: Literal["added", "changed", "removed"]
    entry: CatalogEntry

    @property
    def writes(self) -> int:
        """How many items it takes: what is removed and must be remembered is written elsewhere."""
        return 2 if self.action == "removed" and not isinstance(self.entry, Plan) else 1


def changes(stored: Catalog, wanted: Catalog) -> tuple[CatalogChange, ...]:
    """What turns one catalog into the other, in an order in which each step leaves a whole catalog.

    What others refer to comes before them and goes after them: meters, features, plans; plans, features, meters. The
    settings are always there, and nothing refers to them.
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
    """What the newest version of the next plan allows of each feature in the same period, None being unlimited.

    A feature is left out where the next plan has none, or counts it by another period: then nobody can compare.
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
    """The stored plan versions whose customers a change concerns.

    What a plan in use grants cannot change; but how its features are counted can, and what the next plan would allow.
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
    """Every change that must not be made, as errors of the wanted catalog's form. `former` is what was once removed."""
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
                detail = f"the dimension {name} of meter {meter.key} cannot change or go; others may be added"
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
    """The error of a plan version that customers have."""
    detail = f"plan {plan[0]} version {plan[1]} is in use by customers and {rule}"
    return FieldError(pointer=pointer, code="plan_in_use", detail=detail)


def name_of(entry: CatalogEntry) -> dict[str, str | int]:
    """What an entry is called in an answer."""
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
    """One of these versions (If-Match with entity tags), or with None any at all (`If-Match: *`)."""

    versions: frozenset[int] | None


def require(expected: ExpectedVersion | None, version: int) -> None:
    """Raises PreconditionFailed unless the version is an expected one. Version 0 is what does not exist yet."""
    if expected is None or (expected.versions is None and version > 0):
        return
    if expected.versions is None or version not in expected.versions:
        held = f'its ETag is "{version}"' if version else "it does not exist"
        raise PreconditionFailed(f"If-Match does not hold: {held}")
