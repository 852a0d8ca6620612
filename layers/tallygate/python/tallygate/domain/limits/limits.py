"""Limits in force: what a customer's plan lets it consume, as one value that containers cache.

`Effective` is derived state. It is compiled once per change, from the subscription's plan version, the customer's own
limits and time zone, and stored whole.

Every limit window has an *ordinal*. An ordinal is allotted once per customer and never reused, so a counter's name
(`u.<ordinal>.<start>`) cannot be taken for another limit's. The limit is not stored in the counter. It is part of the
write's condition, so a change of limits touches no counter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog.carryover import Carryover
from tallygate.domain.catalog.features import Fixed
from tallygate.domain.catalog.rates import Rate
from tallygate.domain.catalog.scopes import Scope
from tallygate.domain.catalog.tiers import Enforcement, Tier, tier_rates
from tallygate.domain.limits.capacity import Sized, crowded
from tallygate.domain.limits.follows import Follows, Reigns
from tallygate.domain.limits.rollover import CarryRule, Stretch, base_at, base_of
from tallygate.domain.limits.suspensions import Suspension
from tallygate.domain.metering.contributions import Merge
from tallygate.domain.periods.recurrence import Schedule, Window, closes


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """At most `limit` units in each window of the schedule.

    limit: units per whole window; None: usage is counted and not limited
    bases: history of the base where it differs from `limit`: after a prorated change and in partial windows
    stretches: history of the base that accrues for carryover; empty: the quota has no carryover
    rules: history of the carryover rule, oldest first; empty: the limit's present rule has always applied
    follows: usage of other quotas that also counts in the window in which this quota came into force
    """

    ordinal: int
    limit: Decimal | None
    schedule: Schedule
    stretches: tuple[Stretch, ...] = ()
    bases: tuple[Stretch, ...] = ()
    rules: tuple[CarryRule, ...] = ()
    follows: Follows | None = None

    @property
    def closes(self) -> bool:
        """Whether its windows are closed and stated: windows of an hour or longer that end and do not roll."""
        return not self.schedule.reach and closes(self.schedule.current.every)

    def limit_at(self, now: Instant) -> Decimal | None:
        """The base in force at an instant; the limit where no base is recorded."""
        base = base_at(self.bases, now) if self.bases else None
        return self.limit if base is None else base

    def limit_in(self, window: Window) -> Decimal | None:
        """The last base in force in a window; the limit where no base is recorded."""
        base = base_of(self.bases, window) if self.bases else None
        return self.limit if base is None else base


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A named limit with its windows.

    scope: dimension values of the requests that it governs; empty: every request
    every_rate: its own rates and the rates of its tiers' policies
    """

    name: str
    scope: Scope = field(default_factory=dict)
    enforcement: Enforcement = Enforcement.HARD
    quotas: tuple[Quota, ...] = ()
    rates: tuple[Rate, ...] = ()
    tiers: tuple[Tier, ...] = ()
    carryover: Carryover | None = None
    every_rate: tuple[Rate, ...] = field(init=False, compare=False, repr=False)

    @property
    def decides(self) -> bool:
        """Whether its tiers' policies act. A limit in mode observe or off grants every request."""
        return self.enforcement in (Enforcement.HARD, Enforcement.SOFT)

    def __post_init__(self) -> None:
        object.__setattr__(self, "every_rate", (*self.rates, *tier_rates(self.tiers)))

    @property
    def sized(self) -> Sized:
        """Its numbers of windows and its tiers, from which `capacity` computes its weight."""
        return Sized(
            scope=self.scope,
            quotas=len(self.quotas),
            rolling=sum(bool(quota.schedule.reach) for quota in self.quotas),
            from_first_use=sum(quota.schedule.from_first_use for quota in self.quotas),
            rates=len(self.rates),
            tiers=self.tiers,
            carries=self.carryover is not None,
        )


