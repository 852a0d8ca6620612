"""Compilation of the limits in force: plan version, customer's zone and previous limits become one value.

    previous ──ordinals, schedules──┐
    plan, catalog ──limits──────────┼──> Effective
    zone, subscription, now ────────┘

An ordinal belongs to a window name: feature, limit name, window and scope. While the name stays the same, the ordinal
and the usage counted under it stay, whichever plan the limit comes from. So a change of plan refills nothing. The
window part of the name says how the counter is divided in time, because another division would misread the counter:

    quota/month                        a calendar period
    quota/month/subscription_start     a period with another kind of anchor
    rate/60000                         a rate, by the length of its sub-windows in ms
    tier/slow/rate/60000               the rate of a tier, by its level

An ordinal is never given to another name. A change of zone, anchor or first day of the week applies from the end of the
window that holds `now`, so the running counter keeps its name. If requested, the change applies at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tallygate.domain.base.instants import DAY, Instant
from tallygate.domain.catalog.carryover import nothing_carried
from tallygate.domain.catalog.catalog import Catalog, Plan, PlanLimit, QuotaTerms, RateTerms
from tallygate.domain.catalog.rates import PER, Rate
from tallygate.domain.catalog.scopes import scope_text
from tallygate.domain.catalog.tiers import AllowWithGrace, RateLimit, Tier
from tallygate.domain.limits.bases import Bases, Rebase, bases, earned_of, has_length, remembered_bases
from tallygate.domain.limits.follows import Follows
from tallygate.domain.limits.limits import Earned, Effective, Entitlement, Limit, Next, Quota, rules_of
from tallygate.domain.limits.reigns import counted_by, line_of, reigns_after
from tallygate.domain.limits.rollover import CarryRule, Stretch, continued, ruled
from tallygate.domain.limits.suspensions import Suspension
from tallygate.domain.metering.contributions import Merge
from tallygate.domain.periods.boundaries import TimeUnit, plainest, step_of
from tallygate.domain.periods.recurrence import (
    CALENDAR,
    ROLLING,
    SUBSCRIPTION_START,
    Schedule,
    Segment,
    Window,
    begun,
    changed,
    is_partial,
    recent,
    rolling,
    window_at,
)

UNLIMITED = QuotaTerms(limit=None, every="month")
"""The quota of an entitlement that has only rates: usage is counted by the calendar month, without a limit."""
SEGMENTS_KEPT = 400 * DAY
"""Age at which a replaced segment of a schedule is dropped. No older window is asked for."""
_SEPARATOR = "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dates:
    """What periods depend on, and how a change of these acts.

    zone: IANA name of the customer's time zone
    now: instant from which the compiled limits apply
    started_at: start of the subscription; None: there is none
    lapsed_at: when the previous subscription ended; windows idle since then do not run to their end. None: no gap
    at_once: apply a change of zone or anchor now, and not from the end of the running window
    afresh: quotas that come into force begin without usage
    boundary: the limits are compiled ahead for the instant `now`; quotas that come into force open a window there,
        without usage
    """

    zone: str
    now: Instant
    started_at: Instant | None = None
    lapsed_at: Instant | None = None
    at_once: bool = False
    afresh: bool = False
    boundary: bool = False


def compile_effective(
    *,
    customer: str,
    previous: Effective | None,
    dates: Dates,
    plan: Plan | None,
    catalog: Catalog,
    stripe_customer_id: str | None = None,
    how: Rebase = Rebase.KEEP,
) -> Effective:
    """Compile the limits in force under a plan. Where nothing changes, the result equals `previous`.

    plan: from the catalog; None: no active subscription
    catalog: states the meters of the plan's features
    how: treatment of the bases of windows that go on

    The result has no planned change (`next`). `followed_by` adds it.
    """
    previous = None if previous is None else replace(previous, next=None)
    allotted = _Allotted.of(previous, how)
    entitlements: dict[str, Entitlement] = {}
    for entitled in plan.entitlements if plan is not None else ():
        assert plan is not None
        entitlements[entitled.feature] = _entitlement(plan, entitled.feature, catalog, allotted, dates)
    in_force = {quota.ordinal for entitlement in entitlements.values() for quota in entitlement.quotas.values()}
    frozen = {
        ordinal: continued(stretches, None, dates.now)
        for ordinal, stretches in allotted.stretches.items()
        if ordinal not in in_force
    }
    compiled = Effective(
        customer=customer,
        version=previous.version if previous is not None else 1,
        timezone=dates.zone,
        plan=plan.key if plan is not None else None,
        plan_version=plan.version if plan is not None else None,
        subscribed=plan is not None,
        stripe_customer_id=stripe_customer_id,
        entitlements=entitlements,
        fixed={fixed.feature: fixed for fixed in plan.fixed} if plan is not None else {},
        ordinals=allotted.ordinals,
        retired={ordinal: held for ordinal, held in allotted.schedules.items() if ordinal not in in_force},
        frozen=frozen,
        frozen_rules={ordinal: rules for ordinal, rules in allotted.rules.items() if ordinal in frozen},
        earned=_earned(allotted, in_force, dates.now),
        reigns=reigns_after(previous, entitlements, dates.now),
        followings=allotted.followed_by(entitlements),
        suspensions=previous.suspensions if previous is not None else (),
    )
    if previous is None or compiled == previous:
        return compiled
    return replace(compiled, version=previous.version + 1)


def followed_by(present: Effective, to_follow: Effective, at: Instant) -> Effective:
    """The present limits, with the limits that replace them at an instant. Those must be compiled from the present."""
    assert set(present.ordinals.items()) <= set(to_follow.ordinals.items())
    following = replace(to_follow, version=present.version, suspensions=())
    return replace(present, ordinals=to_follow.ordinals, next=Next(at=at, effective=following))


def versioned(effective: Effective, held: Effective) -> Effective:
    """The limits with the version of `held` where they are equal, else with the next version."""
    same = _with_version(effective, held.version)
    return same if same == held else _with_version(effective, held.version + 1)


def _with_version(effective: Effective, version: int) -> Effective:
    to_come = effective.next
    if to_come is not None:
        to_come = replace(to_come, effective=replace(to_come.effective, version=version))
    return replace(effective, version=version, next=to_come)


def next_period(effective: Effective, now: Instant) -> Instant | None:
    """The start of the next period: the end of the longest running window among the entitlements' own quotas.

    Among equally long windows it is the latest end. None: none of these windows ends at a known time.
    """
    running = [
        window_at(entitlement.quota.schedule, now)
        for entitlement in effective.entitlements.values()
        if has_length(entitlement.quota.schedule)
    ]
    longest = max(running, key=lambda window: (window.end - window.start, window.end), default=None)
    return None if longest is None else longest.end


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodChange:
    """The first window under another zone, anchor or first day of the week. It is in the future or runs now.

    partial: whether the change cut the window short
    """

    feature: str
    limit: str
    segment: Segment
    window: Window
    partial: bool


def period_changes(effective: Effective, now: Instant) -> tuple[PeriodChange, ...]:
    """The results of changes of zone and anchor: one per quota whose first window after the change has not ended.

    First-use quotas are left out, because the start of their next window is unknown.
    """
    found: list[PeriodChange] = []
    for entitlement in effective.entitlements.values():
        for name, quota in [(limit.name, quota) for limit in entitlement.limits for quota in limit.quotas]:
            segment = quota.schedule.current
            if segment.since is None or quota.schedule.from_first_use:
                continue
            first = window_at(quota.schedule, segment.since)
            if first.end <= now:
                continue
            found.append(
                PeriodChange(
                    feature=entitlement.feature,
                    limit=name,
                    segment=segment,
                    window=first,
                    partial=is_partial(quota.schedule, first),
                )
            )
    return tuple(found)


def features_ever_entitled(effective: Effective) -> tuple[str, ...]:
    """Every feature whose limits the customer has or had. A change of the limits may concern the cells of these."""
    return tuple(sorted({name.split(_SEPARATOR)[0] for name in effective.ordinals}))


@dataclass(frozen=True, slots=True)
class _Allotted:
    """What is allotted while one value is compiled. The four first mappings grow during the compilation.

    ordinals: by window name
    schedules, stretches, rules: by ordinal
    suspended: the operators' suspensions
    before: quotas in force until now, by ordinal
    earned: what quotas that left force had earned, by ordinal
    lines: quotas that have counted each feature and scope (`reigns.counted_by`)
    followings: number of followings so far
    """

    ordinals: dict[str, int]
    schedules: dict[int, Schedule]
    stretches: dict[int, tuple[Stretch, ...]]
    rules: dict[int, tuple[CarryRule, ...]]
    suspended: tuple[Suspension, ...] = ()
    before: Mapping[int, Quota] = field(default_factory=dict)
    earned: Mapping[int, Earned] = field(default_factory=dict)
    how: Rebase = Rebase.KEEP
    lines: Mapping[str, frozenset[int]] = field(default_factory=dict)
    followings: int = 0

    def followed_by(self, entitlements: Mapping[str, Entitlement]) -> int:
        """The number of followings, those of these entitlements included."""
        return max(self.followings, *(entitled.followings for entitled in entitlements.values()), 0)

    @staticmethod
    def of(previous: Effective | None, how: Rebase) -> _Allotted:
        if previous is None:
            return _Allotted({}, {}, {}, {}, how=how)
        schedules, stretches, rules = dict(previous.retired), dict(previous.frozen), dict(previous.frozen_rules)
        before: dict[int, Quota] = {}
        for _, limit, quota in previous.quotas:
            before[quota.ordinal], schedules[quota.ordinal] = quota, quota.schedule
            if quota.stretches:
                stretches[quota.ordinal], rules[quota.ordinal] = quota.stretches, rules_of(quota, limit)
        ordinals = dict(previous.ordinals)
        return _Allotted(
            ordinals,
            schedules,
            stretches,
            rules,
            previous.suspensions,
            before,
            previous.earned,
            how,
            counted_by(previous),
            previous.followings,
        )

    def ordinal(self, limit: PlanLimit, window: str) -> int:
        """The ordinal of a window name; a new name gets the next free one."""
        parts = (limit.feature, limit.name, f"{window}@{scope_text(limit.scope)}" if limit.scope else window)
        assert not any(_SEPARATOR in part for part in parts), "no name has control characters"
        return self.ordinals.setdefault(_SEPARATOR.join(parts), max(self.ordinals.values(), default=0) + 1)


def _entitlement(plan: Plan, feature: str, catalog: Catalog, allotted: _Allotted, dates: Dates) -> Entitlement:
    declared = catalog.feature(feature)
    assert declared is not None and declared.meter is not None, "a catalog is whole"
    own, *further = plan.limits_of(feature)
    if not own.quotas:
        own = replace(own, quotas=(UNLIMITED,))
    limits = tuple(_limit(limit, allotted, dates) for limit in (own, *further))
    merge = next((meter.counted.merge for meter in catalog.meters if meter.key == declared.meter), Merge.ADD)
    return Entitlement(
        feature=feature,
        meter=declared.meter,
        limits=limits if merge is Merge.ADD else tuple(map(_without_proration, limits)),
        upgrade_to=plan.upgrade_to,
        merge=merge,
    )


def _without_proration(limit: Limit) -> Limit:
    """The limit with its whole base in every window: a peak is no usage of the window's time."""
    return replace(limit, quotas=tuple(replace(quota, bases=()) for quota in limit.quotas))


