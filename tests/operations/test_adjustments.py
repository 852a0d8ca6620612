"""Adjustments by hand: at the next decision, once for each key, and carried over as if they were base."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from tallygate.domain.base.instants import DAY, HOUR
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.rungs import UNTIL_RESUMED, UNTIL_TOP_UP
from tallygate.errors import ClockBehind, Conflict, Contended, InvalidRequest, NotFound
from tallygate.operations.admission.memory import Memory
from tallygate.operations.base.each import in_turn
from tallygate.operations.corrections.adjustments import AdjustmentRequest, adjust, list_adjustments
from tallygate.operations.customers.audits import list_audits
from tallygate.operations.facts.closing import ADJUSTMENTS_STATED_MAX, reset
from tallygate.operations.facts.periods import list_periods
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.storage.admission import cell_image
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base import items, keys
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.expressions import Set
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.base.receipts import Receipts
from tallygate.storage.customers.customers import Customers
from tallygate.storage.entries.writes import CellWrite
from tallygate.storage.facts.adjustments import Adjustments
from tallygate.storage.facts.audits import Audits
from tallygate.storage.facts.closings import Closings
from tallygate.storage.metering.events import Events
from tests.crashes import Crash, Fuse, FusedEngine
from tests.given import ENTRY, FEATURE
from tests.operations.adjusting import FORMS, listed, numbers, post, stores
from tests.shops import Shop, month
from tests.truth import container, draft, drain, facts

PLAIN: dict[str, Any] = {"limit": 100}
CARRYING: dict[str, Any] = {"limit": 1000, "carryover": {}}


def suspend_cell(shop: Shop, until: int, name: str = cell_image.SUSPENDED) -> None:
    """As a tier's write leaves the cell."""
    shop.engine.write(CellWrite(CellName(shop.customer, FEATURE), (Set(name, until),), ENTRY).update)


def test_it_acts_at_the_next_decision_whatever_a_container_remembers(engine: Engine) -> None:
    shop, other = Shop(engine, pro=PLAIN), Memory()
    assert shop.consume(60)["granted"]
    assert not shop.consume(50, memory=other)["granted"]
    made = post(shop, 20)
    assert (made.status, made.replayed) == (201, False)
    assert made.body["breakdown"] == {"base": 100, "carried": 0, "adjusted": 20}
    granted = shop.consume(50, memory=other)
    assert (granted["granted"], numbers(granted)) == (True, (120, 100, 0, 20, 110, 10))
    post(shop, -20)
    denied = shop.consume(1)
    assert (denied["granted"], denied["reason"], numbers(denied)) == (False, "quota_exceeded", (100, 100, 0, 0, 110, 0))
    assert denied["overage"] == 10


def test_the_first_write_of_a_window_may_be_an_adjustment(engine: Engine) -> None:
    shop = Shop(engine, pro=PLAIN)
    post(shop, 50)
    assert numbers(shop.state()) == (150, 100, 0, 50, 0, 150)
    assert shop.consume(150)["granted"] and not shop.consume()["granted"]


def test_what_does_not_carry_over_is_gone_with_its_window(engine: Engine) -> None:
    shop = Shop(engine, pro=PLAIN)
    post(shop, 50)
    shop.now = month(2)
    assert numbers(shop.state()) == (100, 100, 0, 0, 0, 100)
    assert not shop.consume(101)["granted"]


def test_what_is_left_of_a_positive_one_carries_over(engine: Engine) -> None:
    shop = Shop(engine, pro=CARRYING)
    shop.consume(800)
    post(shop, 300)
    shop.now = month(2)
    assert numbers(shop.state()) == (1500, 1000, 500, 0, 0, 1500)


def test_it_opens_a_window_with_what_is_carried_into_it(engine: Engine) -> None:
    shop = Shop(engine, pro=CARRYING)
    slow = Memory()
    shop.consume(400, memory=slow)
    shop.now = month(2)
    made = post(shop, 200)
    assert made.body["breakdown"] == {"base": 1000, "carried": 600, "adjusted": 200}
    with pytest.raises(ClockBehind):
        shop.consume(1, memory=slow, at=month(2) - 1)
    assert numbers(shop.consume(1800, memory=slow)) == (1800, 1000, 600, 200, 1800, 0)
    assert not shop.consume()["granted"]


