"""Windows from their first use and the fold: events open and find the windows that decisions do, whoever is first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Any
from zlib import crc32

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cost import counting
from tallygate.domain.base.instants import DAY, HOUR, MINUTE, SECOND, Instant, format_instant, parse_instant
from tallygate.domain.limits.counters import CellName
from tallygate.domain.metering.meters import Meter
from tallygate.operations.base.each import in_turn
from tallygate.operations.facts.closing import reset
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.storage.admission import cell_image
from tallygate.storage.base import items, keys
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.memory import Change, MemoryEngine
from tallygate.storage.facts.closings import Closings
from tallygate.storage.metering.events import Events
from tests.crashes import Crash, Fuse, FusedEngine
from tests.given import FEATURE, metered
from tests.shops import Shop
from tests.truth import container, draft, drain, facts, fold, wanted_by_the_filter

LENGTH = 5 * HOUR
START = parse_instant("2026-02-10T00:00:00Z")


class Folded(Shop):
    """A shop with a quota of five hours from its first use, whose stream is read when the test says so."""

    def __init__(self, engine: MemoryEngine | None = None, **form: Any) -> None:
        self.memory_engine = engine or MemoryEngine()
        plan = {"limit": 100, "period": {"every": "PT5H", "anchor": "first_use"}, **form}
        super().__init__(self.memory_engine, pro=plan)
        self.parts, self.folded, self.posted, self.now = container(self.memory_engine), 0, 0, START

    def post(self, *times: Instant) -> None:
        """Events of these times, accepted now."""
        for at in times:
            self.posted += 1
            event = draft(f"e{self.posted}", event_type="e", tokens=None, time=at)
            posted = Posted(submitted=(event,), batch=f"b{self.posted}")
            (result,) = ingest(Events(self.memory_engine), posted, now=max(self.now, at - MINUTE), each=in_turn)
            assert result.status == "accepted", result

    def fold(self) -> None:
        self.folded = drain(self.memory_engine, self.parts, after=self.folded, now=self.now)

    @property
    def windows(self) -> dict[Instant, tuple[Instant, Decimal]]:
        """Start -> (end, value) of every total."""
        found = {}
        for key, item in self.memory_engine.items.items():
            if key.pk.startswith("TOTAL#"):
                value = item["value"]
                assert isinstance(value, Decimal)
                found[items.integer(item, "start")] = (items.integer(item, "end"), value)
        return dict(sorted(found.items()))

    @property
    def counted(self) -> dict[Instant, Decimal]:
        cell = cell_image.cell_of(self.memory_engine.get(keys.cell(CellName("acme", FEATURE))))
        return {start: used for (_, start), used in cell.used.items()}


def test_an_event_opens_a_window_at_its_own_time_and_a_decision_joins_it() -> None:
    shop = Folded()
    shop.post(START)
    shop.now = START + HOUR
    shop.fold()
    state = shop.consume(2)
    assert (state["period"]["start"], state["used"]) == (format_instant(START), 3)
    shop.fold()
    assert shop.windows == {START: (START + LENGTH, Decimal(3))}


def test_an_event_counts_in_the_window_that_a_decision_opened() -> None:
    shop = Folded()
    shop.consume(2)
    shop.now += HOUR
    shop.post(START, START + HOUR)
    shop.fold()
    assert shop.windows == {START: (START + LENGTH, Decimal(4))}
    assert shop.state()["used"] == 4


def test_an_event_at_a_windows_end_opens_the_next_one() -> None:
    shop = Folded()
    shop.post(START)
    shop.fold()
    shop.now = START + LENGTH
    shop.post(START + LENGTH - 1, START + LENGTH)
    shop.fold()
    assert shop.windows == {START: (START + LENGTH, Decimal(2)), START + LENGTH: (START + 2 * LENGTH, Decimal(1))}


def test_events_of_one_batch_open_windows_in_the_order_of_their_times() -> None:
    shop = Folded()
    shop.post(START + 2, START, START + 1)
    shop.fold()
    assert shop.windows == {START: (START + LENGTH, Decimal(3))}


def test_a_late_event_counts_in_the_window_that_held_its_time() -> None:
    """Also when the cell has removed it: the totals say where it began."""
    shop = Folded()
    shop.consume(2)
    for later in (DAY, 2 * DAY, 2 * DAY):
        shop.now = START + later
        shop.consume(1)
        shop.fold()
    assert START not in shop.counted
    shop.post(START + HOUR)
    shop.fold()
    assert shop.windows[START] == (START + LENGTH, Decimal(3))
    assert shop.state()["used"] == 2


def test_a_late_event_that_no_window_held_has_one_of_its_own_up_to_the_next() -> None:
    shop = Folded()
    for at in (START, START + DAY):
        shop.now = at
        shop.consume(1)
        shop.fold()
    early = START + DAY - HOUR
    shop.post(early)
    shop.fold()
    shop.post(early + MINUTE)
    shop.fold()
    shop.post(early - MINUTE)
    shop.fold()
    assert shop.windows == {
        START: (START + LENGTH, Decimal(1)),
        early - MINUTE: (early, Decimal(1)),
        early: (START + DAY, Decimal(2)),
        START + DAY: (START + DAY + LENGTH, Decimal(1)),
    }
    assert shop.state()["used"] == 1, "what is open now has nothing to do with it"


def test_an_event_ahead_of_time_opens_a_window_that_requests_join() -> None:
    shop = Folded()
    shop.post(START + 4 * MINUTE)
    shop.fold()
    answer = shop.consume(1)
    assert (answer["period"]["start"], answer["used"]) == (format_instant(START + 4 * MINUTE), 2)
    shop.fold()
    assert shop.windows == {START + 4 * MINUTE: (START + 4 * MINUTE + LENGTH, Decimal(2))}


def test_a_window_is_closed_at_its_end_with_all_that_was_used_in_it() -> None:
    shop = Folded()
    shop.consume(3)
    shop.post(START + HOUR)
    shop.now += HOUR
    shop.fold()
    shop.now = START + LENGTH - 1
    assert reset(Closings(shop.memory_engine), now=shop.now, grace=0, time_left=lambda: True).closed == ()
    shop.now += 1
    reset(Closings(shop.memory_engine), now=shop.now, grace=0, time_left=lambda: True)
    (closed,) = [fact for fact in facts(shop.memory_engine) if fact["type"] == "usage.period_closed"]
    assert closed["raw"] == 4
    assert closed["period"] == {
        "start": format_instant(START),
        "end": format_instant(START + LENGTH),
        "every": "PT5H",
        "anchor": "first_use",
        "timezone": "UTC",
    }


def test_events_in_the_open_window_cost_one_read_of_the_cell_for_each_batch(
    dynamodb: Any, dynamo_engine: DynamoEngine
) -> None:
    costs = {}
    anchors = ("calendar", "first_use")
    plans: dict[str, Any] = {
        anchor: {"limit": 100, "period": {"every": "PT5H", "anchor": anchor}} for anchor in anchors
    }
    shop = Shop(dynamo_engine, **plans)
    for anchor in anchors:
        shop.customer = anchor
        shop.put(plan=anchor)
        shop.consume(1, at=START)
        parts = container(dynamo_engine)
        changes = [event_inserted(shop, index) for index in range(20)]
        fold(parts, changes[:10], now=START)
        with counting(dynamodb) as cost:
            fold(parts, changes[10:], now=START)
        costs[anchor] = dict(cost.requests)
    costs["calendar"]["GetItem"] = 1
    assert costs["first_use"] == costs["calendar"]


def event_inserted(shop: Shop, index: int) -> Change:
    """The stream's record of an event that another engine has accepted."""
    aside = MemoryEngine()
    aside.items.update({keys.profile(shop.customer): {"name": shop.customer}})
    metered(aside, Meter(key="m", event_type="e", aggregation="count"))
    event = draft(f"e{index}", subject=shop.customer, event_type="e", tokens=None, time=START + index)
    ingest(Events(aside), Posted(submitted=(event,), batch="b"), now=START + MINUTE, each=in_turn)
    (change,) = [change for change in aside.stream if change.key.pk.startswith("EVENT#")]
    return Change(sequence=index + 1, key=change.key, old=None, new=change.new)


