"""Resets by hand: what was used counts against no limit any more, stays billed, and never comes back."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallygate.contracts.usage.usage import read_usage, usage_answer
from tallygate.domain.admission.cells import DEAD_AFTER
from tallygate.domain.base.instants import DAY, HOUR, MINUTE, SECOND, Instant
from tallygate.domain.journal.records import RECORD_KEPT
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.limits import Quota
from tallygate.domain.periods.recurrence import Schedule, rolling
from tallygate.errors import InvalidRequest, NotFound, StoreUnavailable
from tallygate.operations.admission.memory import Memory
from tallygate.operations.facts.closing import reset
from tallygate.operations.usage.queries import usage
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.base.receipts import Receipts
from tallygate.storage.facts.audits import Audits
from tallygate.storage.facts.closings import Closings
from tallygate.storage.usage.queries import UsageReader
from tests.desks import Desk
from tests.given import FEATURE, effective, in_force, quota, rate
from tests.shops import month
from tests.truth import exists

HARD: dict[str, Any] = {"limit": 1000}
SOFT: dict[str, Any] = {"limit": 1000, "enforcement": "soft"}


@pytest.fixture
def desk(engine: Engine) -> Desk:
    return Desk(engine, pro=HARD)


@pytest.fixture
def folded() -> Desk:
    """One whose cells are folded."""
    return Desk(MemoryEngine(), pro=HARD)


def test_all_is_there_again_at_the_next_decision_whoever_makes_it(desk: Desk) -> None:
    other = Memory()
    desk.consume(900, memory=other)
    assert not desk.consume(101)["granted"]
    body = desk.reset().body
    (window,) = body["windows"]
    assert (window["used_before"], window["excluded"], window["used"]) == (900, 900, 0)
    assert (body["changed"], window["limit_name"], window["period"]["start"]) == (True, FEATURE, "2026-01-01T00:00:00Z")
    after = desk.consume(1000, memory=other)
    assert (after["granted"], after["used"], after["limit"], after["remaining"]) == (True, 1000, 1000, 0)
    assert not desk.consume(1)["granted"]


def test_nothing_used_is_nothing_to_reset(desk: Desk) -> None:
    assert desk.reset().body["changed"] is False
    desk.consume(5)
    assert [desk.reset().body["changed"] for _ in range(3)] == [True, False, False]


def test_what_raised_the_limit_stays_and_what_was_not_used_since_carries_over(engine: Engine) -> None:
    desk = Desk(engine, pro={"limit": 1000, "carryover": {}})
    desk.consume(400)
    desk.now = month(2)
    desk.consume(1500)
    desk.reset()
    state = desk.state()
    assert (state["used"], state["limit"], state["breakdown"]["carried"]) == (0, 1600, 600)
    desk.consume(100)
    desk.now = month(3)
    assert desk.consume(1)["limit"] == 2500


@pytest.mark.parametrize(("carry", "left"), [(False, 0), (True, 300)])
def test_overage_is_forgiven_or_carried(engine: Engine, carry: bool, left: int) -> None:
    desk = Desk(engine, pro=SOFT)
    desk.consume(1300)
    desk.reset(carry_overage=carry)
    assert desk.used() == left
    desk.reset(carry_overage=carry)
    assert desk.used() == 0, "what was carried lies within the limit now"


def test_every_window_that_runs_is_reset_and_what_rolls_is_left(engine: Engine) -> None:
    desk = Desk(engine, pro=HARD)
    rolls = Quota(ordinal=4, limit=Decimal(400), schedule=Schedule((rolling("P30D", "UTC"),)))
    quotas = (quota(1000), quota(500, ordinal=2, every="day"), quota(None, ordinal=3, every="never"), rolls)
    in_force(engine, effective(*quotas, version=9, rates=(rate(5000),)))
    desk.consume(400)
    body = desk.reset().body
    assert [(each["limit_name"], each["excluded"]) for each in body["windows"]] == [
        (FEATURE, 400),
        ("further-2", 400),
        ("further-3", 400),
    ]
    assert body["rolling"] == ["further-4"]
    used = {state["name"]: state["used"] for state in desk.state()["limits"] if state["window"]["kind"] == "quota"}
    assert used == {FEATURE: 0, "further-2": 0, "further-3": 0, "further-4": 400}


def test_a_window_from_its_first_use_goes_on(engine: Engine) -> None:
    desk = Desk(engine, pro={"limit": 10, "period": {"every": "PT5H", "anchor": "first_use"}})
    desk.now += 7 * MINUTE
    began = desk.consume(10)["period"]["start"]
    desk.now += HOUR
    assert desk.reset().body["windows"][0]["excluded"] == 10
    after = desk.consume(10)
    assert (after["granted"], after["period"]["start"]) == (True, began)
    desk.now += 5 * HOUR
    assert desk.reset().body["changed"] is False, "it is over, and the next one has not begun"


def test_a_repeated_key_resets_once(desk: Desk) -> None:
    desk.consume(10)
    first = desk.reset(key="k")
    desk.consume(7)
    again = desk.reset(key="k")
    assert (again.replayed, again.body, desk.used()) == (True, first.body, 7)


def test_it_is_audited_with_what_it_changed(desk: Desk) -> None:
    desk.consume(10)
    made = desk.reset(reason="outage").body
    (entry,), _ = Audits(desk.engine).page("acme", after=None, limit=10)
    assert (entry.id, entry.action, entry.reason, entry.actor) == (made["audit_id"], "reset", "outage", "ops")
    assert entry.before is not None
    assert entry.after is not None
    assert (entry.before["windows"][0]["used"], entry.after["windows"][0]["used"]) == (10, 0)


def test_what_comes_between_the_look_and_the_write_stays_counted(desk: Desk) -> None:
    desk.consume(100)
    desk.reset(meanwhile=lambda: desk.consume(5))
    assert desk.used() == 5


def test_a_settlement_between_the_look_and_the_write_is_not_taken_out_twice(desk: Desk) -> None:
    decision, once_only = desk.consume(100), iter([True])
    desk.reset(meanwhile=lambda: desk.settle(decision, 40) if next(once_only, False) else None)
    assert desk.used() == 0
    assert not desk.consume(1001)["granted"]


def test_of_two_resets_that_saw_the_same_only_one_is_made(desk: Desk) -> None:
    desk.consume(100)
    one, other = desk.plan(), desk.plan()
    store = Receipts(desk.engine)
    desk.consume(100)
    assert (store.commit(one.moves), store.commit(other.moves)) == (True, False)
    assert desk.used() == 100


@pytest.mark.parametrize("amount", [0, 40, 250])
def test_a_settlement_of_a_decision_before_the_reset_corrects_the_bill_alone(folded: Desk, amount: int) -> None:
    decision = folded.consume(100)
    folded.consume(1)
    folded.reset()
    folded.consume(3)
    folded.fold()
    folded.settle(decision, amount)
    assert (folded.used(), folded.billed()) == (3, amount + 4)
    assert folded.parked() == []
    assert not folded.consume(998)["granted"]


def test_a_settlement_of_a_decision_after_the_reset_is_what_it_always_was(folded: Desk) -> None:
    folded.consume(100)
    folded.reset()
    decision = folded.consume(50)
    folded.consume(1)
    folded.fold()
    folded.settle(decision, 20)
    assert (folded.used(), folded.billed()) == (21, 121)


def test_events_before_a_reset_do_not_come_back_and_later_ones_count(folded: Desk) -> None:
    exists(folded.engine, "acme")
    for name in ("a", "b", "c"):
        folded.post(name)
    folded.fold()
    assert folded.used() == 3
    folded.reset()
    folded.fold()
    assert folded.used() == 0
    folded.post("d")
    folded.fold()
    assert (folded.used(), folded.billed(), folded.parked()) == (1, 4, [])


def test_levels_are_left_by_a_reset_and_told_again(engine: Engine) -> None:
    del engine
    tiers = [{"at": "80%", "level": "warning", "policy": "notify_only"}]
    desk = Desk(MemoryEngine(), pro={"limit": 1000, "tiers": tiers})
    desk.consume(1000)
    assert not desk.consume(1)["granted"]
    assert len(desk.facts_of("usage.threshold_crossed", "usage.limit_reached", "usage.denied")) == 3
    desk.reset()
    (left,) = desk.facts_of("usage.threshold_recovered")
    assert (left["cause"], left["level_now"], left["usage"]) == ("reset", "normal", 0)
    desk.consume(1000)
    assert not desk.consume(1)["granted"]
    twice = desk.facts_of("usage.threshold_crossed", "usage.limit_reached", "usage.denied")
    assert [fact.get("usage") for fact in twice if fact["type"] == "usage.threshold_crossed"] == [1000, 1000]
    assert len(twice) == 6


def test_the_bill_states_everything_used(folded: Desk) -> None:
    folded.consume(900)
    folded.reset()
    folded.consume(300)
    folded.fold()
    folded.now = month(2)
    reset(Closings(folded.engine), now=folded.now, grace=0, time_left=lambda: True)
    (closed,) = folded.facts_of("usage.period_closed")
    assert (closed["raw"], closed["included"], closed["overage"]) == (1200, 1000, 200)


def test_as_of_an_instant_what_came_since_stays_used(folded: Desk) -> None:
    folded.consume(100)
    folded.now += HOUR
    instant = folded.now
    folded.consume(20)
    folded.now += HOUR
    folded.fold()
    folded.consume(3)
    body = folded.reset(effective_at=instant).body
    assert (body["windows"][0]["excluded"], folded.used()) == (100, 23)
    folded.fold()
    assert folded.reset(effective_at=instant).body["changed"] is False
    assert (folded.used(), folded.billed(), folded.parked()) == (23, 123, [])


def test_as_of_an_instant_events_and_settlements_count_by_their_own_time(folded: Desk) -> None:
    exists(folded.engine, "acme")
    early = folded.consume(100)
    folded.now += HOUR
    instant = folded.now
    late = folded.consume(20)
    folded.now += MINUTE
    folded.post("old", at=instant - 1)
    folded.post("new", at=instant)
    folded.fold()
    folded.settle(early, 90)
    folded.fold()
    assert folded.reset(effective_at=instant).body["windows"][0]["excluded"] == 91
    assert folded.used() == 21
    folded.fold()
    # The time of the decision says what its settlement corrects: `early` is excluded, `late` is not.
    folded.settle(late, 5)
    assert folded.used() == 6
    folded.fold()
    assert (folded.billed(), folded.parked()) == (97, [])


def test_a_settlement_after_a_reset_as_of_an_instant_knows_the_decision_s_side(folded: Desk) -> None:
    early = folded.consume(100)
    folded.now += HOUR
    late = folded.consume(20)
    instant = folded.now
    folded.now += HOUR
    folded.fold()
    folded.reset(effective_at=instant)
    folded.settle(early, 0)
    folded.settle(late, 10)
    assert (folded.used(), folded.billed()) == (10, 10)


def test_as_of_an_instant_waits_for_the_fold(folded: Desk) -> None:
    folded.now += MINUTE
    folded.consume(100)
    with pytest.raises(StoreUnavailable):
        folded.reset(effective_at=folded.now - SECOND)
    folded.fold()
    folded.now += HOUR
    folded.consume(20)
    folded.now += SECOND
    with pytest.raises(StoreUnavailable) as refused:
        folded.reset(effective_at=folded.now - HOUR // 2)
    assert refused.value.code == "not_folded"
    folded.fold()
    folded.reset(effective_at=folded.now - HOUR // 2)
    assert folded.used() == 20


def test_as_of_an_instant_a_cell_whose_record_has_expired_is_folded() -> None:
    engine = MemoryEngine()
    desk = Desk(engine, pro={"limit": 1000, "period": {"every": "year"}})
    desk.consume(90)
    desk.fold()
    desk.now += RECORD_KEPT + HOUR
    for key in [key for key in engine.items if key.pk == "JOURNAL#acme" and key.sk != "START"]:
        del engine.items[key]
    assert desk.reset(effective_at=desk.now - HOUR).body["windows"][0]["excluded"] == 90


def test_as_of_an_instant_a_settlement_on_its_way_is_not_taken_out_twice(folded: Desk) -> None:
    decision = folded.consume(100)
    folded.now += HOUR
    folded.consume(20)
    folded.fold()
    folded.settle(decision, 0)
    with pytest.raises(StoreUnavailable) as refused:
        folded.reset(effective_at=folded.now - MINUTE)
    assert refused.value.code == "not_folded"
    folded.fold()
    assert folded.reset(effective_at=folded.now - MINUTE).body["changed"] is False
    assert folded.used() == 20


def test_as_of_an_instant_before_another_reset_changes_nothing(folded: Desk) -> None:
    folded.consume(100)
    folded.now += HOUR
    folded.consume(20)
    folded.now += HOUR
    folded.fold()
    folded.reset(effective_at=folded.now - HOUR)
    folded.fold()
    assert folded.used() == 20
    assert folded.reset(effective_at=folded.now - 90 * MINUTE).body["changed"] is False
    folded.reset()
    folded.fold()
    assert folded.reset(effective_at=folded.now - HOUR).body["changed"] is False
    folded.consume(1)
    assert (folded.used(), folded.billed()) == (1, 121)


@pytest.mark.parametrize("away", [MINUTE, -40 * DAY, -9 * DAY])
def test_an_instant_lies_in_a_period_that_runs(folded: Desk, away: Instant) -> None:
    folded.now += 8 * DAY
    with pytest.raises(InvalidRequest) as refused:
        folded.reset(effective_at=folded.now + away)
    assert refused.value.errors[0].pointer == "/effective_at"


def test_what_cannot_be_reset_is_named(desk: Desk) -> None:
    for feature, code in (("nope", "feature_not_found"), ("other", "feature_type_mismatch")):
        with pytest.raises(InvalidRequest) as refused:
            desk.reset(feature=feature)
        assert (refused.value.errors[0].pointer, refused.value.errors[0].code) == ("/feature", code)
    desk.unsubscribe()
    with pytest.raises(NotFound):
        desk.reset()


def test_marks_go_with_their_windows(engine: Engine) -> None:
    desk = Desk(engine, pro={"limit": 10, "period": {"every": "day"}})
    desk.consume(3)
    desk.reset()
    assert Cells(engine).read(CellName("acme", FEATURE)).resets != {}
    desk.now = month(1, 2) + DEAD_AFTER + MINUTE
    desk.consume(1)
    desk.consume(1)
    assert Cells(engine).read(CellName("acme", FEATURE)).resets == {}


def test_series_of_usage_mark_the_window_in_which_a_reset_was_effective(folded: Desk) -> None:
    folded.subscribe_anew("pro")
    folded.consume(10)
    folded.now += HOUR
    instant = folded.now
    folded.consume(5)
    folded.now += HOUR
    folded.consume(1)
    folded.fold()
    folded.reset(effective_at=instant + 1)
    asked = {"customer": "acme", "feature": FEATURE, "window": "hour", "from": "2026-01-01T00:00:00Z"}
    for window, markers in (("hour", [None, "MANUAL", None]), ("day", ["MANUAL"]), ("none", [None])):
        query = read_usage({**asked, "window": window}, now=folded.now)
        rows = usage_answer(usage(UsageReader(folded.engine), query, folded.now))["data"]
        assert [row.get("marker") for row in rows] == markers


def test_a_plan_that_begins_with_nothing_used_begins_so_once(engine: Engine) -> None:
    desk = Desk(engine, pro=HARD, big={"limit": 5000})
    estimate = desk.consume(900)
    desk.subscribe_anew("big")
    assert (desk.used(), desk.state()["limit"]) == (0, 5000)
    desk.consume(7)
    desk.subscribe_anew("big")
    assert desk.used() == 7, "asked for once more, nothing begins"
    desk.put(name="Acme")
    desk.subscribe_anew("big")
    assert desk.used() == 7, "whatever else has changed"
    (entry, *_), _ = Audits(engine).page("acme", after=None, limit=10)
    assert (entry.action, entry.about["usage"], entry.actor) == ("subscription_changed", "reset", "key")
    desk.subscribe_anew("pro", usage="keep")
    assert desk.used() == 7
    assert estimate["granted"]


def test_what_comes_between_a_plan_and_its_reset_is_counted_under_the_plan(engine: Engine) -> None:
    desk = Desk(engine, pro=HARD, big={"limit": 5000})
    decision = desk.consume(900)
    once_only = iter([True])
    desk.subscribe_anew("big", meanwhile=lambda: desk.settle(decision, 100) if next(once_only, False) else None)
    assert desk.used() == 0
    desk.consume(3)
    desk.subscribe_anew("pro", meanwhile=lambda: desk.consume(1))
    assert desk.used() == 1


AMOUNTS = st.integers(0, 12)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("consume"), AMOUNTS),
        st.tuples(st.just("settle"), AMOUNTS),
        st.tuples(st.just("reset"), st.booleans()),
        st.tuples(st.just("as_of"), st.integers(0, 90)),
        st.tuples(st.just("race"), AMOUNTS),
        st.tuples(st.just("wait"), st.integers(1, 60)),
        st.tuples(st.just("month"), st.just(0)),
        st.tuples(st.just("fold"), st.just(0)),
        st.tuples(st.just("event"), st.just(0)),
    ),
    max_size=25,
)


class Ledger:
    """What should count in the month that runs: of each decision and event its time and amount, and if it is there."""

    def __init__(self) -> None:
        self.counted: dict[str, tuple[Instant, int, bool]] = {}
        self.exact = True

    def add(self, name: str, at: Instant, amount: int, *, there: bool = True) -> None:
        self.counted[name] = (at, amount, there)

    def settled(self, name: str, amount: int) -> None:
        if name in self.counted:
            self.add(name, self.counted[name][0], amount)

    def folded(self) -> None:
        self.counted = {name: (at, amount, True) for name, (at, amount, _) in self.counted.items()}

    def excluded(self, before: Instant | None = None, *, but: str = "") -> None:
        """What has not arrived yet counts when it does."""
        self.counted = {
            name: each
            for name, each in self.counted.items()
            if not each[2] or name == but or (before is not None and each[0] >= before)
        }

    @property
    def used(self) -> int:
        return sum(amount for _, amount, _ in self.counted.values())


class Walk:
    """Containers with memories of their own, in turn; what is settled, reset or told meanwhile is as random."""

    def __init__(self, form: dict[str, Any]) -> None:
        self.desk, self.ledger = Desk(MemoryEngine(), pro={"limit": 10, **form}), Ledger()
        exists(self.desk.engine, "acme")
        self.memories, self.made, self.turn = [Memory(), Memory()], list[dict[str, Any]](), 0

    def step(self, kind: str, value: Any) -> None:
        self.turn += 1
        getattr(self, kind)(value)

    def consume(self, amount: int) -> str:
        decision = self.desk.consume(amount, memory=self.memories[self.turn % 2])
        if not decision["granted"]:
            return ""
        self.made.append(decision)
        self.ledger.add(decision["decision_id"], self.desk.now, amount)
        return str(decision["decision_id"])

    def settle(self, amount: int) -> None:
        if self.made:
            decision = self.made.pop(amount % len(self.made))
            self.desk.settle(decision, amount)
            self.ledger.settled(decision["decision_id"], amount)

    def reset(self, carry: bool) -> None:
        state = self.desk.state()
        if self.desk.reset(carry_overage=carry).body["changed"]:
            self.ledger.excluded()
        self.ledger.exact = self.ledger.exact and not (carry and state["overage"])

    def as_of(self, minutes: int) -> None:
        instant = self.desk.now - minutes * MINUTE
        if self.desk.reset(effective_at=instant).body["changed"]:
            self.ledger.excluded(instant if minutes else None)

    def race(self, amount: int) -> None:
        between: list[str] = []
        if self.desk.reset(meanwhile=lambda: between.append(self.consume(amount))).body["changed"]:
            self.ledger.excluded(but=between[-1])

    def wait(self, minutes: int) -> None:
        self.desk.now += minutes * MINUTE

    def month(self, _: Any) -> None:
        self.desk.now += 31 * DAY
        self.ledger.counted = {}

    def fold(self, _: Any) -> None:
        self.desk.fold()
        self.ledger.folded()

    def event(self, _: Any) -> None:
        self.desk.post(f"e{self.turn}")
        self.ledger.add(f"e{self.turn}", self.desk.now, 1, there=False)


@settings(max_examples=300, deadline=None)
@given(STEPS, st.booleans())
def test_only_what_came_since_a_reset_counts_and_nothing_is_negative(
    steps: list[tuple[str, Any]], carries: bool
) -> None:
    walk = Walk({"carryover": {"max": 5}} if carries else {})
    desk = walk.desk
    for kind, value in steps:
        with suppress(InvalidRequest, StoreUnavailable):
            walk.step(kind, value)
        state = desk.state()
        assert state["used"] >= 0
        assert state["remaining"] == max(0, state["limit"] - state["used"])
    walk.fold(0)
    assert not walk.ledger.exact or desk.used() == walk.ledger.used
    assert desk.parked() == []
    cell = Cells(desk.engine).read(CellName(desk.customer, FEATURE))
    for total in desk.totals():
        assert total.used >= 0
        counter = (total.ordinal, total.start)
        if total.end > desk.now and counter in cell.used:
            assert 0 <= total.excluded <= total.value
            assert total.used == cell.used[counter] + cell.raised(counter), "the totals say what the cell enforces"


def test_a_period_from_its_first_use_is_reset_while_it_runs_and_goes_on(engine: Engine) -> None:
    desk = Desk(engine, pro={"limit": 10, "period": {"every": "PT5H", "anchor": "first_use"}})
    assert not desk.reset().body["changed"], "nothing runs"
    began = desk.consume(8)["period"]
    desk.now += HOUR
    assert desk.reset().body["changed"]
    state = desk.consume(10)
    assert (state["granted"], state["used"], state["period"]) == (True, 10, began)
    desk.now += 4 * HOUR
    assert not desk.reset().body["changed"], "it is over, and nothing runs"
