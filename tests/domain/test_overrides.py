"""Whatever a customer's own limits and plans are, there are limits in force, and no two windows share a counter."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from tallygate.contracts.base.reading import read
from tallygate.contracts.catalog.catalog import read_catalog
from tallygate.contracts.limits.own_limits import OwnLimitBody, judge
from tallygate.domain.catalog.carryover import nothing_carried
from tallygate.domain.catalog.catalog import Plan
from tallygate.domain.limits.compiled import Dates, compile_effective
from tallygate.domain.limits.limits import Effective, Quota
from tallygate.domain.limits.overrides import OwnLimit, Role, merged, role, too_crowded, with_own
from tallygate.errors import InvalidRequest
from tests.given import NOW

SPELLINGS = {
    "month": [{"every": "month"}, {"every": "P1M"}],
    "day": [{"every": "day"}, {"every": "P1D"}],
    "never": [{"every": "never"}, {"every": "never", "anchor": "subscription_start"}],
    "subscribed": [{"every": "billing_period"}, {"every": "P1M", "anchor": "subscription_start"}],
    "timed": [{"every": "day", "anchor": "2026-01-31T00:00:00Z"}, {"every": "day", "anchor": "2026-02-01T00:00:00Z"}],
}
"""Periods by the counter that counts them, each spelled in several ways."""
RATES = {
    "minute": [{"limit": 60, "per": "minute"}, {"limit": 1, "per": "second", "burst": 60}],
    "hour": [{"limit": 60, "per": "hour"}, {"limit": 1, "per": "minute", "burst": 60}],
    "second": [{"limit": 1, "per": "second"}, {"limit": 60, "per": "minute", "burst": 1}],
}
"""Rates by the width of their sub-windows."""
limits = st.none() | st.integers(0, 99)
periods = st.sampled_from([spelling for counted in SPELLINGS.values() for spelling in counted])
rates = st.sampled_from([spelling for counted in RATES.values() for spelling in counted])


@st.composite
def windows(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Windows with a counter each."""
    counted = draw(st.lists(st.sampled_from(sorted(SPELLINGS)), unique=True, min_size=1, max_size=3))
    rated = draw(st.lists(st.sampled_from(sorted(RATES)), unique=True, max_size=3))
    return [
        *({"limit": draw(limits), "period": draw(st.sampled_from(SPELLINGS[name]))} for name in counted),
        *({"rate": draw(st.sampled_from(RATES[name]))} for name in rated),
    ]


SLOW = {"policy": "rate_limit", "limit": 5, "per": "minute"}
tiers = st.lists(
    st.fixed_dictionaries(
        {"at": st.sampled_from(["90%", "100%", 7]), "level": st.sampled_from(["high", "over"])}
    ).flatmap(lambda tier: st.sampled_from([tier, {**tier, "policy": "deny"}, {**tier, **SLOW}])),
    min_size=1,
    max_size=2,
    unique_by=lambda tier: tier["level"],
)
carryovers = st.sampled_from([None, {}, {"max": "50%", "overage": "deduct"}])
whole = st.fixed_dictionaries(
    {"feature": st.just("f"), "windows": windows()}, optional={"tiers": tiers, "carryover": carryovers}
)
partial = st.fixed_dictionaries(
    {},
    optional={
        "limit": limits,
        "period": periods,
        "rate": rates,
        "enforcement": st.sampled_from(["hard", "soft", "observe", "off"]),
        "tiers": tiers,
        "carryover": carryovers,
    },
)
owns = st.lists(st.tuples(st.sampled_from(["f", "x", "y"]), partial | whole), max_size=3, unique_by=lambda own: own[0])


def catalog(plans: list[dict[str, Any]]) -> Any:
    body = {
        "meters": [{"key": "m", "event_type": "e", "aggregation": "count", "dimensions": {"model": "$.model"}}],
        "features": [{"key": key, "type": "metered", "meter": "m"} for key in ("f", "g")],
        "plans": plans,
    }
    return read_catalog(body)


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    limited = draw(st.lists(st.tuples(st.sampled_from(["x", "y"]), windows()), max_size=2, unique_by=lambda x: x[0]))
    return {
        "key": "p",
        "entitlements": [draw(whole)],
        "limits": [{"name": name, "feature": "f", "windows": listed} for name, listed in limited],
    }