def _limit(declared: PlanLimit, allotted: _Allotted, dates: Dates) -> Limit:
    return Limit(
        name=declared.name,
        scope=declared.scope,
        enforcement=declared.enforcement,
        quotas=tuple(_quota(declared, quota, allotted, dates) for quota in declared.quotas),
        rates=tuple(_rate(declared, rate, allotted) for rate in declared.rates),
        tiers=tuple(_tier(declared, tier, allotted) for tier in declared.tiers),
        carryover=None if _without_carryover(declared) else declared.carryover,
    )


def _quota(declared: PlanLimit, quota: QuotaTerms, allotted: _Allotted, dates: Dates) -> Quota:
    wanted, now = _segment(quota, dates), dates.now
    window = f"quota/{wanted.every}" if wanted.anchor == CALENDAR else f"quota/{wanted.every}/{wanted.anchor}"
    ordinal = allotted.ordinal(declared, window)
    held, before = allotted.schedules.get(ordinal), allotted.before.get(ordinal)
    if held is None:
        schedule = Schedule((wanted,))
    else:
        after = changed(held, wanted, now, at_once=dates.at_once, idle_since=dates.lapsed_at)
        schedule = recent(after, now - SEGMENTS_KEPT, now)
    if dates.boundary and before is None:
        schedule = begun(schedule, now)
    allotted.schedules[ordinal] = schedule
    found = bases(
        quota.limit, schedule, now, allotted.how, before=before, earned=None if before else allotted.earned.get(ordinal)
    )
    start = window_at(schedule, now).start
    return Quota(
        ordinal=ordinal,
        limit=quota.limit,
        schedule=schedule,
        stretches=_stretches(declared, found, allotted, ordinal, now),
        rules=_rules(declared, allotted, ordinal, now),
        bases=remembered_bases(before.bases if before is not None else (), quota.limit, found, start, now),
        follows=before.follows if before is not None else _follows(declared, ordinal, schedule, allotted, dates),
    )


