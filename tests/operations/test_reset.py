"""reset: each window that is over is closed once, whatever is run twice, at once, or killed; and what it states."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from tallygate.domain.base.instants import DAY, HOUR, MINUTE, parse_instant
from tallygate.domain.facts.facts import Fact
from tallygate.domain.limits.limits import Effective
from tallygate.domain.periods.boundaries import NEVER_ENDS
from tallygate.domain.periods.recurrence import Schedule, Segment
from tallygate.errors import NotFound, StoreUnavailable
from tallygate.operations.facts.closing import CLOSED_PER_SHARD_MAX, Run, reset
from tallygate.operations.facts.periods import list_periods
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Cancelled, Committed, Engine, Put, Require, Update, Write
from tallygate.storage.base.expressions import Set
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.facts.closings import Closings
from tallygate.storage.facts.outbox import fact_of
from tests import given
from tests.closings import END, START, add_usage, governed, name_of
from tests.crashes import Crash, Fuse, FusedEngine


def run(engine: Engine, *, now: int = END, grace: int = 0) -> Run:
    return reset(Closings(engine), now=now, grace=grace, time_left=lambda: True)


def facts(engine: MemoryEngine) -> list[Fact]:
    """Every fact that was kept, in order of customer and sequence."""
    found = [
        fact_of(key.pk.partition("#")[2], item) for key, item in engine.items.items() if key.pk.startswith("OUTBOX#")
    ]
    return sorted(found, key=lambda fact: (fact.customer, fact.sequence))


def closing(engine: Engine, **usage: Any) -> dict[str, Any]:
    """What is stated of one total with this usage."""
    add_usage(engine, usage.pop("value", 5), **usage)
    (fact,) = run(engine, now=usage.get("end", END)).closed
    return {**fact.data, "sequence": fact.sequence}


def test_a_closed_period_is_stated_as_the_contract_says(engine: Engine) -> None:
    given.in_force(engine, given.effective(given.quota(3), timezone="UTC"))
    assert json.loads(json.dumps(closing(engine))) == {
        "customer": "acme",
        "stripe_customer_id": None,
        "plan": "pro",
        "plan_version": 1,
        "feature": "ai-tokens",
        "meter": "tokens",
        "limit_name": "ai-tokens",
        "scope": {},
        "unlimited": False,
        "period": {
            "start": "2026-11-01T00:00:00Z",
            "end": "2026-12-01T00:00:00Z",
            "every": "month",
            "anchor": "calendar",
            "timezone": "UTC",
        },
        "raw": 5,
        "presented": None,
        "billable": 5,
        "included": 3,
        "overage": 2,
        "breakdown": {"base": 3, "carried": 0, "adjusted": 0, "followed": 0},
        "carried_out": 0,
        "amount": None,
        "unit": None,
        "adjustments": [],
        "revision": 1,
        "sequence": 1,
    }


@pytest.mark.parametrize(
    ("value", "limit", "included", "overage", "base"),
    [(2, 3, 2, 0, 3), (3, 3, 3, 0, 3), (5, 0, 0, 5, 0), (5, None, 5, 0, None)],
)
def test_what_is_included_and_what_is_beyond(
    value: int, limit: int | None, included: int, overage: int, base: int | None
) -> None:
    stated = closing(MemoryEngine(), value=value, under=governed(limit))
    assert (stated["included"], stated["overage"], stated["breakdown"]["base"]) == (included, overage, base)


def test_quantities_are_stated_exactly() -> None:
    engine = MemoryEngine()
    add_usage(engine, 5)
    engine.write(Update(key=keys.total("acme", "ai-tokens", 1, START), changes=(Set("value", Decimal("0.1")),)))
    (fact,) = run(engine).closed
    assert fact.data["raw"] == Decimal("0.1")


def in_zones(*segments: Segment, stripe_customer_id: str | None = None) -> Effective:
    limits = given.effective(given.quota(3), timezone=segments[-1].zone)
    quota = limits.entitlements[given.FEATURE].quota
    moved = replace(quota, schedule=Schedule(segments))
    return replace(given.effective(moved, timezone=segments[-1].zone), stripe_customer_id=stripe_customer_id)


def test_the_zone_is_the_one_in_which_the_window_was_cut() -> None:
    engine = MemoryEngine()
    zones = in_zones(Segment("month", "Europe/Paris"), Segment("month", "Asia/Tokyo", END))
    given.in_force(engine, zones)
    assert closing(engine)["period"]["timezone"] == "Europe/Paris"
    assert closing(engine, start=END, end=END + 31 * DAY)["period"]["timezone"] == "Asia/Tokyo"


def test_a_limit_that_is_no_more_leaves_the_customers_zone_and_a_customer_that_is_no_more_utc() -> None:
    engine = MemoryEngine()
    given.in_force(engine, given.effective(given.quota(3), timezone="Asia/Kolkata"))
    assert closing(engine, ordinal=7)["period"]["timezone"] == "Asia/Kolkata"
    assert closing(engine, customer="gone")["period"]["timezone"] == "UTC"


def test_the_billing_providers_id_may_have_become_known_since() -> None:
    engine = MemoryEngine()
    given.in_force(engine, in_zones(Segment("month", "UTC"), stripe_customer_id="cus_new"))
    assert closing(engine, under=governed(stripe_customer_id=None))["stripe_customer_id"] == "cus_new"
    of_long_ago = closing(engine, ordinal=7, start=END, end=END + DAY)
    assert of_long_ago["stripe_customer_id"] == "cus_1"


def test_nothing_is_closed_before_its_end_and_its_grace(engine: Engine) -> None:
    add_usage(engine, 5)
    assert run(engine, now=END - 1).closed == ()
    assert run(engine, now=END + HOUR - 1, grace=HOUR).closed == ()
    assert len(run(engine, now=END + HOUR, grace=HOUR).closed) == 1


def test_a_second_run_changes_nothing() -> None:
    engine = MemoryEngine()
    add_usage(engine, 5)
    assert len(run(engine).closed) == 1
    before = dict(engine.items)
    assert run(engine, now=END + DAY) == Run()
    assert engine.items == before


def test_a_short_rest_of_a_long_period_is_closed_and_what_counts_for_ever_never_is() -> None:
    engine = MemoryEngine()
    add_usage(engine, 5, end=START + MINUTE, under=governed(every="month"))
    add_usage(engine, 5, ordinal=2, under=governed(every="PT59M"))
    add_usage(engine, 5, ordinal=3, end=NEVER_ENDS, under=governed(every="never"))
    assert [fact.data["period"]["end"] for fact in run(engine, now=NEVER_ENDS).closed] == ["2026-11-01T00:01:00Z"]
    assert all(engine.due(str(shard), 2 * NEVER_ENDS, 10) == () for shard in range(16))


def test_a_window_that_was_cut_is_stated_with_the_end_that_it_has() -> None:
    """What was counted before the cut says the old end; no usage after it need ever come."""
    engine, cut = MemoryEngine(), START + 10 * DAY
    given.in_force(engine, in_zones(Segment("month", "UTC"), Segment("month", "Asia/Tokyo", cut)))
    add_usage(engine, 5)
    add_usage(engine, 7, start=cut, end=END - 9 * HOUR)
    stated = [fact.data["period"] for fact in sorted(run(engine).closed, key=lambda fact: fact.data["raw"])]
    assert [(period["start"], period["end"], period["timezone"]) for period in stated] == [
        ("2026-11-01T00:00:00Z", "2026-11-11T00:00:00Z", "UTC"),
        ("2026-11-11T00:00:00Z", "2026-11-30T15:00:00Z", "Asia/Tokyo"),
    ]


def test_windows_shorter_than_an_hour_are_never_closed() -> None:
    engine = MemoryEngine()
    add_usage(engine, 5, end=START + 59 * MINUTE)
    assert run(engine).closed == ()
    assert all(engine.due(str(shard), END, 10) == () for shard in range(16))
    assert "closed" not in engine.items[keys.total("acme", "ai-tokens", 1, START)]


def test_a_window_whose_end_has_moved_takes_no_place_from_those_that_are_over() -> None:
    engine = MemoryEngine()
    customers = [f"c{n}" for n in range(2 * 16 * CLOSED_PER_SHARD_MAX)]
    for customer in customers:
        add_usage(engine, 5, customer=customer, end=END - DAY)
        add_usage(engine, 1, customer=customer, end=END)
    add_usage(engine, 5, customer="over", end=END - HOUR)
    runs = [run(engine, now=END - HOUR + minute * MINUTE) for minute in range(3)]
    assert [fact.customer for done in runs for fact in done.closed] == ["over"]
    assert run(engine, now=END).closed, "and they are closed at the end that they have now"


def test_each_feature_has_its_sequence() -> None:
    engine = MemoryEngine()
    for feature in ("ai-tokens", "seats"):
        add_usage(engine, 5, under=governed(feature=feature))
        add_usage(engine, 6, start=START - 30 * DAY, end=START, under=governed(feature=feature))
    run(engine)
    assert [(f.feature, f.sequence) for f in sorted(facts(engine), key=lambda f: (f.feature, f.sequence))] == [
        ("ai-tokens", 1),
        ("ai-tokens", 2),
        ("seats", 1),
        ("seats", 2),
    ]


@dataclass(slots=True)
class Interrupted(MemoryEngine):
    """Something else is written just before the first transaction."""

    meanwhile: Any = None

    def transact(self, writes: Sequence[Write | Require], *, repeatable: bool = False) -> Committed | Cancelled:
        if self.meanwhile is not None:
            act, self.meanwhile = self.meanwhile, None
            act()
        return MemoryEngine.transact(self, writes, repeatable=repeatable)


def test_usage_that_is_counted_between_the_look_and_the_closing_is_stated() -> None:
    engine = Interrupted()
    add_usage(engine, 5)
    engine.meanwhile = lambda: add_usage(engine, 2)
    (fact,) = run(engine).closed
    assert fact.data["raw"] == 7
    assert len(facts(engine)) == 1


def test_a_fact_that_takes_the_place_in_between_is_followed() -> None:
    engine = Interrupted()
    add_usage(engine, 5)
    engine.meanwhile = lambda: engine.write(Put(key=keys.feed("acme", "ai-tokens"), item={"sequence": 4}))
    (fact,) = run(engine).closed
    assert fact.sequence == 5


def test_two_runs_at_once_state_one_closing(engine: Engine) -> None:
    for n in range(20):
        add_usage(engine, 5, customer=f"c{n}")
    runs: list[Run] = []
    start = threading.Barrier(4)

    def once() -> None:
        start.wait()
        runs.append(run(engine))

    threads = [threading.Thread(target=once) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run(engine)
    closed = [fact.customer for done in runs for fact in done.closed]
    assert sorted(set(closed)) == sorted(f"c{n}" for n in range(20))
    for n in range(20):
        assert Closings(engine).sequence(f"c{n}", "ai-tokens") == 1


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_at_any_call_of_the_store_repeats_nothing_twice_and_loses_nothing(after: bool) -> None:
    def world() -> MemoryEngine:
        engine = MemoryEngine()
        given.in_force(engine, given.effective(given.quota(3)))
        for customer in ("acme", "globex"):
            for month in range(3):
                add_usage(
                    engine, 5 + month, customer=customer, start=START - month * 30 * DAY, end=END - month * 30 * DAY
                )
        return engine

    calm = world()
    counted = Fuse()
    run(FusedEngine(calm, counted))
    stated = {(f.id, f.customer, f.feature, f.data["raw"]) for f in facts(calm)}
    assert len(stated) == 6
    for at in range(1, counted.steps + 1):
        engine = world()
        with pytest.raises(Crash):
            run(FusedEngine(engine, Fuse(at=at, after=after)))
        run(engine)
        found = facts(engine)
        assert {(f.id, f.customer, f.feature, f.data["raw"]) for f in found} == stated, at
        assert [f.sequence for f in found] == [1, 2, 3, 1, 2, 3], at
        assert run(engine) == Run()


@dataclass(slots=True)
class Failing(Closings):
    """One total cannot be read."""

    error: Exception

    def __init__(self, engine: Engine, error: Exception) -> None:
        Closings.__init__(self, engine)
        self.error = error

    def effective(self, customer: str) -> Effective | None:
        if customer == "bad":
            raise self.error
        return None


def test_a_total_that_fails_for_a_moment_keeps_no_other_open_and_is_tried_again() -> None:
    engine = MemoryEngine()
    for customer in ("acme", "bad", "globex"):
        add_usage(engine, 5, customer=customer)
    outcome = reset(Failing(engine, StoreUnavailable("busy")), now=END, grace=0, time_left=lambda: True)
    assert {fact.customer for fact in outcome.closed} == {"acme", "globex"}
    assert [failure.total for failure in outcome.failures] == [name_of("bad")]
    assert [fact.customer for fact in run(engine).closed] == ["bad"]


def test_a_total_that_cannot_be_closed_makes_room_for_an_hour() -> None:
    engine = MemoryEngine()
    add_usage(engine, 5)
    engine.write(Update(key=keys.total("acme", "ai-tokens", 1, START), changes=(Set("value", "broken"),)))
    assert [failure.error.code for failure in run(engine).failures] == ["invariant_broken"]
    assert run(engine, now=END + HOUR - 1) == Run()
    assert len(run(engine, now=END + HOUR).failures) == 1


def test_a_run_that_is_out_of_time_leaves_the_rest_to_the_next() -> None:
    engine = MemoryEngine()
    for n in range(20):
        add_usage(engine, 5, customer=f"c{n}")
    budget = iter([True] * 7)
    first = reset(Closings(engine), now=END, grace=0, time_left=lambda: next(budget, False))
    assert (len(first.closed), first.finished) == (7, False)
    second = run(engine)
    assert (len(second.closed), second.finished) == (13, True)


def test_a_run_takes_up_no_more_than_it_is_told_and_the_next_goes_on() -> None:
    engine = MemoryEngine()
    for n in range(20):
        add_usage(engine, 5, customer=f"c{n}")
    runs = [reset(Closings(engine), now=END, grace=0, time_left=lambda: True, most=8) for _ in range(3)]
    assert [(len(each.closed), each.finished) for each in runs] == [(8, False), (8, False), (4, True)]


def test_closed_periods_are_listed_as_they_are_stated() -> None:
    engine = MemoryEngine()
    given.in_force(engine, given.effective(given.quota(3)))
    add_usage(engine, 5)
    (fact,) = run(engine).closed
    add_usage(engine, 2)
    listed, after = list_periods(Closings(engine), "acme", "ai-tokens", after=None, limit=10)
    (period,) = listed
    assert after is None
    assert period == {
        **fact.data,
        "id": fact.id,
        "raw": 7,
        "billable": 7,
        "overage": 4,
        "closed_at": "2026-12-01T00:00:00Z",
        "closed_raw": 5,
    }


def test_periods_of_a_customer_that_does_not_exist_are_not_found() -> None:
    with pytest.raises(NotFound) as raised:
        list_periods(Closings(MemoryEngine()), "nobody", None, after=None, limit=10)
    assert raised.value.code == "customer_not_found"


def test_an_instant_after_the_end_of_the_month_in_a_far_zone_is_the_boundary() -> None:
    """The window's own end decides, which is local midnight; UTC's month is over hours later."""
    engine = MemoryEngine()
    end = parse_instant("2026-11-30T15:00:00Z")  # midnight in Tokyo
    add_usage(engine, 5, end=end)
    assert run(engine, now=end - 1).closed == ()
    assert len(run(engine, now=end).closed) == 1
