"""Carryover and the fold: events and late changes come to what would have been carried, had all been known in time."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from tallygate.domain.base.instants import DAY, Instant
from tallygate.domain.entries.total import Total
from tallygate.domain.limits.counters import CellName
from tallygate.errors import Conflict, InvalidRequest, NotFound
from tallygate.operations.base.each import in_turn
from tallygate.operations.corrections.settle import Settle, settle
from tallygate.operations.facts.closing import reset
from tallygate.operations.journal.find_decision import decision_named
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.storage.admission import cell_image
from tallygate.storage.base import keys
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.entries.totals import total_of
from tallygate.storage.facts.closings import Closings
from tallygate.storage.journal.decisions import Decisions
from tallygate.storage.metering.events import Events
from tests.given import FEATURE, known_to
from tests.operator_actions import adjust
from tests.shops import Shop, month
from tests.truth import container, draft, drain, facts

LIMIT = 10


class Folded(Shop):
    """A shop whose stream is read when the test says so."""

    def __init__(self, **form: object) -> None:
        self.memory_engine = MemoryEngine()
        super().__init__(self.memory_engine, pro={"limit": LIMIT, "enforcement": "soft", "carryover": {}, **form})
        self.parts, self.folded, self.posted = container(self.memory_engine), 0, 0
        self.used: Counter[Instant] = Counter()
        self.settled: set[str] = set()

    def fold(self) -> None:
        self.folded = drain(self.memory_engine, self.parts, after=self.folded, now=self.now)

    def use(self, amount: int) -> str:
        answer = self.consume(amount)
        self.used[self.started(self.now)] += answer["granted_amount"]
        return str(answer["decision_id"])

    def event(self, at: Instant) -> None:
        self.posted += 1
        event = draft(f"e{self.posted}", event_type="e", tokens=None, time=at)
        ingest(
            Events(self.memory_engine), Posted(submitted=(event,), batch=f"b{self.posted}"), now=self.now, each=in_turn
        )
        self.used[self.started(at)] += 1

    def settle(self, decision: str, start: Instant, granted: int, amount: int) -> None:
        wanted = decision_named(decision, known_to(self.memory_engine), now=self.now)
        named = Settle(decision_id=decision, decision=wanted, amount=Decimal(amount))
        settle(Decisions(self.memory_engine), named, now=self.now)
        self.used[start] += amount - granted

    def started(self, at: Instant) -> Instant:
        return max(month(number) for number in range(1, 13) if month(number) <= at)

    def shown(self) -> dict[Instant, Decimal]:
        """What the cell shows as carried into its windows."""
        cell = cell_image.cell_of(self.memory_engine.get(keys.cell(CellName("acme", FEATURE))))
        return {start: cell.carried.get((o, start), Decimal(0)) for o, start in cell.used}

    def totals(self) -> dict[Instant, Total]:
        found = (total_of(item) for key, item in self.memory_engine.items.items() if key.pk.startswith("TOTAL#"))
        return {total.start: total for total in found}

    def expected(self, into: Instant) -> int:
        """What is carried into a month by all that was used before it: never less than nothing."""
        carried = 0
        for number in range(1, 13):
            if month(number) >= into:
                break
            carried = max(0, LIMIT + carried - self.used[month(number)])
        return carried


def test_events_open_a_window_with_what_is_carried() -> None:
    shop = Folded()
    shop.now = month(1, 5)
    shop.event(shop.now)
    shop.fold()
    shop.now = month(2, 3)
    shop.event(shop.now)
    shop.fold()
    state = shop.state()
    assert (state["limit"], state["used"], state["breakdown"]["carried"]) == (19, 1, 9)


def test_a_late_event_takes_from_what_was_carried() -> None:
    shop = Folded()
    shop.use(4)
    shop.now = month(2, 3)
    shop.use(1)
    assert shop.state()["breakdown"]["carried"] == 6
    shop.event(month(1, 20))
    shop.fold()
    state = shop.state()
    assert (state["breakdown"]["carried"], state["used"]) == (5, 1), "the limit falls, and what was used stays"


def test_a_settlement_gives_back_to_the_month_after() -> None:
    shop = Folded()
    decision = shop.use(8)
    shop.now = month(2, 3)
    shop.use(1)
    shop.fold()
    shop.settle(decision, month(1), 8, 3)
    shop.fold()
    assert shop.state()["breakdown"]["carried"] == 7


def test_a_closed_period_says_what_it_carries_out() -> None:
    shop = Folded()
    shop.use(4)
    shop.now = month(2)
    shop.use(20)
    shop.fold()
    shop.now = month(3)
    shop.fold()
    reset(Closings(shop.memory_engine), now=shop.now, grace=0, time_left=lambda: True)
    told = [fact for fact in facts(shop.memory_engine) if fact["type"] == "usage.period_closed"]
    stated = [(data["raw"], data["breakdown"]["carried"], data["carried_out"]) for data in told]
    assert sorted(stated) == [(4, 0, 6), (20, 6, 0)]


def test_nothing_is_told_of_events_until_it_is_known_what_is_carried_into_their_window() -> None:
    """Twelve at once, as a month's first: they are counted before the window is open."""
    tiers = [{"at": "100%", "level": "over", "policy": "allow_with_grace", "grace_for": "P1D"}]
    shop = Folded(tiers=tiers, enforcement="hard")
    shop.use(1)
    shop.now = month(2, 3)
    for _ in range(12):
        shop.event(shop.now)
    shop.fold()
    assert facts(shop.memory_engine) == []
    for _ in range(7):
        shop.event(shop.now)
    shop.fold()
    told = [(fact["type"], fact["limit"], fact["usage"]) for fact in facts(shop.memory_engine)]
    assert told == [("usage.threshold_crossed", 19, 19), ("usage.limit_reached", 19, 19)]
    shop.now = month(3)
    shop.event(shop.now)
    for _ in range(11):
        shop.event(shop.now)
    shop.fold()
    told = [(fact["type"], fact["limit"], fact["usage"]) for fact in facts(shop.memory_engine)][2:]
    assert told == [
        ("usage.threshold_crossed", 10, 12),
        ("usage.limit_reached", 10, 12),
        ("usage.overage_started", 10, 12),
    ], "nothing is carried: told as soon as that is known"


