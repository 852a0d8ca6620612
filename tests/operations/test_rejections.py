"""usage.rejected: told once for the first rejection of a minute, customer and code, by ingest or after acceptance."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tallygate.delivery.cloudevents import event_of
from tallygate.domain.base.instants import MINUTE, format_instant
from tallygate.domain.delivery.deliveries import matches
from tallygate.domain.entries.events import EventEntry
from tallygate.domain.entries.fact_types import FACT_TYPES
from tallygate.domain.facts.facts import Fact
from tallygate.domain.metering.rejections import Rejection, one_a_minute
from tallygate.errors import StoreUnavailable
from tallygate.operations.base.each import in_turn
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.storage.base import items, keys
from tallygate.storage.base.engine import Cancelled, Committed, Delete, Refused, Require, Write, Written
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.facts.outbox import fact_of
from tallygate.storage.journal.records import Journal
from tallygate.storage.metering.events import Events
from tests.given import METER, NOW
from tests.truth import CALLS, TOKENS, Requested, container, declare, draft, drain, exists, fold


def shop(engine: MemoryEngine | None = None) -> MemoryEngine:
    """A table with a meter and a customer."""
    engine = engine or MemoryEngine()
    declare(engine, TOKENS)
    exists(engine, "acme")
    return engine


def post(engine: MemoryEngine, *drafts: Any, now: int = NOW) -> list[str]:
    results = ingest(Events(engine), Posted(submitted=drafts, batch="b"), now=now, each=in_turn)
    return [result.code or result.status.value for result in results]


def told(engine: MemoryEngine) -> list[Fact]:
    """The facts, in the order in which they were made."""
    found = [fact_of(key.pk.partition("#")[2], item) for key, item in engine.items.items() if key.sk == "FACT"]
    return sorted(found, key=lambda fact: (fact.customer, fact.sequence))


def forget_the_meter(engine: MemoryEngine) -> None:
    """Between acceptance and the fold, the meter of the events leaves the catalog."""
    engine.write(Delete(key=keys.catalog_meter(METER)))
    declare(engine, replace(CALLS, event_type="image"), version=2)


def test_the_first_rejection_of_a_minute_customer_and_code_is_told_once() -> None:
    engine = shop()
    post(engine, draft("a", tokens=None), draft("b", tokens=None), draft("c", tokens=-1))
    parts = container(engine)
    after = drain(engine, parts)
    post(engine, draft("d", tokens=None))
    drain(engine, parts, after=after)
    first, second = told(engine)
    assert [fact.type for fact in (first, second)] == ["usage.rejected"] * 2
    assert [fact.sequence for fact in (first, second)] == [1, 2]
    assert {first.data["code"], second.data["code"]} == {"value_missing", "value_negative"}
    (missing,) = (fact.data for fact in (first, second) if fact.data["code"] == "value_missing")
    assert missing == {
        "customer": "acme",
        "feature": None,
        "code": "value_missing",
        "detail": "meter tokens: $.tokens is absent",
        "event": {"id": "a", "source": "api", "type": "llm.completion", "subject": "acme", "time": None},
        "received_at": format_instant(NOW),
        "accepted_before": False,
        "others": 1,
    }


def test_it_is_told_again_in_the_next_minute_and_not_by_a_record_that_is_delivered_again() -> None:
    engine = shop()
    post(engine, draft("a", tokens=None))
    post(engine, draft("a", tokens=None), now=NOW + MINUTE)
    parts = container(engine)
    for _ in range(3):
        drain(engine, parts)
    assert [fact.sequence for fact in told(engine)] == [1, 2]


def test_a_rejection_of_which_no_customer_is_known_is_told_without_a_subject() -> None:
    engine = shop()
    post(engine, draft("a", subject="nobody"))
    drain(engine, container(engine))
    (fact,) = told(engine)
    assert (fact.data["customer"], fact.data["event"]["subject"]) == (None, "nobody")
    assert "subject" not in event_of(fact), "a CloudEvent's subject is not empty"


def test_an_endpoint_can_ask_for_it() -> None:
    assert "usage.rejected" in FACT_TYPES
    assert matches("usage.*", "usage.rejected")


def test_an_accepted_event_that_the_fold_cannot_measure_is_told() -> None:
    engine = shop()
    assert post(engine, draft("a"), draft("b"), draft("c")) == ["accepted"] * 3
    forget_the_meter(engine)
    summary = fold(container(engine), [change for change in engine.stream if change.key.pk.startswith("EVENT#")])
    assert summary.rejected == 3
    head = Journal(engine).head("acme", now=NOW, fresh=True)
    assert head.newest is not None
    assert [entry.rejected for entry in head.newest.entries if isinstance(entry, EventEntry)] == [
        "unknown_event_type"
    ] * 3
    drain(engine, container(engine))
    (fact,) = told(engine)
    assert (fact.data["code"], fact.data["accepted_before"]) == ("unknown_event_type", True)
    assert fact.data["others"] == 2


def test_what_ingest_rejects_and_what_the_fold_rejects_in_one_minute_are_both_told() -> None:
    engine = shop()
    post(engine, draft("a"), draft("b", event_type="other"))
    forget_the_meter(engine)
    drain(engine, container(engine))
    assert {fact.data["code"] for fact in told(engine)} == {"unknown_event_type"}
    assert sorted(fact.data["accepted_before"] for fact in told(engine)) == [False, True]


def test_an_event_that_cannot_be_journaled_is_told() -> None:
    engine = shop()
    assert post(engine, draft("a")) == ["accepted"]
    (change,) = (change for change in engine.stream if change.key.pk.startswith("EVENT#"))
    assert change.new is not None
    broken = replace(change, new={**change.new, "data": "[]"})
    assert fold(container(engine), [broken]).parked == 1
    drain(engine, container(engine), after=len(engine.stream) - 1)
    (rejection,) = engine.query(keys.rejections_of("acme")).items
    assert (rejection["code"], rejection["accepted"]) == ("unresolvable", True)
    assert "journaled" not in rejection, "the list shows it from here: the journal has but its reason"


class Dying(MemoryEngine):
    """Dies before, or after, it has written one kind of item."""

    dies_at, after = "", False

    def write(self, write: Write, *, repeatable: bool = False) -> Written | Refused:
        if self.dies_at and write.key.pk.startswith(self.dies_at):
            at, self.dies_at = self.dies_at, ""
            if self.after:
                MemoryEngine.write(self, write, repeatable=repeatable)
            raise StoreUnavailable(f"died at {at}")
        return MemoryEngine.write(self, write, repeatable=repeatable)

    def transact(self, writes: Sequence[Write | Require], *, repeatable: bool = False) -> Committed | Cancelled:
        if self.dies_at and writes[0].key.pk.startswith(self.dies_at):
            at, self.dies_at = self.dies_at, ""
            if self.after:
                MemoryEngine.transact(self, writes, repeatable=repeatable)
            raise StoreUnavailable(f"died at {at}")
        return MemoryEngine.transact(self, writes, repeatable=repeatable)


@pytest.mark.parametrize("dies_at", ["REJECTED#", "JOURNAL#"])
@pytest.mark.parametrize("after", [False, True])
def test_a_fold_that_dies_around_its_append_tells_once(dies_at: str, after: bool) -> None:
    engine = Dying()
    shop(engine)
    post(engine, draft("a"))
    forget_the_meter(engine)
    events = [change for change in engine.stream if change.key.pk.startswith("EVENT#")]
    engine.dies_at, engine.after = dies_at, after
    with pytest.raises(StoreUnavailable):
        fold(container(engine), events)
    fold(container(engine), events)
    queue = Requested()
    drain(engine, container(engine, queue))
    assert [fact.data["code"] for fact in told(engine)] == ["unknown_event_type"]


def test_rejections_are_one_a_minute_with_the_number_of_the_others() -> None:
    def rejection(code: str, at: int = NOW, customer: str | None = "acme", others: int = 0) -> Rejection:
        return Rejection(customer=customer, code=code, detail="", at=at, others=others)

    found = one_a_minute(
        [
            rejection("a"),
            rejection("b"),
            rejection("a", others=2),
            rejection("a", at=NOW + MINUTE),
            rejection("a", customer=None),
            replace(rejection("a"), accepted=True),
        ]
    )
    assert [(r.code, r.customer, r.others) for r in found] == [
        ("a", "acme", 3),
        ("b", "acme", 0),
        ("a", "acme", 0),
        ("a", None, 0),
        ("a", "acme", 0),
    ]


def test_a_fact_stays_small_whatever_the_event_was_called() -> None:
    engine = shop()
    name = "\N{GRINNING FACE}" * 255
    exists(engine, name)
    post(engine, draft(name, subject=name, source=name, event_type=name))
    drain(engine, container(engine))
    (fact,) = told(engine)
    assert len(json.dumps(event_of(fact), ensure_ascii=False).encode()) < 10_000
    assert items.text(engine.query(keys.rejections_of(name)).items[0], "customer") == name
