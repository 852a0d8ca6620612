"""What a total's change makes known: each threshold once, whatever portions the usage comes in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.domain.catalog.tiers import Threshold, Tier, level_at, percent
from tallygate.domain.entries.total import Total
from tallygate.domain.facts.facts import (
    Announcement,
    Levels,
    announcements,
    concerns_levels,
)
from tallygate.domain.limits.governing import Governed

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


@dataclass(slots=True)
class Story:
    """What one total's changes tell, one after the other, as `announce` asks for it."""

    total: Total | None = None
    levels: Levels = field(default_factory=Levels)
    said: list[Announcement] = field(default_factory=list)

    def goes(self, value: int | str, **changes: object) -> list[tuple[str, str]]:
        upto = self.total.upto + (not changes.get("closed")) if self.total else 1
        return self.to(at(value, upto, **changes))

    def to(self, new: Total) -> list[tuple[str, str]]:
        levels = self.levels if concerns_levels(self.total, new) else Levels()
        found = announcements(self.total, new, levels)
        self.total, self.levels = new, found.levels or self.levels
        self.said += found.announcements
        return named(found.announcements)


def named(found: Iterable[Announcement]) -> list[tuple[str, str]]:
    return [(a.type.removeprefix("usage."), a.data.get("level", "")) for a in found]


def announced(old: Total | None, new: Total, *crossed: str) -> tuple[Announcement, ...]:
    return announcements(old, new, Levels(crossed=frozenset(crossed))).announcements


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (None, "79.999", []),
        (None, "80", [("threshold_crossed", "warning")]),
        ("79.999", "80", [("threshold_crossed", "warning")]),
        ("80", "99", []),
        ("80", "100", [("threshold_crossed", "critical"), ("limit_reached", "critical")]),
        ("100", "100.001", [("overage_started", "critical")]),
        ("100.001", "5000", []),
        (
            None,
            "5000",
            [
                ("threshold_crossed", "warning"),
                ("threshold_crossed", "critical"),
                ("limit_reached", "critical"),
                ("overage_started", "critical"),
            ],
        ),
    ],
)
def test_a_threshold_is_told_by_the_change_that_reaches_it(
    old: str | None, new: str, expected: list[tuple[str, str]]
) -> None:
    story = Story()
    if old is not None:
        story.goes(old)
    assert story.goes(new) == expected


@given(st.lists(st.integers(0, 60), max_size=20))
def test_however_usage_comes_each_threshold_at_or_below_it_is_told_once(steps: list[int]) -> None:
    story, value, found = Story(), 0, []
    for step in steps:
        value += step
        found += story.goes(value)
    expected = [("threshold_crossed", "warning")] * (value >= 80)
    expected += [("threshold_crossed", "critical"), ("limit_reached", "critical")] * (value >= 100)
    expected += [("overage_started", "critical")] * (value > 100)
    assert found == expected
    ids = [announcement.id for announcement in story.said]
    assert len(set(ids)) == len(ids)


BANDED = (
    Tier(level="warning", at=percent(80), hysteresis=percent(5)),
    Tier(level="critical", at=percent(100)),
    Tier(level="far", at=Threshold(amount=Decimal(150)), hysteresis=Threshold(amount=Decimal(60))),
)


