"""Governing: under which limits one entry of a journal counts, which is a matter of its own time and windows.

    the present plan ────────────┤at├──── the plan that follows       in force at the time of the entry
    base 100 ─── prorated: 150 ──┤end of the window├──── 200          last in force in the window that it counts in

A record holds one answer for each limit, so entries that are told differently of one go into different records.

Limits at a window's end: what a closed window states, whatever was used or changed afterwards. Pure.

    versions   ──────── v1 ────────┤── v2 ──┤──────── v3 ────────>     each in force until the next one
    window             |<──────────────────────>|                      its last instant is v3's
    a quota    ──── in force ──────┤ absent                            v1: the last version that has the quota
    a quota    ──── in force ──────┤ absent ┤── in force ─────>        v3: it came back before the end

A version may hold the limits that follow it at an instant (`Effective.next`): then it is two versions in one, and time
alone tells which.

A version that has been replaced is needed until every window that it may have to be stated for is closed. Most windows
go on under the version that replaces it. Windows of quotas that leave with it are stated by it, at their own end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from tallygate.domain.base.instants import DAY, Instant
from tallygate.domain.catalog.scopes import Scope
from tallygate.domain.catalog.tiers import Enforcement, Tier
from tallygate.domain.limits.counters import CountedWindow
from tallygate.domain.limits.limits import Effective, Quota
from tallygate.domain.metering.events import LATENESS_MAX
from tallygate.domain.periods.recurrence import Window, window_at


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


CLOSE_GRACE_MAX = 7 * DAY
"""The longest close_grace that a stack can be deployed with."""
MARGIN = 8 * DAY
"""For closings that are late themselves."""
KEPT = LATENESS_MAX + CLOSE_GRACE_MAX + MARGIN


def last_in_force(versions: Iterable[Effective], ordinal: int, since: Instant, until: Instant) -> Effective | None:
    """The limits at the last instant of [since, until) at which a quota of this ordinal was in force; None: at none.

    `versions` are the customer's, the newest first. No more of them are asked for than it takes.
    """
    for version in versions:
        begins = max(version.since, since)
        for last in _last_instants(version, begins, until):
            limits = version.in_force(last)
            if _quota(limits, ordinal) is not None:
                return limits
        if version.since <= since:
            return None
        until = min(until, version.since)
    return None


def counting_at(versions: Iterable[Effective], instant: Instant) -> Effective | None:
    """The limits that usage of an instant counts under: the present ones, and of features that have left since those
    that were in force then. `versions` are the customer's, the newest first; None: there are none.
    """
    present: Effective | None = None
    for version in versions:
        present = present or version.in_force(instant)
        if version.since <= instant:
            then = version.in_force(instant)
            return replace(present, entitlements={**then.entitlements, **present.entitlements})
    return present


def governed_in(limits: Effective, window: CountedWindow, upgrades: Mapping[str, Decimal | None]) -> Governed:
    """What these limits say of a window of a quota that they have: its own base, where the window has one."""
    return in_windows(governed_of(limits, upgrades), limits, (window,))[window.ordinal]


def kept_until(replaced: Effective, by: Effective, now: Instant) -> Instant:
    """How long a version that is replaced now must be kept."""
    stays = {quota.ordinal for quota in _quotas(by.in_force(now))}
    ends = [
        window_at(quota.schedule, last).end
        for last in _last_instants(replaced, min(replaced.since, now - 1), now)
        for quota in _quotas(replaced.in_force(last))
        if quota.closes and quota.ordinal not in stays
    ]
    return max([now, *ends]) + KEPT


def _last_instants(version: Effective, since: Instant, until: Instant) -> Iterator[Instant]:
    """The last instants in [since, until) of the limits that follow in a version, and of those before them."""
    if since < until:
        yield until - 1
        if version.next is not None and since < version.next.at < until:
            yield version.next.at - 1


def _quota(limits: Effective, ordinal: int) -> Quota | None:
    return next((quota for quota in _quotas(limits) if quota.ordinal == ordinal), None)


def _quotas(limits: Effective) -> Iterator[Quota]:
    for entitlement in limits.entitlements.values():
        for limit in entitlement.limits:
            yield from limit.quotas
