"""Statements of closed periods: the limits in force at the window's last instant, whatever comes afterwards."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from tallygate.contracts.base.reading import read
from tallygate.contracts.limits.own_limits import OwnLimitBody, judge
from tallygate.domain.base.instants import DAY, HOUR, MINUTE, SECOND, Instant
from tallygate.domain.limits.overrides import OwnLimit
from tallygate.errors import NotFound
from tallygate.operations.base.each import in_turn
from tallygate.operations.customers.own_limits import put_limit
from tallygate.operations.facts.closing import reset
from tallygate.operations.facts.periods import list_periods
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.storage.base import items
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.facts.closings import Closings
from tallygate.storage.metering.events import Events
from tests.given import FEATURE
from tests.shops import Shop, month
from tests.truth import container, draft, drain, facts, fold

PERIOD_CLOSED, RESTATED, LIMIT_CLOSED = "usage.period_closed", "usage.restated", "limit.period_closed"


class Billed(Shop):
    """A shop whose stream is folded, and whose periods are closed, when the test says so."""

    def __init__(self, **plans: dict[str, Any] | None) -> None:
        self.memory_engine = MemoryEngine()
        for key, form in plans.items():
            plans[key] = None if form is None else {"enforcement": "soft", **form}
        super().__init__(self.memory_engine, "acme", **plans)
        self.parts, self.folded, self.posted = container(self.memory_engine), 0, 0

    def fold(self) -> None:
        self.folded = drain(self.memory_engine, self.parts, after=self.folded, now=self.now)

    def event(self, at: Instant, count: int = 1) -> None:
        self.posted += 1
        events = tuple(draft(f"e{self.posted}-{n}", event_type="e", tokens=None, time=at) for n in range(count))
        posted = Posted(submitted=events, batch=f"b{self.posted}")
        results = ingest(Events(self.memory_engine), posted, now=self.now, each=in_turn)
        assert {result.status for result in results} == {"accepted"}

    def override(self, **form: Any) -> None:
        own = OwnLimit(name=FEATURE, form=read(OwnLimitBody, {"feature": FEATURE, **form}).form())
        put_limit(self.stores, self.customer, own, judge, expected=None, now=self.now)

    def further(self, name: str, **form: Any) -> None:
        """A limit of the customer's own beside its plan's."""
        own = OwnLimit(name=name, form=read(OwnLimitBody, {"feature": FEATURE, "enforcement": "soft", **form}).form())
        put_limit(self.stores, self.customer, own, judge, expected=None, now=self.now)

    def close(self, *, grace: Instant = 0) -> list[dict[str, Any]]:
        """What this run of reset states, in order of their windows."""
        self.fold()
        run = reset(Closings(self.memory_engine), now=self.now, grace=grace, time_left=lambda: True)
        assert run.defect is None
        self.fold()
        stated = [{"type": fact.type, **fact.data} for fact in run.closed]
        return sorted(stated, key=lambda fact: (fact["period"]["start"], fact["limit_name"], fact["period"]["every"]))

    def expire(self, now: Instant) -> None:
        """What the table's time to live takes away by then."""
        kept = self.memory_engine.items
        for key, item in list(kept.items()):
            if "expires_at" in item and items.integer(item, "expires_at") * SECOND < now:
                del kept[key]

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [fact for fact in facts(self.memory_engine) if fact["type"] == kind]

    def periods(self, feature: str | None = None, limit: str | None = None) -> list[dict[str, Any]]:
        store = Closings(self.memory_engine)
        found, more = list_periods(store, self.customer, feature, named=limit, after=None, limit=100)
        assert more is None
        return found


def test_a_limit_raised_without_further_use_is_the_one_that_is_stated() -> None:
    shop = Billed(free={"limit": 100}, pro={"limit": 200})
    shop.consume(150)
    shop.fold()
    shop.now = month(1, 20)
    shop.subscribe("pro")
    assert shop.state()["overage"] == 0
    shop.now = month(2)
    (closed,) = shop.close()
    assert (closed["plan"], closed["plan_version"]) == ("pro", 1)
    assert (closed["breakdown"]["base"], closed["included"], closed["overage"]) == (200, 150, 0)