def test_layers_that_expire_are_opened_with_it_and_what_it_adds_is_as_old_as_its_window(engine: Engine) -> None:
    shop = Shop(engine, pro={"limit": 100, "carryover": {"expires_after": 1}})
    shop.consume(70)
    shop.now = month(2)
    post(shop, 25)
    assert numbers(shop.consume(40)) == (155, 100, 30, 25, 40, 115)
    shop.now = month(3)
    assert numbers(shop.state()) == (215, 100, 115, 0, 0, 215), "the 30 of January were used up first"
    shop.now = month(4)
    assert numbers(shop.state()) == (200, 100, 100, 0, 0, 200), "what came from February has expired"


def test_one_below_what_was_used_denies_and_leaves_no_debt(engine: Engine) -> None:
    shop = Shop(engine, pro=CARRYING)
    shop.consume(800)
    post(shop, -500)
    denied = shop.consume(1)
    assert (denied["granted"], numbers(denied), denied["overage"]) == (False, (500, 1000, 0, -500, 800, 0), 300)
    shop.now = month(2)
    assert numbers(shop.state()) == (1000, 1000, 0, 0, 0, 1000)


def test_where_overage_is_deducted_it_is_a_debt(engine: Engine) -> None:
    soft = {"limit": 1000, "enforcement": "soft", "carryover": {"overage": "deduct"}}
    shop = Shop(engine, pro=soft)
    shop.consume(800)
    post(shop, -500)
    shop.now = month(2)
    assert numbers(shop.state())[:4] == (700, 1000, -300, 0)
    post(shop, -700)
    with pytest.raises(InvalidRequest, match="below 0: it is 0"):
        post(shop, -1)


def test_a_limit_in_debt_may_be_raised_by_less_than_the_debt_and_states_no_overage_of_nothing(engine: Engine) -> None:
    shop = Shop(engine, pro={"limit": 10, "enforcement": "soft", "carryover": {"overage": "deduct"}})
    shop.consume(40)
    shop.now = month(2)
    assert post(shop, 5).body["limit"] == 0
    stated = shop.state()
    assert (stated["limit"], stated["remaining"], stated["overage"], stated["used"]) == (0, 0, 0, 0)
    assert stated["breakdown"] == {"base": 10, "carried": -30, "adjusted": 5, "followed": 0}


def test_one_key_adjusts_once_and_replays_what_was_answered(engine: Engine) -> None:
    shop = Shop(engine, pro=PLAIN)
    first, again = post(shop, 20, key="k"), post(shop, 20, key="k", at=shop.now + DAY - 1)
    assert (again.replayed, again.body, again.status) == (True, first.body, 201)
    with pytest.raises(InvalidRequest) as caught:
        post(shop, 21, key="k")
    assert caught.value.code == "idempotency_key_reused"
    assert (numbers(shop.state())[3], len(listed(shop))) == (20, 1)
    post(shop, 20)
    post(shop, 20)
    assert (numbers(shop.state())[3], len(listed(shop))) == (60, 3), "without a key each is one of its own"


def test_a_double_click_adjusts_once_and_others_at_once_all_count(dynamo_engine: DynamoEngine) -> None:
    shop = Shop(dynamo_engine, pro=PLAIN)

    def click(turn: int) -> Any:
        try:
            return post(shop, 5, key=f"k{turn // 4}").body["id"]
        except Contended:
            return None

    with ThreadPoolExecutor(8) as threads:
        ids = set(threads.map(click, range(16))) - {None}
    assert numbers(shop.state())[3] == 5 * len(ids) == 5 * len(listed(shop))


def test_consumes_in_between_never_refuse_an_adjustment(engine: Engine) -> None:
    shop = Shop(engine, pro=PLAIN)
    shop.consume(1)
    asked = AdjustmentRequest(
        id="adj_1", customer="acme", feature=FEATURE, amount=Decimal(7), reason="r", actor="a", category="goodwill"
    )
    planned = adjust(stores(engine), asked, FORMS, now=shop.now)
    shop.consume(1)
    assert Receipts(engine).commit(planned.moves)
    assert numbers(shop.state()) == (107, 100, 0, 7, 2, 105)