def test_late_usage_of_a_month_that_nobody_opened_is_stated_with_what_was_carried_over_it() -> None:
    shop = Folded()
    shop.use(4)
    shop.now = month(3, 5)
    shop.use(1)
    assert shop.state()["breakdown"]["carried"] == 16
    for _ in range(12):
        shop.event(month(2, 20))
    shop.fold()
    assert shop.state()["breakdown"]["carried"] == 4
    reset(Closings(shop.memory_engine), now=shop.now, grace=0, time_left=lambda: True)
    told = [fact for fact in facts(shop.memory_engine) if fact["type"] == "usage.period_closed"]
    (february,) = (fact for fact in told if fact["raw"] == 12)
    assert (february["breakdown"]["carried"], february["overage"], february["carried_out"]) == (6, 0, 4)


def test_late_usage_of_a_period_that_its_cell_has_no_more_does_not_open_it_again() -> None:
    """What was consumed in it is in its total alone."""
    shop = Folded(period={"every": "day"})
    for day in range(6):
        shop.now = month(1) + day * DAY
        shop.use(3)
        shop.fold()
    shop.event(month(1) + DAY)
    shop.fold()
    assert month(1) + DAY not in shop.shown()
    assert shop.totals()[month(1) + DAY].carried == 7
    assert shop.state()["breakdown"]["carried"] == 5 * 10 - 5 * 3 - 1


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("use"), st.integers(1, 8)),
        st.tuples(st.just("event"), st.integers(0, 34)),
        st.tuples(st.just("settle"), st.integers(0, 9)),
        st.tuples(st.just("pass"), st.integers(1, 45)),
        st.tuples(st.just("fold"), st.just(0)),
    ),
    max_size=14,
)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_whatever_comes_when_the_carried_comes_to_what_was_left(steps: list[tuple[str, int]]) -> None:
    """After the last fold, the newest window and the one before it carry what all usage by its own time left them."""
    shop = Folded()
    made: list[tuple[str, Instant, int]] = []
    for kind, number in steps:
        if kind == "use":
            made.append((shop.use(number), shop.started(shop.now), number))
        elif kind == "event" and shop.now - number * DAY >= month(1):
            shop.event(shop.now - number * DAY)
        elif kind == "settle" and made:
            shop.fold()
            decision, start, granted = made.pop(0)
            try:
                shop.settle(decision, start, granted, number)
            except (Conflict, NotFound):
                continue
        elif kind == "pass" and shop.now + number * DAY < month(12):
            shop.now += number * DAY
        elif kind == "fold":
            shop.fold()
    shop.fold()
    shop.fold()
    for start, carried in shop.shown().items():
        assert carried == shop.expected(start)
    assert shop.state()["breakdown"]["carried"] == shop.expected(shop.started(shop.now))


CARRYOVERS = st.fixed_dictionaries(
    {"overage": st.sampled_from(["forgive", "deduct"])},
    optional={
        "max": st.sampled_from([0, 3, 12, "50%", "150%", {"periods": 2}]),
        "expires_after": st.integers(1, 3),
    },
)
DAYS = st.lists(
    st.one_of(
        st.tuples(st.just("use"), st.integers(1, 14)),
        st.tuples(st.just("event"), st.just(0)),
        st.tuples(st.just("adjust"), st.sampled_from([-15, -5, 3, 8, 20])),
        st.tuples(st.just("pass"), st.sampled_from([3, 20, 31, 62])),
    ),
    max_size=16,
)


@settings(max_examples=100, deadline=None)
@given(carryover=CARRYOVERS, enforcement=st.sampled_from(["soft", "hard"]), days=DAYS)
def test_what_a_period_states_as_carried_out_is_what_the_next_begins_with(
    carryover: dict[str, object], enforcement: str, days: list[tuple[str, int]]
) -> None:
    """Nothing comes late here: each period is stated once, and the next one has what was stated."""
    shop = Folded(carryover=carryover, enforcement=enforcement)
    for number, (kind, amount) in enumerate((*days, ("pass", 31), ("event", 0), ("pass", 31))):
        if kind == "use":
            shop.consume(amount)
        elif kind == "event":
            shop.event(shop.now)
        elif kind == "adjust":
            with suppress(Conflict, InvalidRequest):
                adjust(shop.memory_engine, shop.customer, amount, named=f"a{number}", now=shop.now)
        elif shop.now + amount * DAY < month(12):
            shop.now += amount * DAY
            reset(Closings(shop.memory_engine), now=shop.now, grace=0, time_left=lambda: True)
        shop.fold()
    told = [fact for fact in facts(shop.memory_engine) if fact["type"].startswith("usage.")]
    stated = {fact["period"]["start"]: fact for fact in told if fact["type"] == "usage.period_closed"}
    assert not any(fact["type"] == "usage.restated" for fact in told)
    for closed in stated.values():
        if (following := stated.get(closed["period"]["end"])) is not None:
            assert closed["carried_out"] == following["breakdown"]["carried"]
