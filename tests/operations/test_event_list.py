"""GET /v1/events: what arrived and what became of it, the newest first, whole over all pages."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from bench.cost import counting
from tallygate.contracts.usage.usage import read_event_list
from tallygate.domain.base.instants import DAY, HOUR, MINUTE, SECOND, Instant, format_instant
from tallygate.domain.entries.entry import Entry
from tallygate.domain.entries.events import EventEntry
from tallygate.domain.entries.notices import BumpEntry
from tallygate.domain.journal.records import Record
from tallygate.domain.metering.contributions import Add
from tallygate.domain.metering.lateness import LATENESS_MAX
from tallygate.domain.metering.meters import Measured
from tallygate.domain.usage.events import EventRow, EventsAsked
from tallygate.errors import InvalidRequest, NotFound
from tallygate.operations.base.each import in_turn
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.operations.usage import events as event_list
from tallygate.operations.usage.events import EventsAfter, events_after, list_events
from tallygate.storage.base import keys
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Delete, Engine
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.journal.records import Journal
from tallygate.storage.metering.events import Events
from tallygate.storage.usage.events import EventLog
from tests.given import METER, NOW
from tests.truth import CALLS, TOKENS, container, declare, draft, drain, exists


def shop(engine: Engine) -> Engine:
    declare(engine, TOKENS, CALLS)
    exists(engine, "acme")
    return engine


def post(engine: Engine, *drafts: Any, now: int = NOW) -> None:
    ingest(Events(engine), Posted(submitted=drafts, batch=f"b{now}"), now=now, each=in_turn)


def asked(now: Instant = NOW + HOUR, **parameters: str) -> EventsAsked:
    parameters.setdefault("customer", "acme")
    return read_event_list({name: value for name, value in parameters.items() if value}, now=now)


def pages(engine: Engine, wanted: EventsAsked, *, limit: int = 20, now: Instant = NOW + HOUR) -> list[list[EventRow]]:
    """Every page, until there is no cursor; each goes on from the text of the one before."""
    found: list[list[EventRow]] = []
    after: EventsAfter | None = None
    while True:
        rows, more = list_events(EventLog(engine), wanted, after=after, limit=limit, now=now)
        found.append(list(rows))
        assert len(rows) <= limit
        if more is None:
            return found
        after = events_after(more.text())
        assert len(found) < 1000, "the list goes on for ever"


def listed(engine: Engine, wanted: EventsAsked, **how: Any) -> list[EventRow]:
    return [row for page in pages(engine, wanted, **how) for row in page]


def test_accepted_and_rejected_events_are_listed_together_the_newest_first() -> None:
    engine = MemoryEngine()
    shop(engine)
    post(engine, draft("a", time=NOW - DAY), now=NOW)
    post(engine, draft("b", event_type="other"), draft("c", event_type="other"), now=NOW + MINUTE)
    post(engine, draft("d", tokens=None), now=NOW + 2 * MINUTE)
    post(engine, draft("a", tokens=7, time=NOW - DAY), now=NOW + 3 * MINUTE)
    drain(engine, container(engine), now=NOW + 4 * MINUTE)
    conflict, partly, rejected, whole = listed(engine, asked())
    assert (whole.id, whole.source, whole.type, whole.time) == ("a", "api", "llm.completion", NOW - DAY)
    assert (whole.status, whole.received_at, whole.code) == ("accepted", NOW, None)
    assert (whole.counted_by, whole.warnings) == (("calls", METER), ())
    assert (rejected.id, rejected.status, rejected.code, rejected.others) == ("b", "rejected", "unknown_event_type", 1)
    assert (rejected.type, rejected.received_at) == ("other", NOW + MINUTE)
    assert (partly.id, partly.counted_by, [w.code for w in partly.warnings]) == ("d", ("calls",), ["value_missing"])
    assert (conflict.id, conflict.status, conflict.code) == ("a", "conflict", "event_conflict")


def test_what_was_accepted_and_could_not_be_counted_is_listed_once_as_rejected() -> None:
    engine = MemoryEngine()
    shop(engine)
    post(engine, draft("a"), draft("b"))
    for meter in ("calls", METER):
        engine.write(Delete(key=keys.catalog_meter(meter)))
    declare(engine, replace(CALLS, event_type="image"), version=2)
    drain(engine, container(engine))
    rows = listed(engine, asked())
    assert [(row.id, row.status, row.code) for row in rows] == [
        ("b", "rejected", "unknown_event_type"),
        ("a", "rejected", "unknown_event_type"),
    ]
    assert rows[0].detail == "no meter of the catalog has the event type llm.completion"
    assert listed(engine, asked(status="accepted")) == []
    (only,) = listed(engine, asked(status="rejected"))
    assert (only.id, only.others) == ("a", 1), "of what was rejected one a minute is kept"


def test_events_can_be_asked_for_by_status_type_id_and_time() -> None:
    engine = MemoryEngine()
    shop(engine)
    for number in range(6):
        post(engine, draft(f"e{number}", tokens=number), now=NOW + number * MINUTE)
    post(engine, draft("bad", event_type="other"), now=NOW + 3 * MINUTE)
    drain(engine, container(engine), now=NOW + 7 * MINUTE)

    def ids(**parameters: Any) -> list[str | None]:
        return [row.id for row in listed(engine, asked(**parameters))]

    assert ids(status="rejected") == ["bad"]
    assert ids(status="conflict") == []
    assert ids(status="accepted") == ["e5", "e4", "e3", "e2", "e1", "e0"]
    assert ids(type="other") == ["bad"]
    assert ids(id="e3") == ["e3"]
    between: dict[str, Any] = {"from": format_instant(NOW + MINUTE), "to": format_instant(NOW + 3 * MINUTE)}
    assert ids(**between) == ["e2", "e1"], "from is in it, to is not"
    assert ids(**between, type="other") == []


def test_without_a_customer_what_names_nobody_is_listed() -> None:
    engine = MemoryEngine()
    shop(engine)
    post(engine, draft("a", subject="nobody"), draft("b"))
    drain(engine, container(engine))
    (row,) = listed(engine, asked(customer=""))
    assert (row.id, row.subject, row.code) == ("a", "nobody", "unknown_customer")


def test_a_customer_that_does_not_exist_is_no_empty_list(engine: Engine) -> None:
    shop(engine)
    with pytest.raises(NotFound):
        listed(engine, asked(customer="nobody"))


@pytest.mark.parametrize("limit", [1, 2, 7, 100])
def test_pages_hold_every_row_once_in_one_order(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_list, "RECORDS_PER_READ", 2)
    monkeypatch.setattr(event_list, "RECORDS_MAX", 6)
    engine, rng = MemoryEngine(), Random(7)
    shop(engine)
    parts, after = container(engine), 0
    for number in range(60):
        now = NOW + number * 20 * SECOND
        kinds = [rng.random() for _ in range(rng.randint(1, 4))]
        drafts = [draft(f"{number}-{i}", event_type="llm.completion" if k < 0.6 else "x") for i, k in enumerate(kinds)]
        post(engine, *drafts, now=now)
        if rng.random() < 0.5:
            after = drain(engine, parts, after=after, now=now)
    drain(engine, parts, after=after, now=NOW + HOUR)
    whole = listed(engine, asked(), limit=100)
    assert len(whole) > 80
    assert {row.status for row in whole} == {"accepted", "rejected"}
    assert listed(engine, asked(), limit=limit) == whole
    accepted = listed(engine, asked(status="accepted"), limit=limit)
    rejected = listed(engine, asked(status="rejected"), limit=limit)
    assert sorted(map(repr, [*accepted, *rejected])) == sorted(map(repr, whole))
    assert listed(engine, asked(id="3-0"), limit=limit) == [row for row in whole if row.id == "3-0"]


def journaled(engine: Engine, number: int, at: Instant, *entries: Entry) -> None:
    record = Record(number=number, customer="acme", marks={}, entries=entries, at=at)
    Journal(engine).append("acme", record, begins=None, now=at)


def counted(name: str, received_at: Instant) -> EventEntry:
    return EventEntry(
        source="api",
        id=name,
        time=received_at,
        measured=(Measured(METER, Add(Decimal(1)), {}),),
        received_at=received_at,
    )


def test_a_stretch_of_weeks_ago_is_found_by_halving(dynamo_engine: DynamoEngine, dynamodb: Any) -> None:
    shop(dynamo_engine)
    began = NOW - 20 * DAY
    for number in range(1, 301):
        at = began + number * HOUR
        journaled(dynamo_engine, number, at, counted(f"e{number}", at - SECOND))
    end = began + 40 * HOUR
    stretch: dict[str, Any] = {"from": format_instant(end - 3 * HOUR), "to": format_instant(end)}
    with counting(dynamodb) as cost:
        rows = listed(dynamo_engine, asked(**stretch), now=NOW)
    assert [row.id for row in rows] == ["e40", "e39", "e38"]
    assert cost.total <= 14, dict(cost.requests)


def test_other_entries_of_the_journal_are_passed_over(engine: Engine) -> None:
    shop(engine)
    note = BumpEntry(feature="f", revision=1, time=NOW, version=1)
    journaled(engine, 1, NOW, note, counted("a", NOW - 1), note)
    journaled(engine, 2, NOW, note)
    assert [row.id for row in listed(engine, asked(), limit=1)] == ["a"]


@pytest.mark.parametrize(
    ("parameters", "pointer", "code"),
    [
        ({"status": "duplicate"}, "?status", "not_allowed"),
        ({"status": "parked"}, "?status", "not_available"),
        ({"customer": "", "status": "accepted"}, "?customer", "required"),
        ({"from": "yesterday"}, "?from", "invalid"),
        ({"to": format_instant(NOW), "from": format_instant(NOW)}, "?to", "out_of_range"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(parameters: dict[str, Any], pointer: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        asked(**parameters)
    assert [(error.pointer, error.code) for error in refused.value.errors] == [(pointer, code)]


def test_the_list_begins_as_long_ago_as_events_may_be_late() -> None:
    assert asked(now=NOW).start == NOW - LATENESS_MAX
    assert asked(now=NOW).end == NOW + 1


@pytest.mark.parametrize("text", ["", "7", "7.", "x.1.", "1.x.", "-1.0.", "1.-1.", "1" * 21 + ".0."])
def test_a_cursor_that_no_answer_gave_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        events_after(text)