def own_of(name: str, body: dict[str, Any]) -> OwnLimit | None:
    try:
        return OwnLimit(name=name, form=read(OwnLimitBody, body).form())
    except InvalidRequest:
        return None


def compiled(plan: Plan, declared: Any, previous: Effective | None = None) -> Effective:
    return compile_effective(
        customer="acme",
        previous=previous,
        dates=Dates(zone="UTC", now=NOW, started_at=NOW),
        plan=plan,
        catalog=declared,
    )


@settings(max_examples=1500, deadline=None)
@given(plans(), plans(), owns)
def test_there_are_always_limits_in_force_and_each_window_has_a_counter_of_its_own(
    first: dict[str, Any], second: dict[str, Any], given_: list[tuple[str, dict[str, Any]]]
) -> None:
    """Each limit was sound under the first plan; the second one comes later, and no change of plan may fail for it."""
    try:
        declared = catalog([first, {**second, "version": 2}])
    except InvalidRequest:
        return
    before, after = declared.plan("p", 1), declared.plan("p", 2)
    own: list[OwnLimit] = []
    for name, body in given_:
        made = own_of(name, body)
        if made is None or name in {o.name for o in own}:
            continue
        try:
            judge(before, declared, made)
        except InvalidRequest:
            continue
        own.append(made)
    note(f"{own}")
    previous: Effective | None = None
    for plan in (before, after):
        changed = with_own(plan, own)
        if too_crowded(changed) is not None:
            continue
        previous = compiled(changed, declared, previous)
        held = previous.entitlements["f"].limits
        named = [quota.ordinal for limit in held for quota in limit.quotas]
        ordinals = Counter(named + [rate.ordinal for limit in held for rate in limit.every_rate])
        assert max(ordinals.values()) == 1
        assert len({limit.name for limit in held}) == len(held)
        for limit in held:
            assert limit.carryover is None or all(map(leaves_something, limit.quotas))
            assert len({tier.level for tier in limit.tiers}) == len(limit.tiers)


def leaves_something(quota: Quota) -> bool:
    segment = quota.schedule.current
    return quota.limit is None or nothing_carried(segment.every, segment.anchor) is None


MONTH = {"every": "month", "anchor": "calendar"}


@pytest.mark.parametrize(
    ("base", "given_", "expected"),
    [
        ({"limit": 1, "period": MONTH}, {"limit": None}, {"limit": None, "period": MONTH}),
        ({"limit": 1, "period": MONTH}, {"period": {"every": "day"}}, {"limit": 1, "period": {"every": "day"}}),
        (
            {"windows": [{"limit": 1, "period": MONTH}, {"limit": 2, "period": {"every": "day"}}]},
            {"limit": 9, "period": {"every": "P1M"}},
            {"windows": [{"limit": 9, "period": {"every": "P1M"}}, {"limit": 2, "period": {"every": "day"}}]},
        ),
        (
            {"rate": {"limit": 1, "per": "second", "burst": 1}},
            {"limit": 5, "period": MONTH},
            {"limit": 5, "period": MONTH, "rate": {"limit": 1, "per": "second", "burst": 1}},
        ),
    ],
)
def test_what_is_given_takes_the_place_of_the_plans(
    base: dict[str, Any], given_: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert merged(base, given_) == expected


def test_a_limit_sleeps_until_a_plan_comes_that_it_fits() -> None:
    declared = catalog([{"key": "p", "entitlements": [{"feature": "f", "limit": 1, "period": {"every": "month"}}]}])
    plan = declared.plan("p")
    complete = {"feature": "g", "limit": Decimal(1), "period": MONTH}
    assert role(plan, OwnLimit(name="f", form={"limit": 2})) is Role.OVERRIDES
    assert role(plan, OwnLimit(name="x", form={"limit": 2})) is Role.DORMANT
    assert role(plan, OwnLimit(name="x", form=complete)) is Role.DORMANT
    assert role(plan, OwnLimit(name="x", form={**complete, "feature": "f"})) is Role.ADDS
    assert role(None, OwnLimit(name="f", form={"limit": 2})) is Role.DORMANT