def _follows(
    declared: PlanLimit, ordinal: int, schedule: Schedule, allotted: _Allotted, dates: Dates
) -> Follows | None:
    """A numbered placeholder where usage may follow into the quota's window; None: no usage can follow.

    The windows and sources are determined later (`operations.limits.follow_usage`). A window that begins now begins
    without usage. Exceptions are rolling and first-use quotas, because they count usage from before now.
    """
    counted = allotted.lines.get(line_of(declared.feature, declared.scope), frozenset())
    others = counted - {ordinal} if counted else allotted.lines.get(line_of(declared.feature, {}), frozenset())
    begins = window_at(schedule, dates.now).start == dates.now and not (schedule.from_first_use or schedule.reach)
    if not others or begins or dates.afresh or dates.boundary:
        return None
    return Follows(number=allotted.followings + 1)


def _stretches(
    declared: PlanLimit, found: Bases, allotted: _Allotted, ordinal: int, now: Instant
) -> tuple[Stretch, ...]:
    """The history of the quota's base, for carryover; empty: the quota has no carryover.

    No base accrues while an operator suspends the feature or the customer. A plan with this quota but without
    carryover, or without a limit, deletes the history: unused amounts are lost.
    """
    if declared.carryover is None or _without_carryover(declared) or found.now is None:
        allotted.stretches.pop(ordinal, None)
        return ()
    accrues = not any(s.feature in (None, declared.feature) and not s.scope for s in allotted.suspended)
    stretches = continued(allotted.stretches.get(ordinal, ()), found.now if accrues else None, now)
    stretches = (*stretches, *found.to_come) if accrues else stretches
    allotted.stretches[ordinal] = stretches
    return stretches


