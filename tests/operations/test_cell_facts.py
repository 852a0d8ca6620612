"""What cells note, and what totals bring about in them: told once, by whomever and however often it is folded."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tallygate.domain.base.instants import DAY, Instant, parse_instant
from tallygate.domain.catalog.tiers import AllowWithGrace, Deny, SuspendUsage, Threshold, Tier, percent
from tallygate.domain.entries.entry import CellEntry
from tallygate.domain.entries.events import ParkedEntry
from tallygate.domain.entries.notices import BumpEntry, ResumeEntry, SuspendEntry
from tallygate.domain.entries.usage import UseEntry
from tallygate.domain.entries.windows import AdjustEntry, CarryEntry
from tallygate.domain.limits.counters import CarriedIn, CellName, CountedWindow
from tallygate.domain.limits.limits import Effective, Limit
from tallygate.domain.limits.rollover import Layer
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.operations.base.each import in_turn
from tallygate.operations.facts.closing import reset
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.storage.admission import cell_image
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base import items, keys
from tallygate.storage.base.documents import in_order
from tallygate.storage.base.engine import Key, Update
from tallygate.storage.base.expressions import Change, Increase, Remove, Set
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.entries.entries import ENTRIES
from tallygate.storage.entries.writes import LAST, CellWrite
from tallygate.storage.facts.audits import Audits
from tallygate.storage.facts.closings import Closings
from tallygate.storage.journal.records import Journal
from tallygate.storage.metering.events import Events
from tests.given import FEATURE, METER, NOW, effective, in_force, quota, scoped, wanted
from tests.truth import TOKENS, container, declare, draft, drain, exists, facts, totals

MONTH, DECEMBER = parse_instant("2026-11-01T00:00:00Z"), parse_instant("2026-12-01T00:00:00Z")
CELL, WINDOW = CellName("acme", FEATURE), (1, MONTH)


def world(limits: Effective) -> MemoryEngine:
    engine = MemoryEngine()
    in_force(engine, limits)
    exists(engine, "acme")
    declare(engine, TOKENS)
    return engine


def with_tiers(*tiers: Tier, limit: int = 100, enforcement: str = "hard") -> Effective:
    limits = effective(quota(limit), enforcement=enforcement)
    right = limits.entitlements[FEATURE]
    own = replace(right.limits[0], tiers=tiers)
    return replace(limits, entitlements={FEATURE: replace(right, limits=(own,))})


def post(engine: MemoryEngine, name: str, tokens: int, *, time: Instant = NOW, **data: Any) -> None:
    (result,) = ingest(
        Events(engine),
        Posted(submitted=(draft(name, tokens=tokens, time=time, **data),), batch="b"),
        now=max(NOW, time),
        each=in_turn,
    )
    assert result.status == "accepted"


def write(engine: MemoryEngine, entry: CellEntry, *changes: Change) -> None:
    """A write to the cell by somebody else, with its entry."""
    engine.write(CellWrite(CELL, changes, entry).update)


def told(engine: MemoryEngine, *types: str) -> list[dict[str, Any]]:
    return [fact for fact in facts(engine) if fact["type"] in types]


def suspended(engine: MemoryEngine) -> dict[int, int]:
    return dict(cell_image.cell_of(engine.get(keys.cell(CELL))).suspended)


USED: Any = {"feature": FEATURE, "meter": METER, "time": NOW}
LIMITED: Any = {**USED, "name": FEATURE, "window": CountedWindow(1, MONTH, DECEMBER)}
COMMON = {
    "customer": "acme",
    "feature": FEATURE,
    "meter": METER,
    "plan": "pro",
    "plan_version": 1,
    "limit_name": FEATURE,
    "scope": {},
    "period": {"start": "2026-11-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"},
}
UPGRADE = {"upgrade_to": None, "upgrade_limit": None, "upgrade_unlimited": False}


def test_the_first_denial_is_told_once_with_its_numbers() -> None:
    engine = world(effective(quota(100)))
    for amount in (60, 60, 70):
        consume(Cells(engine), Memory(), wanted(amount), now=NOW, entropy=lambda n: b"\0" * n)
    for _ in range(2):
        drain(engine, container(engine))
    (denied,) = told(engine, "usage.denied")
    assert denied == {
        **COMMON,
        **UPGRADE,
        "type": "usage.denied",
        "sequence": denied["sequence"],
        "kind": "quota",
        "level": "normal",
        "requested": 60,
        "usage": 60,
        "limit": 100,
        "reason": "quota_exceeded",
    }


def test_an_adjustment_is_in_the_total_and_told_once() -> None:
    engine = world(effective(quota(100), tiers={"warning": 80}))
    adjust = AdjustEntry(
        **LIMITED,
        id="adj_1",
        amount=Decimal("50.5"),
        base=Decimal(100),
        carried=Decimal(0),
        adjusted=Decimal("50.5"),
        reason="goodwill",
        actor="ops@example.com",
    )
    raised = (Increase(cell_image.used_name(WINDOW), Decimal("-50.5")), Increase("a.1." + str(MONTH), Decimal("50.5")))
    write(engine, adjust, *raised)
    parts = container(engine)
    position = drain(engine, parts)
    drain(engine, container(engine))
    assert totals(engine) == {("acme", 1, MONTH): (Decimal(0), Decimal(0))}
    assert told(engine, "quota.adjusted") == [
        {
            **COMMON,
            "type": "quota.adjusted",
            "sequence": 1,
            "id": "adj_1",
            "amount": Decimal("50.5"),
            "reason": "goodwill",
            "actor": "ops@example.com",
            "category": None,
            "breakdown": {"base": 100, "carried": 0, "adjusted": Decimal("50.5")},
        }
    ]
    post(engine, "a", 120)
    position = drain(engine, parts, after=position)
    assert told(engine, "usage.threshold_crossed") == [], "80 % of 150.5 is more than 120"
    post(engine, "b", 1)
    drain(engine, parts, after=position)
    (crossed,) = told(engine, "usage.threshold_crossed")
    assert (crossed["limit"], crossed["threshold"], crossed["usage"]) == (Decimal("150.5"), Decimal("120.4"), 121)


def test_what_is_carried_into_a_window_is_in_its_total_and_its_statement() -> None:
    engine = world(effective(quota(1000)))
    windows = (CountedWindow(1, MONTH, DECEMBER),)
    use = UseEntry(**USED, id="1.ff", amount=Decimal(7), windows=windows, carried={1: Decimal(500)})
    carry = CarryEntry(**LIMITED, into=CarriedIn(layers=(Layer(Decimal(450), 1),)))
    counter, carried = cell_image.used_name(WINDOW), "k.1." + str(MONTH)
    write(engine, use, Set(counter, Decimal(-493)), Set(carried, Decimal(500)))
    write(engine, carry, Set(counter, Decimal(-443)), Set(carried, Decimal(450)))
    parts = container(engine)
    position = drain(engine, parts)
    reset(Closings(engine), now=DECEMBER, grace=0, time_left=lambda: True)
    drain(engine, parts, after=position, now=DECEMBER)
    (closed,) = told(engine, "usage.period_closed")
    assert closed["breakdown"] == {"base": 1000, "carried": 450, "adjusted": 0, "followed": 0}
    assert (closed["raw"], closed["included"], closed["overage"]) == (7, 7, 0)
    (record,) = Journal(engine).records("acme", 0, 1)
    assert [type(entry) for entry in record.entries] == [UseEntry, CarryEntry]


def test_what_was_suspended_and_resumed_is_told_in_order() -> None:
    engine = world(effective(quota(100)))
    suspend = SuspendEntry(**LIMITED, used=Decimal(99), limit=Decimal(100), level="over", until=None)
    write(engine, suspend, Set("sus", DECEMBER))
    resume = ResumeEntry(feature=FEATURE, time=NOW, actor="me", reason="paid")
    write(engine, resume, Remove("sus"))
    drain(engine, container(engine))
    first, second = told(engine, "entitlement.suspended", "entitlement.resumed")
    assert first == {
        **COMMON,
        **UPGRADE,
        "type": "entitlement.suspended",
        "sequence": 1,
        "level": "over",
        "usage": 99,
        "limit": 100,
        "until": None,
        "by": "tier",
    }
    assert (second["type"], second["actor"], second["reason"]) == ("entitlement.resumed", "me", "paid")
    drain(engine, container(engine))
    ((entry,), _) = Audits(engine).page("acme", after=None, limit=9)
    assert (entry.action, entry.actor, entry.feature) == ("suspended_by_tier", "tier", FEATURE)
    assert entry.about == {"scope": {}, "limit_name": FEATURE, "level": "over"}, "kept once, however often it is seen"


def write_text(engine: MemoryEngine, entry: dict[str, Any]) -> None:
    """A write to the cell by somebody who states what no entry is."""
    changes = (Set(LAST, in_order(entry)), Increase(items.REVISION, 1))
    engine.write(Update(key=keys.cell(CELL), changes=changes))


def test_a_note_under_anothers_name_or_that_cannot_be_read_is_parked_and_told_to_nobody() -> None:
    engine = world(effective(quota(100)))
    resume = ResumeEntry(feature=FEATURE, time=NOW, actor="me")
    write_text(engine, {**ENTRIES.write(resume), "c": "other"})
    write_text(engine, {**ENTRIES.write(replace(resume, feature="other")), "c": "acme"})
    write_text(engine, {"k": "suspend", "c": "acme", "f": FEATURE, "t": NOW})
    write(engine, BumpEntry(feature=FEATURE, time=NOW, version=1))
    drain(engine, container(engine))
    (record,) = Journal(engine).records("acme", 0, 1)
    assert [type(entry) for entry in record.entries] == [ParkedEntry, ParkedEntry, ParkedEntry, BumpEntry]
    assert facts(engine) == []


SUSPENDS = Tier(level="over", at=percent(100), policy=SuspendUsage(until="next_period"))
GRACE = AllowWithGrace(amount=Decimal(20), lasts=DAY, then=SuspendUsage(until="resumed"))


def test_usage_by_event_suspends_as_a_request_would_once() -> None:
    engine = world(with_tiers(SUSPENDS))
    parts = container(engine)
    post(engine, "a", 100)
    position = drain(engine, parts)
    assert suspended(engine) == {}
    post(engine, "b", 1)
    drain(engine, parts, after=position)
    assert suspended(engine) == {0: DECEMBER}
    engine.write(Update(key=keys.cell(CELL), changes=(Remove("sus"),)))
    before = len(told(engine, "entitlement.suspended"))
    drain(engine, container(engine))
    assert suspended(engine) == {}, "seen again, it suspends nothing that was resumed"
    (fact,) = told(engine, "entitlement.suspended")
    assert (before, fact["until"], fact["usage"], fact["by"]) == (1, "2026-12-01T00:00:00Z", 101, "tier")


def test_usage_by_event_begins_a_grace_and_suspends_beyond_it() -> None:
    engine = world(with_tiers(Tier(level="over", at=percent(100), policy=GRACE)))
    parts = container(engine)
    post(engine, "a", 110)
    position = drain(engine, parts)
    cell = cell_image.cell_of(engine.get(keys.cell(CELL)))
    assert (cell.grace, cell.suspended) == ({WINDOW: NOW}, {})
    post(engine, "b", 11)
    drain(engine, parts, after=position)
    assert set(suspended(engine)) == {0}


@pytest.mark.parametrize("enforcement", ["observe", "off"])
def test_a_limit_that_does_not_decide_suspends_nothing(enforcement: str) -> None:
    engine = world(with_tiers(SUSPENDS, enforcement=enforcement))
    post(engine, "a", 500)
    drain(engine, container(engine))
    assert suspended(engine) == {}


def test_usage_in_a_period_that_is_over_suspends_nothing_in_this_one() -> None:
    engine = world(with_tiers(SUSPENDS, Tier(level="far", at=Threshold(amount=Decimal(900)), policy=Deny())))
    post(engine, "a", 500, time=parse_instant("2026-10-31T23:59:59Z"))
    drain(engine, container(engine))
    assert suspended(engine) == {}


def test_a_scoped_limit_suspends_its_scope_and_its_facts_name_it() -> None:
    large = Limit(name="large", scope={"model": "large"}, quotas=(quota(10, ordinal=2),), tiers=(SUSPENDS,))
    engine = world(scoped(large))
    post(engine, "a", 11, model="large")
    drain(engine, container(engine))
    assert suspended(engine) == {2: DECEMBER}
    every = [fact for fact in facts(engine) if fact["limit_name"] == "large"]
    assert {fact["type"] for fact in every} == {
        "usage.threshold_crossed",
        "usage.limit_reached",
        "usage.overage_started",
        "entitlement.suspended",
    }
    assert all(fact["scope"] == {"model": "large"} for fact in every)


def test_the_end_of_a_period_leaves_its_levels_once() -> None:
    engine = world(effective(quota(100), tiers={"warning": 50, "critical": 90}))
    parts = container(engine)
    post(engine, "a", 95)
    position = drain(engine, parts)
    reset(Closings(engine), now=DECEMBER, grace=0, time_left=lambda: True)
    drain(engine, parts, after=position, now=DECEMBER)
    drain(engine, container(engine), now=DECEMBER)
    left = told(engine, "usage.threshold_recovered")
    assert [(fact["level"], fact["level_now"], fact["cause"]) for fact in left] == [
        ("critical", "normal", "period_closed"),
        ("warning", "normal", "period_closed"),
    ]
    levels = engine.get(Key(keys.feed("acme", FEATURE).pk, f"{FEATURE}#000001#{MONTH:015d}")) or {}
    assert json.loads(items.text(levels, "crossed")) == []
