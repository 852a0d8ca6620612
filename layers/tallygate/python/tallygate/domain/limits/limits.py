"""Limits in force: what a customer's plan lets it consume, as one value that containers cache.

`Effective` is derived state: the subscription's plan version and the customer's zone, compiled once per change and
stored whole. Every limit window owns an *ordinal*, allotted once per customer and never reused, so that a counter's
name (`u.<ordinal>.<start>`) can never be read as another limit's. The limit itself is not in the counter: it travels in
the condition of the write, so a change of limits touches no counter.
"""

from __future__ import annotations

from collections.abc import Mapping
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
from tallygate.domain.periods.recurrence import Schedule, Window, closes


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """At most `limit` units in each window of the schedule; None counts without limiting.

    `bases` say what the limit comes to, and did, where that is another amount: while a change of it is prorated, and in
    partial windows. `stretches` say what accrued, and does, where something carries over; `rules` how, where that was
    not always as the limit says now. `follows` lists the usage of other quotas that counts in the window in which this
    quota came into force.
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
        """Whether its windows are closed: an hour or longer, and neither rolling nor for ever."""
        return not self.schedule.reach and closes(self.schedule.current.every)

    def limit_at(self, now: Instant) -> Decimal | None:
        """The limit in force at an instant."""
        base = base_at(self.bases, now) if self.bases else None
        return self.limit if base is None else base

    def limit_in(self, window: Window) -> Decimal | None:
        """The limit that was last in force in a window."""
        base = base_of(self.bases, window) if self.bases else None
        return self.limit if base is None else base


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A named limit with its windows, over the requests that its scope governs: all of them, where it is empty.

    every_rate: its rates, and those that its tiers ask for
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
        """Whether its tiers' policies act: a limit that observes, or is off, lets everything through."""
        return self.enforcement in (Enforcement.HARD, Enforcement.SOFT)

    def __post_init__(self) -> None:
        object.__setattr__(self, "every_rate", (*self.rates, *tier_rates(self.tiers)))

    @property
    def sized(self) -> Sized:
        """What there is to count of it."""
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
    """How a quota of the limit has carried over since it did, and does."""
    if quota.rules or limit.carryover is None:
        return quota.rules
    return (CarryRule(quota.stretches[0].since, limit.carryover),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entitlement:
    """What the plan grants of one metered feature. The first limit is the entitlement's own, named by the feature."""

    feature: str
    meter: str
    limits: tuple[Limit, ...]
    upgrade_to: str | None = None

    def __post_init__(self) -> None:
        assert self.limits and self.limits[0].name == self.feature and not self.limits[0].scope
        crowd = crowded(limit.sized for limit in self.limits)
        assert crowd is None, crowd

    @property
    def quota(self) -> Quota:
        """The entitlement's own quota: the numbers at the top of an answer are its."""
        return self.limits[0].quotas[0]

    @property
    def billed(self) -> Quota | None:
        """The quota whose closed windows make the bill: the first of its own with a limit, of those that are closed.

        Without a limit on any of them the first; None: none is ever closed.
        """
        closed = [quota for quota in self.limits[0].quotas if quota.closes]
        return next((quota for quota in closed if quota.limit is not None), closed[0] if closed else None)

    @property
    def followings(self) -> int:
        """The number of the newest following that the feature's cell must know before it counts; 0: none."""
        quotas = (quota for limit in self.limits for quota in limit.quotas)
        return max((quota.follows.number for quota in quotas if quota.follows is not None), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Earned:
    """What a quota that is in force no more had earned of its running window, which ends at `until`."""

    until: Instant
    base: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """All that admission and the fold must know of one customer. `version` grows by one with every change.

    `entitlements` are those to metered features, `fixed` what the plan says of the others, both by feature.
    `ordinals` and `retired` only grow: the ordinal of every limit window that the customer has ever had, and the
    schedule that each quota had when it was last in force, so that one that comes back goes on where it was.
    `frozen` are the stretches of quotas that are not in force, for what they have to carry when they come back,
    `frozen_rules` how they carried over, and `earned` what they had of the window that ran.
    `suspensions` are those by hand, which no change of plan lifts. `next` is what is in force from some instant on.
    `since`: when this version came into force, as it is stored; 0: not known, or not stored yet.
    `reigns` tell which quotas counted when, `followings` how many changes let usage follow into other windows.
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

    def in_force(self, now: Instant) -> Effective:
        """The limits at an instant: time alone decides, so that no job has to run when a change falls due."""
        if self.next is None or now < self.next.at:
            return self
        return replace(self.next.effective, version=self.version, suspensions=self.suspensions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """The limits from `at` on, compiled ahead; version and suspensions are those of the value that they are part of."""

    at: Instant
    effective: Effective

    def __post_init__(self) -> None:
        assert self.effective.next is None, "one change at a time is to come"
