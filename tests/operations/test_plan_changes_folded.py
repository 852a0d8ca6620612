"""The fold around changes of plan: what happened under a plan is counted, told and closed under it, whenever folded."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tallygate.domain.base.instants import MINUTE, Instant, parse_instant
from tallygate.domain.entries.total import Total
from tallygate.operations.base.each import in_turn
from tallygate.operations.corrections.settle import Settle, settle
from tallygate.operations.facts.closing import reset
from tallygate.operations.journal.find_decision import decision_named
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.storage.base.keys import total
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.entries.totals import total_of
from tallygate.storage.facts.closings import Closings
from tallygate.storage.journal.decisions import Decisions
from tallygate.storage.metering.events import Events
from tests.given import FEATURE, known_to
from tests.shops import Shop, month
from tests.truth import container, drain, facts
from tests.truth import draft as event

SMALL: dict[str, Any] = {"limit": 100, "tiers": [{"at": "80%", "level": "warning"}]}
LARGE: dict[str, Any] = {"limit": 200, "tiers": [{"at": "90%", "level": "nearly"}]}


def folded(shop: Shop, start: Instant, ordinal: int = 1) -> Total:
    item = shop.engine.get(total(shop.customer, FEATURE, ordinal, start))
    assert item is not None
    return total_of(item)


def stated(shop: Shop, start: Instant) -> tuple[Any, ...]:
    found = folded(shop, start)
    return found.governed.plan, found.limit, found.value


@pytest.fixture
def engine() -> MemoryEngine:
    return MemoryEngine()


def post(shop: Shop, name: str, time: Instant) -> None:
    submitted = (event(name, subject=shop.customer, tokens=None, time=time, event_type="e"),)
    (result,) = ingest(Events(shop.engine), Posted(submitted=submitted, batch=name), now=shop.now, each=in_turn)
    assert result.status == "accepted"


def test_the_last_of_a_period_that_is_folded_in_the_next_belongs_to_the_plan_that_it_was_used_under(
    engine: MemoryEngine,
) -> None:
    """One batch holds what came on either side of the boundary: two records, each under the plan of its time."""
    shop = Shop(engine, pro=LARGE, basic=SMALL)
    shop.now = month(4, 20)
    shop.subscribe("basic", when="next_period")
    parts = container(engine)
    seen = drain(engine, parts, now=shop.now)
    shop.now = month(5) - 1
    shop.consume(180)
    post(shop, "last", shop.now)
    shop.now = month(5)
    shop.consume(80)
    post(shop, "first", shop.now)
    drain(engine, parts, after=seen, now=shop.now)
    assert stated(shop, month(4)) == ("pro", 200, 181)
    assert stated(shop, month(5)) == ("basic", 100, 81)
    levels = [(f["level"], f["plan"], f["limit"]) for f in facts(engine) if f["type"] == "usage.threshold_crossed"]
    assert levels == [("nearly", "pro", 200), ("warning", "basic", 100)]
    post(shop, "late", month(4, 25))
    drain(engine, parts, now=shop.now)
    assert stated(shop, month(4)) == ("pro", 200, 182), "what comes late too"
    assert shop.state()["used"] == 81
    shop.now = month(5) + 5 * MINUTE
    closing = reset(Closings(engine), now=shop.now, grace=0, time_left=lambda: True).closed[0]
    assert (closing.data["plan"], closing.data["included"], closing.data["breakdown"]["base"]) == ("pro", 182, 200)


def test_a_prorated_period_is_told_and_closed_with_its_base(engine: MemoryEngine) -> None:
    shop = Shop(engine, basic=SMALL, pro=LARGE)
    parts = container(engine)
    shop.now = month(4, 16)
    shop.consume(100)
    shop.subscribe("pro", base="prorated")
    shop.consume(50)
    seen = drain(engine, parts, now=shop.now)
    assert stated(shop, month(4)) == ("pro", 150, 150)
    reached = [f for f in facts(engine) if f["type"] == "usage.limit_reached"]
    assert [(f["limit"], f["usage"], f["breakdown"]["base"]) for f in reached] == [(150, 150, 150)]
    shop.now = month(5)
    shop.consume(7)
    post(shop, "late", month(4, 30))
    drain(engine, parts, after=seen, now=shop.now)
    assert stated(shop, month(4)) == ("pro", 150, 151), "in the same batch as what the next period counts"
    assert stated(shop, month(5)) == ("pro", 200, 7)
    shop.subscribe("basic")
    drain(engine, parts, now=shop.now)
    closing = reset(Closings(engine), now=shop.now, grace=0, time_left=lambda: True).closed[0]
    assert (closing.data["breakdown"]["base"], closing.data["overage"]) == (150, 1)
    assert closing.data["period"]["end"] == "2026-05-01T00:00:00Z"


def test_a_period_that_a_zone_ends_sooner_is_closed_with_its_own_end(engine: MemoryEngine) -> None:
    shop = Shop(engine, basic=SMALL)
    shop.now = month(4, 16)
    shop.consume(10)
    shop.put(timezone="Asia/Tokyo", at_once=True)
    shop.now = parse_instant("2026-04-30T15:00:00Z")
    assert shop.consume(1)["breakdown"]["base"] == 98, "nine hours were granted with April"
    drain(engine, container(engine), now=shop.now)
    assert stated(shop, shop.now) == ("basic", 98, 1)
    shop.now = month(5)
    (closing,) = reset(Closings(engine), now=shop.now, grace=0, time_left=lambda: True).closed
    assert closing.data["period"] == {
        "start": "2026-04-01T00:00:00Z",
        "end": "2026-04-30T15:00:00Z",
        "every": "month",
        "anchor": "calendar",
        "timezone": "UTC",
    }


def test_what_comes_late_leaves_a_closed_period_under_the_plan_that_it_was_closed_under(engine: MemoryEngine) -> None:
    """A larger plan of May does not make included what was overage in April."""
    shop = Shop(engine, pro={**SMALL, "enforcement": "soft"}, big={"limit": 1000, "enforcement": "soft"})
    parts = container(engine)
    shop.now = month(4, 20)
    shop.consume(150)
    seen = drain(engine, parts, now=shop.now)
    shop.now = month(5) + MINUTE
    reset(Closings(engine), now=shop.now, grace=0, time_left=lambda: True)
    shop.now = month(5, 10)
    shop.subscribe("big")
    post(shop, "late", month(4, 25))
    post(shop, "in time", shop.now)
    drain(engine, parts, after=seen, now=shop.now)
    (restated,) = (fact for fact in facts(engine) if fact["type"] == "usage.restated")
    assert (restated["plan"], restated["raw"], restated["included"], restated["overage"]) == ("pro", 151, 100, 51)
    assert stated(shop, month(5)) == ("big", 1000, 1)


@pytest.mark.parametrize(
    ("follows", "carried"),
    [({"limit": 10, "carryover": {"max": 3}}, 3), ({"limit": 40, "carryover": {"max": "50%"}}, 5), ({"limit": 10}, 0)],
)
def test_a_period_carries_out_what_the_plan_that_follows_lets_the_next_begin_with(
    engine: MemoryEngine, follows: dict[str, Any], carried: int
) -> None:
    shop = Shop(engine, pro={"limit": 10, "carryover": {}}, basic=follows)
    shop.now = month(1, 20)
    shop.consume(2)
    shop.subscribe("basic", when="next_period")
    drain(engine, container(engine), now=shop.now)
    shop.now = month(2) + MINUTE
    (closing,) = reset(Closings(engine), now=shop.now, grace=0, time_left=lambda: True).closed
    assert (closing.data["carried_out"], shop.consume(1)["breakdown"]["carried"]) == (carried, carried)


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize(("left_on", "over"), [(month(2, 20), month(3)), (month(1, 20), month(2))])
def test_a_period_carries_out_what_is_kept_while_the_feature_is_absent(
    engine: MemoryEngine, left_on: Instant, over: Instant, *, ended: bool
) -> None:
    shop = Shop(engine, pro={"limit": 10, "carryover": {}}, without=None)
    shop.now = month(1, 10)
    decision = shop.consume(2)["decision_id"]
    shop.now = left_on
    if left_on >= month(2):
        decision = shop.consume(2)["decision_id"]
    if ended:
        shop.unsubscribe()
    else:
        shop.subscribe("without")
    parts = container(engine)
    seen = drain(engine, parts, now=shop.now)
    shop.now = over + MINUTE
    closings = reset(Closings(engine), now=shop.now, grace=0, time_left=lambda: True).closed
    settled = Settle(
        decision_id=decision, decision=decision_named(decision, known_to(engine), now=shop.now), amount=Decimal(1)
    )
    settle(Decisions(engine), settled, now=shop.now)
    drain(engine, parts, after=seen, now=shop.now)
    (restated,) = (fact for fact in facts(engine) if fact["type"] == "usage.restated")
    shop.subscribe("pro")
    kept = shop.consume(1)["breakdown"]["carried"]
    assert (closings[-1].data["carried_out"], restated["carried_out"]) == (kept - 1, kept)