@pytest.mark.parametrize("after", [1, 20 * SECOND, 59 * SECOND, 61 * SECOND, DAY])
def test_a_late_event_is_stated_under_the_limits_of_the_windows_end(after: Instant) -> None:
    """However soon after the end the limits change, and the event is folded."""
    shop = Billed(pro={"limit": 1000}, small={"limit": 100})
    shop.consume(180)
    shop.fold()
    shop.now = month(2)
    shop.subscribe("small")
    shop.now = month(2) + after
    shop.event(month(2) - MINUTE)
    (closed,) = shop.close()
    assert (closed["plan"], closed["raw"], closed["overage"]) == ("pro", 181, 0)
    assert shop.told("usage.limit_reached") == shop.told("usage.overage_started") == []


def test_the_first_usage_of_a_window_that_comes_late_is_stated_under_the_limits_of_its_end() -> None:
    shop = Billed(pro={"limit": 1000}, small={"limit": 1})
    shop.now = month(2, 10)
    shop.subscribe("small")
    shop.event(month(1, 20), count=3)
    (closed,) = shop.close()
    assert (closed["plan"], closed["raw"], closed["overage"]) == ("pro", 3, 0)


def test_a_change_between_the_windows_end_and_its_closing_is_not_stated() -> None:
    shop = Billed(pro={"limit": 100}, big={"limit": 1000})
    shop.consume(150)
    shop.now = month(2) + HOUR
    shop.subscribe("big")
    shop.consume(1)
    shop.now = month(2) + 12 * HOUR - 1
    assert shop.close(grace=12 * HOUR) == []
    shop.now += 1
    (closed,) = shop.close(grace=12 * HOUR)
    assert (closed["plan"], closed["raw"], closed["included"], closed["overage"]) == ("pro", 150, 100, 50)


def test_a_change_at_the_end_itself_is_the_next_windows() -> None:
    shop = Billed(pro={"limit": 100}, big={"limit": 1000})
    shop.consume(150)
    shop.now = month(2)
    shop.subscribe("big")
    assert [(each["plan"], each["overage"]) for each in shop.close()] == [("pro", 50)]


def test_a_change_in_the_windows_last_millisecond_is_the_windows() -> None:
    shop = Billed(pro={"limit": 100}, big={"limit": 1000})
    shop.consume(150)
    shop.now = month(2) - 1
    shop.subscribe("big")
    shop.now = month(2)
    assert [(each["plan"], each["overage"]) for each in shop.close()] == [("big", 0)]


def test_the_customers_own_limit_is_stated_as_it_was_at_the_end() -> None:
    shop = Billed(pro={"limit": 100})
    shop.consume(150)
    shop.fold()
    shop.now = month(1, 20)
    shop.override(limit=130)
    shop.now = month(2) + SECOND
    shop.override(limit=500)
    shop.event(month(2) - SECOND)
    (closed,) = shop.close()
    assert (closed["breakdown"]["base"], closed["raw"], closed["overage"]) == (130, 151, 21)


@pytest.mark.parametrize("days", [2, 20, 34])
def test_a_restatement_says_the_same_limits_however_long_afterwards(days: int) -> None:
    shop = Billed(pro={"limit": 100}, small={"limit": 10}, big={"limit": 1000})
    shop.consume(150)
    shop.now = month(2) + MINUTE
    (closed,) = shop.close()
    shop.subscribe("small")
    shop.now = month(2, 1) + days * DAY
    shop.subscribe("big")
    shop.event(month(2) - HOUR)
    shop.fold()
    (restated,) = shop.told(RESTATED)
    assert (closed["plan"], closed["overage"]) == ("pro", 50)
    assert (restated["plan"], restated["plan_version"], restated["revision"]) == ("pro", 1, 2)
    assert (restated["breakdown"]["base"], restated["included"], restated["overage"]) == (100, 100, 51)
    (listed,) = [each for each in shop.periods() if each["period"] == closed["period"]]
    assert (listed["plan"], listed["overage"], listed["revision"]) == ("pro", 51, 2)


