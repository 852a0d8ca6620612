"""Compiling the limits in force: windows keep their ordinals and what was used, and time never runs twice."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.domain.base.instants import DAY, MINUTE, to_datetime
from tallygate.domain.catalog.carryover import Cap, Carryover
from tallygate.domain.catalog.catalog import Plan, PlanLimit, QuotaTerms, RateTerms, upgrades
from tallygate.domain.catalog.rates import Rate
from tallygate.domain.catalog.tiers import (
    AllowWithGrace,
    AllowWithOverage,
    Deny,
    NotifyOnly,
    RateLimit,
    SuspendUsage,
    Threshold,
    Tier,
    percent,
)
from tallygate.domain.limits.compiled import SEGMENTS_KEPT, features_ever_entitled
from tallygate.domain.limits.limits import Effective, Quota
from tallygate.domain.limits.rollover import CarryRule
from tallygate.domain.periods.recurrence import (
    SUBSCRIPTION_START,
    TIMESTAMP,
    Schedule,
    Segment,
    is_partial,
    recent,
    window_at,
)
from tallygate.storage.base.expressions import Item
from tallygate.storage.limits.versions import effective_document, effective_of
from tests.domain.compiled_plans import BASIC, CATALOG, FEATURES, NOW, PRO, compiled, limit, month, rate

ZONES = ("UTC", "Asia/Tokyo", "America/St_Johns", "Pacific/Kiritimati")


def ordinals(effective: Effective) -> dict[int, tuple[str, str, str]]:
    """Every ordinal in force and the window that it stands for."""
    found: dict[int, tuple[str, str, str]] = {}
    for entitlement in effective.entitlements.values():
        for held in entitlement.limits:
            for quota in held.quotas:
                window = f"{quota.schedule.current.every}/{quota.schedule.current.anchor}"
                found[quota.ordinal] = (entitlement.feature, held.name, window)
            for each in held.rates:
                found[each.ordinal] = (entitlement.feature, held.name, str(each.width))
            for tier in held.tiers:
                policy = tier.policy.then if isinstance(tier.policy, AllowWithGrace) else tier.policy
                if isinstance(policy, RateLimit):
                    window = f"{tier.level}/{policy.rate.width}"
                    found[policy.rate.ordinal] = (entitlement.feature, held.name, window)
    assert 0 not in found, "every window in force has an ordinal"
    return found


def test_a_change_of_plan_keeps_what_was_used() -> None:
    basic = compiled(BASIC)
    pro = compiled(PRO, basic)
    assert pro.version == basic.version + 1
    assert pro.entitlements["f"].quota.ordinal == basic.entitlements["f"].quota.ordinal
    assert pro.entitlements["f"].quota.limit == 100
    assert pro.entitlements["f"].limits[0].rates[0].ordinal == basic.entitlements["f"].limits[0].rates[0].ordinal
    assert compiled(BASIC, pro).entitlements == basic.entitlements


def test_a_rate_with_other_sub_windows_is_another_counter() -> None:
    slow = compiled(Plan(key="p", version=1, entitlements=(limit("f", month(1), rate(60, burst=60)),)))
    bursty = compiled(Plan(key="p", version=2, entitlements=(limit("f", month(1), rate(60, burst=30)),)), slow)
    assert slow.entitlements["f"].limits[0].rates[0].ordinal != bursty.entitlements["f"].limits[0].rates[0].ordinal


def test_the_rate_of_a_tier_has_a_counter_of_its_own_and_keeps_it() -> None:
    slow = RateLimit(rate=Rate(ordinal=0, limit=Decimal(5), per=MINUTE, burst=Decimal(5)))
    levels = (
        Tier(level="slow", at=percent(100), policy=slow),
        Tier(level="later", at=percent(200), policy=AllowWithGrace(amount=Decimal(9), then=slow)),
    )
    own = replace(limit("f", month(10), rate(5)), tiers=levels)
    first = compiled(Plan(key="p", version=1, entitlements=(own,)))
    assert len(ordinals(first)) == 4, "two tiers, the limit's own rate of the same width and the quota"
    renewed = compiled(
        Plan(key="p", version=2, entitlements=(replace(own, tiers=levels[::-1]),)), compiled(None, first)
    )
    assert ordinals(renewed) == ordinals(first)


def test_an_entitlement_with_rates_only_is_counted_by_the_month() -> None:
    quota = compiled(PRO).entitlements["g"].quota
    assert (quota.limit, quota.schedule.current.every) == (None, "month")


def test_nothing_changes_the_version_but_a_change() -> None:
    first = compiled(BASIC)
    assert compiled(BASIC, first) == first
    assert compiled(BASIC, first, now=NOW + 40 * DAY) == first
    assert compiled(replace(BASIC, version=2), first).version == 2


def quotas(effective: Effective) -> list[Quota]:
    return [q for entitlement in effective.entitlements.values() for limit in entitlement.limits for q in limit.quotas]


def test_no_plan_entitles_to_nothing_and_a_plan_that_returns_finds_its_counters() -> None:
    first = compiled(PRO)
    ended = compiled(None, first)
    assert (ended.subscribed, ended.entitlements, ended.plan) == (False, {}, None)
    assert features_ever_entitled(ended) == ("f", "g")
    again = compiled(PRO, ended)
    assert [(q.ordinal, q.limit, q.schedule) for q in quotas(again)] == [
        (q.ordinal, q.limit, q.schedule) for q in quotas(first)
    ]


def test_a_zone_acts_from_the_end_of_the_window_also_after_a_pause() -> None:
    """Leaving and coming back with another zone neither refills the month nor counts it twice."""
    first = compiled(BASIC, zone="America/St_Johns")
    window = window_at(first.entitlements["f"].quota.schedule, NOW)
    paused = compiled(None, first, zone="Asia/Tokyo")
    again = compiled(BASIC, paused, zone="Asia/Tokyo")
    assert window_at(again.entitlements["f"].quota.schedule, NOW) == window
    following = window_at(again.entitlements["f"].quota.schedule, window.end)
    assert following.start == window.end
    assert again.timezone == "Asia/Tokyo"


def test_a_quota_with_a_zone_of_its_own_ignores_the_customers() -> None:
    plan = Plan(key="p", version=1, entitlements=(limit("f", month(1, zone="Asia/Tokyo")),))
    effective = compiled(plan, zone="America/St_Johns")
    assert effective.entitlements["f"].quota.schedule.current.zone == "Asia/Tokyo"


def test_the_next_plans_limit_is_told_for_the_same_feature_and_period() -> None:
    catalog = replace(CATALOG, plans=(PRO, replace(PRO, version=2, entitlements=(limit("f", month(500)),))))
    plan = replace(BASIC, upgrade_to="pro")
    assert compiled(plan, catalog=catalog).entitlements["f"].upgrade_to == "pro"
    assert upgrades(catalog, plan) == {"f": 500}
    assert upgrades(replace(CATALOG, plans=(replace(PRO, entitlements=(limit("f", month(None)),)),)), plan) == {
        "f": None
    }
    by_day = limit("f", QuotaTerms(limit=Decimal(9), every="day"))
    assert upgrades(replace(CATALOG, plans=(replace(PRO, entitlements=(by_day,)),)), plan) == {}
    assert upgrades(CATALOG, plan) == upgrades(catalog, BASIC) == {}


def test_segments_that_were_left_long_ago_are_forgotten() -> None:
    starts = [NOW - SEGMENTS_KEPT - n * 30 * DAY for n in range(30, 0, -1)]
    schedule = Schedule((Segment("month", "UTC"), *(Segment("month", "Asia/Tokyo", start) for start in starts)))
    kept = recent(schedule, NOW - SEGMENTS_KEPT, NOW)
    assert kept.segments == (Segment("month", "Asia/Tokyo"),)
    assert window_at(kept, NOW) == window_at(schedule, NOW)


def anchored(every: str, anchor: str = SUBSCRIPTION_START, origin: int | None = None, amount: int = 5) -> QuotaTerms:
    return QuotaTerms(limit=Decimal(amount), every=every, anchor=anchor, origin=origin)


@pytest.mark.parametrize(
    "spelled",
    [
        ("month", "P1M", "billing_period"),
        ("year", "P1Y", "P12M"),
        ("quarter", "P3M"),
        ("day", "P1D"),
        ("week", "P1W"),
        ("hour", "PT1H", "PT60M", "PT3600S"),
        ("P1Y6M", "P18M"),
        ("PT90M", "PT1H30M"),
    ],
)
def test_a_period_that_is_only_spelled_otherwise_counts_on(spelled: tuple[str, ...]) -> None:
    """Moving between plans that mean the same refills nothing: the counter keeps its name."""
    previous: Effective | None = None
    for every in spelled:
        previous = compiled(Plan(key="p", version=1, entitlements=(limit("f", anchored(every)),)), previous)
        assert len(previous.ordinals) == 1


def test_what_was_stored_is_named_as_before_and_every_other_period_has_a_counter_of_its_own() -> None:
    listed = (
        month(1),
        anchored("month"),
        anchored("month", TIMESTAMP, NOW),
        anchored("P2M"),
        QuotaTerms(limit=Decimal(1), every="never"),
    )
    plan = Plan(key="p", version=1, entitlements=(limit("f", *listed, rate(5)),))
    assert list(compiled(plan).ordinals) == [
        "f\nf\nquota/month",
        "f\nf\nquota/month/subscription_start",
        "f\nf\nquota/month/timestamp",
        "f\nf\nquota/P2M/subscription_start",
        "f\nf\nquota/never",
        "f\nf\nrate/60000",
    ]


def test_a_billing_period_runs_from_the_day_of_the_subscription() -> None:
    plan = Plan(key="p", version=1, entitlements=(limit("f", anchored("billing_period")),))
    schedule = compiled(plan, started_at=NOW).entitlements["f"].quota.schedule
    starts = [NOW]
    while len(starts) < 5:
        starts.append(window_at(schedule, starts[-1]).end)
    assert [to_datetime(start).day for start in starts] == [31, 28, 31, 30, 31]


def test_a_corrected_start_acts_from_the_end_of_the_running_period() -> None:
    plan = Plan(key="p", version=1, entitlements=(limit("f", anchored("month")),))
    first = compiled(plan, started_at=NOW)
    running = window_at(first.entitlements["f"].quota.schedule, NOW)
    moved = compiled(plan, first, started_at=NOW - 10 * DAY, now=NOW + DAY).entitlements["f"].quota.schedule
    assert window_at(moved, NOW + DAY) == running
    partial = window_at(moved, running.end)
    assert partial.start == running.end
    assert is_partial(moved, partial)
    assert to_datetime(partial.end).day == 21


def test_coming_back_in_the_same_period_refills_nothing() -> None:
    plan = Plan(key="p", version=1, entitlements=(limit("f", anchored("month")),))
    first = compiled(plan, started_at=NOW)
    running = window_at(first.entitlements["f"].quota.schedule, NOW)
    ended = compiled(None, first, now=NOW + DAY)
    again = compiled(plan, ended, now=NOW + 2 * DAY, started_at=NOW + 2 * DAY, lapsed_at=NOW + DAY)
    assert window_at(again.entitlements["f"].quota.schedule, NOW + 2 * DAY) == running


def test_coming_back_after_that_period_begins_a_new_one() -> None:
    plan = Plan(key="p", version=1, entitlements=(limit("f", anchored("month")),))
    first = compiled(plan, started_at=NOW)
    ended = compiled(None, first, now=NOW + DAY)
    back = NOW + 100 * DAY
    again = compiled(plan, ended, now=back, started_at=back, lapsed_at=NOW + DAY)
    schedule = again.entitlements["f"].quota.schedule
    window = window_at(schedule, back)
    assert (window.start, is_partial(schedule, window)) == (back, False)
    assert window_at(schedule, back - 1).end == back


windows = st.one_of(
    st.builds(anchored, st.sampled_from(["month", "P30D", "PT5H", "billing_period"])),
    st.builds(anchored, st.just("week"), st.just(TIMESTAMP), st.sampled_from([NOW, NOW - 40 * DAY])),
    st.builds(month, st.none() | st.integers(0, 9), st.none() | st.sampled_from(ZONES)),
    st.builds(lambda n: QuotaTerms(limit=Decimal(n), every="day"), st.integers(0, 9)),
    st.builds(rate, st.integers(1, 99), st.sampled_from(["second", "minute"])),
)


def _kind(window: QuotaTerms | RateTerms) -> object:
    return (window.every, window.anchor) if isinstance(window, QuotaTerms) else window.width


slower = st.builds(
    lambda amount: RateLimit(rate=Rate(ordinal=0, limit=Decimal(amount), per=MINUTE, burst=Decimal(amount))),
    st.integers(1, 3),
)
policies = st.one_of(
    st.just(NotifyOnly()),
    st.just(Deny()),
    st.builds(AllowWithOverage, max_overage=st.none() | st.just(Decimal("0.5"))),
    slower,
    st.sampled_from(
        [SuspendUsage(until="next_period"), SuspendUsage(until="resumed"), SuspendUsage(until="after", lasts=DAY)]
    ),
    st.builds(AllowWithGrace, lasts=st.just(3 * DAY), then=slower | st.just(SuspendUsage(until="top_up"))),
)
carryovers = st.builds(
    Carryover,
    most=st.sampled_from([None, Cap(amount=Decimal(0)), Cap(percent=Decimal("12.5")), Cap(periods=3)]),
    expires_after=st.none() | st.integers(1, 3),
    overage=st.sampled_from(["forgive", "deduct"]),
)


def limits_of(feature: str) -> st.SearchStrategy[PlanLimit]:
    listed = st.lists(windows, min_size=1, max_size=3, unique_by=_kind)
    margins = st.none() | st.just(percent(5)) | st.just(Threshold(amount=Decimal(1)))
    tier = st.builds(
        Tier,
        level=st.sampled_from(["warning", "over"]),
        at=st.sampled_from([percent("80.5"), Threshold(amount=Decimal(7))]),
        policy=policies,
        hysteresis=margins,
    )
    tiers = st.lists(tier, max_size=2, unique_by=lambda tier: tier.level).map(tuple)
    return st.builds(
        lambda found, tiers, carryover: replace(limit(feature, *found), tiers=tiers, carryover=carryover),
        listed,
        tiers,
        st.none() | carryovers,
    )


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    features = draw(st.lists(st.sampled_from(FEATURES), unique=True))
    further = [
        replace(draw(limits_of(feature)), name=draw(st.sampled_from(["a", "b"])))
        for feature in features
        if draw(st.booleans())
    ]
    return Plan(
        key="p",
        version=draw(st.integers(1, 3)),
        entitlements=tuple(draw(limits_of(feature)) for feature in features),
        limits=tuple(further),
    )


steps = st.lists(
    st.tuples(st.none() | plans(), st.sampled_from(ZONES), st.integers(0, 90 * DAY), st.integers(0, 60 * DAY)),
    min_size=1,
    max_size=8,
)


@given(steps)
def test_whatever_the_changes_an_ordinal_names_one_window_for_ever_and_its_time_has_no_gap(
    history: list[tuple[Plan | None, str, int, int]],
) -> None:
    previous: Effective | None = None
    meaning: dict[int, tuple[str, str, str]] = {}
    at = NOW
    for plan, zone, later, subscribed_for in history:
        at += later
        effective = compiled(plan, previous, zone=zone, now=at, started_at=at - subscribed_for)
        for ordinal, name in ordinals(effective).items():
            assert meaning.setdefault(ordinal, name) == name
        for ordinal, held in _schedules(previous).items():
            now_held = _schedules(effective)[ordinal]
            assert window_at(now_held, at) == window_at(held, at), "the window that was begun goes on"
        for schedule in _schedules(effective).values():
            window = window_at(schedule, at)
            assert window_at(schedule, window.end).start == window.end
        if previous is not None:
            assert effective == previous or effective.version == previous.version + 1
            assert set(previous.ordinals.items()) <= set(effective.ordinals.items())
        item: Item = {"version": effective.version, "doc": effective_document(effective)}
        assert effective_of(item) == effective
        previous = effective


def _schedules(effective: Effective | None) -> dict[int, Schedule]:
    if effective is None:
        return {}
    found = dict(effective.retired)
    for entitlement in effective.entitlements.values():
        for held in entitlement.limits:
            found |= {quota.ordinal: quota.schedule for quota in held.quotas}
    return found


def carrying(carryover: Carryover | None, key: str = "p") -> Plan:
    return Plan(key=key, version=1, entitlements=(replace(limit("f", month(10)), carryover=carryover),))


def test_how_a_quota_carried_over_is_remembered_where_that_changes() -> None:
    free, capped = Carryover(), Carryover(most=Cap(amount=Decimal(5)))
    first = compiled(carrying(free))
    assert first.entitlements["f"].quota.rules == (), "there was never another"
    second = compiled(carrying(capped), first, now=NOW + DAY)
    rules = (CarryRule(NOW, free), CarryRule(NOW + DAY, capped))
    assert second.entitlements["f"].quota.rules == rules
    assert compiled(carrying(capped), second, now=NOW + 2 * DAY) == second
    frozen = compiled(Plan(key="none", version=1, entitlements=()), second, now=NOW + 3 * DAY)
    assert frozen.frozen_rules == {1: rules}
    assert effective_of({"version": frozen.version, "doc": effective_document(frozen)}) == frozen
    back = compiled(carrying(free), frozen, now=NOW + 4 * DAY)
    assert back.entitlements["f"].quota.rules == (*rules, CarryRule(NOW + 4 * DAY, free))
    assert effective_of({"version": back.version, "doc": effective_document(back)}) == back
    plain = compiled(carrying(None), back, now=NOW + 5 * DAY)
    assert (plain.entitlements["f"].quota.rules, plain.frozen_rules) == ((), {})
