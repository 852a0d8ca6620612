"""ingest: each event once, each with its own result, whatever is sent again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tallygate.domain.base.instants import Instant
from tallygate.domain.metering.events import Draft, Result, rejected
from tallygate.domain.metering.lateness import FUTURE_MAX, LATENESS_MAX
from tallygate.errors import OutcomeUnknown
from tallygate.operations.base.each import in_turn
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.storage.base import items, keys
from tallygate.storage.base.engine import Delete, Engine, Put, Refused, Write, Written
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.metering.events import SUBJECTS_KEPT_SECONDS, Events
from tests.given import NOW
from tests.truth import TOKENS, declare, draft, exists


@pytest.fixture
def engine(engine: Engine) -> Engine:
    """A table whose catalog has a meter of the events' type."""
    declare(engine, TOKENS)
    return engine


def post(
    store: Events, *drafts: Draft | Result, now: Instant = NOW, batch: str = "b1", customer: str | None = None
) -> list[str]:
    posted = Posted(submitted=drafts, batch=batch, customer=customer)
    return [
        result.status.value if result.code is None else result.code
        for result in ingest(store, posted, now=now, each=in_turn)
    ]


def test_an_event_is_stored_whole_and_a_second_sending_is_a_duplicate(engine: Engine) -> None:
    exists(engine, "acme")
    sent = draft(
        "a#1", tokens="0.1", time=NOW - 5, traceparent="00-1234567890abcdef1234567890abcdef-1234567890abcdef-01"
    )
    store = Events(engine)
    assert post(store, sent) == ["accepted"]
    assert post(store, sent, now=NOW + 60_000, batch="b2") == ["duplicate"]
    item = engine.get(keys.event("acme", "api", "a#1"))
    assert item is not None
    assert (item["customer"], item["id"], item["time"]) == ("acme", "a#1", NOW - 5)
    assert (item["received_at"], items.text(item, "data").startswith("{")) == (NOW, True)


def test_the_same_id_with_another_content_is_a_conflict_and_the_first_stays(engine: Engine) -> None:
    exists(engine, "acme")
    store = Events(engine)
    assert post(store, draft("a", tokens=1)) == ["accepted"]
    assert post(store, draft("a", tokens=2), batch="b2") == ["event_conflict"]
    assert post(store, draft("a", tokens=1), batch="b3") == ["duplicate"]
    assert post(store, draft("a", tokens=2, source="other"), batch="b4") == ["accepted"], (
        "another source is another event"
    )


def test_an_event_without_a_time_is_the_same_event_later_and_keeps_its_first_time(engine: Engine) -> None:
    exists(engine, "acme")
    store = Events(engine)
    first = ingest(store, Posted(submitted=(draft("a"),), batch="b1"), now=NOW, each=in_turn)
    again = ingest(store, Posted(submitted=(draft("a"),), batch="b2"), now=NOW + 99, each=in_turn)
    assert [result.time for result in (*first, *again)] == [NOW, NOW]
    assert [result.status for result in (*first, *again)] == ["accepted", "duplicate"]


def test_one_id_several_times_in_a_batch_is_settled_in_the_order_of_the_batch(engine: Engine) -> None:
    exists(engine, "acme")
    store = Events(engine)
    batch = (draft("a", tokens=1), draft("b"), draft("a", tokens=2), draft("a", tokens=1))
    assert post(store, *batch) == ["accepted", "accepted", "event_conflict", "duplicate"]
    assert post(store, *batch, batch="b2") == ["duplicate", "duplicate", "event_conflict", "duplicate"]


def test_a_subject_key_names_its_customer_and_a_customer_names_itself(engine: Engine) -> None:
    exists(engine, "acme", "acme-key")
    store = Events(engine)
    assert post(store, draft("a", subject="acme-key"), draft("b", subject="acme")) == ["accepted", "accepted"]
    assert engine.get(keys.event("acme", "api", "a")) is not None
    assert engine.get(keys.event("acme", "api", "b")) is not None


def test_nobody_is_never_remembered_and_somebody_for_a_minute() -> None:
    engine, ticks = MemoryEngine(), [0.0]
    declare(engine, TOKENS)
    store = Events(engine, ticks=lambda: ticks[0])
    assert post(store, draft("a", subject="k")) == ["unknown_customer"]
    exists(engine, "acme", "k")
    assert post(store, draft("a", subject="k")) == ["accepted"]
    engine.write(Delete(key=keys.subject("k")))
    assert post(store, draft("b", subject="k")) == ["accepted"]
    ticks[0] = SUBJECTS_KEPT_SECONDS
    assert post(store, draft("c", subject="k")) == ["unknown_customer"]


