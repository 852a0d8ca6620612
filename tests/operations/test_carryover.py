"""Carryover through the product: what a month leaves is there in the next, however and whenever it is asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bench.cost import counting
from tallygate.domain.admission.cells import DEAD_AFTER
from tallygate.domain.base.instants import MINUTE
from tallygate.domain.limits.counters import CellName
from tallygate.errors import ClockBehind
from tallygate.operations.admission.memory import Memory
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Engine
from tests.given import FEATURE
from tests.operator_actions import resume, suspend
from tests.shops import Shop, month

CARRYING: dict[str, Any] = {"limit": 1000, "carryover": {}}


def numbers(answer: dict[str, Any]) -> tuple[Any, ...]:
    parts = answer["breakdown"]
    return answer["limit"], parts["base"], parts["carried"], parts["adjusted"]


def test_base_1000_of_1300_available_and_800_used_makes_1500(engine: Engine) -> None:
    shop = Shop(engine, pro=CARRYING)
    shop.consume(700)
    shop.now = month(2)
    opened = shop.consume(800)
    assert (opened["granted"], *numbers(opened)) == (True, 1300, 1000, 300, 0)
    assert (opened["used"], opened["remaining"]) == (800, 500)
    shop.now = month(3)
    assert numbers(shop.state()) == (1500, 1000, 500, 0), "said before anything is written in the month"
    used = shop.consume(1500)
    assert (used["granted"], used["used"], used["remaining"], *numbers(used)) == (True, 1500, 0, 1500, 1000, 500, 0)
    assert not shop.consume()["granted"]


def test_idle_months_add_up_and_are_there_at_once(engine: Engine) -> None:
    shop = Shop(engine, pro=CARRYING)
    shop.consume(400)
    shop.now = month(5)
    assert numbers(shop.state()) == (4600, 1000, 3600, 0)
    assert not shop.consume(4601)["granted"]
    assert shop.consume(4600)["granted"]


def test_a_customer_who_never_used_anything_has_all_since_the_start(engine: Engine) -> None:
    shop = Shop(engine, pro=CARRYING)
    shop.now = month(3)
    assert shop.consume(3000)["granted"]
    assert not shop.consume()["granted"]


def test_what_carries_over_expires_and_is_capped_as_the_plan_says(engine: Engine) -> None:
    shop = Shop(engine, pro={"limit": 1000, "carryover": {"expires_after": 1, "max": "60%"}})
    shop.consume(300)
    shop.now = month(2)
    assert numbers(shop.consume(0)) == (1600, 1000, 600, 0)
    shop.consume(100)
    shop.now = month(3)
    assert numbers(shop.consume(1)) == (1600, 1000, 600, 0), "of February's base; January's rest has expired"


@pytest.mark.parametrize(("overage", "limit"), [("forgive", 1000), ("deduct", 700)])
def test_a_soft_limit_forgives_or_deducts_what_was_used_too_much(engine: Engine, overage: str, limit: int) -> None:
    shop = Shop(engine, pro={"limit": 1000, "enforcement": "soft", "carryover": {"overage": overage}})
    shop.consume(1300)
    shop.now = month(2)
    assert shop.consume(1)["limit"] == limit


@pytest.mark.parametrize("seen_before", [True, False])
def test_the_first_of_a_window_is_one_request_and_one_unit_where_the_cell_is_known(
    dynamodb: Any, dynamo_engine: DynamoEngine, seen_before: bool
) -> None:
    shop = Shop(dynamo_engine, pro=CARRYING)
    shop.consume(1)
    shop.now = month(2)
    memory = shop.memory
    if not seen_before:
        memory = Memory()
        memory.limits(Cells(dynamo_engine), "acme", now=shop.now)
    with counting(dynamodb) as cost:
        assert shop.consume(1, memory=memory)["breakdown"]["carried"] == 999
    assert (cost.requests["UpdateItem"], cost.write_units) == ((1, 1.0) if seen_before else (2, 1.0))
    with counting(dynamodb) as cost:
        shop.consume(1, memory=memory)
    assert (dict(cost.requests), cost.write_units) == ({"UpdateItem": 1}, 1.0)


@pytest.mark.parametrize("_turn", range(5))
def test_many_containers_that_open_a_window_at_once_grant_what_was_left_and_no_more(
    dynamo_engine: DynamoEngine, _turn: int
) -> None:
    shop = Shop(dynamo_engine, pro={"limit": 10, "carryover": {}})
    shop.consume(4)
    shop.now = month(2)
    shop.consume(4)
    shop.now = month(3)
    with ThreadPoolExecutor(16) as threads:
        granted = list(threads.map(lambda _: shop.consume(memory=Memory())["granted"], range(24)))
    assert sum(granted) == 22, "10 of March, 6 of February and 6 of January"


def test_a_clock_that_lags_cannot_spend_what_was_carried_already(engine: Engine) -> None:
    shop = Shop(engine, pro={"limit": 10, "carryover": {}})
    shop.consume(4)
    slow = Memory()
    shop.consume(1, memory=slow)
    shop.consume(1, at=month(2))
    with pytest.raises(ClockBehind):
        shop.consume(1, memory=slow, at=month(2) - 1)
    assert shop.consume(14, memory=slow, at=month(2))["granted"]


def test_a_request_that_would_open_its_window_beyond_a_suspending_tier_is_denied_and_suspends_nothing(
    engine: Engine,
) -> None:
    tiers = [
        {"at": "100%", "level": "over", "policy": "suspend_usage", "until": "next_period"},
        {"at": "200%", "level": "far_over", "policy": "suspend_usage"},
    ]
    shop = Shop(engine, pro={"limit": 100, "carryover": {}, "tiers": tiers})
    shop.consume(1)
    shop.now = month(5)
    denied = shop.consume(600)
    assert (denied["reason"], denied["limit"], denied["max_grantable"]) == ("quota_exceeded", 499, 499)
    assert shop.consume(499)["granted"]
    denied = shop.consume()
    assert (denied["reason"], denied["retry_at"]) == ("suspended", "2026-06-01T00:00:00Z")
    shop.now = month(6)
    assert shop.consume(100)["granted"]


def test_a_debt_moves_the_tier_that_suspends(engine: Engine) -> None:
    tiers = [
        {"at": "100%", "level": "over", "policy": "allow_with_overage"},
        {"at": "150%", "level": "far_over", "policy": "suspend_usage"},
    ]
    shop = Shop(engine, pro={"limit": 100, "carryover": {"overage": "deduct"}, "tiers": tiers})
    shop.consume(150)
    shop.now = month(2)
    denied = shop.consume(100)
    assert (denied["reason"], *numbers(denied)) == ("quota_exceeded", 50, 100, -50, 0)
    assert (denied["max_grantable"], shop.consume(75)["granted"]) == (75, True)
    assert shop.consume()["reason"] == "suspended"


def test_a_debt_that_leaves_nothing_suspends_with_the_first_request(engine: Engine) -> None:
    """Usage of nothing has reached a share of nothing; the window is not even open."""
    tiers = [{"at": "100%", "level": "over", "policy": "allow_with_overage"}]
    stop = {"at": "150%", "level": "far_over", "policy": "suspend_usage", "until": "next_period"}
    carries = {"limit": 100, "carryover": {"overage": "deduct"}}
    shop = Shop(engine, pro={**carries, "tiers": tiers}, stern={**carries, "tiers": [*tiers, stop]})
    shop.consume(250)
    shop.now = month(2)
    shop.subscribe("stern")
    denied = shop.consume(1)
    assert (denied["reason"], denied["limit"], denied["used"]) == ("suspended", 0, 0)


def test_the_newest_window_stays_in_the_cell_however_long_it_is_over(engine: Engine) -> None:
    shop = Shop(engine, pro={"limit": 10, "period": {"every": "day"}, "carryover": {"max": 25}})
    for day in (1, 2, 3, 9):
        shop.consume(1, at=month(1, day))
        shop.consume(1, at=month(1, day) + DEAD_AFTER + MINUTE)
    kept = Cells(engine).read(CellName("acme", FEATURE))
    assert sorted(start for _, start in kept.used) == [month(1, 3), month(1, 9)]
    shop.now = month(1, 10)
    assert shop.state()["limit"] == 35


def test_another_plan_keeps_what_was_carried_and_no_switch_refills(engine: Engine) -> None:
    shop = Shop(engine, pro=CARRYING, big={"limit": 5000, "carryover": {}})
    shop.consume(400)
    shop.now = month(2)
    shop.consume(100)
    for plan, base in (("big", 5000), ("pro", 1000), ("big", 5000)):
        shop.subscribe(plan)
        assert numbers(shop.consume(1)) == (base + 600, base, 600, 0)
    assert shop.state()["used"] == 103


def test_a_feature_that_a_plan_lacks_freezes_what_it_had(engine: Engine) -> None:
    shop = Shop(engine, pro=CARRYING, less=None)
    shop.consume(400)
    shop.now = month(1, 20)
    shop.subscribe("less")
    shop.now = month(4)
    assert shop.consume()["reason"] == "not_entitled"
    shop.subscribe("pro")
    assert numbers(shop.consume(1)) == (1600, 1000, 600, 0), "what January left, and nothing for the months between"
    shop.now = month(5)
    assert numbers(shop.state()) == (2599, 1000, 1599, 0)


def test_no_base_accrues_without_a_subscription(engine: Engine) -> None:
    shop = Shop(engine, pro=CARRYING)
    shop.consume(400)
    shop.now = month(1, 20)
    shop.unsubscribe()
    shop.now = month(6, 10)
    shop.subscribe("pro", started_at=month(6, 10))
    assert numbers(shop.consume(1)) == (1600, 1000, 600, 0)


def test_no_base_accrues_while_usage_is_suspended(engine: Engine) -> None:
    shop = Shop(engine, pro=CARRYING)
    shop.consume(400)
    suspend(engine, "acme", named="a1", now=month(1, 20))
    shop.now = month(5, 10)
    assert shop.consume()["reason"] == "suspended"
    resume(engine, "acme", named="a2", now=shop.now)
    assert numbers(shop.consume(1)) == (1600, 1000, 600, 0), "what January left, and May's own"
    shop.now = month(6)
    assert numbers(shop.state()) == (2599, 1000, 1599, 0)


def test_a_plan_that_falls_due_while_usage_is_suspended_accrues_from_the_resume(engine: Engine) -> None:
    shop = Shop(engine, pro=CARRYING, big={"limit": 5000, "carryover": {}})
    shop.consume(1000)
    shop.subscribe("big", when="next_period")
    suspend(engine, "acme", named="a1", now=month(1, 20))
    shop.now = month(4, 10)
    resume(engine, "acme", named="a2", now=shop.now)
    assert numbers(shop.consume(1)) == (5000, 5000, 0, 0)
    shop.now = month(5)
    assert numbers(shop.state()) == (9999, 5000, 4999, 0)


def test_a_suspension_in_a_prorated_month_leaves_its_base_what_it_is(engine: Engine) -> None:
    shop = Shop(engine, pro=CARRYING, big={"limit": 2000, "carryover": {}})
    shop.now = month(1, 16)
    shop.subscribe("big", base="prorated")
    prorated = shop.consume(1)["limit"]
    suspend(engine, "acme", named="a1", now=month(1, 20))
    resume(engine, "acme", named="a2", now=month(1, 21))
    shop.now = month(2)
    assert numbers(shop.state()) == (2000 + prorated - 1, 2000, prorated - 1, 0)


def test_a_denial_says_whether_the_next_month_has_room_with_what_is_carried_into_it(engine: Engine) -> None:
    shop = Shop(engine, pro=CARRYING)
    shop.consume(100)
    assert [shop.state(amount)["retry_at"] for amount in (1900, 1901)] == ["2026-02-01T00:00:00Z", None]


def test_a_denial_says_whether_the_next_month_has_room_less_what_is_owed(engine: Engine) -> None:
    over = {"at": "100%", "level": "over", "policy": "allow_with_overage", "max_overage": 50}
    shop = Shop(engine, pro={"limit": 100, "carryover": {"overage": "deduct"}, "tiers": [over]})
    shop.consume(150)
    assert [shop.state(amount)["retry_at"] for amount in (100, 101)] == ["2026-02-01T00:00:00Z", None]


@pytest.mark.parametrize("plan", ["plain", "endless"])
@pytest.mark.parametrize("used_meanwhile", [0, 1])
def test_a_plan_without_carryover_lets_nothing_through(engine: Engine, plan: str, used_meanwhile: int) -> None:
    shop = Shop(engine, pro=CARRYING, plain={"limit": 1000}, endless={"limit": None})
    shop.consume(400)
    shop.now = month(2)
    shop.subscribe(plan)
    shop.consume(used_meanwhile)
    shop.now = month(4, 10)
    shop.subscribe("pro")
    assert numbers(shop.consume(1)) == (1000, 1000, 0, 0), "used or lost, whether anything was used or not"
    shop.now = month(5)
    assert numbers(shop.state()) == (1999, 1000, 999, 0)


@pytest.mark.parametrize("carried_before", [False, True])
def test_a_container_that_missed_the_month_in_which_carryover_began_carries_what_that_month_left(
    engine: Engine, carried_before: bool
) -> None:
    shop = Shop(engine, pro=CARRYING, plain={"limit": 1000})
    shop.subscribe("pro" if carried_before else "plain")
    stale = Memory(ticks=lambda: shop.now / 1000)
    shop.consume(1, memory=stale)
    shop.now = month(2, 10)
    shop.subscribe("plain")
    shop.consume(1000)
    shop.subscribe("pro")
    shop.now = month(4)
    assert numbers(shop.consume(1, memory=stale)) == (2000, 1000, 1000, 0), "March's base, and nothing of February"


def test_what_is_carried_never_outgrows_a_quantity(engine: Engine) -> None:
    most = "999999999999999999.999999999"
    shop = Shop(engine, pro={"limit": most, "carryover": {}})
    shop.consume("0.000000001")
    shop.now = month(4)
    answer = shop.state()
    assert (answer["breakdown"]["base"], answer["breakdown"]["carried"]) == (most, "999999999999999999")
    assert shop.consume(1)["granted"]


def test_the_base_of_a_month_is_the_last_that_was_in_force_in_it(engine: Engine) -> None:
    shop = Shop(engine, pro=CARRYING, big={"limit": 5000, "carryover": {}})
    shop.consume(400)
    shop.now = month(1, 31)
    shop.subscribe("big")
    shop.now = month(2, 10)
    shop.subscribe("pro")
    assert numbers(shop.state()) == (5600, 1000, 4600, 0), "January ended with 5000"