def _rules(declared: PlanLimit, allotted: _Allotted, ordinal: int, now: Instant) -> tuple[CarryRule, ...]:
    """The history of the quota's carryover rule; empty: the rule never changed. It is deleted with the stretches."""
    if declared.carryover is None or ordinal not in allotted.stretches:
        allotted.rules.pop(ordinal, None)
        return ()
    rules = ruled(allotted.rules.get(ordinal, ()), declared.carryover, now)
    allotted.rules[ordinal] = rules
    return rules if len(rules) > 1 else ()


def _earned(allotted: _Allotted, in_force: set[int], now: Instant) -> Mapping[int, Earned]:
    """What quotas out of force had earned of their windows, by ordinal: those that leave now or left before."""
    found = {ordinal: earned for ordinal, earned in allotted.earned.items() if ordinal not in in_force}
    for ordinal, quota in allotted.before.items():
        if ordinal not in in_force and (earned := earned_of(quota, now)) is not None:
            found[ordinal] = earned
    return found


def _segment(quota: QuotaTerms, dates: Dates) -> Segment:
    """The recurrence that a quota states for this customer. A period that never ends needs no anchor."""
    zone, every = dates.zone if quota.zone is None else quota.zone, plainest(quota.every)
    if step_of(every).unit is TimeUnit.NEVER:
        return Segment(every, zone)
    if quota.anchor == ROLLING:
        return rolling(every, zone)
    origin = dates.started_at if quota.anchor == SUBSCRIPTION_START else quota.origin
    return Segment(every, zone, None, quota.anchor, origin, quota.week_starts)


def _without_carryover(declared: PlanLimit) -> bool:
    """Whether the limit has periods without carryover. No plan states both, but an override may lead to both."""
    limited = [quota for quota in declared.quotas if quota.limit is not None]
    return not limited or any(nothing_carried(quota.every, quota.anchor) is not None for quota in limited)


def _tier(declared: PlanLimit, tier: Tier, allotted: _Allotted) -> Tier:
    """The tier with an ordinal for the rate of its policy, if the policy has a rate."""
    match tier.policy:
        case RateLimit(rate=rate):
            return replace(tier, policy=RateLimit(rate=_tier_rate(declared, tier.level, rate, allotted)))
        case AllowWithGrace(then=RateLimit(rate=rate)):
            then = RateLimit(rate=_tier_rate(declared, tier.level, rate, allotted))
            return replace(tier, policy=replace(tier.policy, then=then))
    return tier


def _tier_rate(declared: PlanLimit, level: str, rate: Rate, allotted: _Allotted) -> Rate:
    return replace(rate, ordinal=allotted.ordinal(declared, f"tier/{level}/rate/{rate.width}"))


def _rate(declared: PlanLimit, rate: RateTerms, allotted: _Allotted) -> Rate:
    ordinal = allotted.ordinal(declared, f"rate/{rate.width}")
    return Rate(ordinal=ordinal, limit=rate.limit, per=PER[rate.per], burst=rate.burst)
