"""Rungs: what stands where between the thresholds of a quota. One row, one ladder, of a limit of 100 units."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.domain.base.instants import DAY, HOUR
from tallygate.domain.catalog.tiers import POLICY_NAMES, STRICTNESS, SuspendUsage, Tier, tier_of
from tallygate.domain.limits.rungs import (
    UNTIL_RESUMED,
    UNTIL_TOP_UP,
    Bounds,
    Ladder,
    Rung,
    ceiling,
    deciding,
    expectation,
    ladder,
    landing,
    suspended_until,
)
from tests.given import NOW

Form = dict[str, Any]
SLOW = {"limit": 5, "per": "minute"}


def tiers(*forms: Form) -> tuple[Tier, ...]:
    return deciding(tuple(tier_of({"level": f"level_{index}", **form}) for index, form in enumerate(forms)))


def at(place: str | int, policy: str, **parameters: Any) -> Form:
    return {"at": place, "policy": policy, **parameters}


def climbed(forms: list[Form], *, soft: bool = False, total: str = "100", began: int | None = None) -> Ladder:
    return ladder(tiers(*forms), Decimal(total), soft=soft, began=began, now=NOW)


def told(rung: Rung) -> str:
    """`80 rate_limit`, for what holds beyond 80; with ` (grace)` where a grace runs behind another policy."""
    hidden = rung.grace is not None and rung.policy != rung.grace
    name = f"{POLICY_NAMES[type(rung.policy)]}{' (grace)' if hidden else ''}"
    return name if rung.above is None else f"{rung.above.normalize():f} {name}"


def beyond(*rungs: str) -> list[str]:
    """What holds from the first edge on; below every edge all is granted."""
    return ["notify_only", *rungs]


@pytest.mark.parametrize(
    ("place", "total", "expected"),
    [
        ("80%", "0", beyond("0 deny")),
        (8, "5", beyond("5 deny")),
        (8, "0", beyond("0 deny")),
        (8, "15", beyond("8 rate_limit", "15 deny")),
        (12, "15", beyond("12 rate_limit")),
        (12, "5", beyond("12 rate_limit")),
    ],
)
def test_an_adjustment_makes_no_other_tier_of_a_rate_below_the_limit(
    place: str | int, total: str, expected: list[str]
) -> None:
    slow = tiers(at(place, "rate_limit", **SLOW))
    rungs = ladder(slow, Decimal(total), soft=False, began=None, now=NOW, base=Decimal(10))
    assert [told(rung) for rung in rungs] == expected


LADDERS: dict[str, tuple[list[Form], bool, list[str]]] = {
    "a hard limit denies beyond it": ([], False, beyond("100 deny")),
    "a soft limit allows beyond it": ([], True, beyond("100 allow_with_overage")),
    "notifications change nothing": ([at("80%", "notify_only")], False, beyond("100 deny")),
    "deny below the limit": ([at("80%", "deny")], False, beyond("80 deny")),
    "deny above the limit lifts it to there": ([at("120%", "deny")], False, beyond("120 deny")),
    "deny makes a soft limit hard": ([at("100%", "deny")], True, beyond("100 deny")),
    "deny far beyond a soft limit": ([at("120%", "deny")], True, beyond("120 deny")),
    "an amount of its own": ([at(50, "deny")], False, beyond("50 deny")),
    "overage without end": ([at("100%", "allow_with_overage")], False, beyond("100 allow_with_overage")),
    "overage up to a bound, counted from the limit": (
        [at("100%", "allow_with_overage", max_overage=50)],
        False,
        beyond("100 allow_with_overage", "150 deny"),
    ),
    "overage from below counts its bound from the limit too": (
        [at("80%", "allow_with_overage", max_overage=50)],
        False,
        beyond("80 allow_with_overage", "150 deny"),
    ),
    "overage of nothing": ([at("100%", "allow_with_overage", max_overage=0)], False, beyond("100 deny")),
    "a rate below a hard limit leaves it hard": (
        [at("80%", "rate_limit", **SLOW)],
        False,
        beyond("80 rate_limit", "100 deny"),
    ),
    "a rate at the limit slows down for ever": ([at("100%", "rate_limit", **SLOW)], False, beyond("100 rate_limit")),
    "a rate below a soft limit goes on beyond it": (
        [at("80%", "rate_limit", **SLOW)],
        True,
        beyond("80 rate_limit"),
    ),
    "a rate, then overage: the stricter stays": (
        [at("80%", "rate_limit", **SLOW), at("100%", "allow_with_overage")],
        False,
        beyond("80 rate_limit"),
    ),
    "of two rates that of the higher tier": (
        [at("80%", "rate_limit", **SLOW), at("90%", "rate_limit", limit=1, per="minute")],
        False,
        beyond("80 rate_limit", "90 rate_limit", "100 deny"),
    ),
    "a grace by amount, then deny": (
        [at("100%", "allow_with_grace", grace_amount=20)],
        False,
        beyond("100 allow_with_grace", "120 deny"),
    ),
    "a grace by amount, then a rate": (
        [at("100%", "allow_with_grace", grace_amount=20, then={"rate_limit": SLOW})],
        False,
        beyond("100 allow_with_grace", "120 rate_limit"),
    ),
    "a grace by amount, then overage up to a bound": (
        [at("100%", "allow_with_grace", grace_amount=20, then={"allow_with_overage": {"max_overage": 50}})],
        False,
        beyond("100 allow_with_grace", "120 allow_with_overage", "150 deny"),
    ),
    "a grace by time alone has no end in units": (
        [at("100%", "allow_with_grace", grace_for="P3D")],
        False,
        beyond("100 allow_with_grace"),
    ),
    "a grace by time behind a rate runs all the same": (
        [at("80%", "rate_limit", **SLOW), at("100%", "allow_with_grace", grace_for="P3D")],
        False,
        beyond("80 rate_limit", "100 rate_limit (grace)"),
    ),
    "a grace cannot outreach a deny": (
        [at("80%", "allow_with_grace", grace_amount=100), at("110%", "deny")],
        False,
        beyond("80 allow_with_grace", "110 deny"),
    ),
    "suspend at the limit": ([at("100%", "suspend_usage")], False, beyond("100 suspend_usage")),
    "who reaches beyond a deny for a suspension is suspended": (
        [at("100%", "deny"), at("150%", "suspend_usage")],
        False,
        beyond("100 deny", "150 suspend_usage"),
    ),
    "all of them": (
        [
            at("50%", "rate_limit", **SLOW),
            at("100%", "allow_with_grace", grace_amount=20, then="allow_with_overage"),
            at("150%", "deny"),
            at("200%", "suspend_usage"),
        ],
        False,
        beyond("50 rate_limit", "150 deny", "200 suspend_usage"),
    ),
}


@pytest.mark.parametrize(("forms", "soft", "rungs"), LADDERS.values(), ids=LADDERS)
def test_what_stands_where(forms: list[Form], soft: bool, rungs: list[str]) -> None:
    assert [told(rung) for rung in climbed(forms, soft=soft)] == rungs


@pytest.mark.parametrize(
    ("began", "rungs"),
    [
        (None, beyond("100 allow_with_grace", "120 deny")),
        (NOW - 3 * DAY + 1, beyond("100 allow_with_grace", "120 deny")),
        (NOW - 3 * DAY, beyond("100 deny")),
    ],
)
def test_a_grace_is_over_once_its_time_is(began: int | None, rungs: list[str]) -> None:
    forms = [at("100%", "allow_with_grace", grace_amount=20, grace_for="P3D")]
    assert [told(rung) for rung in climbed(forms, began=began)] == rungs


def test_of_several_graces_by_time_the_shorter_is_over_first() -> None:
    forms = [
        at("90%", "allow_with_grace", grace_for="P3D"),
        at("100%", "allow_with_grace", grace_for="P1D", then={"rate_limit": SLOW}),
    ]
    both, one, none = (climbed(forms, began=NOW - days * DAY) for days in (0, 1, 3))
    assert [told(rung) for rung in both] == beyond("90 allow_with_grace", "100 allow_with_grace")
    assert landing(both, Decimal(101)).grace == landing(both, Decimal(101)).policy
    assert [told(rung) for rung in one] == beyond("90 allow_with_grace", "100 rate_limit (grace)")
    assert [told(rung) for rung in none] == beyond("90 deny")


def test_shares_are_of_the_limit_with_all_that_it_was_raised_by() -> None:
    forms = [at("80%", "rate_limit", **SLOW), at("120%", "deny")]
    assert [told(rung) for rung in climbed(forms, total="200")] == beyond("160 rate_limit", "240 deny")
    assert [told(rung) for rung in climbed([at(90, "deny")], total="200")] == beyond("90 deny")


def test_a_limit_of_nothing_has_every_share_at_nothing() -> None:
    forms = [at("80%", "rate_limit", **SLOW), at("100%", "allow_with_grace", grace_amount=20)]
    assert [told(rung) for rung in climbed(forms, total="0")] == beyond("0 rate_limit", "20 deny")
    assert [told(rung) for rung in climbed([], total="0")] == beyond("0 deny")


def test_usage_lands_on_the_rung_whose_end_it_just_reaches() -> None:
    rungs = climbed([at("80%", "rate_limit", **SLOW)])
    assert [told(landing(rungs, Decimal(used))) for used in ("80", "80.1", "100", "100.000000001")] == [
        "notify_only",
        "80 rate_limit",
        "80 rate_limit",
        "100 deny",
    ]


def around(rungs: Ladder, used: int) -> tuple[Rung, Bounds]:
    """The rung that a write is expected on which leads to so much usage, and its bounds."""
    return expectation(rungs, Decimal(used), Decimal(0), elsewhere=Decimal(0))


def test_the_ceiling_is_the_most_that_is_ever_granted() -> None:
    assert ceiling(climbed([at("100%", "allow_with_overage", max_overage=50)])) == 150
    assert ceiling(climbed([at("100%", "rate_limit", **SLOW)])) is None
    assert told(around(climbed([at("100%", "deny"), at("150%", "suspend_usage")]), 200)[0]) == "notify_only"


def test_rungs_on_which_a_grant_writes_the_same_are_one_to_a_write() -> None:
    forms = [at("80%", "rate_limit", **SLOW), at("100%", "allow_with_grace", grace_amount=20)]
    rungs = climbed([*forms, at("110%", "allow_with_overage", max_overage=30)])
    assert around(rungs, 10)[1] == Bounds(None, Decimal(80))
    assert around(rungs, 90)[1] == Bounds(Decimal(80), Decimal(120))
    lenient = climbed([at("50%", "allow_with_overage"), at("150%", "deny")])
    assert around(lenient, 10)[1] == Bounds(None, Decimal(150)), "it is only called something else"


@pytest.mark.parametrize(
    ("until", "lasts", "ends"),
    [
        ("resumed", None, UNTIL_RESUMED),
        ("top_up", None, UNTIL_TOP_UP),
        ("next_period", None, NOW + DAY),
        ("after", HOUR, NOW + HOUR),
    ],
)
def test_when_a_suspension_ends(until: str, lasts: int | None, ends: int) -> None:
    assert suspended_until(SuspendUsage(until=until, lasts=lasts), window_end=NOW + DAY, now=NOW) == ends


policies = st.sampled_from(
    [
        {"policy": "allow_with_overage"},
        {"policy": "allow_with_overage", "max_overage": 30},
        {"policy": "allow_with_grace", "grace_amount": 15},
        {"policy": "allow_with_grace", "grace_for": "P1D", "then": "suspend_usage"},
        {"policy": "allow_with_grace", "grace_amount": 15, "grace_for": "P2D", "then": {"rate_limit": SLOW}},
        {"policy": "rate_limit", **SLOW},
        {"policy": "deny"},
        {"policy": "suspend_usage"},
    ]
)
places = st.one_of(st.integers(1, 200).map("{}%".format), st.integers(1, 300))
drawn = st.lists(st.builds(lambda place, policy: {"at": place, **policy}, places, policies), max_size=5)


@given(drawn, st.booleans(), st.integers(0, 200), st.sampled_from([None, NOW, NOW - DAY, NOW - 2 * DAY]))
def test_rungs_tile_all_usage_and_what_denies_is_never_left_upwards(
    forms: list[Form], soft: bool, total: int, began: int | None
) -> None:
    rungs = climbed(forms, soft=soft, total=str(total), began=began)
    assert rungs[0].above is None and rungs[0].grants and rungs[-1].upto is None
    assert all(lower.upto == upper.above for lower, upper in pairwise(rungs))
    granting = [rung.grants for rung in rungs]
    assert granting == sorted(granting, reverse=True)
    strict = [STRICTNESS.index(type(rung.policy)) for rung in rungs if not rung.grants]
    assert strict == sorted(strict), "who reaches further meets nothing more lenient"
