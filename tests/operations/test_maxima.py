"""Meters with the aggregation max: each request is compared with the limit by itself, and usage is the highest one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

import pytest

from tallygate.contracts.admission.check import decision_answer
from tallygate.contracts.admission.explanations import explanation_answer
from tallygate.contracts.usage.usage import read_usage
from tallygate.domain.base.instants import HOUR, MINUTE, Instant
from tallygate.domain.limits.counters import CellName
from tallygate.errors import InvalidRequest
from tallygate.operations.admission.check import check
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.operations.base.each import in_turn
from tallygate.operations.facts.closing import reset
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.operations.usage.queries import usage
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.facts.closings import Closings
from tallygate.storage.metering.events import Events
from tallygate.storage.usage.queries import UsageReader
from tests.desks import Desk
from tests.given import FEATURE, wanted
from tests.operator_actions import adjust
from tests.shops import Shop, month
from tests.truth import container, drain, facts
from tests.truth import draft as event

TEN: dict[str, Any] = {"limit": 10}


class Peaks(Desk):
    """A shop whose feature counts the highest value."""

    METER: ClassVar[dict[str, Any]] = {**Shop.METER, "aggregation": "max", "value": "$.tokens"}

    def post_value(self, name: str, value: int, at: Instant | None = None) -> None:
        submitted = (event(name, subject=self.customer, tokens=value, event_type="e", time=at or self.now),)
        (result,) = ingest(Events(self.engine), Posted(submitted=submitted, batch=name), now=self.now, each=in_turn)
        assert result.status == "accepted"

    def usage(self, window: str = "none", **asked: Any) -> Any:
        query = read_usage(
            {"customer": self.customer, "feature": FEATURE, "from": "2026-01-01T00:00:00Z", "window": window, **asked},
            now=self.now,
        )
        return usage(UsageReader(self.engine), query, self.now)


@pytest.fixture
def memory() -> MemoryEngine:
    return MemoryEngine()


def numbers(answer: dict[str, Any]) -> tuple[Any, ...]:
    return answer["granted"], answer["used"], answer["limit"], answer["remaining"], answer["max_grantable"]


def test_each_request_is_compared_with_the_limit_by_itself(engine: Engine) -> None:
    shop = Peaks(engine, pro=TEN)
    assert numbers(shop.consume(10)) == (True, 10, 10, 0, 10), "a peak at the limit is granted"
    assert numbers(shop.consume(10)) == (True, 10, 10, 0, 10), "and again, because nothing adds up"
    assert numbers(shop.consume(4)) == (True, 4, 10, 6, 10)
    denied = shop.consume(11)
    assert (denied["granted"], denied["reason"], denied["max_grantable"]) == (False, "quota_exceeded", 10)
    assert "11 requested, at most 10 at a time" in denied["message"]
    assert denied["retry_at"] is None
    cell = engine.get(keys.cell(CellName("acme", FEATURE)))
    assert cell is not None
    assert not [name for name in cell if name.startswith("u.")], "no counter of requests"


def test_a_limit_of_zero_denies_every_peak_and_no_limit_none(engine: Engine) -> None:
    shop = Peaks(engine, none={"limit": 0}, every={"limit": None})
    assert not shop.consume(1)["granted"]
    shop.subscribe("every")
    assert shop.consume(10**9)["reason"] == "unlimited"


def test_a_check_tells_what_consume_would(engine: Engine) -> None:
    shop = Peaks(engine, pro=TEN)
    assert shop.state(10)["granted"]
    assert not shop.state(11)["granted"]
    assert shop.state(0)["granted"]


def test_a_part_of_a_peak_that_fits_is_the_limit(engine: Engine) -> None:
    shop = Peaks(engine, pro=TEN)
    asked = wanted(15)
    decision = consume(
        Cells(engine),
        Memory(),
        type(asked)(customer="acme", feature=FEATURE, amount=Decimal(15), dimensions={}, allow_partial=True),
        now=shop.now,
        entropy=lambda n: b"\1" * n,
    )
    assert (decision.granted, decision.granted_amount) == (True, 10)


def test_requests_and_events_meet_in_one_maximum(memory: MemoryEngine) -> None:
    shop = Peaks(memory, pro=TEN)
    shop.consume(4)
    shop.post_value("a", 3)
    shop.fold()
    assert numbers(shop.state()) == (True, 4, 10, 6, 10)
    shop.post_value("b", 12)
    shop.fold()
    assert numbers(shop.state(10)) == (True, 12, 10, 0, 10), "what happened denies no request that fits by itself"
    assert numbers(shop.consume(9))[:2] == (True, 12)
    shop.fold()
    assert shop.usage().total == 12


def test_a_stream_that_is_read_again_changes_nothing(memory: MemoryEngine) -> None:
    shop = Peaks(memory, pro=TEN)
    for amount in (3, 8, 5):
        shop.consume(amount)
    shop.post_value("a", 6)
    shop.fold()
    drain(memory, container(memory), now=shop.now)
    assert (shop.usage().total, shop.state()["used"]) == (8, 8)


def test_usage_by_hour_day_and_group_is_the_maximum_of_each(memory: MemoryEngine) -> None:
    shop = Peaks(memory, pro=TEN)
    start = shop.now
    for hour, value in enumerate((3, 7, 5)):
        shop.now = start + hour * HOUR
        shop.consume(value)
    shop.now = start + 26 * HOUR
    shop.post_value("a", 6)
    shop.fold()
    shop.now += MINUTE
    assert [row.value for row in shop.usage("hour").rows] == [3, 7, 5, 6]
    assert [row.value for row in shop.usage("day").rows] == [7, 6]
    answer = shop.usage("day", group_by="model")
    assert ([row.value for row in answer.rows], answer.total) == ([7, 6], 7)


def test_a_request_that_is_repeated_answers_the_same_and_counts_once(engine: Engine) -> None:
    shop = Peaks(engine, pro=TEN)

    def ask() -> dict[str, Any]:
        decided = consume(Cells(engine), Memory(), wanted(7, request_id="r"), now=shop.now, entropy=lambda n: b"\2" * n)
        return decision_answer(decided, detail=True)

    first, again = ask(), ask()
    assert (again["replayed"], again["decision_id"]) == (True, first["decision_id"])
    assert (again["granted_amount"], again["used"]) == (7, 7)
    assert not shop.consume(11)["granted"]


def test_an_adjustment_raises_the_limit_of_every_request(engine: Engine) -> None:
    shop = Peaks(engine, pro=TEN)
    shop.consume(5)
    adjust(engine, "acme", 2, named="more", now=shop.now)
    assert numbers(shop.consume(12, memory=Memory())) == (True, 12, 12, 0, 12)
    assert shop.consume(12)["granted"], "a container that saw the cell before"
    assert not shop.consume(13)["granted"]
    adjust(engine, "acme", -7, named="less", now=shop.now)
    assert not shop.consume(6)["granted"]
    assert shop.consume(5)["granted"]


def test_an_adjusted_limit_and_usage_by_event_stay_apart(memory: MemoryEngine) -> None:
    shop = Peaks(memory, pro=TEN)
    adjust(memory, "acme", 5, named="more", now=shop.now)
    shop.post_value("a", 8)
    shop.fold()
    assert numbers(shop.state(15)) == (True, 8, 15, 7, 15)


def test_thresholds_limits_and_closings_are_of_the_maximum(memory: MemoryEngine) -> None:
    shop = Peaks(memory, pro={**TEN, "enforcement": "soft", "tiers": [{"at": "50%", "level": "warning"}]})
    for amount in (4, 6, 12, 3):
        assert shop.consume(amount)["granted"]
        shop.fold()
    shop.now = month(2)
    reset(Closings(memory), now=shop.now, grace=0, time_left=lambda: True)
    told = facts(memory)
    assert [fact["usage"] for fact in told if fact["type"] == "usage.threshold_crossed"] == [6]
    assert [fact["type"] for fact in told].count("usage.limit_reached") == 1
    (closed,) = [fact for fact in told if fact["type"] == "usage.period_closed"]
    assert (closed["raw"], closed["included"], closed["overage"]) == (12, 10, 2)
    shop.post_value("late", 20, at=month(1, 20))
    shop.fold()
    (restated,) = [fact for fact in facts(memory) if fact["type"] == "usage.restated"]
    assert (restated["raw"], restated["raw_before"]) == (20, 12)


def test_a_soft_limit_grants_a_higher_peak_and_says_so(engine: Engine) -> None:
    shop = Peaks(engine, pro={**TEN, "enforcement": "soft"})
    answer = shop.consume(13)
    assert (answer["granted"], answer["reason"], answer["overage"]) == (True, "soft_limit_exceeded", 3)
    assert shop.consume(9)["reason"] == "ok"


def test_a_tier_decides_by_the_request_alone(engine: Engine) -> None:
    tiers = [{"at": "100%", "level": "over", "policy": "allow_with_overage", "max_overage": 5}]
    shop = Peaks(engine, pro={**TEN, "tiers": tiers})
    assert [shop.consume(amount)["granted"] for amount in (15, 16, 15, 1)] == [True, False, True, True]


def test_usage_by_event_beyond_a_tier_suspends(memory: MemoryEngine) -> None:
    shop = Peaks(memory, pro={**TEN, "tiers": [{"at": "100%", "level": "over", "policy": "suspend_usage"}]})
    assert shop.consume(10)["granted"]
    assert shop.consume(11)["reason"] == "quota_exceeded"
    shop.fold()
    assert shop.consume(10)["granted"], "a request cannot raise usage beyond the tier, so none suspends"
    shop.post_value("a", 11)
    shop.fold()
    assert shop.consume(1)["reason"] == "suspended"


def test_a_new_period_begins_without_a_peak(memory: MemoryEngine) -> None:
    shop = Peaks(memory, pro=TEN)
    shop.consume(9)
    shop.fold()
    shop.now = month(2)
    assert shop.state()["used"] == 0
    shop.consume(2)
    shop.fold()
    assert shop.state()["used"] == 2


def test_usage_follows_into_another_kind_of_period_as_the_maximum_of_both(memory: MemoryEngine) -> None:
    pro = {**TEN, "period": {"every": "month", "anchor": "subscription_start"}}
    shop = Peaks(memory, free=TEN, pro=pro)
    shop.now = month(3, 5)
    shop.consume(4)
    shop.fold()
    shop.now = month(3, 10)
    shop.subscribe("pro", started_at=shop.now)
    shop.consume(8)
    shop.fold()
    shop.now = month(3, 20)
    shop.subscribe("free")
    answer = shop.state()
    assert (answer["used"], answer["breakdown"]["followed"]) == (8, 8)
    shop.consume(3)
    shop.fold()
    assert shop.state()["used"] == 8
    shop.post_value("a", 9)
    shop.fold()
    assert shop.state()["used"] == 9
    shop.now = month(5)
    reset(Closings(memory), now=shop.now, grace=0, time_left=lambda: True)
    closed = {fact["period"]["start"]: fact["raw"] for fact in facts(memory) if fact["type"] == "usage.period_closed"}
    assert closed == {"2026-03-01T00:00:00Z": 9, "2026-03-10T00:00:00Z": 8}, "billed where it was counted"


def test_usage_that_does_not_add_up_is_neither_reset_nor_settled(engine: Engine) -> None:
    shop = Peaks(engine, pro=TEN)
    decision = shop.consume(8)
    for action, code in (
        (shop.plan, "not_resettable"),
        (lambda: shop.settle(decision, 3), "not_settleable"),
    ):
        with pytest.raises(InvalidRequest) as refused:
            action()
        assert code in (refused.value.code, *(error.code for error in refused.value.errors))


def test_a_plan_change_that_resets_usage_leaves_the_maximum(engine: Engine) -> None:
    shop = Peaks(engine, free=TEN, pro={"limit": 20})
    shop.consume(8)
    shop.now += MINUTE
    shop.subscribe_anew("pro")
    assert numbers(shop.consume(20)) == (True, 20, 20, 0, 20)


def test_a_prorated_base_does_not_lower_the_limit_of_a_request(engine: Engine) -> None:
    shop = Peaks(engine, free=TEN, pro={"limit": 20})
    shop.now = month(1, 16)
    shop.subscribe("pro", base="prorated")
    assert shop.consume(20)["granted"]


def test_an_explanation_compares_the_request(engine: Engine) -> None:
    shop = Peaks(engine, pro=TEN)
    decision = check(Cells(engine), Memory(), wanted(11), now=shop.now)
    assert decision.denied_by is not None
    assert (decision.denied_by.after, decision.overage) == (11, 0)


def test_an_explanation_states_the_most_that_a_request_may_be(engine: Engine) -> None:
    shop = Peaks(engine, pro=TEN)
    decision = check(Cells(engine), Memory(), wanted(11), now=shop.now)
    (limit,) = explanation_answer(decision, {})["limits"]
    assert (limit["met"], limit["why"]) == (False, "11 requested, at most 10 at a time")


def test_a_lowered_limit_acts_on_requests_that_a_container_has_decided_by_the_old_one(engine: Engine) -> None:
    """The condition requires the adjustments that were seen, so a container with an old image is refused."""
    shop, old, seen = Peaks(engine, pro=TEN), Memory(), Memory()
    adjust(engine, "acme", 5, named="more", now=shop.now)
    for memory in (old, seen):
        assert shop.consume(15, memory=memory)["granted"]
    adjust(engine, "acme", -10, named="less", now=shop.now)
    denied = shop.consume(6, memory=old)
    assert (denied["granted"], denied["limit"]) == (False, 5)
    assert shop.consume(5, memory=seen)["granted"]