def test_the_time_of_an_event_is_bounded_on_both_sides(engine: Engine) -> None:
    exists(engine, "acme")
    times = (NOW + FUTURE_MAX, NOW + FUTURE_MAX + 1, NOW - LATENESS_MAX, NOW - LATENESS_MAX - 1)
    drafts = [draft(f"e{i}", time=time) for i, time in enumerate(times)]
    assert post(Events(engine), *drafts) == ["accepted", "timestamp_in_future", "accepted", "timestamp_too_far_in_past"]


def test_a_key_of_one_customer_posts_for_nobody_else_and_learns_nothing(engine: Engine) -> None:
    exists(engine, "acme")
    exists(engine, "other")
    drafts = [draft("a"), draft("b", subject="other"), draft("c", subject="nobody")]
    assert post(Events(engine), *drafts, customer="acme") == ["accepted", "other_customer", "other_customer"]


def test_what_could_not_be_read_keeps_its_place(engine: Engine) -> None:
    exists(engine, "acme")
    unread = rejected("x", "invalid_event", "…")
    assert post(Events(engine), draft("a"), unread, draft("b")) == ["accepted", "invalid_event", "accepted"]


def test_many_threads_store_each_event_once(engine: Engine) -> None:
    exists(engine, "acme")
    store = Events(engine)
    drafts = tuple(draft(f"e{i % 50}", tokens=i % 50) for i in range(200))
    with ThreadPoolExecutor(8) as pool:
        results = ingest(store, Posted(submitted=drafts, batch="b"), now=NOW, each=lambda f, v: list(pool.map(f, v)))
    assert [result.status.value for result in results[:50]] == ["accepted"] * 50
    assert {result.status.value for result in results[50:]} == {"duplicate"}
    assert [result.id for result in results] == [d.id for d in drafts]


class Unsure(MemoryEngine):
    """The first put's outcome is unknown: it was made, and is sent again where that is safe."""

    def write(self, write: Write, *, repeatable: bool = False) -> Written | Refused:
        outcome = MemoryEngine.write(self, write)
        if isinstance(write, Put) and repeatable:
            return MemoryEngine.write(self, write)
        return outcome


class Lost(MemoryEngine):
    """No answer comes to the put of one event."""

    def write(self, write: Write, *, repeatable: bool = False) -> Written | Refused:
        if write.key == keys.event("acme", "api", "b"):
            raise OutcomeUnknown("the database did not answer in time")
        return MemoryEngine.write(self, write)


def test_an_event_that_meets_itself_after_an_unknown_outcome_is_accepted() -> None:
    engine = Unsure()
    declare(engine, TOKENS)
    exists(engine, "acme")
    assert post(Events(engine), draft("a")) == ["accepted"]
    assert post(Events(engine), draft("a"), batch="b2") == ["duplicate"]


def test_an_event_whose_fate_is_unknown_makes_the_batch_retryable_and_the_rest_is_stored() -> None:
    engine = Lost()
    declare(engine, TOKENS)
    exists(engine, "acme")
    with pytest.raises(OutcomeUnknown):
        post(Events(engine), draft("a"), draft("b"), draft("c"))
    stored = MemoryEngine(items=engine.items)
    assert post(Events(stored), draft("a"), draft("b"), draft("c"), batch="b2") == [
        "duplicate",
        "accepted",
        "duplicate",
    ]


def test_the_fingerprint_is_of_the_content_alone() -> None:
    one = draft("a", tokens=1, time=NOW)
    assert one.fingerprint == replace(one, id="b", source="x", traceparent="00-…").fingerprint
    for other in (replace(one, type="y"), replace(one, time=NOW + 1), replace(one, extensions={"a": 1}), draft("a")):
        assert other.fingerprint != one.fingerprint


@pytest.mark.parametrize("name", ["#" * 200, "\N{GRINNING FACE}" * 200, "x" * 255, "%41", "a#b", " "])
def test_any_id_finds_its_own_place(engine: Engine, name: str) -> None:
    exists(engine, name)
    store = Events(engine)
    batch = (draft(name, source=name, subject=name), draft("a", source=name, subject=name))
    assert post(store, *batch) == ["accepted", "accepted"]
    assert post(store, *batch, batch="b2") == ["duplicate", "duplicate"]
