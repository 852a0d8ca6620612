"""Governing limits: under which version of the limits a journal entry counts and a closed window is stated. Pure.

**Entries** count under the limits at their own time, and under the base of the window in which they count.

    the present plan ────────────┤at├──── the next plan               in force at the time of the entry
    base 100 ─── prorated: 150 ──┤end of the window├──── 200          last base in force in the entry's window

A journal record states each limit once. So entries that disagree about a limit go into different records.

**Closed windows** state the limits at their last instant with this quota in force, whatever was used or changed later.

    versions   ──────── v1 ────────┤── v2 ──┤──────── v3 ────────>     each is in force until the next one
    window             |<──────────────────────>|                      its last instant belongs to v3
    a quota    ──── in force ──────┤ absent                            v1: the last version that has the quota
    a quota    ──── in force ──────┤ absent ┤── in force ─────>        v3: it came back before the end

A version may include the limits that replace it at an instant (`Effective.next`). It then counts as two versions, and
the time decides between them.

A replaced version is kept until every window that it may state is closed. Most windows go on under the version that
replaces it. Windows of quotas that leave with the replaced version are stated by it, at their own end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.instants import DAY, Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.catalog.scopes import Scope
from tallygate.domain.catalog.tiers import Enforcement, Tier
from tallygate.domain.limits.counters import CountedWindow
from tallygate.domain.limits.limits import Effective
from tallygate.domain.limits.rungs import Ladder, deciding, ladder
from tallygate.domain.metering.contributions import Merge
from tallygate.domain.metering.lateness import LATENESS_MAX
from tallygate.domain.periods.recurrence import Window, window_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Governed:
    """A limit as it was when the record was written, for totals and facts.

    limit: base of the window, in units; None: unlimited, or a sub-window of a rolling period
    enforcement: with observe and off, the tiers state levels and their policies do nothing
    upgrade_limit, upgrade_unlimited: what the next plan (`upgrade_to`) allows; None and False: not known
    every: length of its period
    reach: how long a sub-window of a rolling period counts after its end, in ms; otherwise 0
    carries: whether unused amounts carry over into the next window
    further: whether it is a window of the feature's own limit other than the billed one
    merge: how usage merges
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
    further: bool = False
    merge: Merge = Merge.ADD

    @property
    def own(self) -> bool:
        """Whether it is the entitlement's own quota, whose closed windows make the bill."""
        return self.name == self.feature and not self.scope and not self.further

    @property
    def enforced(self) -> bool:
        """Whether the policies of its tiers act."""
        return self.enforcement in (Enforcement.HARD, Enforcement.SOFT)

    def ladder(self, raised: Decimal = ZERO) -> Ladder:
        """The rungs of the limit before any grace has begun. `raised`: its carryover and adjustments."""
        total = None if self.limit is None else EXACT.add(self.limit, raised)
        soft = self.enforcement is Enforcement.SOFT
        return ladder(deciding(self.tiers), total, soft=soft, began=None, now=0, base=self.limit)

    @property
    def named_only(self) -> bool:
        """Whether only names are known, because the limit was out of force when the record was written."""
        return self == Governed(feature=self.feature, meter=self.meter, name=self.name)


def governed_of(
    effective: Effective | None, upgrades: Mapping[str, Decimal | None] | None = None
) -> Mapping[int, Governed]:
    """The limit of each quota in force as totals and facts state it, by ordinal.

    upgrades: limit under the next plan, by feature; None as a value: unlimited; a missing feature: not known
    """
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
            merge=entitlement.merge,
        )
        for entitlement, limit, quota in effective.quotas
    }


def limit_names(effective: Effective | None) -> Mapping[int, str]:
    """The names of all limits that the customer has ever had, by ordinal."""
    if effective is None:
        return {}
    # A window name has three lines: feature, limit, window.
    return {ordinal: window.split("\n")[1] for window, ordinal in effective.ordinals.items()}


def in_windows(
    governed: Mapping[int, Governed], effective: Effective | None, windows: Iterable[CountedWindow]
) -> Mapping[int, Governed]:
    """The limits with their bases in these windows, at most one window per ordinal."""
    starts = {window.ordinal: Window(window.start, window.end) for window in windows}
    if effective is None or not starts:
        return governed
    found = dict(governed)
    for _, _, quota in effective.quotas:
        if quota.bases and quota.ordinal in starts and not quota.schedule.reach:
            limit = quota.limit_in(starts[quota.ordinal])
            found[quota.ordinal] = replace(governed[quota.ordinal], limit=limit)
    return found


def agree(one: Mapping[int, Governed], other: Mapping[int, Governed]) -> bool:
    """Whether one record can hold both: every limit that both name is equal in both."""
    return all(other[ordinal] == governed for ordinal, governed in one.items() if ordinal in other)


CLOSE_GRACE_MAX = 7 * DAY
"""The longest close_grace that a deployment can set."""
MARGIN = 8 * DAY
"""Allowance for closings that run late."""
KEPT = LATENESS_MAX + CLOSE_GRACE_MAX + MARGIN


def last_in_force(versions: Iterable[Effective], ordinal: int, since: Instant, until: Instant) -> Effective | None:
    """The limits at the last instant in [since, until) with the quota of this ordinal in force; None: no such instant.

    versions: of the customer, newest first; read lazily, only as far as needed
    """
    for version in versions:
        begins = max(version.since, since)
        for last in _last_instants(version, begins, until):
            limits = version.in_force(last)
            if limits.quota(ordinal) is not None:
                return limits
        if version.since <= since:
            return None
        until = min(until, version.since)
    return None


def counting_at(versions: Iterable[Effective], instant: Instant) -> Effective | None:
    """The limits under which usage of an instant counts; None: the customer has no version of limits.

    These are the newest limits, plus the entitlements of that instant to features that have left since.

    versions: of the customer, newest first
    """
    present: Effective | None = None
    for version in versions:
        present = present or version.in_force(instant)
        if version.since <= instant:
            then = version.in_force(instant)
            return replace(present, entitlements={**then.entitlements, **present.entitlements})
    return present


def governed_in(limits: Effective, window: CountedWindow, upgrades: Mapping[str, Decimal | None]) -> Governed:
    """The limit of a window under these limits, which must have its quota. The window's own base applies."""
    return in_windows(governed_of(limits, upgrades), limits, (window,))[window.ordinal]


def kept_until(replaced: Effective, by: Effective, now: Instant) -> Instant:
    """The instant until which a version that is replaced now must be kept."""
    stays = {quota.ordinal for _, _, quota in by.in_force(now).quotas}
    ends = [
        window_at(quota.schedule, last).end
        for last in _last_instants(replaced, min(replaced.since, now - 1), now)
        for _, _, quota in replaced.in_force(last).quotas
        if quota.closes and quota.ordinal not in stays
    ]
    return max([now, *ends]) + KEPT


def _last_instants(version: Effective, since: Instant, until: Instant) -> Iterator[Instant]:
    """The last instants in [since, until) of a version's limits, latest first: of `next` and of those before it."""
    if since < until:
        yield until - 1
        if version.next is not None and since < version.next.at < until:
            yield version.next.at - 1