@given(st.lists(st.tuples(st.integers(0, 200), st.sampled_from((100, 100, 100, 60, 170))), max_size=30))
def test_a_level_is_told_and_left_in_turn_and_told_where_usage_really_crosses(walk: list[tuple[int, int]]) -> None:
    """By the simplest means: a level is up from the step that takes usage over its line until it is below its band."""
    story, up, before = Story(), set[str](), 0
    for value, limit in walk:
        moves = []
        for tier in BANDED:
            line = tier.at.of(Decimal(limit))
            if tier.level in up and value < tier.rearms_below(Decimal(limit)):
                up.remove(tier.level)
                moves.append(("threshold_recovered", tier.level))
            elif tier.level not in up and before < line <= value:
                up.add(tier.level)
                moves.append(("threshold_crossed", tier.level))
        governed = replace(GOVERNED, tiers=BANDED, limit=Decimal(limit))
        found = [each for each in story.goes(value, governed=governed) if each[0].startswith("threshold")]
        assert sorted(found) == sorted(moves)
        before = value
    for tier in BANDED:
        turns = [kind for kind, level in named(story.said) if level == tier.level and kind.startswith("threshold")]
        assert turns == (["threshold_crossed", "threshold_recovered"] * len(turns))[: len(turns)]
    if story.total is not None:
        closing = story.to(replace(story.total, closed=True))
        assert sorted(level for _, level in closing) == sorted(up)
        assert {kind for kind, _ in closing} <= {"threshold_recovered"}
    ids = [announcement.id for announcement in story.said]
    assert len(set(ids)) == len(ids)


@given(st.lists(st.integers(0, 200), min_size=1, max_size=12), st.data())
def test_a_change_that_is_seen_again_later_tells_nothing_new(values: list[int], data: st.DataObject) -> None:
    story, changes = Story(), []
    for number, value in enumerate(values, 1):
        new = at(value, number, governed=replace(GOVERNED, tiers=BANDED))
        changes.append((story.total, new))
        story.to(new)
    known = {announcement.id for announcement in story.said}
    old, new = changes[data.draw(st.integers(0, len(changes) - 1))]
    again = announcements(old, new, story.levels)
    assert {announcement.id for announcement in again.announcements} <= known
    assert again.levels is None or again.announcements


def test_usage_that_flaps_within_the_hysteresis_is_told_once() -> None:
    story = Story()
    governed = replace(GOVERNED, tiers=BANDED)
    assert story.goes(80, governed=governed) == [("threshold_crossed", "warning")]
    for value in (79, 81, 75, 80, 76, 90):
        assert story.goes(value, governed=governed) == []
    assert story.goes("74.9", governed=governed) == [("threshold_recovered", "warning")]
    assert story.goes(80, governed=governed) == [("threshold_crossed", "warning")]


def test_a_level_is_left_by_less_usage_a_higher_limit_or_the_end_of_its_period() -> None:
    def left(story: Story) -> list[tuple[str, str, object]]:
        return [(a.data["level"], a.data["cause"], a.data["level_now"]) for a in story.said if "cause" in a.data]

    less, higher, closed, adjusted, gone, unlimited = (Story() for _ in range(6))
    for story in (less, higher, closed, adjusted, gone, unlimited):
        story.goes(110)
    less.goes(85)
    assert left(less) == [("critical", "usage", "warning")]
    higher.goes(111, governed=replace(GOVERNED, limit=Decimal(1000)))
    assert left(higher) == [("critical", "limit", "normal"), ("warning", "limit", "normal")]
    adjusted.goes(110, adjusted=Decimal(20), carried=Decimal(5))
    assert left(adjusted) == [("critical", "limit", "warning")]
    closed.goes(110, closed=True)
    assert left(closed) == [("critical", "period_closed", "normal"), ("warning", "period_closed", "normal")]
    gone.goes(111, governed=replace(GOVERNED, tiers=TIERS[:1]))
    assert left(gone) == [("critical", "limit", "warning")]
    unlimited.goes(111, governed=replace(GOVERNED, limit=None))
    assert left(unlimited) == [("critical", "limit", "normal"), ("warning", "limit", "normal")]


def test_what_raises_the_limit_moves_every_line() -> None:
    raised = {"carried": Decimal(70), "adjusted": Decimal(30)}
    assert Story().goes(159, **raised) == []
    story = Story()
    assert story.goes(200, **raised) == [
        ("threshold_crossed", "warning"),
        ("threshold_crossed", "critical"),
        ("limit_reached", "critical"),
    ]
    assert story.goes("200.5", **raised) == [("overage_started", "critical")]
    data = story.said[-1].data
    assert (data["limit"], data["overage"]) == (200, Decimal("0.5"))
    assert data["breakdown"] == {"base": 100, "carried": 70, "adjusted": 30, "followed": 0}
    assert story.goes("200.5", carried=Decimal(0), adjusted=Decimal(0)) == [], "less room, but nothing was used"


