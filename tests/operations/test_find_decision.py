"""A granted decision is found for 35 days, whatever its customer's rate and however late the fold was."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from bench.cost import counting
from tallygate.domain.admission.decision_ids import DecisionId
from tallygate.domain.base.instants import DAY, HOUR, MINUTE, SECOND, Instant
from tallygate.domain.entries.entry import Entry
from tallygate.domain.entries.events import PARKED_LENGTH_MAX, ParkedEntry
from tallygate.domain.entries.usage import UseEntry
from tallygate.domain.journal.records import Record
from tallygate.domain.limits.counters import CellName, CountedWindow
from tallygate.errors import NotFound, StoreUnavailable
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.operations.corrections.settle import Settle, settle
from tallygate.operations.journal import find_decision as finding
from tallygate.operations.journal.explain import explain
from tallygate.operations.journal.find_decision import decision_named, find_decision
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.journal.decisions import Decisions
from tallygate.storage.journal.records import Journal
from tests.given import FEATURE, METER, NOW, effective, in_force, known_to, quota, wanted
from tests.truth import TOKENS, container, declare, drain

QUIET = "quiet"


def named(number: int, at: Instant, feature: str = FEATURE) -> DecisionId:
    return DecisionId(customer="acme", feature=feature, minute=at // MINUTE, digest=number.to_bytes(6))


def use(number: int, at: Instant, feature: str = FEATURE) -> UseEntry:
    decision = named(number, at, feature)
    return UseEntry(
        id=f"{decision.minute}.{decision.digest.hex()}",
        feature=feature,
        meter=METER,
        revision=number,
        time=at,
        amount=Decimal(1),
        windows=(CountedWindow(1, NOW - DAY, NOW + DAY),),
    )


class Kept:
    """A journal whose records are appended as they are given."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.number = engine, 0

    def append(self, at: Instant, *entries: Entry) -> None:
        self.number += 1
        record = Record(number=self.number, customer="acme", marks={}, entries=entries, at=at)
        Journal(self.engine).append("acme", record, begins=None, now=at)

    def find(self, decision: DecisionId, now: Instant) -> UseEntry:
        store = Decisions(self.engine)
        return find_decision(store, decision, store.look(CellName(decision.customer, decision.feature)), now=now).use


def test_at_four_records_a_second_every_decision_settles() -> None:
    engine = MemoryEngine()
    in_force(engine, effective(quota(100_000)))
    declare(engine, TOKENS)
    memory, parts, position, made = Memory(), container(engine), 0, list[str]()
    for number in range(3 * 60 * 4):
        now = NOW + number * SECOND // 4
        decision = consume(Cells(engine), memory, wanted(2), now=now, entropy=number.to_bytes)
        assert decision.decision_id is not None
        made.append(decision.decision_id)
        position = drain(engine, parts, after=position, now=now + SECOND)
    later, secret = NOW + 20 * DAY, known_to(engine)
    for decision_id in made:
        named = decision_named(decision_id, secret, now=later)
        request = Settle(decision_id=decision_id, decision=named, amount=Decimal(1))
        assert not settle(Decisions(engine), request, now=later).replayed


