"""What a total's change makes known: each threshold once, whatever portions the usage comes in."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.domain.facts import Total, announcements
from tallygate.domain.journal import Governed
from tallygate.domain.tiers import Tier, level_at, percent

TIERS = tuple(Tier(level=level, at=percent(at)) for level, at in (("warning", 80), ("critical", 100)))
GOVERNED = Governed(feature="f", meter="m", name="f", limit=Decimal(100), tiers=TIERS, upgrade_to="big")
TOTAL = Total(
    customer="acme",
    ordinal=1,
    start=0,
    end=10,
    value=Decimal(0),
    by_event=Decimal(0),
    upto=1,
    governed=GOVERNED,
)


def at(value: int | str, upto: int = 1, **changes: object) -> Total:
    return replace(TOTAL, value=Decimal(value), upto=upto, **changes)  # type: ignore[arg-type]


def told(old: Total | None, new: Total) -> list[tuple[str, str]]:
    return [(a.type.removeprefix("usage."), a.level) for a in announcements(old, new)]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (None, "79.999", []),
        (None, "80", [("threshold_crossed", "warning")]),
        ("79.999", "80", [("threshold_crossed", "warning")]),
        ("80", "99", []),
        ("80", "100", [("threshold_crossed", "critical"), ("limit_reached", "critical")]),
        ("100", "5000", []),
        (
            None,
            "5000",
            [("threshold_crossed", "warning"), ("threshold_crossed", "critical"), ("limit_reached", "critical")],
        ),
    ],
)
def test_a_threshold_is_told_by_the_change_that_reaches_it(
    old: str | None, new: str, expected: list[tuple[str, str]]
) -> None:
    assert told(None if old is None else at(old), at(new, 2)) == expected


@given(st.lists(st.integers(0, 60), max_size=20))
def test_however_usage_comes_each_threshold_at_or_below_it_is_told_once(steps: list[int]) -> None:
    old: Total | None = None
    found: list[tuple[str, str]] = []
    ids: list[str] = []
    for number, step in enumerate(steps, 1):
        new = at(int(old.value if old else 0) + step, number)
        found += told(old, new)
        ids += [a.id for a in announcements(old, new)]
        old = new
    value = old.value if old else 0
    expected = [("threshold_crossed", "warning")] * (value >= 80)
    expected += [("threshold_crossed", "critical"), ("limit_reached", "critical")] * (value >= 100)
    assert found == expected
    assert len(set(ids)) == len(ids)


def test_the_same_change_makes_the_same_fact_and_another_another() -> None:
    (one,) = announcements(at(0), at(80, 2))
    assert announcements(at(0), at(80, 2)) == (one,)
    (other,) = announcements(at(0), at(80, 3))
    assert other.id != one.id


def test_a_limit_of_nothing_or_none_has_no_thresholds() -> None:
    for limit in (None, Decimal(0)):
        governed = replace(GOVERNED, limit=limit)
        assert announcements(None, at(5, 2, governed=governed)) == ()


def test_a_lower_limit_tells_nothing_until_usage_reaches_a_new_line() -> None:
    lower = replace(GOVERNED, limit=Decimal(50))
    assert announcements(at(60), at(70, 2, governed=lower)) == ()
    higher = replace(GOVERNED, limit=Decimal(200))
    assert told(at(150), at(160, 2, governed=higher)) == [("threshold_crossed", "warning")]


def test_a_closed_total_is_restated_and_tells_no_thresholds() -> None:
    (restated,) = announcements(at(70, closed=True), at(120, 2, closed=True))
    assert (restated.type, restated.restates, restated.data) == ("usage.restated", True, {"raw_before": 70})
    assert announcements(at(70, closed=True), at(70, 2, closed=True)) == ()
    assert announcements(at(70), at(70, closed=True)) == (), "the closing itself"


def test_facts_hold_what_an_upgrade_needs() -> None:
    governed = replace(GOVERNED, plan="pro", plan_version=3, stripe_customer_id="cus_1", upgrade_limit=Decimal("1e3"))
    crossed, _, _ = announcements(None, at(100, 2, governed=governed))
    assert crossed.data == {
        "customer": "acme",
        "stripe_customer_id": "cus_1",
        "feature": "f",
        "meter": "m",
        "plan": "pro",
        "plan_version": 3,
        "limit_name": "f",
        "limit": 100,
        "unlimited": False,
        "usage": 100,
        "period": {"start": "1970-01-01T00:00:00Z", "end": "1970-01-01T00:00:00.010Z"},
        "level": "warning",
        "threshold": 80,
        "at": "80%",
        "upgrade_to": "big",
        "upgrade_limit": 1000,
        "upgrade_unlimited": False,
    }


def test_the_level_is_that_of_the_highest_tier_reached() -> None:
    levels = [level_at(TIERS, Decimal(100), Decimal(used)) for used in (0, 79, 80, 100, 500)]
    assert levels == ["normal", "normal", "warning", "critical", "critical"]