def test_the_same_change_makes_the_same_fact_and_another_another() -> None:
    (one,) = announced(at(0), at(80, 2))
    assert announced(at(0), at(80, 2)) == (one,)
    (other,) = announced(at(0), at(80, 3))
    assert other.id != one.id


def test_a_limit_of_nothing_or_none_has_no_thresholds() -> None:
    assert announced(None, at(5, 2, governed=replace(GOVERNED, limit=None))) == ()
    assert [kind for kind, _ in Story().goes(5, governed=replace(GOVERNED, limit=Decimal(0)))] == ["overage_started"]


def test_under_a_limit_below_nothing_the_first_unit_is_beyond_it_and_told_once() -> None:
    """Debt that was carried in, or an adjustment, leaves less than nothing."""
    (beyond,) = announced(at(0, carried=Decimal(-150)), at(5, 2, carried=Decimal(-150)))
    assert (beyond.type, beyond.data["usage"], beyond.data["limit"]) == ("usage.overage_started", 5, 0)
    assert announced(at(5, 2, carried=Decimal(-150)), at(6, 3, carried=Decimal(-150))) == ()


def test_a_lower_limit_tells_nothing_until_usage_reaches_a_new_line() -> None:
    lower = replace(GOVERNED, limit=Decimal(50))
    assert announced(at(60), at(70, 2, governed=lower)) == ()
    higher = replace(GOVERNED, limit=Decimal(200))
    assert named(announced(at(150), at(160, 2, governed=higher))) == [("threshold_crossed", "warning")]


def test_a_level_that_only_a_lower_limit_reached_is_not_left_either() -> None:
    story = Story()
    lower = replace(GOVERNED, limit=Decimal(50))
    assert [story.goes(60), story.goes(61, governed=lower), story.goes(10, governed=lower)] == [[], [], []]


def test_a_closed_total_is_restated_and_tells_no_thresholds() -> None:
    (restated,) = announced(at(70, closed=True), at(120, 2, closed=True))
    assert (restated.type, restated.restates) == ("usage.restated", True)
    further = replace(GOVERNED, name="further")
    (restated,) = announced(at(70, closed=True, governed=further), at(120, 2, closed=True, governed=further))
    assert (restated.type, restated.restates) == ("limit.period_closed", True)
    assert announced(at(70, closed=True), at(70, 2, closed=True)) == ()
    assert announced(at(70), at(70, closed=True)) == (), "the closing itself"
    assert announced(at(70, closed=True), at(70, 2, closed=True, adjusted=Decimal(5))), "its overage may be another"


def test_facts_hold_what_an_upgrade_needs() -> None:
    governed = replace(GOVERNED, plan="pro", plan_version=3, stripe_customer_id="cus_1", upgrade_limit=Decimal("1e3"))
    crossed, _, _ = announced(None, at(100, 2, governed=governed))
    assert crossed.data == {
        "customer": "acme",
        "stripe_customer_id": "cus_1",
        "feature": "f",
        "meter": "m",
        "plan": "pro",
        "plan_version": 3,
        "limit_name": "f",
        "scope": {},
        "limit": 100,
        "unlimited": False,
        "breakdown": {"base": 100, "carried": 0, "adjusted": 0, "followed": 0},
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


def test_of_nothing_or_of_less_all_shares_are_reached_and_the_last_tier_is_the_level() -> None:
    assert [level_at(TIERS, Decimal(limit), Decimal(0)) for limit in (1, 0, -150)] == ["normal", "critical", "critical"]