def test_a_quiet_feature_of_a_busy_customer_is_explained_as_it_was_recorded() -> None:
    engine = MemoryEngine()
    in_force(engine, effective(quota(100)))
    declare(engine, TOKENS)
    decision = consume(Cells(engine), Memory(), wanted(2), now=NOW, entropy=bytes)
    assert decision.decision_id is not None
    drain(engine, container(engine))
    kept = Kept(engine)
    kept.number = 1
    for number in range(400):
        kept.append(NOW + number * SECOND // 4, use(number, NOW, "busy"))
    in_force(engine, effective(quota(7), version=2))
    later = NOW + HOUR
    asked = decision_named(decision.decision_id, known_to(engine), now=later)
    made = explain(Decisions(engine), decision.decision_id, asked, now=later)
    assert (made.folded, [limit.limit for limit in made.limits.values()]) == (True, [Decimal(100)])


@pytest.mark.parametrize("lag", [0, 10 * MINUTE, 5 * HOUR])
def test_a_decision_that_was_folded_late_is_found(lag: Instant) -> None:
    """The fold stood still and caught up: what was decided meanwhile was appended by then, in its order."""
    kept = Kept(MemoryEngine())
    for number in range(1, 1_500):
        decided = NOW + number * 2 * SECOND
        kept.append(max(decided, NOW + lag), use(number, decided))
    for number in (1, 700, 1_499):
        decided = NOW + number * 2 * SECOND
        assert kept.find(named(number, decided), NOW + DAY).time == decided


def test_clocks_that_are_apart_hide_no_decision() -> None:
    """Who decides and each of those who append are up to a minute apart, and records lie out of order by it."""
    chance = random.Random(8)
    kept, decisions = Kept(MemoryEngine()), {}
    for number in range(1, 900):
        true = NOW + number * SECOND
        decided, appended = (true + chance.choice([-30, -10, 10, 30]) * SECOND for _ in range(2))
        kept.append(appended, use(number, decided))
        decisions[number] = decided
    for number in range(1, 900, 7):
        assert kept.find(named(number, decisions[number]), NOW + DAY).revision == number


def test_what_a_later_write_of_its_cell_proves_missing_is_not_found_although_more_is_unfolded() -> None:
    engine = MemoryEngine()
    in_force(engine, effective(quota(100_000)))
    for number in range(60):
        consume(Cells(engine), Memory(), wanted(1), now=NOW, entropy=number.to_bytes)
    kept = Kept(engine)
    for number in range(1, 50):
        kept.append(NOW + number * MINUTE, use(number, NOW + number * MINUTE))
    with pytest.raises(NotFound):
        kept.find(named(1_000, NOW + 5 * MINUTE), NOW + HOUR)
    with pytest.raises(StoreUnavailable) as unfolded:
        kept.find(named(1_000, NOW + 49 * MINUTE), NOW + HOUR)
    assert unfolded.value.code == "decision_not_folded"


def fat(chance: random.Random, number: int, at: Instant) -> tuple[Entry, ...]:
    """A use of another feature, beside what makes the record of it some 6 KB."""
    return use(number, at, "busy"), ParkedEntry(reason="fat", raw=chance.randbytes(PARKED_LENGTH_MAX // 2).hex())


def calls_until_found(kept: Kept, decision: DecisionId, now: Instant) -> int:
    """How often the search must be asked for until it finds. Raises what else it answers."""
    for call in range(1, 20):
        try:
            assert kept.find(decision, now).id
        except StoreUnavailable as error:
            if error.code != "decision_search_unfinished":
                raise
            continue
        return call
    raise AssertionError("the search makes no progress")


def test_a_search_that_is_longer_than_a_call_goes_on_in_any_container(
    dynamo_engine: DynamoEngine, dynamodb: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four megabytes around the decision's minute, a megabyte a call; each call is a container of its own."""
    monkeypatch.setattr(finding, "PAGES_MAX", 1)
    in_force(dynamo_engine, effective(quota(100_000)))
    kept, chance = Kept(dynamo_engine), random.Random(1)
    for number in range(1, 1_001):
        at = NOW + number * SECOND // 10
        kept.append(at, *(fat(chance, number, at) if number != 950 else (use(950, NOW, QUIET),)))
    with counting(dynamodb) as cost, pytest.raises(StoreUnavailable) as unfinished:
        kept.find(named(950, NOW, QUIET), NOW + HOUR)
    assert (unfinished.value.code, unfinished.value.retryable) == ("decision_search_unfinished", True)
    halving = 10
    assert sum(cost.requests.values()) <= 1 + 2 + halving + 2 + 2, "cell, newest, oldest, two pages, the position"
    assert calls_until_found(kept, named(950, NOW, QUIET), NOW + HOUR) in (2, 3)
    with counting(dynamodb) as cost, pytest.raises(NotFound):
        calls_until_found(kept, named(7_777, NOW, QUIET), NOW + 2 * DAY)
    assert cost.requests["UpdateItem"] in (2, 3), "not found only once all of it was read"
