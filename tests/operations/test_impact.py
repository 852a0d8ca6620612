"""impact: what a limit that only observes would have denied, counted with the very usage that it counted."""

from __future__ import annotations

import os
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from tallygate.contracts.base.reading import read
from tallygate.contracts.catalog.catalog import read_catalog
from tallygate.contracts.limits.own_limits import OwnLimitBody, judge
from tallygate.contracts.usage.usage import impact_answer, read_impact
from tallygate.domain.admission.decision import Decision
from tallygate.domain.base.instants import DAY, HOUR, Instant, format_instant, parse_instant
from tallygate.domain.catalog.tiers import Enforcement, tier_of
from tallygate.domain.customers.customers import ProfileChange
from tallygate.domain.entries.moves import TotalMove
from tallygate.domain.facts.impact import ROWS_MAX, would_deny
from tallygate.domain.journal.fold import TotalChange
from tallygate.domain.limits.counters import CountedWindow, Shown
from tallygate.domain.limits.governing import Governed
from tallygate.domain.limits.overrides import OwnLimit
from tallygate.domain.metering.contributions import Add
from tallygate.errors import InvalidRequest, NotFound
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.operations.base import known_customers
from tallygate.operations.base.each import in_turn
from tallygate.operations.catalog.catalog import declare_catalog
from tallygate.operations.customers import customers, own_limits
from tallygate.operations.customers.customers import Stores
from tallygate.operations.facts.impact import impact
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.catalog.catalog import Catalogs
from tallygate.storage.customers.customers import Customers
from tallygate.storage.facts.impacts import Impacts
from tallygate.storage.journal.past_usage import CellVersions
from tallygate.storage.journal.totals import Totals
from tallygate.storage.metering.events import Events
from tests.given import NOW, wanted
from tests.truth import container, draft, drain, exists, fold, wanted_by_the_filter

MONTH = {"every": "month"}
NOVEMBER = ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z")
CATALOG: dict[str, Any] = {
    "meters": [{"key": "m", "event_type": "e", "aggregation": "count", "dimensions": {"model": "$.model"}}],
    "features": [{"key": "images", "type": "metered", "meter": "m"}],
    "plans": [
        {
            "key": "pro",
            "entitlements": [{"feature": "images", "limit": 10, "period": MONTH, "enforcement": "observe"}],
            "limits": [
                {
                    "name": "large",
                    "feature": "images",
                    "scope": {"model": "large"},
                    "enforcement": "observe",
                    "windows": [{"limit": 3, "period": MONTH}, {"limit": 1, "period": {"every": "day"}}],
                },
                {"name": "fast", "feature": "images", "rate": {"limit": 1, "per": "minute"}, "enforcement": "observe"},
            ],
        }
    ],
}


