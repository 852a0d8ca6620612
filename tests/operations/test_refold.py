"""What the stream lost comes back: events exactly, of consumes what can be known, and nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tallygate.domain.base.instants import DAY, HOUR, SECOND, Instant, parse_instant
from tallygate.domain.journal.records import RECORD_KEPT
from tallygate.domain.limits.counters import CellName
from tallygate.domain.metering.events import Event
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.operations.base.each import in_turn
from tallygate.operations.corrections.settle import Settle, settle
from tallygate.operations.journal.find_decision import decision_named
from tallygate.operations.journal.refold import LostWrites, Refolded, refold
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base import keys
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Delete, Engine, Key
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.journal.decisions import Decisions
from tallygate.storage.journal.refold import Compared
from tallygate.storage.metering.events import Events
from tests.given import FEATURE, NOW, effective, in_force, known_to, quota, wanted
from tests.truth import TOKENS, container, declare, draft, drain, exists

MONTH = parse_instant("2026-11-01T00:00:00Z")
LATER = NOW + DAY + 2 * HOUR


class World:
    """One customer, and a stream whose records may be dropped."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.parts, self.memory = engine, container(engine), Memory()
        self.made, self.read = 0, 0
        in_force(engine, effective(quota(10**6)))
        exists(engine, "acme")
        declare(engine, TOKENS)

    def post(self, tokens: int, at: Instant = NOW) -> None:
        self.made += 1
        event = draft(f"e{self.made}", tokens=tokens, time=at)
        ingest(Events(self.engine), Posted(submitted=(event,), batch=f"b{self.made}"), now=at, each=in_turn)

    def use(self, amount: int, at: Instant = NOW) -> str:
        self.made += 1
        entropy = self.made.to_bytes
        decision = consume(Cells(self.engine), self.memory, wanted(amount), now=at, entropy=entropy)
        assert decision.decision_id is not None
        return decision.decision_id

    def settle(self, decision_id: str, amount: int, at: Instant = NOW) -> None:
        decision = decision_named(decision_id, known_to(self.engine), now=at)
        asked = Settle(decision_id=decision_id, decision=decision, amount=Decimal(amount))
        settle(Decisions(self.engine), asked, now=at)

    def fold(self, at: Instant = NOW) -> None:
        assert isinstance(self.engine, MemoryEngine)
        self.read = drain(self.engine, self.parts, after=self.read, now=at)

    def lose(self) -> None:
        """Drop all records that wait in the stream."""
        assert isinstance(self.engine, MemoryEngine)
        self.read = len(self.engine.stream)

    def refold(self, at: Instant = LATER) -> Refolded:
        return refold(self.parts.journal, Compared(self.engine), "acme", now=at)

    @property
    def total(self) -> tuple[Any, Any]:
        (item,) = self.engine.query("TOTAL#acme", consistent=True).items
        return item["value"], item["by_event"]


def test_lost_events_are_counted_once_and_exactly() -> None:
    world = World(MemoryEngine())
    world.post(1)
    world.fold()
    for tokens in (10, 100):
        world.post(tokens)
    world.lose()
    world.post(1_000)
    world.fold()
    assert world.total == (1_001, 1_001)
    assert world.refold() == Refolded(events=2)
    assert world.total == (1_111, 1_111)
    assert world.refold() == Refolded(), "a second call finds nothing"
    world.fold(LATER)
    assert world.total == (1_111, 1_111)
    cell, _ = Compared(world.engine).cell(CellName("acme", FEATURE))
    assert cell.used == {(1, MONTH): 1_111}, "the usage reaches the counter as other events do"


def test_of_lost_consumes_the_newest_is_counted_and_the_others_are_reported() -> None:
    world = World(MemoryEngine())
    world.use(1)
    world.fold()
    for amount in (10, 100, 1_000):
        world.use(amount)
    world.post(5)
    world.lose()
    lost = LostWrites(feature=FEATURE, revisions=2, amounts={(1, MONTH): Decimal(110)})
    assert world.refold() == Refolded(events=1, entries=1, lost=(lost,))
    assert world.total == (1_006, 5)
    world.fold(LATER)
    assert world.refold() == Refolded(lost=(lost,))
    assert world.total == (1_006, 5)


def test_a_gap_in_the_middle_is_reported_while_traffic_flows() -> None:
    world = World(MemoryEngine())
    world.use(1)
    world.fold()
    world.use(10)
    world.lose()
    world.use(100, LATER)
    world.fold(LATER)
    lost = LostWrites(feature=FEATURE, revisions=1, amounts={(1, MONTH): Decimal(10)})
    assert world.refold() == Refolded(lost=(lost,))
    world.use(1_000, LATER)
    assert world.refold() == Refolded(lost=(LostWrites(feature=FEATURE, revisions=1, amounts={}),)), "not known now"


