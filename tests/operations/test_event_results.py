"""ingest says what becomes of every event: counted by which meters, or rejected and why; a retry is always safe."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bench.cost import counting
from tallygate.domain.base.instants import DAY, MINUTE
from tallygate.domain.catalog.catalog import Feature
from tallygate.domain.metering.events import Draft, Result, rejected
from tallygate.domain.metering.lateness import LATENESS_MAX
from tallygate.domain.metering.meters import Filter
from tallygate.domain.metering.settings import Settings, settings_form
from tallygate.errors import StoreUnavailable
from tallygate.operations.base.each import in_turn
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.storage.base import items, keys
from tallygate.storage.base.documents import compact
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Delete, Engine, Put, Refused, Write, Written
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.metering.events import Events
from tallygate.storage.metering.rules import KEPT_SECONDS, READ_AGAIN_SECONDS
from tests.given import FEATURE, METER, NOW
from tests.truth import CALLS, TOKENS, container, declare, draft, drain, exists


class Producer:
    """One container of ingest, its monotonic clock, and who posts."""

    def __init__(self, engine: Engine, *, bound: str | None = None) -> None:
        self.ticks, self.bound, self.batches, self.now = 0.0, bound, 0, NOW
        self.store = Events(engine, ticks=lambda: self.ticks)

    def results(self, *submitted: Draft | Result) -> tuple[Result, ...]:
        self.batches += 1
        posted = Posted(submitted=submitted, batch=f"b{self.batches}", customer=self.bound)
        return ingest(self.store, posted, now=self.now, each=in_turn)

    def post(self, *submitted: Draft | Result) -> list[str]:
        """The code of what was rejected, the status of the rest."""
        return [result.code or result.status.value for result in self.results(*submitted)]


@pytest.fixture
def declared(engine: Engine) -> Engine:
    declare(engine, TOKENS)
    exists(engine, "acme")
    return engine


def kept(engine: Engine, owner: str = "acme") -> list[tuple[str, int]]:
    """The rejections that are kept of a customer, and how many others each knows."""
    page = engine.query(keys.rejections_of(owner))
    return [(items.text(item, "code"), items.integer(item, "others", 0)) for item in page.items]


def stored(engine: Engine, event_id: str) -> bool:
    return engine.get(keys.event("acme", "api", event_id)) is not None


def test_what_would_count_nothing_is_rejected_and_not_stored(declared: Engine) -> None:
    events = (
        draft("type", event_type="llm.completoin"),
        draft("missing", tokens=None),
        draft("invalid", tokens="many"),
        draft("negative", tokens=-1),
        draft("good"),
    )
    assert Producer(declared).post(*events) == [
        "unknown_event_type",
        "value_missing",
        "value_invalid",
        "value_negative",
        "accepted",
    ]
    assert [stored(declared, event.id) for event in events] == [False, False, False, False, True]


def test_an_accepted_event_says_by_which_meters_it_is_counted_and_what_was_amiss(declared: Engine) -> None:
    declare(declared, TOKENS, CALLS, version=2)
    whole, partly = Producer(declared).results(draft("a"), draft("b", tokens=None))
    assert whole.judged is not None
    assert partly.judged is not None
    assert (whole.judged.counted_by, whole.judged.warnings) == (("calls", METER), ())
    assert partly.judged.counted_by == ("calls",)
    assert [(w.meter, w.code) for w in partly.judged.warnings] == [(METER, "value_missing")]


def test_unknown_types_are_accepted_where_the_catalog_says_so_and_the_fold_tells_nothing() -> None:
    engine = MemoryEngine()
    declare(engine, TOKENS)
    form = settings_form(Settings(unknown_events="accept"))
    engine.write(Put(key=keys.CATALOG_SETTINGS, item={"form": compact(form)}))
    exists(engine, "acme")
    (result,) = Producer(engine).results(draft("a", event_type="other"))
    assert result.judged is not None
    assert [(w.meter, w.code) for w in result.judged.warnings] == [(None, "no_meter")]
    drain(engine, container(engine))
    assert kept(engine) == []


def test_the_catalog_is_at_most_a_minute_old_and_read_again_before_a_rejection(declared: Engine) -> None:
    producer = Producer(declared)
    assert producer.post(draft("a")) == ["accepted"]
    assert producer.post(draft("b", event_type="image")) == ["unknown_event_type"]
    declare(declared, TOKENS, replace(CALLS, event_type="image"), version=2)
    producer.ticks = READ_AGAIN_SECONDS - 0.1
    assert producer.post(draft("b", event_type="image")) == ["unknown_event_type"], "read again a moment ago"
    producer.ticks = READ_AGAIN_SECONDS
    assert producer.post(draft("b", event_type="image")) == ["accepted"]
    declared.write(Delete(key=keys.catalog_meter("calls")))
    declare(declared, TOKENS, version=3)
    producer.ticks += KEPT_SECONDS - 0.1
    assert producer.post(draft("c", event_type="image")) == ["accepted"], "what it accepts by may be a minute old"
    producer.ticks += 0.2
    assert producer.post(draft("d", event_type="image")) == ["unknown_event_type"]


def test_an_event_of_a_type_that_was_declared_a_moment_ago_is_accepted(declared: Engine) -> None:
    producer = Producer(declared)
    assert producer.post(draft("a")) == ["accepted"]
    declare(declared, TOKENS, replace(CALLS, event_type="image"), version=2)
    assert producer.post(draft("b", event_type="image")) == ["accepted"], "that it was read for a minute does not count"


def test_a_batch_that_is_sent_again_is_duplicates_whatever_the_catalog_has_become(declared: Engine) -> None:
    batch = (draft("a", time=NOW), draft("b", tokens=None), draft("c"))
    assert Producer(declared).post(*batch) == ["accepted", "value_missing", "accepted"]
    declared.write(Delete(key=keys.catalog_meter(METER)))
    declare(declared, replace(CALLS, event_type="image"), version=2)
    assert Producer(declared).post(*batch) == ["duplicate", "unknown_event_type", "duplicate"]
    assert Producer(declared).post(draft("a", tokens=11, time=NOW)) == ["event_conflict"]


def test_an_event_that_has_become_too_old_meanwhile_is_still_a_duplicate(declared: Engine) -> None:
    producer, old = Producer(declared), draft("a", time=NOW - LATENESS_MAX + MINUTE)
    assert producer.post(old) == ["accepted"]
    producer.now = NOW + DAY
    assert producer.post(old, draft("b", time=NOW - LATENESS_MAX)) == ["duplicate", "timestamp_too_far_in_past"]


def test_one_id_in_a_batch_is_settled_alike_when_the_batch_comes_again(declared: Engine) -> None:
    batch = (draft("a", tokens=None), draft("a", tokens=1), draft("a", tokens=-1))
    producer = Producer(declared)
    assert producer.post(*batch) == ["event_conflict", "accepted", "event_conflict"]
    assert producer.post(*batch) == ["event_conflict", "duplicate", "event_conflict"]


def test_one_rejection_a_minute_customer_and_code_is_kept(declared: Engine) -> None:
    producer = Producer(declared)
    producer.post(draft("a", tokens=None), draft("b", tokens=None), draft("c", tokens=-1), draft("d"))
    producer.post(draft("e", tokens=None))
    Producer(declared).post(draft("f", tokens=None))
    assert kept(declared) == [("value_missing", 1), ("value_negative", 0)]
    producer.now += MINUTE
    producer.post(draft("g", tokens=None))
    assert kept(declared) == [("value_missing", 1), ("value_negative", 0), ("value_missing", 0)]


def test_a_rejection_of_which_no_customer_is_known_is_kept_apart(declared: Engine) -> None:
    unread = rejected("x", "invalid_event", "/time: must be …")
    Producer(declared).post(draft("a", subject="nobody"), draft("b", subject="noone"), unread)
    assert kept(declared, "") == [("invalid_event", 0), ("unknown_customer", 1)]
    assert kept(declared, "nobody") == []


def test_what_a_bound_key_may_not_post_is_kept_for_its_own_customer(declared: Engine) -> None:
    exists(declared, "other")
    Producer(declared, bound="acme").post(draft("a", subject="other"), rejected("x", "invalid_event", "…"))
    assert (kept(declared), kept(declared, "other")) == ([("invalid_event", 0), ("other_customer", 0)], [])


def test_a_producer_that_is_wrong_all_the_time_costs_one_write_a_minute(
    dynamo_engine: DynamoEngine, dynamodb: Any
) -> None:
    declare(dynamo_engine, TOKENS)
    exists(dynamo_engine, "acme")
    producer = Producer(dynamo_engine)
    producer.post(draft("a", tokens=None))
    with counting(dynamodb) as cost:
        for number in range(10):
            producer.post(draft(f"b{number}", tokens=None))
    assert dict(cost.requests) == {"GetItem": 10}, "each is looked for, and the catalog was read a moment ago"


def test_a_warm_container_asks_nothing_of_the_catalog(dynamo_engine: DynamoEngine, dynamodb: Any) -> None:
    declare(dynamo_engine, TOKENS)
    exists(dynamo_engine, "acme")
    producer = Producer(dynamo_engine)
    producer.post(draft("a"))
    with counting(dynamodb) as cost:
        producer.post(*(draft(f"b{number}") for number in range(10)))
    assert dict(cost.requests) == {"PutItem": 10}


class Choosy(MemoryEngine):
    """Keeps no rejections for a while."""

    failing = True

    def write(self, write: Write, *, repeatable: bool = False) -> Written | Refused:
        if self.failing and write.key.pk.startswith("REJECTED#"):
            raise StoreUnavailable("busy")
        return MemoryEngine.write(self, write, repeatable=repeatable)


def test_a_rejection_that_cannot_be_kept_makes_the_batch_retryable_and_the_rest_is_stored() -> None:
    engine = Choosy()
    declare(engine, TOKENS)
    exists(engine, "acme")
    producer = Producer(engine)
    with pytest.raises(StoreUnavailable):
        producer.post(draft("a"), draft("b", tokens=None))
    engine.failing = False
    assert producer.post(draft("a"), draft("b", tokens=None)) == ["duplicate", "value_missing"]
    assert kept(engine) == [("value_missing", 0)]


def test_an_exclusion_counts_what_never_had_the_property_through_to_its_total() -> None:
    engine = MemoryEngine()
    live = replace(CALLS, filters=(Filter(property=("test",), op="ne", value=True),))
    declare(engine, live, features=(Feature(key=FEATURE, meter="calls"),))
    exists(engine, "acme")
    flags: list[dict[str, Any]] = [{}] * 100 + [{"test": False}] * 50 + [{"test": True}] * 100
    results = Producer(engine).results(*(draft(f"e{n}", **flag) for n, flag in enumerate(flags)))
    judged = [result.judged for result in results]
    assert sum(found is not None and found.counted_by == ("calls",) for found in judged) == 150
    assert all(found is not None and not found.warnings for found in judged)
    drain(engine, container(engine))
    (usage,) = (item for key, item in engine.items.items() if key.pk.startswith("USAGE#"))
    assert sum(int(str(value)) for name, value in usage.items() if name[1:].isdecimal()) == 150
