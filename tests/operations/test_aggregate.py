"""aggregate: from the stream to totals, usage, cells, facts and deliveries, each once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, ClassVar

import pytest

from tallygate.contracts.catalog.catalog import read_catalog
from tallygate.contracts.usage.usage import read_usage
from tallygate.domain.admission.decision_ids import DecisionId, format_decision_id
from tallygate.domain.base.instants import DAY, MINUTE, Instant, parse_instant
from tallygate.domain.catalog import forms
from tallygate.domain.customers.customers import ProfileChange
from tallygate.domain.delivery.deliveries import Endpoint, EndpointStatus, SigningSecret
from tallygate.domain.facts.facts import Fact
from tallygate.domain.journal.observed import FactMade
from tallygate.domain.journal.records import LOST_AFTER, RECORD_KEPT
from tallygate.domain.limits.counters import CellName
from tallygate.domain.metering.events import Draft
from tallygate.errors import StoreUnavailable
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.operations.base.each import in_turn
from tallygate.operations.catalog.catalog import declare_catalog
from tallygate.operations.customers.customers import Stores, put_customer
from tallygate.operations.facts.closing import reset
from tallygate.operations.facts.ports import Published
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.operations.usage.queries import usage
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Put, Update
from tallygate.storage.base.expressions import Set
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.catalog.catalog import Catalogs
from tallygate.storage.customers.customers import Customers
from tallygate.storage.delivery.deliveries import endpoint_item
from tallygate.storage.delivery.facts import Facts
from tallygate.storage.facts.closings import Closings
from tallygate.storage.journal import records as journal
from tallygate.storage.journal.past_usage import CellVersions
from tallygate.storage.metering.events import Events
from tallygate.storage.usage.queries import UsageReader
from tests.given import FEATURE, METER, NOW, effective, in_force, known_to, quota, wanted
from tests.truth import (
    CALLS,
    TOKENS,
    Requested,
    container,
    declare,
    draft,
    drain,
    exists,
    facts,
    fold,
    totals,
    used,
)

MONTH = parse_instant("2026-11-01T00:00:00Z")


def world(*limits: int, tiers: dict[str, int] | None = None) -> MemoryEngine:
    engine = MemoryEngine()
    in_force(engine, effective(*(quota(limit, ordinal=i) for i, limit in enumerate(limits or (1000,), 1)), tiers=tiers))
    exists(engine, "acme", "acme-key")
    declare(engine, TOKENS, CALLS)
    return engine


def post(engine: MemoryEngine, *drafts: Draft, now: Instant = NOW, batch: str = "b") -> None:
    results = ingest(Events(engine), Posted(submitted=drafts, batch=batch), now=now, each=in_turn)
    assert all(result.status == "accepted" for result in results), results


def use(engine: MemoryEngine, amount: int, now: Instant = NOW) -> str:
    decision = consume(Cells(engine), Memory(), wanted(amount), now=now, entropy=lambda n: b"\0" * n)
    assert decision.granted, decision
    assert decision.decision_id
    return decision.decision_id


def test_events_add_up_in_the_total_the_usage_and_the_cell() -> None:
    engine = world()
    post(engine, draft("a", tokens=30, model="large"), draft("b", tokens="12.5", model="large"), draft("c", tokens=1))
    drain(engine, container(engine))
    assert totals(engine) == {("acme", 1, MONTH): (Decimal("43.5"), Decimal("43.5"))}
    assert used(engine, "acme", 1, MONTH) == Decimal("43.5")
    large = engine.get(keys.usage("acme", METER, "2026-11-20", '{"model":"large"}'))
    other = engine.get(keys.usage("acme", METER, "2026-11-20", "{}"))
    assert large is not None
    assert other is not None
    assert (large["q40"], other["q40"]) == (Decimal("42.5"), Decimal(1))
    calls = engine.get(keys.usage("acme", "calls", "2026-11-20", "{}"))
    assert calls is not None
    assert calls["q40"] == 3


def test_a_maximum_counts_in_the_total_the_usage_the_cell_and_the_facts() -> None:
    """Late events, and a stream that is read again from its start, leave the maximum of each window."""
    engine = world(100)
    declare(engine, replace(TOKENS, aggregation="max"))
    parts = container(engine)
    post(engine, draft("a", tokens=30, model="large"), draft("b", tokens=80, model="large"), draft("c", tokens=5))
    after = drain(engine, parts)
    assert totals(engine) == {("acme", 1, MONTH): (Decimal(80), Decimal(80))}
    post(engine, draft("d", tokens=120, time=MONTH - DAY), draft("late", tokens=100, time=MONTH))
    after = drain(engine, parts, after=after)
    post(engine, draft("e", tokens=70), draft("later", tokens=9, time=MONTH - DAY))
    drain(engine, parts, after=after)
    drain(engine, container(engine))
    before = parse_instant("2026-10-01T00:00:00Z")
    assert totals(engine) == {("acme", 1, MONTH): (Decimal(100),) * 2, ("acme", 1, before): (Decimal(120),) * 2}
    assert used(engine, "acme", 1, MONTH) == 100
    asked = read_usage({"customer": "acme", "meter": METER, "from": "2026-10-01T00:00:00Z"}, now=NOW)
    assert usage(UsageReader(engine), asked, NOW).total == 120
    reset(Closings(engine), now=parse_instant("2026-12-01T00:00:00Z"), grace=0, time_left=lambda: True)
    told = [(fact["type"], fact.get("raw") or fact.get("usage")) for fact in facts(engine)]
    assert ("usage.limit_reached", 100) in told
    assert [raw for kind, raw in told if kind == "usage.period_closed"] == [120, 100]


def test_what_a_producer_added_as_floats_counts_as_it_meant() -> None:
    engine = world()
    sums = [draft(f"e{n}", tokens=0) for n in range(3)]
    sent = (repr(0.1 + 0.2), "1e-07", "0.0000000001")
    post(engine, *(replace(each, data=f'{{"tokens":{number}}}') for each, number in zip(sums, sent, strict=True)))
    post(engine, draft("text", tokens="2.5E-1"))
    drain(engine, container(engine))
    assert used(engine, "acme", 1, MONTH) == Decimal("0.5500001")
    assert totals(engine) == {("acme", 1, MONTH): (Decimal("0.5500001"), Decimal("0.5500001"))}


def test_consumed_and_posted_usage_meet_in_one_total() -> None:
    engine = world()
    use(engine, 100)
    post(engine, draft("a", tokens=30))
    drain(engine, container(engine))
    assert totals(engine) == {("acme", 1, MONTH): (Decimal(130), Decimal(30))}
    assert used(engine, "acme", 1, MONTH) == 130


def test_an_event_that_names_its_decision_feeds_only_the_other_meters() -> None:
    engine = world()
    post(engine, draft("a", tokens=100, decision_id=use(engine, 100)))
    drain(engine, container(engine))
    assert totals(engine)[("acme", 1, MONTH)] == (Decimal(100), Decimal(0))
    calls = engine.get(keys.usage("acme", "calls", "2026-11-20", "{}"))
    assert calls is not None
    assert calls["q40"] == 1


def test_a_name_that_is_no_granted_decision_of_the_customer_keeps_nothing_from_counting() -> None:
    """Another customer's, a well-formed one that was never granted, one with a broken MAC, and text of any kind."""
    engine = world()
    secret = known_to(engine)()
    assert secret is not None
    granted = use(engine, 1)
    other = DecisionId(customer="other", feature=FEATURE, minute=1, digest=b"123456")
    forged = DecisionId(customer="acme", feature=FEATURE, minute=NOW // MINUTE, digest=b"123456")
    names = [
        format_decision_id(other, secret),
        format_decision_id(forged, b"guessed"),
        granted[:-2] + ("AA" if not granted.endswith("AA") else "BA"),
        granted + "A",
        "x",
        7,
        {"decision": granted},
    ]
    post(engine, *(draft(f"e{index}", tokens=100, decision_id=name) for index, name in enumerate(names)))
    drain(engine, container(engine))
    assert totals(engine)[("acme", 1, MONTH)] == (Decimal(701), Decimal(700))


def test_no_name_is_known_before_anything_was_decided() -> None:
    engine = world()
    del engine.items[keys.DECISION_SECRET]
    named = DecisionId(customer="acme", feature=FEATURE, minute=NOW // MINUTE, digest=b"123456")
    post(engine, draft("a", tokens=100, decision_id=format_decision_id(named, b"")))
    parts = container(engine)
    position = drain(engine, parts)
    assert totals(engine)[("acme", 1, MONTH)] == (Decimal(100), Decimal(100))
    post(engine, draft("b", tokens=5, decision_id=use(engine, 5)))
    drain(engine, parts, after=position)
    assert totals(engine)[("acme", 1, MONTH)] == (Decimal(105), Decimal(100)), "a container learns of the secret"


def test_an_event_counts_in_the_window_of_its_own_time() -> None:
    engine = world()
    late = parse_instant("2026-10-31T23:59:59.999Z")
    post(engine, draft("a", tokens=1, time=late), draft("b", tokens=2, time=late + 1))
    drain(engine, container(engine))
    assert totals(engine) == {
        ("acme", 1, parse_instant("2026-10-01T00:00:00Z")): (Decimal(1), Decimal(1)),
        ("acme", 1, MONTH): (Decimal(2), Decimal(2)),
    }
    assert used(engine, "acme", 1, parse_instant("2026-10-01T00:00:00Z")) == 0, "that window is over"


def test_whatever_is_delivered_again_adds_nothing() -> None:
    engine = world(tiers={"warning": 1})
    post(engine, *(draft(f"e{i}", tokens=i) for i in range(1, 11)))
    use(engine, 5)
    position = drain(engine, container(engine))
    before, known = totals(engine), facts(engine)
    for _ in range(2):
        drain(engine, container(engine))
    assert totals(engine) == before == {("acme", 1, MONTH): (Decimal(60), Decimal(55))}
    assert facts(engine) == known
    assert used(engine, "acme", 1, MONTH) == 60
    assert len(engine.stream) == position, "nothing was written again"


def test_a_threshold_is_told_once_with_all_that_an_upgrade_needs() -> None:
    engine = world(100, tiers={"warning": 80, "critical": 100})
    parts = container(engine)
    post(engine, draft("a", tokens=79))
    position = drain(engine, parts)
    assert facts(engine) == []
    post(engine, draft("b", tokens=1))
    position = drain(engine, parts, after=position)
    (warning,) = facts(engine)
    assert warning == {
        "type": "usage.threshold_crossed",
        "sequence": 1,
        "customer": "acme",
        "feature": FEATURE,
        "meter": METER,
        "plan": "pro",
        "plan_version": 1,
        "limit_name": FEATURE,
        "scope": {},
        "limit": 100,
        "unlimited": False,
        "breakdown": {"base": 100, "carried": 0, "adjusted": 0, "followed": 0},
        "usage": 80,
        "period": {"start": "2026-11-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"},
        "level": "warning",
        "threshold": 80,
        "at": "80%",
        "upgrade_to": None,
        "upgrade_limit": None,
        "upgrade_unlimited": False,
    }
    post(engine, draft("c", tokens=500))
    drain(engine, parts, after=position)
    assert [(fact["type"], fact.get("level"), fact["sequence"]) for fact in facts(engine)[1:]] == [
        ("usage.threshold_crossed", "critical", 2),
        ("usage.limit_reached", "critical", 3),
        ("usage.overage_started", "critical", 4),
    ]


def test_what_the_next_plan_allows_is_told_as_the_catalog_has_it_when_usage_is_folded() -> None:
    """Also where the next plan was declared long after the customer subscribed: nobody's limits had to be compiled."""
    engine = MemoryEngine()
    mine = {
        "key": "mine",
        "upgrade_to": "next",
        "entitlements": [
            {
                "feature": FEATURE,
                "limit": 10,
                "period": {"every": "month"},
                "tiers": [{"at": f"{n}0%", "level": f"t{n}"} for n in (2, 4, 6)],
            }
        ],
    }

    def offer(*versions: Any) -> None:
        following = [
            {
                "key": "next",
                "version": n,
                "entitlements": [{"feature": FEATURE, "limit": limit, "period": {"every": "month"}}],
            }
            for n, limit in enumerate(versions, 1)
        ]
        body = {
            "meters": [forms.meter_form(TOKENS)],
            "features": [{"key": FEATURE, "type": "metered", "meter": METER}],
            "plans": [mine, *following],
        }
        declare_catalog(Catalogs(engine), read_catalog(body), expected=None, dry_run=False, now=NOW)

    offer(100)
    stores = Stores(catalog=Catalogs(engine), customers=Customers(engine), cells=CellVersions(engine))
    put_customer(stores, "acme", ProfileChange(plan="mine"), expected=None, now=NOW)
    parts, position = container(engine), 0
    for number, versions in enumerate(((100,), (100, 200), (100, 200, None))):
        offer(*versions)
        post(engine, draft(f"e{number}", tokens=2))
        position = drain(engine, parts, after=position)
    told = [(fact["upgrade_to"], fact["upgrade_limit"], fact["upgrade_unlimited"]) for fact in facts(engine)]
    assert told == [("next", 100, False), ("next", 200, False), ("next", None, True)]


def test_a_jump_over_several_thresholds_tells_each_of_them_in_order() -> None:
    engine = world(100, tiers={"critical": 90, "warning": 50})
    post(engine, draft("a", tokens=95))
    drain(engine, container(engine))
    assert [(fact["level"], fact["sequence"]) for fact in facts(engine)] == [("warning", 1), ("critical", 2)]


def test_each_fact_is_handed_to_those_who_asked_for_it_and_to_the_bus() -> None:
    engine = world(100)
    for name, events, status in (
        ("all", ("*",), "active"),
        ("usage", ("usage.*",), "active"),
        ("exact", ("usage.limit_reached",), "active"),
        ("other", ("credits.*",), "active"),
        ("off", ("*",), "disabled"),
    ):
        endpoint = Endpoint(
            id=name,
            url="https://x",
            events=events,
            scheme="standard",
            secrets=(SigningSecret(slot="a", version=1),),
            status=EndpointStatus(status),
            created_at=NOW,
        )
        engine.write(Put(key=keys.endpoint(name), item=endpoint_item(endpoint)))
    queue = Requested()
    post(engine, draft("a", tokens=100))
    drain(engine, container(engine, queue))
    assert sorted(message.endpoint for message in queue.messages) == ["BUS", "all", "exact", "usage"]
    drain(engine, container(engine, queue))
    assert len(queue.messages) == 8, "nothing has been attempted yet, so the attempts are asked for again"
    assert sum(key.pk.startswith("DELIVERY#") for key in engine.items) == 4


def test_facts_are_handed_over_several_at_a_time() -> None:
    engine = world(100, tiers={"critical": 90, "warning": 50})
    post(engine, draft("a", tokens=100))
    together: list[int] = []

    def each(function: Callable[[Any], Any], values: Sequence[Any]) -> Sequence[Any]:
        together.append(sum(isinstance(value, FactMade) for value in values))
        return in_turn(function, values)

    drain(engine, container(engine, each=each))
    assert max(together) == 3


def test_limits_that_changed_are_raised_in_the_cells_by_the_stream_too() -> None:
    engine = world()
    in_force(engine, effective(quota(5), version=7))
    drain(engine, container(engine))
    cell = engine.get(keys.cell(CellName("acme", FEATURE)))
    assert cell is not None
    assert cell["cv"] == 7


def test_a_probe_says_when_the_fold_came_past_it() -> None:
    engine = world()
    engine.write(Put(key=keys.probe("p1"), item={"created_at": NOW}))
    drain(engine, container(engine), now=NOW + 5)
    probe = engine.get(keys.probe("p1"))
    assert probe is not None
    assert probe["seen_at"] == NOW + 5


def test_a_cell_that_only_events_reach_stays_small() -> None:
    engine = world()
    in_force(engine, effective(quota(None, every="day")))
    declare(engine, TOKENS, CALLS)
    parts, position = container(engine), 0
    for day in range(20):
        now = NOW + day * DAY
        post(engine, draft(f"e{day}", tokens=1, time=now), now=now)
        position = drain(engine, parts, after=position, now=now)
    cell = engine.get(keys.cell(CellName("acme", FEATURE)))
    assert cell is not None
    assert sum(name.startswith("u.") for name in cell) == 1
    assert len(totals(engine)) == 20


def test_records_that_cannot_be_folded_are_parked_and_hold_nobody_up() -> None:
    engine = world()
    post(engine, draft("good", tokens=5))
    engine.write(Put(key=keys.event("acme", "api", "forged"), item={"customer": "other", "type": "x"}))
    cell = keys.cell(CellName("acme", FEATURE))
    engine.write(Put(key=cell, item={"n": 7, "last": '{"k":"use"}'}))
    engine.write(Put(key=cell, item={"n": 8, "last": "no json", "u.1.1": 5}))
    summary = fold(container(engine), engine.stream[-4:])
    assert (summary.counted, summary.parked) == (1, 3)
    assert totals(engine)[("acme", 1, MONTH)][0] == 5


def test_a_sum_without_a_value_counts_nowhere_and_says_so() -> None:
    engine = world()
    post(engine, draft("a", tokens=None), draft("b", tokens=-1), draft("c", tokens="many"))
    summary = fold(container(engine), engine.stream[-3:])
    assert (summary.counted, summary.unmeasured) == (3, 3)
    assert totals(engine) == {}


def test_late_usage_of_a_closed_window_is_stated_anew_in_the_order_it_came() -> None:
    engine = world(10_000)
    october = parse_instant("2026-10-31T12:00:00Z")
    parts, position = container(engine), 0
    post(engine, draft("a", tokens=1, time=october))
    position = drain(engine, parts, after=position)
    assert len(reset(Closings(engine), now=NOW, grace=0, time_left=lambda: True).closed) == 1
    for name, tokens in (("b", 10), ("c", 100)):
        post(engine, draft(name, tokens=tokens, time=october), batch=name)
        position = drain(engine, parts, after=position)
    assert [(fact["type"], fact["revision"], fact["raw"], fact.get("raw_before")) for fact in facts(engine)] == [
        ("usage.period_closed", 1, 1, None),
        ("usage.restated", 2, 11, 1),
        ("usage.restated", 3, 111, 11),
    ]


class Hesitant(Facts):
    """Fails to publish its first fact, as a throttled table would."""

    failed: ClassVar[list[str]] = []

    def publish(self, facts: Sequence[Fact], **published: Any) -> Published:
        if not self.failed:
            self.failed.append(facts[0].id)
            raise StoreUnavailable("the database is throttling")
        return Facts.publish(self, facts, **published)


def test_facts_of_a_feature_wait_for_the_one_before_them() -> None:
    engine = world(100, tiers={"warning": 50, "critical": 90})
    parts = container(engine)
    for name, tokens in (("a", 60), ("b", 35)):
        post(engine, draft(name, tokens=tokens), batch=name)
        fold(parts, [change for change in engine.stream if change.key.pk.startswith("EVENT#")][-1:])
    changes = [change for change in engine.stream if change.key.pk.startswith("TOTAL#")]
    assert len(changes) == 2
    hesitant = replace(parts, outbox=Hesitant(engine))
    with pytest.raises(StoreUnavailable):
        fold(hesitant, changes)
    assert facts(engine) == [], "the second change could have been told, but not before the first"
    fold(hesitant, changes)
    assert [fact["level"] for fact in facts(engine)] == ["warning", "critical"]


def test_a_batch_too_large_for_one_record_becomes_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "BODY_BYTES_MAX", 1_000)
    engine = world(10**6)
    post(engine, *(draft(f"e{i}", tokens=1) for i in range(300)), draft("vast", tokens=1, model="\x00é" * 100))
    changes = [change for change in engine.stream if change.key.pk.startswith("EVENT#")]
    assert fold(container(engine), changes).counted == 301
    head = journal.Journal(engine).head("acme", now=NOW, fresh=True)
    assert head.newest is not None
    assert container(engine).journal.totals.lagging([head.newest]) == [[]]
    assert head.number > 1
    assert totals(engine)[("acme", 1, MONTH)][0] == 301
    assert fold(container(engine), changes).repeated == 301


@pytest.mark.parametrize("name", ["st", "sf.1.0", "last", "unknown"])
def test_a_write_without_an_entry_changes_nothing_beside_usage_by_event(name: str) -> None:
    engine = world()
    use(engine, 5)
    seen = len(engine.stream)
    cell = keys.cell(CellName("acme", FEATURE))
    engine.write(Update(key=cell, changes=(Set(name, 1),)))
    assert fold(container(engine), engine.stream[seen:]).parked == 1


def calls_of(engine: MemoryEngine) -> Decimal:
    """All usage of the meter that counts calls."""
    counted = [item for key, item in engine.items.items() if key.pk == "USAGE#acme#calls"]
    return sum((v for item in counted for n, v in item.items() if n[0] == "q" and isinstance(v, Decimal)), Decimal(0))


def test_records_of_one_append_may_expire_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second record states that the first was not applied yet, as long as it is the head."""
    monkeypatch.setattr(journal, "BODY_BYTES_MAX", 1_000)
    engine = world(10**6)
    post(engine, *(draft(f"e{i}", tokens=1) for i in range(300)))
    fold(container(engine), [change for change in engine.stream if change.key.pk.startswith("EVENT#")])
    head = journal.Journal(engine).head("acme", now=NOW, fresh=True)
    assert head.number > 1
    del engine.items[keys.journal_record("acme", 1)]
    seen, later = len(engine.stream), NOW + RECORD_KEPT + DAY
    post(engine, draft("later", tokens=1), now=later)
    drain(engine, container(engine), after=seen, now=later)
    assert calls_of(engine) == 301


def test_a_warm_container_follows_a_beginning_by_another() -> None:
    """A test clock may move by a month between two calls of one container."""
    engine = world(10**6)
    warm, later, seen = container(engine), NOW + LOST_AFTER, 0
    for parts, now in ((warm, NOW), (container(engine), later), (warm, later)):
        post(engine, draft(f"e{seen}", tokens=1), now=now)
        fold(parts, [c for c in engine.stream[seen:] if c.key.pk.startswith("EVENT#")], shard=str(seen), now=now)
        seen = len(engine.stream)
    assert calls_of(engine) == 3


def test_an_entry_too_large_for_any_record_is_parked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "BODY_BYTES_MAX", 500)
    engine = world(10**6)
    vast: dict[str, Any] = {f"d{i}": hashlib.sha256(str(i).encode()).hexdigest() for i in range(10)}
    many = replace(TOKENS, dimensions={name: (name,) for name in vast})
    declare(engine, many, version=2)
    post(engine, draft("a", tokens=1), draft("vast", tokens=1, **vast), draft("b", tokens=1))
    summary = fold(container(engine), [c for c in engine.stream if c.key.pk.startswith("EVENT#")])
    assert (summary.counted, summary.parked) == (2, 1)
    assert totals(engine)[("acme", 1, MONTH)][0] == 2