def test_a_quota_that_left_is_stated_as_it_was_when_it_left() -> None:
    shop = Billed(pro={"limit": 100}, without=None)
    shop.consume(150)
    shop.now = month(1, 10)
    shop.override(limit=120)
    shop.now = month(1, 20)
    shop.subscribe("without")
    shop.now = month(2)
    (closed,) = shop.close()
    assert (closed["plan"], closed["unlimited"], closed["breakdown"]["base"], closed["overage"]) == (
        "pro",
        False,
        120,
        30,
    )


def test_a_quota_that_left_long_before_its_windows_end_is_still_known_then() -> None:
    """A year's quota that leaves in February is closed in January; its limits are kept until then."""
    shop = Billed(pro={"limit": 100, "period": {"every": "year"}}, without=None)
    shop.consume(150)
    shop.now = month(2)
    shop.subscribe("without")
    shop.now = month(1) + 365 * DAY
    shop.expire(shop.now)
    (closed,) = shop.close()
    assert (closed["plan"], closed["overage"]) == ("pro", 50)


def test_a_feature_that_was_absent_and_came_back_within_one_fold_is_stated_as_at_the_end() -> None:
    """Used, gone, back with another limit: and nothing was folded until the window was over."""
    shop = Billed(pro={"limit": 100}, without=None, big={"limit": 140})
    shop.consume(150)
    shop.now = month(1, 10)
    shop.subscribe("without")
    shop.now = month(1, 20)
    shop.subscribe("big")
    shop.now = month(2)
    shop.subscribe("without")
    (closed,) = shop.close()
    assert (closed["plan"], closed["breakdown"]["base"], closed["overage"]) == ("big", 140, 10)


def test_a_total_that_is_first_folded_while_the_feature_is_absent_has_its_limit() -> None:
    shop = Billed(pro={"limit": 100, "tiers": [{"at": "100%", "level": "full"}]}, without=None)
    shop.consume(150)
    shop.now = month(1, 10)
    shop.subscribe("without")
    shop.fold()
    (crossed,) = shop.told("usage.threshold_crossed")
    assert (crossed["plan"], crossed["limit"]) == ("pro", 100)
    shop.now = month(2)
    (closed,) = shop.close()
    assert (closed["unlimited"], closed["included"], closed["overage"]) == (False, 100, 50)


@pytest.mark.parametrize("day", [1, 25])
def test_a_plan_that_follows_is_that_of_its_own_windows(day: int) -> None:
    """By time: whether the change of the plan was taken since, or is stored as what was to follow."""
    shop = Billed(pro={"limit": 100}, small={"limit": 10})
    shop.now = month(1, 10)
    shop.consume(150)
    shop.subscribe("small", when="next_period")
    shop.now = month(2, 5)
    shop.consume(15)
    shop.now = month(2, day) if day > 5 else month(2, 5)
    if day > 5:
        shop.put(name="taken")
        shop.override(limit=11)
    shop.now = month(3)
    stated = [(each["plan"], each["raw"], each["overage"]) for each in shop.close()]
    assert stated == [("pro", 150, 50), ("small", 15, 4 if day > 5 else 5)]


def test_a_plan_that_follows_without_the_feature_leaves_it_as_it_was_until_then() -> None:
    shop = Billed(pro={"limit": 100, "period": {"every": "year"}}, monthly={"limit": 5}, without=None)
    shop.consume(150)
    shop.subscribe("monthly")
    shop.subscribe("without", when="next_period")
    shop.now = month(1) + 366 * DAY
    stated = [(each["plan"], each["period"]["every"], each["overage"]) for each in shop.close()]
    assert stated == [("pro", "year", 50)]


@pytest.mark.parametrize("end", ["delete", "without"])
def test_an_event_that_is_folded_after_its_feature_left_counts_where_it_was_used(end: str) -> None:
    """The fold lags behind by about a second: what was accepted before the change is billed all the same."""
    shop = Billed(pro={"limit": 2}, without=None)
    shop.now = month(1, 20)
    shop.event(shop.now - 1, count=3)
    if end == "delete":
        shop.unsubscribe()
    else:
        shop.subscribe("without")
    shop.now += SECOND
    shop.fold()
    shop.event(shop.now, count=5)
    shop.now = month(2)
    (closed,) = shop.close()
    assert (closed["plan"], closed["raw"], closed["overage"]) == ("pro", 3, 1)