def test_what_moves_between_the_look_and_the_write_refuses_it(engine: Engine) -> None:
    shop = Shop(engine, pro=CARRYING)
    shop.consume(1)
    asked = AdjustmentRequest(id="adj_1", customer="acme", feature=FEATURE, amount=Decimal(7), reason="r", actor="a")
    stale = adjust(stores(engine), asked, FORMS, now=shop.now)
    post(shop, 1)
    assert not Receipts(engine).commit(stale.moves), "another adjustment: what it answers would not be so"
    stale = adjust(stores(engine), asked, FORMS, now=month(2))
    shop.consume(1, at=month(2))
    assert not Receipts(engine).commit(stale.moves), "the window was opened"
    stale = adjust(stores(engine), asked, FORMS, now=month(2))
    shop.now = month(2)
    Cells(engine).raise_version(CellName("acme", FEATURE), 99, month(2))
    assert not Receipts(engine).commit(stale.moves), "the limits have changed"
    with pytest.raises(Contended):
        post(shop, 1)


def test_a_clock_that_lags_is_told_so(engine: Engine) -> None:
    shop = Shop(engine, pro=CARRYING, plain={"limit": 100, "period": {"every": "hour"}})
    shop.consume(1)
    shop.consume(1, at=month(2))
    with pytest.raises(ClockBehind):
        post(shop, 5, at=month(2) - 1)
    shop.customer = "other"
    shop.put(plan="plain")
    for at in (month(1), month(1, 2), month(1, 3)):
        shop.consume(1, at=at)
    with pytest.raises(ClockBehind):
        post(shop, 5, at=month(1))
    assert listed(shop) == []


def test_what_has_nothing_to_adjust_is_refused(engine: Engine) -> None:
    rolling = {"limit": 10, "period": {"every": "P30D", "anchor": "rolling"}}
    shop = Shop(engine, pro=PLAIN, unlimited={"limit": None}, rolling=rolling, less=None)

    def refused(**more: Any) -> tuple[type, str, list[tuple[str, str]]]:
        with pytest.raises((InvalidRequest, Conflict, NotFound)) as caught:
            post(shop, more.pop("amount", 5), **more)
        return type(caught.value), caught.value.code, [(e.pointer, e.code) for e in caught.value.errors]

    assert refused(feature="nope") == (InvalidRequest, "invalid_request", [("/feature", "feature_not_found")])
    assert refused(feature="other") == (InvalidRequest, "invalid_request", [("/feature", "feature_type_mismatch")])
    assert refused(amount=-101) == (InvalidRequest, "invalid_request", [("/amount", "out_of_range")])
    assert refused(amount="999999999999999999") == (
        InvalidRequest,
        "invalid_request",
        [("/amount", "out_of_range")],
    )
    for plan in ("unlimited", "rolling"):
        shop.subscribe(plan)
        assert refused() == (Conflict, "not_adjustable", [])
    shop.subscribe("less")
    assert refused() == (NotFound, "not_entitled", [])
    shop.unsubscribe()
    assert refused() == (NotFound, "no_active_subscription", [])
    shop.customer = "nobody"
    assert refused() == (NotFound, "customer_not_found", [])
    with pytest.raises(NotFound):
        listed(shop)


def test_a_period_from_its_first_use_is_adjusted_while_it_runs(engine: Engine) -> None:
    shop = Shop(engine, pro={"limit": 10, "period": {"every": "PT5H", "anchor": "first_use"}})
    with pytest.raises(Conflict, match="its next use begins one"):
        post(shop, 5)
    shop.consume(1)
    asked = AdjustmentRequest(id="adj_1", customer="acme", feature=FEATURE, amount=Decimal(7), reason="r", actor="a")
    stale = adjust(stores(engine), asked, FORMS, now=shop.now + HOUR)
    assert post(shop, 5, at=shop.now + HOUR).body["period"]["start"] == "2026-01-01T00:00:00Z"
    assert shop.consume(14, at=shop.now + 2 * HOUR)["granted"]
    assert not shop.consume(1, at=shop.now + 5 * HOUR - 1)["granted"]
    with pytest.raises(Conflict):
        post(shop, 5, at=shop.now + 5 * HOUR)
    shop.consume(1, at=shop.now + 6 * HOUR)
    assert not Receipts(engine).commit(stale.moves)
    shop.now += 6 * HOUR
    assert numbers(shop.state()) == (10, 10, 0, 0, 1, 9)