def test_what_the_stream_may_still_deliver_is_left_alone() -> None:
    """Appended now, it would be counted again when its record comes."""
    world = World(MemoryEngine())
    world.use(1)
    world.post(10)
    assert world.refold(NOW + DAY) == Refolded()
    world.fold()
    assert world.total == (11, 10)


def test_an_event_that_cannot_be_resolved_is_reported_every_time_and_never_parked_again() -> None:
    engine = MemoryEngine()
    world = World(engine)
    world.post(10)
    world.lose()
    (key,) = [key for key in engine.items if key.pk.startswith("EVENT#")]
    engine.items[key]["data"] = "no json"
    for _ in range(2):
        assert world.refold() == Refolded(unresolvable=1)
    assert not world.engine.query("JOURNAL#acme").items


def test_it_holds_on_the_real_engine(dynamo_engine: DynamoEngine) -> None:
    world = World(dynamo_engine)
    for tokens in (10, 100):
        world.post(tokens)
    for amount in (1, 2):
        world.use(amount)
    lost = LostWrites(feature=FEATURE, revisions=1, amounts={(1, MONTH): Decimal(1)})
    assert world.refold() == Refolded(events=2, entries=1, lost=(lost,))
    assert world.total == (112, 110)
    assert world.refold() == Refolded(lost=(lost,))
    assert world.total == (112, 110)


def test_a_call_that_loses_the_race_appends_nothing_twice() -> None:
    world = World(MemoryEngine())
    world.post(10)
    world.lose()

    class Raced(Compared):
        """Another call appends, after this one has read the journal."""

        def events(self, customer: str) -> Iterator[Event]:
            if not self.engine.query("JOURNAL#acme").items:
                other = container(self.engine).journal
                assert refold(other, Compared(self.engine), customer, now=LATER + 1).events == 1
            yield from Compared(self.engine).events(customer)

    assert refold(world.parts.journal, Raced(world.engine), "acme", now=LATER) == Refolded()
    assert world.total == (10, 10)


def expire(engine: Engine, now: Instant, *numbers: int) -> None:
    """Remove the journal's expired records; with numbers, only these."""
    for record in engine.query(keys.journal_of("acme"), consistent=True).items:
        expires, key = record.get("expires_at"), Key("JOURNAL#acme", str(record["sk"]))
        wanted_out = not numbers or key in [keys.journal_record("acme", number) for number in numbers]
        if wanted_out and isinstance(expires, Decimal) and expires * SECOND <= now:
            engine.write(Delete(key=key))


def test_what_was_counted_by_expired_records_is_neither_counted_again_nor_reported() -> None:
    """DynamoDB removes expired items days late, so the event of an expired record may still be there."""
    world = World(MemoryEngine())
    world.use(100)
    world.use(10)
    world.post(1_000)
    world.fold()
    expired = NOW + RECORD_KEPT + HOUR
    expire(world.engine, expired)
    assert world.refold(expired) == Refolded()
    assert world.total == (1_110, 1_000)


def test_records_that_expire_in_any_order_are_not_reported_as_lost() -> None:
    world = World(MemoryEngine())
    for amount in (1, 10, 100):
        world.use(amount)
        world.fold()
    expired = NOW + RECORD_KEPT + HOUR
    expire(world.engine, expired, 2)
    assert world.refold(expired) == Refolded()
    world.use(1_000, expired)
    world.fold(expired)
    assert world.refold(expired + DAY + 2 * HOUR) == Refolded()
    assert [item["value"] for item in world.engine.query("TOTAL#acme").items] == [111, 1_000]


def test_a_young_write_beside_an_old_journal_is_not_reported_as_lost() -> None:
    world = World(MemoryEngine())
    world.post(1)
    world.fold()
    expired = NOW + RECORD_KEPT + HOUR
    expire(world.engine, expired)
    world.post(1, expired - DAY)
    world.fold(expired - DAY)
    world.use(1, expired)
    assert world.refold(expired) == Refolded()


@pytest.mark.parametrize("decision_is_lost", [False, True])
def test_a_settlement_counts_its_decision_to_the_settled_amount(decision_is_lost: bool) -> None:
    world = World(MemoryEngine())
    world.use(1)
    world.fold()
    decision = world.use(100)
    if decision_is_lost:
        world.lose()
    else:
        world.fold()
    world.settle(decision, 40)
    world.lose()
    assert world.total == ((1, 0) if decision_is_lost else (101, 0))
    found = world.refold()
    assert (found.entries, world.total) == (1, (41, 0)), "never less than nothing"
    assert [(lost.revisions, lost.amounts) for lost in found.lost] == ([(1, {})] if decision_is_lost else [])
    assert world.refold() == replace(found, entries=0)