@dataclass(slots=True)
class Interrupted(MemoryEngine):
    """Before one of the next writes, somebody else has a turn."""

    between: Any = None
    after_writes: int = 0

    def write(self, write: Any, *, repeatable: bool = False) -> Any:
        if self.between is not None:
            self.after_writes -= 1
            if self.after_writes < 0:
                between, self.between = self.between, None
                between()
        return MemoryEngine.write(self, write, repeatable=repeatable)


STEP = st.tuples(
    st.sampled_from([0, 0, SECOND, MINUTE, HOUR, LENGTH - 1, LENGTH, DAY]),
    st.integers(0, 3),
    st.lists(st.sampled_from([-4 * MINUTE, 0, 1, HOUR, LENGTH, LENGTH + 1, 7 * HOUR, DAY, 3 * DAY]), max_size=5),
    st.integers(0, 25),
    st.booleans(),
    st.integers(0, 6),
)


class Run:
    """Two shards of one stream, each read by a container that may die, beside requests and each other."""

    def __init__(self) -> None:
        self.engine = Interrupted()
        self.shop = Folded(self.engine, enforcement="soft")
        self.position, self.parts = 0, {shard: container(self.engine) for shard in "ab"}
        self.times: list[Instant] = []

    def step(self, amount: int, agos: Sequence[int], dies: int, after: bool, turn: int) -> None:
        times = [self.shop.now - ago for ago in agos]
        self.shop.post(*times)
        self.times += times
        if amount:
            self.shop.consume(amount)
        self.read(dies, after, turn)

    def read(self, dies: int = 0, after: bool = False, turn: int = 0) -> None:
        """One turn of both shards over all that the stream holds, until nothing is left."""
        while self.position < len(self.engine.stream):
            changes = [c for c in self.engine.stream[self.position :] if wanted_by_the_filter(c)]
            self.position = len(self.engine.stream)
            ours = [c for c in changes if crc32(c.key.sk.encode()) % 2 == 0]
            theirs = [c for c in changes if crc32(c.key.sk.encode()) % 2 == 1]
            self.engine.between, self.engine.after_writes = partial(self.fold, "b", theirs), turn
            self.fold("a", ours, dies, after)
            if self.engine.between is not None:
                self.engine.between = None
                self.fold("b", theirs)
            dies = 0

    def fold(self, shard: str, changes: Sequence[Change], dies: int = 0, after: bool = False) -> None:
        if not changes:
            return
        try:
            parts = container(FusedEngine(self.engine, Fuse(dies, after))) if dies else self.parts[shard]
            fold(parts, changes, shard=shard, now=self.shop.now)
        except Crash:
            fold(self.parts[shard], changes, shard=shard, now=self.shop.now)


@settings(max_examples=200, deadline=None)
@given(st.lists(STEP, min_size=1, max_size=12))
def test_every_use_counts_once_in_a_window_that_holds_it_and_windows_never_overlap(
    steps: list[tuple[int, int, list[int], int, bool, int]],
) -> None:
    """Whatever comes late or out of order, whichever fold dies at whatever request, whoever comes between."""
    run = Run()
    consumed = 0
    for passes, amount, agos, dies, after, turn in steps:
        run.shop.now += passes
        consumed += amount
        run.step(amount, agos, dies, after, turn)
    run.read()
    windows = run.shop.windows
    assert sum(value for _, value in windows.values()) == consumed + len(run.times)
    assert all(end <= later for (_, (end, _)), (later, _) in pairwise(windows.items()))
    assert all(end <= start + LENGTH for start, (end, _) in windows.items())
    for time in run.times:
        assert any(start <= time < end for start, (end, _) in windows.items())
    for start, (end, value) in windows.items():
        if end > run.shop.now:
            assert run.shop.counted[start] == value, "the cell counts what the total says"