def test_a_prorated_window_is_stated_with_the_base_that_it_ended_with() -> None:
    shop = Billed(basic={"limit": 100}, pro={"limit": 200})
    shop.now = month(4, 1)
    shop.consume(160)
    shop.fold()
    shop.now = month(4, 16)
    shop.subscribe("pro", base="prorated")
    shop.now = month(5, 3)
    shop.subscribe("basic", base="prorated")
    (closed,) = shop.close()
    assert (closed["plan"], closed["breakdown"]["base"], closed["overage"]) == ("pro", 150, 10)


def test_the_versions_of_limits_go_when_no_window_needs_them_any_more() -> None:
    shop = Billed(free={"limit": 100}, pro={"limit": 200})
    for day in range(2, 12):
        shop.now = month(1, day)
        shop.subscribe("pro" if day % 2 else "free")

    def versions() -> int:
        return sum(key.sk.startswith("EFFECTIVE#") for key in shop.memory_engine.items)

    assert versions() == 9, "each that is in force no more"
    shop.expire(month(1, 3) + 42 * DAY)
    assert versions() == 9, "lateness and the longest grace are not over"
    shop.expire(month(1, 11) + 60 * DAY)
    assert versions() == 0


WINDOWS: dict[str, Any] = {
    "windows": [{"limit": 5, "period": {"every": "day"}}, {"limit": 8, "period": {"every": "month"}}]
}


def test_only_the_entitlements_own_quota_is_billed_and_once() -> None:
    """Two windows of its own, each counting the same usage: the first with a limit is the bill."""
    shop = Billed(pro=WINDOWS)
    for day in (1, 2):
        shop.now = month(1, day)
        shop.consume(6)
    shop.now = month(2)
    closed = shop.close()
    stated = [(each["type"], each["period"]["every"], each["raw"], each["overage"]) for each in closed]
    assert sorted(stated) == [
        (LIMIT_CLOSED, "month", 12, 4),
        (PERIOD_CLOSED, "day", 6, 1),
        (PERIOD_CLOSED, "day", 6, 1),
    ]
    assert sum(each.get("billable", 0) for each in closed) == 12
    (monthly,) = [each for each in closed if each["type"] == LIMIT_CLOSED]
    (daily, _) = [each for each in closed if each["type"] == PERIOD_CLOSED]
    assert set(daily) - set(monthly) == {"billable"}, "the same but for that"


@pytest.mark.parametrize(
    ("windows", "billed"),
    [
        ([(None, "day"), (8, "month")], "month"),
        ([(5, "day"), (None, "month")], "day"),
        ([(None, "day"), (None, "month")], "day"),
        ([(5, "minute"), (None, "day"), (8, "month")], "month"),
        ([(5, "never"), (8, "month"), (9, "day")], "month"),
        ([(5, "never"), (None, "month")], "month"),
    ],
)
def test_the_bill_is_the_first_window_with_a_limit_of_those_that_are_closed(
    windows: list[tuple[int | None, str]], billed: str
) -> None:
    shop = Billed(pro={"windows": [{"limit": limit, "period": {"every": every}} for limit, every in windows]})
    shop.consume(3)
    shop.now = month(2)
    found = [(each["type"], each["period"]["every"]) for each in shop.close()]
    closing = {every for _, every in windows if every not in ("minute", "never")}
    assert sorted(found) == sorted((PERIOD_CLOSED if every == billed else LIMIT_CLOSED, every) for every in closing)


@pytest.mark.parametrize("mode", ["hard", "soft", "observe", "off"])
@pytest.mark.parametrize(("limit", "overage"), [(5, 2), (None, 0)])
def test_an_own_quota_is_billed_whatever_it_enforces(mode: str, limit: int | None, overage: int) -> None:
    shop = Billed(pro={"limit": limit, "enforcement": mode})
    shop.event(shop.now, count=7)
    shop.now = month(2)
    (closed,) = shop.close()
    assert (closed["type"], closed["billable"], closed["overage"], closed["unlimited"]) == (
        PERIOD_CLOSED,
        7,
        overage,
        limit is None,
    )