class Desk:
    """A caller for one customer of the plan."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.memory = Memory()
        self.stores = Stores(catalog=Catalogs(engine), customers=Customers(engine), cells=CellVersions(engine))
        declare_catalog(Catalogs(engine), read_catalog(CATALOG), expected=None, dry_run=False, now=NOW)
        customers.put_customer(self.stores, "acme", ProfileChange(plan="pro"), expected=None, now=NOW)

    def consume(self, amount: int, now: Instant = NOW, **dimensions: str) -> Decision:
        request = replace(wanted(amount, feature="images"), dimensions=dimensions)
        return consume(Cells(self.engine), self.memory, request, now=now, entropy=os.urandom)

    def override(self, name: str, now: Instant = NOW, **given: Any) -> None:
        own = OwnLimit(name=name, form=read(OwnLimitBody, given).form())
        own_limits.put_limit(self.stores, "acme", own, judge, expected=None, now=now)

    def fold(self, now: Instant = NOW) -> None:
        assert isinstance(self.engine, MemoryEngine)
        drain(self.engine, container(self.engine), now=now)

    def impact(self, name: str, parameters: dict[str, str] | None = None, now: Instant = NOW) -> dict[str, Any]:
        asked = read_impact("acme", name, parameters or {}, now=now)
        return impact_answer(impact(Impacts(self.engine), asked, now=now))


@pytest.fixture
def desk() -> Desk:
    """A caller of the memory engine, whose stream can be folded."""
    return Desk(MemoryEngine())


def test_what_observe_let_through_is_counted_as_the_answers_said(desk: Desk) -> None:
    """8, then 3 to 11, then 1: of 10 the 8 fit alone, and what was let through stays used."""
    said = [desk.consume(amount).limits[0].fits for amount in (8, 3, 1)]
    assert said == [True, False, False]
    desk.fold()
    (window,) = desk.impact("images")["data"]
    assert window == {
        "feature": "images",
        "scope": {},
        "every": "month",
        "start": NOVEMBER[0],
        "end": NOVEMBER[1],
        "usage": 12,
        "limit": 10,
        "enforcement": "observe",
        "would_deny": {"decisions": 2, "amount": 4},
    }


def test_exactly_the_limit_would_have_been_granted(desk: Desk) -> None:
    desk.consume(10)
    desk.fold()
    assert desk.impact("images")["data"][0]["would_deny"] == {"decisions": 0, "amount": 0}


def test_each_use_is_counted_once_however_often_the_stream_delivers_it(desk: Desk) -> None:
    desk.consume(11)
    assert isinstance(desk.engine, MemoryEngine)
    seen = [change for change in desk.engine.stream if wanted_by_the_filter(change)]
    for _ in range(2):
        fold(container(desk.engine), seen)
    desk.fold()
    desk.consume(5)
    desk.fold()
    assert desk.impact("images")["sums"] == [
        {
            "feature": "images",
            "scope": {},
            "every": "month",
            "windows": 1,
            "usage": 16,
            "would_deny": {"decisions": 2, "amount": 16},
        }
    ]


def test_the_quotas_of_a_limit_are_summed_apart_and_see_their_scope_alone(desk: Desk) -> None:
    desk.consume(9, model="small")
    for day in range(3):
        desk.consume(2, now=NOW + day * DAY, model="large")
    desk.fold()
    told = desk.impact("large", now=NOW + 3 * DAY)
    assert [(row["every"], row["usage"], row["would_deny"]["decisions"]) for row in told["data"]] == [
        ("month", 6, 2),
        ("day", 2, 1),
        ("day", 2, 1),
        ("day", 2, 1),
    ]
    assert [(s["every"], s["windows"], s["usage"], s["would_deny"]) for s in told["sums"]] == [
        ("month", 1, 6, {"decisions": 2, "amount": 4}),
        ("day", 3, 6, {"decisions": 3, "amount": 6}),
    ]
    assert {row["scope"]["model"] for row in told["data"] + told["sums"]} == {"large"}


def test_what_is_enforced_or_off_would_deny_nothing(desk: Desk) -> None:
    for enforcement in ("soft", "off", "hard"):
        desk.override("images", enforcement=enforcement)
        desk.consume(11 if enforcement != "hard" else 1)
        desk.fold()
    (row,) = desk.impact("images")["data"]
    assert (row["usage"], row["would_deny"]["decisions"]) == (22, 0)


def test_the_judgement_stays_when_the_limit_is_enforced_later_or_raised(desk: Desk) -> None:
    desk.consume(11)
    desk.fold()
    desk.override("images", limit=100, enforcement="hard")
    desk.consume(1)
    desk.fold()
    (row,) = desk.impact("images")["data"]
    assert (row["limit"], row["enforcement"], row["would_deny"]["decisions"]) == (100, "hard", 1)


def test_events_are_not_judged_but_are_usage(desk: Desk) -> None:
    exists(desk.engine, "acme")
    drafts = tuple(draft(f"e{n}", event_type="e", tokens=None) for n in range(12))
    ingest(Events(desk.engine), Posted(submitted=drafts, batch="b"), now=NOW, each=in_turn)
    desk.fold()
    assert desk.consume(1).would_reason is not None
    desk.fold()
    (row,) = desk.impact("images")["data"]
    assert (row["usage"], row["would_deny"]) == (13, {"decisions": 1, "amount": 1})


def test_a_rate_has_no_part_in_it(desk: Desk) -> None:
    assert [desk.consume(1).would_reason is not None for _ in range(2)] == [False, True]
    desk.fold()
    assert (desk.impact("fast")["data"], desk.impact("fast")["sums"]) == ([], [])
    assert desk.impact("images")["data"][0]["would_deny"]["decisions"] == 0


def test_a_limit_that_is_gone_is_still_told_of(desk: Desk) -> None:
    desk.override("extra", feature="images", limit=1, period=MONTH, enforcement="observe")
    desk.consume(2)
    desk.fold()
    own_limits.delete_limit(desk.stores, "acme", "extra", expected=None, now=NOW)
    assert desk.impact("extra")["data"][0]["would_deny"] == {"decisions": 1, "amount": 2}


@pytest.mark.parametrize(
    ("start", "end", "months"),
    [
        ("2026-11-30T23:59:59Z", "2026-12-01T00:00:00Z", ["2026-11"]),
        ("2026-12-01T00:00:00Z", "2026-12-01T00:00:01Z", ["2026-12"]),
        ("2026-11-30T23:59:59Z", "2026-12-01T00:00:01Z", ["2026-11", "2026-12"]),
        ("2026-11-01T00:00:00Z", "2027-02-01T00:00:00Z", ["2026-11", "2026-12", "2027-01"]),
        ("2026-01-01T00:00:00Z", "2026-11-01T00:00:00Z", []),
        ("2027-02-01T00:00:00Z", "2027-03-01T00:00:00Z", []),
    ],
)
def test_windows_that_overlap_the_stretch_are_told_whole(
    engine: Engine, start: str, end: str, months: list[str]
) -> None:
    desk = Desk(engine)
    limit = known_customers.customer(Customers(engine), "acme").effective.entitlements["images"].limits[0]
    (quota,) = limit.quotas
    governed = Governed(feature="images", meter="m", name="images", limit=Decimal(10))
    edges = [parse_instant(f"{month}-01T00:00:00Z") for month in ("2026-11", "2026-12", "2027-01", "2027-02")]
    for number, (first, after) in enumerate(pairwise(edges), 1):
        change = TotalChange(
            governed=governed,
            move=TotalMove(window=CountedWindow(quota.ordinal, first, after), value=Add(Decimal(4))),
            would_decisions=number,
            would_amount=Decimal("0.5"),
        )
        Totals(engine).add_to_total("acme", change, 1)
        Totals(engine).add_to_total("acme", replace(change, would_decisions=0, would_amount=Decimal(0)), 2)
    told = desk.impact("images", {"from": start, "to": end})
    assert [row["start"][:7] for row in told["data"]] == months
    assert all((row["usage"], row["would_deny"]["amount"]) == (8, Decimal("0.5")) for row in told["data"])
    assert (told["from"], told["to"]) == (start, end)


def test_without_a_stretch_the_last_thirty_days_are_told(desk: Desk) -> None:
    told = desk.impact("images")
    assert parse_instant(told["to"]) - parse_instant(told["from"]) == 30 * DAY
    assert parse_instant(told["to"]) > NOW, "the present instant too"


@pytest.mark.parametrize(
    ("parameters", "pointer", "code"),
    [
        ({"from": "yesterday"}, "?from", "invalid"),
        ({"to": "0001-01-01T00:00:00Z"}, "?to", "out_of_range"),
        ({"from": "2026-11-02T00:00:00Z", "to": "2026-11-02T00:00:00Z"}, "?to", "out_of_range"),
        ({"from": "2025-01-01T00:00:00Z"}, "?from", "out_of_range"),
    ],
)
def test_a_stretch_that_is_none_is_refused(desk: Desk, parameters: dict[str, str], pointer: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        desk.impact("images", parameters)
    assert [(error.pointer, error.code) for error in refused.value.errors] == [(pointer, code)]


def test_more_windows_than_an_answer_holds_are_refused(desk: Desk) -> None:
    desk.override("hourly", feature="images", limit=1, period={"every": "hour"})
    found = known_customers.customer(Customers(desk.engine), "acme").effective.entitlements["images"].limits
    ordinal = next(limit for limit in found if limit.name == "hourly").quotas[0].ordinal
    governed = Governed(feature="images", meter="m", name="hourly", limit=Decimal(1))
    first = NOW - NOW % HOUR - (ROWS_MAX + 1) * HOUR
    for n in range(ROWS_MAX + 1):
        at = first + n * HOUR
        move = TotalMove(window=CountedWindow(ordinal, at, at + HOUR), value=Add(Decimal(1)))
        change = TotalChange(governed=governed, move=move)
        Totals(desk.engine).add_to_total("acme", change, 1)
    with pytest.raises(InvalidRequest) as refused:
        desk.impact("hourly", {"from": format_instant(first)})
    assert refused.value.code == "too_many_rows"
    assert len(desk.impact("hourly", {"from": format_instant(first + HOUR)})["data"]) == ROWS_MAX


def test_what_there_never_was_is_not_found(desk: Desk) -> None:
    with pytest.raises(NotFound) as refused:
        desk.impact("nothing")
    assert refused.value.code == "limit_not_found"
    with pytest.raises(NotFound) as refused:
        impact(Impacts(desk.engine), read_impact("nobody", "images", {}, now=NOW), now=NOW)
    assert refused.value.code == "customer_not_found"


OVERAGE = {"at": "100%", "level": "over", "policy": "allow_with_overage", "max_overage": 5}
GRACE = {"at": "100%", "level": "over", "policy": "allow_with_grace", "grace_amount": 5, "then": "deny"}
NOTIFY = {"at": "80%", "level": "warning", "policy": "notify_only"}
EARLY = {"at": "50%", "level": "half", "policy": "deny"}


@pytest.mark.parametrize(
    ("tiers", "raised", "used", "denied"),
    [
        ([], 0, 100, False),
        ([], 0, 101, True),
        ([], 20, 120, False),
        ([], 20, 121, True),
        ([], -20, 81, True),
        ([OVERAGE], 0, 105, False),
        ([OVERAGE], 0, 106, True),
        ([GRACE], 0, 105, False),
        ([GRACE], 0, 106, True),
        ([EARLY], 0, 50, False),
        ([EARLY], 0, 51, True),
        ([EARLY], 20, 60, False),
        ([NOTIFY], 0, 100, False),
        ([NOTIFY], 0, 150, True),
        ([NOTIFY, OVERAGE], 0, 106, True),
    ],
)
def test_the_policies_of_tiers_are_judged_by(tiers: list[Any], raised: int, used: int, denied: bool) -> None:
    governed = Governed(
        feature="images",
        meter="m",
        name="images",
        limit=Decimal(100),
        tiers=tuple(tier_of(tier) for tier in tiers),
        enforcement=Enforcement.OBSERVE,
    )
    shown = Shown(Decimal(used), Decimal(raised))
    assert would_deny(governed, shown) is denied
    assert not would_deny(replace(governed, limit=None), shown)
    for other in (Enforcement.HARD, Enforcement.SOFT, Enforcement.OFF):
        assert not would_deny(replace(governed, enforcement=other), shown)
