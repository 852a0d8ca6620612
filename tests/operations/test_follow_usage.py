"""Usage follows the customer between kinds of window: enforced in the new one, billed in the one that counted it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tallygate.domain.admission.cells import Cell
from tallygate.domain.base.instants import DAY, HOUR, MINUTE, Instant, parse_instant
from tallygate.domain.journal.records import RECORD_KEPT
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.limits import Effective
from tallygate.errors import Conflict, StoreUnavailable
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.operations.base.each import in_turn
from tallygate.operations.corrections.settle import Settle, settle
from tallygate.operations.facts.closing import reset
from tallygate.operations.journal.find_decision import decision_named
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Engine, Update
from tallygate.storage.base.expressions import Set
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.entries.totals import FOLLOWED
from tallygate.storage.facts.closings import Closings
from tallygate.storage.journal import past_usage
from tallygate.storage.journal.decisions import Decisions
from tallygate.storage.journal.past_usage import CellVersions
from tallygate.storage.metering.events import Events
from tests.answers import detailed
from tests.desks import Desk
from tests.given import known_to, wanted
from tests.shops import Shop, month
from tests.truth import container, drain, facts, fold, wanted_by_the_filter
from tests.truth import draft as event

FREE: dict[str, Any] = {"limit": 1000}
PRO: dict[str, Any] = {"limit": 1000, "period": {"every": "month", "anchor": "subscription_start"}}
YEARLY: dict[str, Any] = {"limit": 5000, "period": {"every": "year"}}


def shown(answer: dict[str, Any]) -> tuple[Any, ...]:
    return answer["used"], answer["breakdown"]["followed"], answer["remaining"]


def test_a_third_plan_by_calendar_month_shows_all_of_the_month(engine: Engine) -> None:
    shop = Shop(engine, free=FREE, pro=PRO, enterprise=FREE)
    shop.now = month(3, 5)
    shop.consume(60)
    shop.now = month(3, 10)
    shop.subscribe("pro", started_at=shop.now)
    assert shown(shop.state()) == (0, 0, 1000), "a window that begins at the change begins at nothing"
    shop.consume(300)
    shop.now = month(3, 20)
    shop.subscribe("enterprise")
    assert shown(shop.state()) == (360, 300, 640)
    assert shown(shop.consume(40)) == (400, 300, 600)
    assert not shop.consume(601)["granted"]
    assert shop.consume(600, memory=Memory())["granted"]
    shop.now = month(4)
    assert shown(shop.state()) == (0, 0, 1000)


class Folded(Shop):
    """A shop whose stream is read; `fold` reads all that it holds."""

    def __init__(self, **plans: dict[str, Any] | None) -> None:
        self.memory_engine = MemoryEngine()
        super().__init__(self.memory_engine, "acme", **plans)
        self.parts, self.read = container(self.memory_engine), 0

    def fold(self) -> None:
        self.read = drain(self.memory_engine, self.parts, after=self.read, now=self.now)

    def consume(self, amount: int | str = 1, **how: Any) -> dict[str, Any]:
        """As in any shop, or with dimensions."""
        if "model" not in how:
            return super().consume(amount, **how)
        self._models = getattr(self, "_models", 0) + 1
        request = replace(wanted(amount, customer=self.customer), dimensions=how)
        drawn = (1_000_000 + self._models).to_bytes
        decision = consume(Cells(self.engine), self.memory, request, now=self.now, entropy=drawn)
        return detailed(decision)

    def post(self, name: str, time: Instant) -> None:
        """An event that counts one."""
        submitted = (event(name, subject=self.customer, tokens=None, time=time, event_type="e"),)
        (result,) = ingest(Events(self.engine), Posted(submitted=submitted, batch=name), now=self.now, each=in_turn)
        assert result.status == "accepted"

    def closed(self) -> list[tuple[Any, ...]]:
        """What is stated of the windows that are over: plan, raw, included, overage, what had followed."""
        self.fold()
        made = reset(Closings(self.engine), now=self.now, grace=0, time_left=lambda: True).closed
        keys = ("plan", "raw", "included", "overage")
        return sorted((*(f.data[key] for key in keys), f.data["breakdown"]["followed"]) for f in made)


def test_a_plan_changes_although_the_journal_of_what_it_follows_has_expired() -> None:
    shop = Folded(yearly=YEARLY, monthly=FREE)
    shop.now = month(1, 15)
    shop.consume(100)
    shop.fold()
    shop.now = shop.now + RECORD_KEPT + DAY
    for key in [key for key in shop.memory_engine.items if key.pk == "JOURNAL#acme" and key.sk != "START"]:
        del shop.memory_engine.items[key]
    shop.subscribe("monthly")
    assert shown(shop.state()) == (0, 0, 1000)


def test_a_month_follows_into_the_year_with_all_the_months_before_it() -> None:
    shop = Folded(monthly=FREE, yearly=YEARLY)
    for number, amount in ((1, 100), (2, 200), (3, 30)):
        shop.now = month(number, 15)
        shop.consume(amount)
        shop.fold()
    shop.subscribe("yearly")
    assert shown(shop.state()) == (330, 330, 4670)
    shop.consume(70)
    shop.now = month(4, 2)
    with pytest.raises(StoreUnavailable) as raised:
        shop.subscribe("monthly")
    assert raised.value.code == "usage_not_folded", "never from a sum that may lag"
    shop.fold()
    shop.subscribe("monthly")
    assert shown(shop.state()) == (0, 0, 1000), "nothing was used in April yet"
    shop.consume(5)
    shop.fold()
    shop.subscribe("yearly")
    assert shown(shop.state()) == (405, 335, 4595)


def test_a_year_follows_into_the_month_with_this_month_only() -> None:
    shop = Folded(yearly=YEARLY, monthly=FREE)
    shop.now = month(2, 15)
    shop.consume(1000)
    shop.now = month(3, 15)
    shop.consume(25)
    shop.fold()
    shop.subscribe("monthly")
    assert shown(shop.consume(5)) == (30, 25, 970)


def test_parts_of_a_quarter_hour_are_exact_while_the_journal_is_short() -> None:
    shop = Folded(free=FREE, pro=PRO)
    started = month(2, 10) + 10 * HOUR + 7 * MINUTE + 23_456
    shop.now = started
    shop.subscribe("free", started_at=started)
    shop.now = started + 28 * DAY - MINUTE
    shop.consume(7)
    shop.now = started + 28 * DAY
    shop.consume(11)
    shop.now += DAY
    shop.consume(13)
    shop.fold()
    shop.subscribe("pro")
    assert shop.state()["period"]["start"] == "2026-03-10T10:07:23.456Z"
    assert shown(shop.state()) == (24, 24, 976)


def test_each_unit_is_billed_in_one_window_and_overage_is_beyond_what_followed() -> None:
    soft = {"enforcement": "soft"}
    shop = Folded(free={**FREE, "limit": 100, **soft}, pro={**PRO, "limit": 1000, **soft}, big={"limit": 300, **soft})
    shop.now = month(3, 5)
    shop.consume(60)
    shop.fold()
    shop.now = month(3, 10)
    shop.subscribe("pro", started_at=shop.now)
    shop.consume(200)
    shop.fold()
    shop.now = month(3, 20)
    shop.subscribe("big")
    answer = shop.consume(90)
    shop.fold()
    assert (answer["used"], answer["overage"], answer["breakdown"]["followed"]) == (350, 50, 200)
    shop.now = month(4, 15)
    shop.consume(1)
    stated = shop.closed()
    assert stated == [("big", 150, 100, 50, 200), ("pro", 200, 200, 0, 0)]
    assert sum(raw for _, raw, *_ in stated) == 350


def test_what_follows_crosses_no_threshold_and_the_next_unit_does() -> None:
    tiers = {"tiers": [{"at": "80%", "level": "warning"}]}
    shop = Folded(free={"limit": 1000}, year={**YEARLY, "limit": 100, **tiers})
    shop.now = month(3, 5)
    shop.consume(90)
    shop.fold()
    shop.subscribe("year")
    shop.fold()
    assert shop.state()["level"] == "warning"
    assert [fact["type"] for fact in facts(shop.memory_engine)] == []
    shop.consume(10)
    shop.fold()
    assert [fact["type"] for fact in facts(shop.memory_engine)] == ["usage.limit_reached"]


def test_usage_by_event_follows_also_where_it_is_brought_in_after_the_change() -> None:
    shop = Folded(free=FREE, year=YEARLY)
    shop.now = month(3, 5)
    shop.consume(10)
    shop.post("brought in", shop.now)
    shop.fold()
    shop.post("journaled, not brought in", shop.now)
    stream = shop.memory_engine.stream
    before = len(stream)
    shop.read = _journal_only(shop, before)
    shop.subscribe("year")
    assert shop.state()["used"] == 11
    shop.post("after", shop.now)
    shop.fold()
    assert shown(shop.state()) == (13, 12, 4987)
    shop.fold()
    assert shown(shop.state()) == (13, 12, 4987)
    shop.now = parse_instant("2027-01-05T00:00:00Z")
    assert shop.closed() == [("free", 12, 12, 0, 0), ("year", 1, 1, 0, 12)]


def test_an_event_brought_in_later_makes_the_total_right_again_after_a_record_that_was_not_applied() -> None:
    shop = Folded(free=FREE, year=YEARLY)
    shop.now = month(3, 5)
    shop.consume(10)
    shop.fold()
    shop.post("journaled, not brought in", shop.now)
    shop.read = _journal_only(shop, len(shop.memory_engine.stream))
    shop.subscribe("year")
    shop.read = _journal_only(shop, len(shop.memory_engine.stream))
    partition = keys.total_partition("acme")
    items = shop.memory_engine.items
    (total,) = (key for key, item in items.items() if key.pk == partition and FOLLOWED in item)
    assert items[total][FOLLOWED] == 10
    shop.memory_engine.write(Update(key=total, changes=(Set(FOLLOWED, Decimal(7)),)))
    shop.fold()
    assert items[total][FOLLOWED] == 11


def test_events_of_a_counter_that_counts_on_beside_the_new_one_count_once() -> None:
    both = {"windows": [{"limit": 1000, "period": {"every": "month"}}, {"limit": 100, "period": {"every": "day"}}]}
    shop = Folded(monthly=FREE, both=both)
    shop.now = month(3, 5)
    shop.consume(10)
    shop.fold()
    shop.now += HOUR
    shop.subscribe("both")
    for number in (1, 2):
        shop.post(f"e{number}", shop.now)
        shop.fold()
    assert [state["used"] for state in shop.state()["limits"]] == [12, 12]


def test_events_of_a_counter_that_counts_again_follow_no_more_into_the_window_that_has_left() -> None:
    daily = {"limit": 100, "period": {"every": "day"}, "carryover": {}}
    shop = Folded(free=FREE, daily=daily, yearly=YEARLY)
    shop.now = month(3, 5)
    shop.post("before", shop.now)
    shop.fold()
    shop.now += HOUR
    shop.subscribe("daily")
    shop.consume(30)
    shop.fold()
    shop.now += HOUR
    shop.subscribe("free")
    for number in range(5):
        shop.post(f"after {number}", shop.now)
        shop.fold()
    shop.now += HOUR
    shop.subscribe("yearly")
    shop.now = month(3, 6)
    assert shop.closed() == [("daily", 30, 30, 0, 1)]
    shop.subscribe("daily")
    assert shop.state()["breakdown"]["carried"] == 69


def test_a_late_event_in_a_window_that_is_long_over_follows() -> None:
    shop = Folded(daily={"limit": 100, "period": {"every": "day"}}, monthly=FREE, yearly=YEARLY)
    shop.now = month(3, 5)
    shop.consume(10)
    shop.fold()
    shop.now += 30 * HOUR
    shop.post("late", shop.now - DAY)
    shop.fold()
    shop.subscribe("monthly")
    assert shown(shop.state()) == (11, 11, 989)
    shop.fold()
    shop.now += HOUR
    shop.subscribe("yearly")
    assert shown(shop.state()) == (11, 11, 4989)


def test_a_late_event_that_came_as_its_window_ended_follows_by_its_total() -> None:
    """The cell has passed by the window already, and will never show it."""
    shop = Folded(daily={"limit": 50, "period": {"every": "day"}, "carryover": {}}, monthly=FREE)
    shop.now = month(3, 5)
    shop.consume(3)
    shop.fold()
    shop.post("late", shop.now - DAY)
    shop.fold()
    shop.now += 1
    shop.subscribe("monthly")
    assert shown(shop.state()) == (4, 4, 996)


DAILY: dict[str, Any] = {"limit": 100, "period": {"every": "day"}}


def test_late_events_from_before_the_plan_follow_into_the_windows_of_their_time_only() -> None:
    """They count in windows of the plan that has the feature when they come."""
    shop = Folded(daily=DAILY, yearly=YEARLY)
    shop.now = month(3, 5)
    shop.consume(7)
    shop.fold()
    shop.now = month(3, 8)
    shop.subscribe("yearly")
    shop.post("of the plan before", month(3, 4))
    shop.fold()
    assert shown(shop.state()) == (8, 7, 4992)
    shop.now += HOUR
    shop.subscribe("daily")
    assert shown(shop.state()) == (0, 0, 100), "nothing was used today"
    shop.fold()
    shop.post("of the yearly plan", month(3, 8) - HOUR)
    shop.fold()
    shop.now += HOUR
    shop.subscribe("yearly")
    assert shown(shop.state()) == (9, 8, 4991)


def test_a_late_event_that_another_plan_counted_does_not_lessen_what_follows() -> None:
    shop = Folded(yearly=YEARLY, daily=DAILY)
    shop.now = month(3, 5)
    shop.consume(7)
    shop.fold()
    shop.now = month(3, 8)
    shop.subscribe("daily")
    shop.post("of the yearly plan", month(3, 6))
    shop.fold()
    shop.now += HOUR
    shop.subscribe("yearly")
    shop.consume(5)
    shop.fold()
    shop.now += HOUR
    shop.subscribe("daily")
    assert shown(shop.state()) == (5, 5, 95)


def _journal_only(shop: Folded, upto: int) -> int:
    """Read the stream up to a position, and what follows from it later."""
    changes = [c for c in shop.memory_engine.stream[shop.read : upto] if wanted_by_the_filter(c)]
    fold(shop.parts, changes, now=shop.now)
    return upto


def settled(shop: Shop, decision: dict[str, Any], amount: int) -> None:
    named = decision["decision_id"]
    request = Settle(
        decision_id=named, decision=decision_named(named, known_to(shop.engine), now=shop.now), amount=Decimal(amount)
    )
    settle(Decisions(shop.engine), request, now=shop.now)


def test_a_decision_that_is_settled_after_the_change_is_corrected_where_it_followed() -> None:
    shop = Folded(free=FREE, year=YEARLY, pro=PRO)
    shop.now = month(3, 5)
    first, second = shop.consume(100), shop.consume(50)
    shop.fold()
    shop.subscribe("year")
    settled(shop, first, 130)
    assert shown(shop.state()) == (180, 180, 4820)
    third = shop.consume(20)
    shop.fold()
    shop.subscribe("free")
    assert shown(shop.state()) == (200, 20, 800)
    settled(shop, second, 0)
    assert shown(shop.state()) == (150, 20, 850), "in its own window it is its own"
    shop.fold()
    settled(shop, third, 25)
    assert shown(shop.state()) == (155, 25, 845)
    shop.consume(1)
    shop.fold()
    shop.subscribe("year")
    assert shown(shop.state()) == (156, 131, 4844)
    shop.now = parse_instant("2027-01-05T00:00:00Z")
    assert shop.closed() == [("free", 131, 131, 0, 25), ("year", 25, 25, 0, 131)]


def test_another_follows_at_the_next_change_whatever_was_left_in_between(engine: Engine) -> None:
    """Several changes in a row, one of them twice; a subscription that ends and begins again."""
    shop = Shop(engine, free=FREE, pro=PRO, year=YEARLY, none=None)
    shop.now = month(3, 5)
    shop.consume(10)
    for _ in range(2):
        shop.subscribe("year")
        shop.subscribe("year")
    shop.consume(20)
    shop.subscribe("pro", started_at=shop.now)
    shop.now += HOUR
    shop.subscribe("free")
    assert shown(shop.consume(1)) == (31, 20, 969)
    shop.subscribe("none")
    shop.now += HOUR
    shop.subscribe("year")
    assert shown(shop.consume(2)) == (33, 11, 4967)
    shop.unsubscribe()
    shop.now += HOUR
    shop.subscribe("free")
    assert shown(shop.state()) == (33, 22, 967)


def test_a_plan_of_the_next_period_begins_at_the_boundary_at_nothing(engine: Engine) -> None:
    shop = Shop(engine, free=FREE, year={**YEARLY, "limit": 3650})
    shop.now = month(3, 5)
    shop.consume(100)
    shop.subscribe("year", when="next_period")
    assert shown(shop.state()) == (100, 0, 900)
    shop.now = month(4)
    answer = shop.state()
    assert (answer["used"], answer["limit"]) == (0, 2750), "of 365 days 275 are left"
    assert answer["period"]["start"] == "2026-04-01T00:00:00Z"
    assert shop.consume(2750)["granted"]
    assert not shop.consume()["granted"]


def test_with_usage_reset_nothing_follows_then_or_later(engine: Engine) -> None:
    shop = Desk(engine, free=FREE, year=YEARLY)
    shop.now = month(3, 5)
    shop.consume(100)
    shop.subscribe_anew("year")
    assert shown(shop.consume(7)) == (7, 0, 4993)
    shop.now += HOUR
    shop.subscribe_anew("free", usage="keep")
    assert shown(shop.state()) == (7, 7, 993)


def test_what_a_manual_reset_took_out_stays_out(engine: Engine) -> None:
    shop = Desk(engine, free=FREE, year=YEARLY)
    shop.now = month(3, 5)
    shop.consume(100)
    shop.subscribe("year")
    shop.consume(10)
    shop.now += HOUR
    shop.reset()
    assert shown(shop.state()) == (0, 0, 5000)
    shop.consume(3)
    shop.now += HOUR
    shop.subscribe("free")
    assert shown(shop.state()) == (3, 3, 997)
    shop.consume(4)
    shop.now += HOUR
    shop.subscribe("year")
    assert shown(shop.state()) == (7, 4, 4993)


def test_a_limit_over_a_scope_follows_by_the_counter_of_its_scope() -> None:
    def scoped(**period: Any) -> dict[str, Any]:
        limit = {"name": "large", "scope": {"model": "large"}, "limit": 100, **period}
        return {"limit": 1000, "limits": [limit]}

    shop = Folded(monthly=scoped(period={"every": "month"}), yearly=scoped(period={"every": "year"}), plain=FREE)
    shop.now = month(3, 5)
    shop.consume(30, model="large")
    shop.consume(500, model="small")
    shop.fold()
    shop.subscribe("yearly")
    answer = shop.consume(20, model="large")
    assert [(state["name"], state["used"]) for state in answer["limits"]] == [("ai-tokens", 550), ("large", 50)]
    assert not shop.consume(51, model="large")["granted"]
    shop.now += HOUR
    shop.subscribe("plain")
    shop.consume(40, model="large")
    shop.fold()
    shop.now += HOUR
    shop.subscribe("monthly")
    limits = shop.consume(1, model="large")["limits"]
    assert [(state["name"], state["used"]) for state in limits] == [("ai-tokens", 591), ("large", 91)]


def test_a_period_from_its_first_use_begins_with_the_usage_of_its_length() -> None:
    shop = Folded(free=FREE, hours={"limit": 50, "period": {"every": "PT5H", "anchor": "first_use"}})
    shop.now = month(3, 5)
    shop.consume(100)
    shop.now += 6 * HOUR
    shop.consume(30)
    shop.fold()
    shop.now += HOUR
    shop.subscribe("hours")
    assert shown(shop.state()) == (30, 30, 20)
    assert not shop.consume(21)["granted"]
    assert shop.consume(20)["granted"]
    shop.now += 5 * HOUR
    assert shown(shop.state()) == (0, 0, 50), "five hours from the change"
    shop.consume(10)
    shop.fold()
    shop.subscribe("free")
    assert shown(shop.state()) == (160, 30, 840)


def test_each_part_of_a_rolling_period_begins_with_its_own_usage() -> None:
    shop = Folded(free={"limit": 1000}, rolling={"limit": 300, "period": {"every": "P30D", "anchor": "rolling"}})
    for day, amount in ((1, 100), (10, 50), (20, 25)):
        shop.now = month(3, day)
        shop.consume(amount)
        shop.fold()
    shop.now = month(3, 21)
    shop.subscribe("rolling")
    assert shown(shop.state()) == (175, 175, 125)
    assert shop.consume(125)["granted"]
    assert not shop.consume()["granted"]
    shop.now = month(4, 3)
    assert shop.state()["used"] == 200, "what was used on the first of March is forgotten"
    shop.fold()
    shop.subscribe("free")
    assert shown(shop.state()) == (0, 0, 1000)


def test_a_counter_that_carries_begins_below_zero_by_that_and_above_it_by_what_followed() -> None:
    carrying = {"limit": 100, "carryover": {}}
    shop = Folded(carrying=carrying, year=YEARLY)
    shop.now = month(1, 10)
    shop.consume(40)
    shop.now = month(2, 10)
    shop.fold()
    shop.subscribe("year")
    shop.consume(70)
    shop.fold()
    shop.subscribe("carrying")
    answer = shop.state()
    assert (answer["limit"], answer["used"], answer["breakdown"]["carried"]) == (160, 70, 60)
    assert shop.consume(90)["granted"]
    assert not shop.consume()["granted"]
    shop.fold()
    shop.now = month(3, 10)
    assert shop.state()["limit"] == 100, "nothing was left"


def test_beyond_its_bounds_a_change_is_refused_and_names_the_feature(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Folded(yearly=YEARLY, monthly=FREE)
    for number in (1, 2, 3):
        shop.now = month(number, 15)
        shop.consume(10)
    shop.fold()
    monkeypatch.setattr(past_usage, "PAGES_MAX", 0)
    with pytest.raises(Conflict) as refused:
        shop.subscribe("monthly")
    assert refused.value.code == "usage_not_followed"
    assert "ai-tokens" in str(refused.value)
    assert shop.state()["period"]["every"] == "year", "nothing was changed"
    shop.subscribe("monthly", when="next_period")


def test_a_change_that_died_before_it_told_the_cell_is_completed_by_whoever_comes(engine: Engine) -> None:
    shop = Shop(engine, free=FREE, year=YEARLY)
    shop.now = month(3, 5)
    shop.consume(10)
    cells = shop.stores.cells
    shop.stores = replace(shop.stores, cells=Untold(engine))
    shop.subscribe("year")
    assert shown(shop.state()) == (10, 10, 4990), "a look shows what is to follow"
    assert shop.consume(1)["breakdown"]["followed"] == 0, "who knows the old limits counts under them meanwhile"
    assert shown(shop.consume(5, memory=Memory())) == (16, 11, 4984)
    assert shown(shop.consume(1)) == (17, 11, 4983)
    shop.stores = replace(shop.stores, cells=cells)
    shop.subscribe("year")
    assert shown(shop.state()) == (17, 11, 4983)


def test_the_stream_completes_it_too() -> None:
    shop = Folded(free=FREE, year=YEARLY)
    shop.now = month(3, 5)
    shop.consume(10)
    shop.stores = replace(shop.stores, cells=Untold(shop.engine))
    shop.subscribe("year")
    assert Cells(shop.engine).read(CellName(shop.customer, "ai-tokens")).followings == 0
    shop.fold()
    assert Cells(shop.engine).read(CellName(shop.customer, "ai-tokens")).followings == 1
    assert shown(shop.consume(1)) == (11, 10, 4989)


class Untold(CellVersions):
    """Cells that a change never gets to: its process has died."""

    def follow(self, effective: Effective, feature: str, now: Instant) -> Cell:
        return Cell()

    def raise_version(self, cell: CellName, version: int, now: Instant) -> None:
        pass


def test_a_window_in_which_nothing_but_followed_usage_is_states_nothing() -> None:
    shop = Folded(free=FREE, pro={"limit": 1000, "period": {"every": "P30D", "anchor": "2026-03-01T00:00:00Z"}})
    shop.now = month(3, 5)
    shop.consume(60)
    shop.fold()
    shop.subscribe("pro")
    shop.now = month(4, 5)
    assert shop.closed() == [("free", 60, 60, 0, 0)]


def test_several_windows_of_one_limit_count_each_unit_once() -> None:
    both = {"windows": [{"limit": 1000, "period": {"every": "month"}}, {"limit": 100, "period": {"every": "day"}}]}
    shop = Folded(both=both, monthly=FREE)
    shop.now = month(3, 4)
    shop.consume(50)
    shop.now = month(3, 5)
    shop.consume(10)
    shop.fold()
    shop.now += HOUR
    shop.unsubscribe()
    shop.fold()
    shop.now += HOUR
    shop.subscribe("both")
    assert [state["used"] for state in shop.state()["limits"]] == [60, 10]
    shop.subscribe("monthly")
    shop.consume(5)
    shop.fold()
    shop.now += HOUR
    shop.subscribe("both")
    assert [state["used"] for state in shop.state()["limits"]] == [65, 15]
