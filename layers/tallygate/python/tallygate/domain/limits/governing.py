"""Governing: under which limits one entry of a journal counts, which is a matter of its own time and windows.

    the present plan ────────────┤at├──── the plan that follows       in force at the time of the entry
    base 100 ─── prorated: 150 ──┤end of the window├──── 200          last in force in the window that it counts in

A record holds one answer for each limit, so entries that are told differently of one go into different records.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog.scopes import Scope
from tallygate.domain.catalog.tiers import Enforcement, Tier
from tallygate.domain.limits.counters import CountedWindow
from tallygate.domain.limits.limits import Effective
from tallygate.domain.periods.recurrence import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Governed:
    """A limit as it stood when the record was written: what totals and facts say of it. `every` is its period's.

    A window of what rolls counts for `reach` after its end; its total by itself is measured against no limit. What is
    not `enforced` observes or is off: its tiers tell their levels, and their policies do nothing.
    """

    feature: str
    meter: str
    name: str
    scope: Scope = field(default_factory=dict)
    limit: Decimal | None = None
    tiers: tuple[Tier, ...] = ()
    enforcement: Enforcement = Enforcement.HARD
    plan: str | None = None
    plan_version: int | None = None
    stripe_customer_id: str | None = None
    upgrade_to: str | None = None
    upgrade_limit: Decimal | None = None
    upgrade_unlimited: bool = False
    every: str | None = None
    reach: Instant = 0
    carries: bool = False
    """Whether what is not used carries over into the next window."""
    further: bool = False
    """Of the feature's own limit: another of its windows than the one that is billed."""

    @property
    def own(self) -> bool:
        """Whether it is the entitlement's own quota, whose closed windows make the bill."""
        return self.name == self.feature and not self.scope and not self.further

    @property
    def enforced(self) -> bool:
        """Whether it decides, or says so where it would have."""
        return self.enforcement in (Enforcement.HARD, Enforcement.SOFT)

    @property
    def named_only(self) -> bool:
        """Whether nothing but names is known: the limit was not in force any more when the record was written."""
        return self == Governed(feature=self.feature, meter=self.meter, name=self.name)


def governed_of(
    effective: Effective | None, upgrades: Mapping[str, Decimal | None] | None = None
) -> Mapping[int, Governed]:
    """What totals and facts say of each quota in force, by ordinal; by `upgrades`, what the next plan would allow."""
    offered = upgrades or {}
    if effective is None:
        return {}
    return {
        quota.ordinal: Governed(
            feature=entitlement.feature,
            meter=entitlement.meter,
            name=limit.name,
            scope=limit.scope,
            limit=None if quota.schedule.reach else quota.limit,
            tiers=() if quota.schedule.reach else limit.tiers,
            enforcement=limit.enforcement,
            plan=effective.plan,
            plan_version=effective.plan_version,
            stripe_customer_id=effective.stripe_customer_id,
            upgrade_to=entitlement.upgrade_to,
            upgrade_limit=offered.get(entitlement.feature),
            upgrade_unlimited=entitlement.feature in offered and offered[entitlement.feature] is None,
            every=quota.schedule.current.every,
            reach=quota.schedule.reach,
            carries=limit.carryover is not None and bool(quota.stretches),
            further=limit is entitlement.limits[0] and entitlement.billed is not None and quota != entitlement.billed,
        )
        for entitlement in effective.entitlements.values()
        for limit in entitlement.limits
        for quota in limit.quotas
    }


def limit_names(effective: Effective | None) -> Mapping[int, str]:
    """The names of all limits that the customer has ever had, by ordinal."""
    if effective is None:
        return {}
    # A window is named by its feature, its limit and its length, one to a line.
    return {ordinal: window.split("\n")[1] for window, ordinal in effective.ordinals.items()}


def in_windows(
    governed: Mapping[int, Governed], effective: Effective | None, windows: Iterable[CountedWindow]
) -> Mapping[int, Governed]:
    """The limits with the bases that they have in these windows, one of each: mostly what they are anyway."""
    starts = {window.ordinal: Window(window.start, window.end) for window in windows}
    if effective is None or not starts:
        return governed
    found = dict(governed)
    for entitlement in effective.entitlements.values():
        for quota in (quota for limit in entitlement.limits for quota in limit.quotas if quota.bases):
            if quota.ordinal in starts and not quota.schedule.reach:
                limit = quota.limit_in(starts[quota.ordinal])
                found[quota.ordinal] = replace(governed[quota.ordinal], limit=limit)
    return found


def agree(one: Mapping[int, Governed], other: Mapping[int, Governed]) -> bool:
    """Whether one record can hold both: they say the same of every limit that both name."""
    return all(other[ordinal] == governed for ordinal, governed in one.items() if ordinal in other)