def rules_of(quota: Quota, limit: Limit) -> tuple[CarryRule, ...]:
    """The history of the quota's carryover rule, oldest first, the present rule included; empty: no carryover."""
    if quota.rules or limit.carryover is None:
        return quota.rules
    return (CarryRule(quota.stretches[0].since, limit.carryover),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entitlement:
    """What the plan grants of one metered feature. The first limit is the entitlement's own and has its name.

    merge: how usage merges: with RAISE, each request alone is compared with the limits
    quotas, rates: of all limits and tiers, by ordinal
    followings: number of the newest following that the feature's cell must have applied before it counts; 0: none
    carries: whether a quota has carryover
    """

    feature: str
    meter: str
    limits: tuple[Limit, ...]
    upgrade_to: str | None = None
    merge: Merge = Merge.ADD
    quotas: Mapping[int, Quota] = field(init=False, compare=False, repr=False)
    rates: Mapping[int, Rate] = field(init=False, compare=False, repr=False)
    followings: int = field(init=False, compare=False, repr=False)
    carries: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        quotas = {quota.ordinal: quota for limit in self.limits for quota in limit.quotas}
        numbers = [quota.follows.number for quota in quotas.values() if quota.follows is not None]
        object.__setattr__(self, "quotas", quotas)
        object.__setattr__(self, "rates", {rate.ordinal: rate for limit in self.limits for rate in limit.every_rate})
        object.__setattr__(self, "followings", max(numbers, default=0))
        object.__setattr__(self, "carries", any(quota.stretches for quota in quotas.values()))
        assert self.limits and self.limits[0].name == self.feature and not self.limits[0].scope
        crowd = crowded(limit.sized for limit in self.limits)
        assert crowd is None, crowd

    @property
    def quota(self) -> Quota:
        """The entitlement's own quota. The numbers at the top of an answer come from it."""
        return self.limits[0].quotas[0]

    @property
    def billed(self) -> Quota | None:
        """The quota whose closed windows make the bill; None: the entitlement's own limit has no quota that closes.

        It is the first quota of the own limit that closes and has a limit. If all of them are unlimited, it is the
        first that closes.
        """
        closed = [quota for quota in self.limits[0].quotas if quota.closes]
        return next((quota for quota in closed if quota.limit is not None), closed[0] if closed else None)

    @property
    def each_quota(self) -> Iterator[tuple[Limit, Quota]]:
        """Every quota with its limit."""
        return ((limit, quota) for limit in self.limits for quota in limit.quotas)


@dataclass(frozen=True, slots=True, kw_only=True)
class Earned:
    """The part of its running window's base that a quota had earned when it left force.

    until: end of that window
    base: units earned
    """

    until: Instant
    base: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """Everything that admission and aggregation must know about one customer.

    version: grows by one with every change
    entitlements: rights to metered features, by feature
    fixed: what the plan states for boolean and config features, by feature
    ordinals: ordinal of every limit window that the customer has ever had, by window name; only grows
    retired: last schedule of each quota that is not in force, by ordinal, so that a quota that returns resumes it
    frozen: stretches of quotas with carryover that are not in force, by ordinal, for the carryover when they return
    frozen_rules: carryover rules of the same quotas
    earned: what quotas that left force had earned of the window that ran then, by ordinal
    suspensions: those by operators; no change of plan lifts them
    reigns: which quota counted each feature's usage, and from when
    followings: how many changes let usage follow into other windows
    next: the limits that replace these at a stated instant; None: no change is planned
    since: when this version came into force, as stored; 0: not known, or not stored yet
    """

    customer: str
    version: int
    timezone: str
    plan: str | None = None
    plan_version: int | None = None
    subscribed: bool = False
    stripe_customer_id: str | None = None
    entitlements: Mapping[str, Entitlement] = field(default_factory=dict)
    fixed: Mapping[str, Fixed] = field(default_factory=dict)
    ordinals: Mapping[str, int] = field(default_factory=dict)
    retired: Mapping[int, Schedule] = field(default_factory=dict)
    frozen: Mapping[int, tuple[Stretch, ...]] = field(default_factory=dict)
    frozen_rules: Mapping[int, tuple[CarryRule, ...]] = field(default_factory=dict)
    suspensions: tuple[Suspension, ...] = ()
    earned: Mapping[int, Earned] = field(default_factory=dict)
    reigns: Reigns = field(default_factory=dict)
    followings: int = 0
    next: Next | None = None
    since: Instant = field(default=0, compare=False)

    @property
    def quotas(self) -> Iterator[tuple[Entitlement, Limit, Quota]]:
        """Every quota in force with its limit and entitlement."""
        return ((each, limit, quota) for each in self.entitlements.values() for limit, quota in each.each_quota)

    def quota(self, ordinal: int) -> tuple[Entitlement, Limit, Quota] | None:
        """The quota of an ordinal; None: it is not in force."""
        return next((found for found in self.quotas if found[2].ordinal == ordinal), None)

    def in_force(self, now: Instant) -> Effective:
        """The limits at an instant. Only the time decides, so no job has to run when a planned change falls due."""
        if self.next is None or now < self.next.at:
            return self
        return replace(self.next.effective, version=self.version, suspensions=self.suspensions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """The limits from `at` on, compiled ahead.

    Version and suspensions are those of the enclosing `Effective`.
    """

    at: Instant
    effective: Effective

    def __post_init__(self) -> None:
        assert self.effective.next is None, "one change at a time is to come"