def test_other_limits_are_stated_apart_and_restated_as_what_they_are() -> None:
    shop = Billed(pro={"limit": 100})
    shop.further("per-day", limit=3, period={"every": "day"})
    shop.consume(4)
    shop.now = month(2)
    own, other = sorted(shop.close(), key=lambda each: each["type"], reverse=True)
    assert (own["type"], own["limit_name"], own["billable"]) == (PERIOD_CLOSED, FEATURE, 4)
    assert (other["type"], other["limit_name"], other["raw"], other["overage"]) == (LIMIT_CLOSED, "per-day", 4, 1)
    shop.now = month(2, 3)
    shop.event(month(1), count=2)
    shop.fold()
    (restated,) = shop.told(RESTATED)
    assert (restated["limit_name"], restated["billable"], restated["billable_before"]) == (FEATURE, 6, 4)
    _, again = shop.told(LIMIT_CLOSED)
    assert (again["limit_name"], again["revision"], again["raw"], again["overage"]) == ("per-day", 2, 6, 3)
    assert not any(name.endswith("_before") or name == "billable" for name in again)


def test_each_figure_of_a_restatement_is_said_as_it_was_before() -> None:
    """So whoever adds the differences to what the closing said has what the newest statement says."""
    shop = Billed(pro={"limit": 10, "carryover": {}})
    shop.consume(4)
    shop.now = month(2) + HOUR
    (closed,) = shop.close()
    said = [closed]
    for count in (3, 5):
        shop.event(month(1, 20), count=count)
        shop.fold()
    said += shop.told(RESTATED)
    assert [each["revision"] for each in said] == [1, 2, 3]
    figures = ("raw", "presented", "billable", "included", "overage", "breakdown", "carried_out", "amount")
    for earlier, later in pairwise(said):
        assert {name: later[f"{name}_before"] for name in figures} == {name: earlier[name] for name in figures}
    assert [(each["raw"], each["overage"], each["carried_out"]) for each in said] == [(4, 0, 6), (7, 0, 3), (12, 2, 0)]


def test_changes_that_are_folded_before_any_is_told_are_told_one_after_the_other() -> None:
    shop = Billed(pro={"limit": 10, "carryover": {}})
    shop.consume(4)
    shop.now = month(2) + HOUR
    shop.close()
    for count in (1, 2, 3):
        shop.event(month(1, 20), count=count)
        events = [change for change in shop.memory_engine.stream if change.key.pk.startswith("EVENT#")]
        fold(shop.parts, events[-count:], now=shop.now)
    assert shop.told(RESTATED) == []
    shop.fold()
    said = shop.told(RESTATED)
    assert [(each["raw_before"], each["raw"]) for each in said] == [(4, 5), (5, 7), (7, 10)]
    assert [(each["carried_out_before"], each["carried_out"]) for each in said] == [(6, 5), (5, 3), (3, 0)]


def test_closed_periods_are_those_of_own_quotas_unless_another_limit_is_named() -> None:
    shop = Billed(pro=WINDOWS)
    shop.further("7", limit=3, period={"every": "month"})
    shop.consume(4)
    shop.now = month(2)
    shop.close()
    assert [(each["limit_name"], each["period"]["every"]) for each in shop.periods()] == [(FEATURE, "day")]
    assert [each["period"]["every"] for each in shop.periods(limit=FEATURE)] == ["day", "month"]
    assert [each["limit_name"] for each in shop.periods(FEATURE, "7")] == ["7"], "a limit may be called a number"
    assert shop.periods("other") == []
    with pytest.raises(NotFound) as raised:
        shop.periods(limit="per-dya")
    assert raised.value.code == "limit_not_found"
    page, more = list_periods(
        Closings(shop.memory_engine), shop.customer, None, named="1", size_of=int, after=None, limit=100
    )
    assert (len(page), more) == (1, None), "a number that names no limit is how many to answer"