def test_each_is_listed_and_audited_newest_first(engine: Engine) -> None:
    shop = Shop(engine, pro=PLAIN)
    first = post(shop, 20, category="goodwill").body
    second = post(shop, -5, at=shop.now + 1).body
    assert listed(shop) == listed(shop, FEATURE) == [dict(second), dict(first)]
    assert listed(shop, "other") == []
    trail, _ = list_audits(Audits(engine), Customers(engine), "acme", after=None, limit=10)
    assert [(entry.id, entry.action, entry.actor, entry.reason, entry.feature) for entry in trail] == [
        (second["id"], "adjusted", "ops", "outage", FEATURE),
        (first["id"], "adjusted", "ops", "outage", FEATURE),
    ]
    assert trail[1].about == {
        "amount": 20,
        "category": "goodwill",
        "period": {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"},
        "resumed": False,
    }
    assert (trail[0].before, trail[0].after) == (
        {"base": 100, "carried": 0, "adjusted": 20},
        {"base": 100, "carried": 0, "adjusted": 15},
    )
    page, more = list_adjustments(Adjustments(engine), Customers(engine), "acme", FEATURE, after=None, limit=1)
    rest, end = list_adjustments(Adjustments(engine), Customers(engine), "acme", FEATURE, after=more, limit=1)
    assert [each.id for each in (*page, *rest)] == [second["id"], first["id"]]
    assert end is None or not Adjustments(engine).page("acme", FEATURE, after=end, limit=1)[0]


@pytest.mark.parametrize("policy", [{"suspend_usage": {"until": "top_up"}}])
def test_a_positive_one_lifts_what_a_tier_suspended_until_a_top_up(engine: Engine, policy: dict[str, Any]) -> None:
    shop = Shop(engine, pro={**PLAIN, "tiers": [{"at": "100%", "level": "out", "policy": policy}]})
    shop.consume(100)
    assert shop.consume()["reason"] == "suspended"
    assert post(shop, -10).body["resumed"] is False
    assert shop.consume()["reason"] == "suspended"
    assert post(shop, 30).body["resumed"] is True
    assert numbers(shop.consume(20)) == (120, 100, 0, 20, 120, 0)
    assert post(shop, 5).body["resumed"] is False


def test_it_lifts_no_suspension_that_waits_for_something_else(engine: Engine) -> None:
    shop = Shop(engine, pro=PLAIN)
    for until in (UNTIL_RESUMED, shop.now + DAY):
        suspend_cell(shop, until)
        assert post(shop, 5).body["resumed"] is False
        assert shop.consume()["reason"] == "suspended"


def test_a_suspension_that_begins_between_the_look_and_the_write_is_lifted_all_the_same(engine: Engine) -> None:
    policy = {"suspend_usage": {"until": "top_up"}}
    shop = Shop(engine, pro={**PLAIN, "tiers": [{"at": "100%", "level": "out", "policy": policy}]})
    shop.consume(100)
    asked = AdjustmentRequest(id="adj_1", customer="acme", feature=FEATURE, amount=Decimal(7), reason="r", actor="a")
    stale = adjust(stores(engine), asked, FORMS, now=shop.now)
    suspend_cell(shop, UNTIL_TOP_UP)
    assert not Receipts(engine).commit(stale.moves)
    assert post(shop, 7).body["resumed"] is True
    stale = adjust(stores(engine), asked, FORMS, now=shop.now)
    assert Receipts(engine).commit(stale.moves), "and without one nothing is in its way"


def told(engine: MemoryEngine) -> list[dict[str, Any]]:
    """Every fact, after all that the stream holds was folded twice over."""
    drain(engine, container(engine))
    drain(engine, container(engine))
    return facts(engine)


def test_it_is_told_once_with_the_end_of_the_suspension_and_counted_in_its_total() -> None:
    engine = MemoryEngine()
    policy = {"suspend_usage": {"until": "top_up"}}
    shop = Shop(engine, pro={**PLAIN, "tiers": [{"at": "100%", "level": "out", "policy": policy}]})
    shop.consume(100)
    shop.consume()
    made = post(shop, 30, category="goodwill").body
    found = [fact for fact in told(engine) if fact["type"] in ("quota.adjusted", "entitlement.resumed")]
    assert [(fact["type"], fact.get("by"), fact.get("cause"), fact["reason"], fact["actor"]) for fact in found] == [
        ("quota.adjusted", None, None, "outage", "ops"),
        ("entitlement.resumed", "operator", "top_up", "outage", "ops"),
    ]
    adjusted = {name: found[0][name] for name in ("id", "amount", "category", "breakdown")}
    assert adjusted == {
        "id": made["id"],
        "amount": 30,
        "category": "goodwill",
        "breakdown": {"base": 100, "carried": 0, "adjusted": 30},
    }
    journal = [item for key, item in engine.items.items() if key.pk.startswith("JOURNAL#")]
    assert "disproved" not in json.dumps(journal, default=str)
    (total,) = [item for key, item in engine.items.items() if key.pk.startswith("TOTAL#")]
    assert (total["value"], total["adjusted"]) == (100, 30)


@pytest.mark.parametrize("carryover", [{}, {"expires_after": 2}])
def test_an_adjustment_that_opens_a_window_proves_itself_to_the_fold(carryover: dict[str, Any]) -> None:
    engine = MemoryEngine()
    shop = Shop(engine, pro={"limit": 1000, "carryover": carryover})
    shop.consume(400)
    shop.now = month(2)
    post(shop, -100)
    shop.consume(50)
    told(engine)
    totals = {items.integer(i, "start"): i for k, i in engine.items.items() if k.pk.startswith("TOTAL#")}
    february = totals[month(2)]
    assert (february["value"], february["carried"], february["adjusted"]) == (50, 600, -100)


def closed_after(engine: MemoryEngine, shop: Shop) -> dict[str, Any]:
    """What the closing of January states."""
    drain(engine, container(engine))
    assert reset(Closings(engine), now=month(2), grace=0, time_left=lambda: True).closed
    (found,) = [fact for fact in told(engine) if fact["type"] == "usage.period_closed"]
    (period,), _ = list_periods(Closings(engine), shop.customer, FEATURE, after=None, limit=10)
    assert (period["adjustments"], period["breakdown"]) == (found["adjustments"], found["breakdown"])
    return found


def test_a_closed_period_states_its_adjustments_and_no_others() -> None:
    engine = MemoryEngine()
    shop = Shop(engine, pro=CARRYING)
    post(shop, 40, at=shop.now)
    shop.now = month(2)
    shop.consume(10)
    drain(engine, container(engine))
    reset(Closings(engine), now=month(2), grace=0, time_left=lambda: True)
    first, second = post(shop, 20, category="goodwill").body, post(shop, -20, at=month(3) - 1).body
    post(shop, 7, at=month(3))
    shop.consume(1, at=month(3))
    drain(engine, container(engine))
    reset(Closings(engine), now=month(3), grace=0, time_left=lambda: True)
    stated = {fact["period"]["start"][:7]: fact for fact in told(engine) if fact["type"] == "usage.period_closed"}
    names = ("id", "amount", "reason", "actor", "category", "at")
    assert stated["2026-02"]["adjustments"] == [{name: each[name] for name in names} for each in (second, first)]
    assert stated["2026-02"]["breakdown"] == {"base": 1000, "carried": 1040, "adjusted": 0, "followed": 0}
    assert [each["amount"] for each in stated["2026-01"]["adjustments"]] == [40], "though nothing was used in it"
    assert (stated["2026-01"]["raw"], stated["2026-01"]["carried_out"]) == (0, 1040)
    listed_now, _ = list_periods(Closings(engine), "acme", FEATURE, after=None, limit=10)
    assert [each["adjustments"] for each in listed_now] == [s["adjustments"] for _, s in sorted(stated.items())]


def test_a_statement_has_a_bounded_number_of_adjustments_and_the_sum_of_all() -> None:
    engine = MemoryEngine()
    shop = Shop(engine, pro={"limit": 1})
    for turn in range(ADJUSTMENTS_STATED_MAX + 3):
        post(shop, 1, at=shop.now + turn)
    found = closed_after(engine, shop)
    assert len(found["adjustments"]) == ADJUSTMENTS_STATED_MAX
    assert found["adjustments"][0]["at"] > found["adjustments"][-1]["at"]
    assert found["breakdown"]["adjusted"] == ADJUSTMENTS_STATED_MAX + 3


def test_a_restatement_states_them_too() -> None:
    engine = MemoryEngine()
    shop = Shop(engine, pro=PLAIN)
    shop.consume(10)
    post(shop, 20)
    before = closed_after(engine, shop)
    late = draft("late", event_type="e", tokens=None, time=month(1, 2))
    ingest(Events(engine), Posted(submitted=(late,), batch="b"), now=month(2), each=in_turn)
    (restated,) = [fact for fact in told(engine) if fact["type"] == "usage.restated"]
    assert (restated["raw"], restated["adjustments"]) == (11, before["adjustments"])


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("carries", [False, True], ids=["plain", "opens"])
def test_a_crash_leaves_all_of_it_or_nothing_and_a_retry_adjusts_once(after: bool, carries: bool) -> None:
    for step in range(1, 20):
        engine = MemoryEngine()
        shop = Shop(engine, pro=CARRYING if carries else {"limit": 1000})
        shop.consume(400)
        shop.now = month(2)
        fuse = Fuse(at=step, after=after)
        try:
            post(shop, 50, key="k", engine=FusedEngine(engine, fuse))
            assert fuse.steps < step
            break
        except Crash:
            pass
        adjusted = numbers(shop.state())[3]
        trail, _ = Audits(engine).page("acme", after=None, limit=10)
        whole = (50, 1, 1) if adjusted else (0, 0, 0)
        assert (adjusted, len(trail), len(listed(shop))) == whole
        retried = post(shop, 50, key="k")
        assert retried.replayed is bool(adjusted)
        assert numbers(shop.state())[1:4] == (1000, 600 if carries else 0, 50)
        assert len(listed(shop)) == len(listed(shop, FEATURE)) == 1
    else:
        pytest.fail("an adjustment takes a bounded number of requests")


def test_a_period_from_its_first_use_is_adjusted_while_it_runs_and_not_before(engine: Engine) -> None:
    shop = Shop(engine, pro={"limit": 10, "period": {"every": "PT5H", "anchor": "first_use"}})
    for _ in range(2):
        with pytest.raises(Conflict) as refused:
            post(shop, 5)
        assert refused.value.code == "not_adjustable"
        assert shop.consume(10)["granted"]
        post(shop, 5)
        shop.now += HOUR
        assert numbers(shop.consume(5)) == (15, 10, 0, 5, 15, 0)
        assert not shop.consume(1)["granted"]
        shop.now += 4 * HOUR


@pytest.mark.parametrize("used", [0, 3])
def test_a_month_is_adjusted_although_days_were_opened_in_it_before(used: int) -> None:
    """Each day that carries over raises the floor of the cell to its start, which lies within the month."""
    engine = MemoryEngine()
    shop = Shop(
        engine,
        day={"limit": 100, "carryover": {}, "period": {"every": "day"}},
        month={"limit": 1000, "carryover": {}},
    )
    for day in (9, 10, 11):
        shop.now = month(1, day)
        shop.consume(1)
    drain(engine, container(engine), now=shop.now)
    shop.subscribe("month")
    if used:
        shop.consume(used)
    for amount in (50, -20):
        assert post(shop, amount).status == 201
    state = shop.state()
    assert (state["breakdown"]["adjusted"], state["used"]) == (30, state["limit"] - state["remaining"])
    floor = (shop.engine.get(keys.cell(CellName("acme", FEATURE))) or {})[cell_image.FLOOR]
    assert floor == month(1, 11), "it never falls"
    shop.consume(5)
    assert shop.state()["used"] == state["used"] + 5


def test_a_window_that_has_ended_is_not_adjusted_by_a_clock_that_lags(engine: Engine) -> None:
    shop = Shop(engine, pro=CARRYING)
    shop.consume(1)
    shop.now = month(2)
    shop.consume(1)
    with pytest.raises(ClockBehind):
        post(shop, 5, at=month(2) - 1)


def test_a_limit_that_its_parts_leave_below_nothing_is_shown_as_nothing(engine: Engine) -> None:
    shop = Shop(engine, big={"limit": 100, "tiers": [{"at": "80%", "level": "warning"}]}, small={"limit": 20})
    post(shop, -30)
    shop.subscribe("small")
    denied, state = shop.consume(1), shop.state()
    for answer in (denied, state):
        assert (answer["limit"], answer["remaining"], answer["max_grantable"]) == (0, 0, 0)
        assert answer["breakdown"] == {"base": 20, "carried": 0, "adjusted": -30, "followed": 0}
        assert answer["limits"][0]["limit"] == 0
    assert (denied["granted"], denied["reason"], denied["overage"]) == (False, "quota_exceeded", 0)
    assert post(shop, 4).body["limit"] == 0
    with pytest.raises(InvalidRequest, match="it is 0"):
        post(shop, -1)
    post(shop, 7)
    assert (shop.state()["limit"], shop.consume(1)["granted"]) == (1, True)
