"""Rolling periods in a cell: the sum over the last sub-windows holds, whatever a writer saw and its clock says."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cost import counting
from tallygate.domain.admission import decide
from tallygate.domain.admission.cells import Cell, RequestMark
from tallygate.domain.admission.terms import Terms, terms
from tallygate.domain.base.instants import DAY, HOUR, MINUTE
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.catalog.tiers import Deny, Tier, percent
from tallygate.domain.entries.total import Total
from tallygate.domain.facts.closing import may_close
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.governing import governed_of
from tallygate.domain.limits.limits import Entitlement, Quota
from tallygate.domain.periods.recurrence import ROLLING_PARTS, Schedule, rolling, window_at
from tallygate.operations.admission.ports import Admitted, NotAdmitted
from tallygate.storage.admission import cell_image
from tallygate.storage.admission.cells import Cells, admission_condition
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.expressions import Item, holds
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.journal.bring_in import CellEvents
from tests.given import ENTRY, FEATURE, NOW, effective, entitlement, quota, rate


def rolls(limit: int, every: str = "P30D", *, ordinal: int = 1) -> Quota:
    return Quota(ordinal=ordinal, limit=Decimal(limit), schedule=Schedule((rolling(every, "UTC"),)))


RIGHT = entitlement(rolls(10), quota(12, ordinal=2), rates=(rate(50),))
WIDTH = 30 * DAY // ROLLING_PARTS


def ask(right: Entitlement, amount: int, *, seen: Cell | None = None, now: int = NOW) -> Terms:
    mark = RequestMark(now // MINUTE, b"nobody")
    seen = seen if seen is not None else Cell()
    return terms(right, amount=Decimal(amount), version=1, mark=mark, remembered=False, now=now, seen=seen)


FULL = ask(RIGHT, 1)
COUNTERS = [FULL.quotas[0].counter, *(counter for counter, _ in FULL.quotas[0].beside)]
COUNTS = st.integers(0, 4).map(Decimal)
CELLS = st.fixed_dictionaries(
    {},
    optional={
        **{cell_image.used_name(counter): COUNTS for counter in (*COUNTERS, FULL.quotas[1].counter)},
        "fl": st.sampled_from([NOW - DAY, NOW + 20 * DAY, NOW + 40 * DAY]).map(Decimal),
    },
)
AT = st.integers(-WIDTH, WIDTH).map(lambda offset: NOW + offset)


@settings(max_examples=600, deadline=None)
@given(CELLS, CELLS, st.integers(1, 11), AT)
def test_a_condition_never_admits_what_the_image_refuses(item: Item, stale: Item, amount: int, now: int) -> None:
    asked = ask(RIGHT, amount, seen=cell_image.cell_of(stale), now=now)
    if holds(admission_condition(asked), item):
        assert decide.refusal(cell_image.cell_of(item), asked) is None


@settings(max_examples=600, deadline=None)
@given(CELLS, st.integers(1, 11), AT)
def test_a_condition_admits_whatever_the_image_it_was_made_from_allows(item: Item, amount: int, now: int) -> None:
    cell = cell_image.cell_of(item)
    asked = ask(RIGHT, amount, seen=cell, now=now)
    assert holds(admission_condition(asked), item) == (decide.refusal(cell, asked) is None)


STEPS = st.lists(
    st.tuples(st.integers(0, 6 * DAY), st.integers(-HOUR, HOUR), st.integers(1, 6), st.booleans()),
    min_size=1,
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_no_thirty_days_ever_have_more_than_the_limit(steps: list[tuple[int, int, int, bool]]) -> None:
    """Two containers whose clocks differ by up to an hour, each with what it saw last; refused, each tries again."""
    right, cells = entitlement(rolls(10)), Cells(MemoryEngine())
    seen = [Cell(), Cell()]
    at, granted, denied_with_room = NOW, [], 0
    for later, skew, amount, which in steps:
        at += later
        now = at + (skew if which else 0)
        outcome, asked = _tried(cells, right, amount, seen, which, now)
        if isinstance(outcome, Admitted):
            granted.append((now, amount))
        elif decide.refusal(outcome.seen, asked) == decide.Exceeded():
            counted = sum(used for when, used in granted if when > now - 30 * DAY - WIDTH)
            denied_with_room += counted + amount <= 10
    for end, _ in granted:
        assert sum(amount for when, amount in granted if end - 30 * DAY < when <= end) <= 10
    assert not denied_with_room, "what was used is forgotten a twelfth late at most"


def test_a_clock_that_is_behind_sees_what_one_ahead_has_counted() -> None:
    cells, right = Cells(MemoryEngine()), entitlement(rolls(10))
    boundary = ask(right, 1).quotas[0].window.end
    assert isinstance(cells.admit(CellName("acme", FEATURE), ask(right, 10, now=boundary), ENTRY), Admitted)
    unaware = cells.admit(CellName("acme", FEATURE), ask(right, 1, now=boundary - 1), ENTRY)
    assert isinstance(unaware, NotAdmitted)
    assert decide.refusal(unaware.seen, ask(right, 1, seen=unaware.seen, now=boundary - 1)) == decide.Exceeded()


def _tried(
    cells: Cells, right: Entitlement, amount: int, seen: list[Cell], which: int, now: int
) -> tuple[Admitted | NotAdmitted, Terms]:
    """One consume: what was seen is corrected until the refusal stands."""
    while True:
        asked = ask(right, amount, seen=seen[which], now=now)
        outcome = cells.admit(CellName("acme", FEATURE), asked, ENTRY)
        seen[which] = outcome.after if isinstance(outcome, Admitted) else outcome.seen
        if isinstance(outcome, Admitted) or decide.refusal(outcome.seen, asked) is not None:
            return outcome, asked


def test_usage_by_event_counts_for_as_long_as_it_would_by_consume() -> None:
    """An event of three weeks ago is in a sub-window that is long over, and in the last 30 days."""
    engine = MemoryEngine()
    right = entitlement(rolls(10))
    governed = governed_of(effective(rolls(10)))[1]
    assert (governed.limit, governed.tiers, governed.reach) == (None, (), 30 * DAY)
    for number, days in enumerate((45, 21), start=1):
        window = window_at(right.quota.schedule, NOW - days * DAY)
        total = Total(
            customer="acme",
            ordinal=1,
            start=window.start,
            end=window.end,
            value=Decimal(8),
            by_event=Decimal(8),
            upto=number,
            governed=governed,
        )
        assert not may_close(total, now=NOW + 365 * DAY, grace=0)
        CellEvents(engine).bring_in(total, seen=ZERO, now=NOW)
    cell = Cells(engine).read(CellName("acme", FEATURE))
    assert list(cell.used.values()) == [8], "what no longer counts is left alone"
    assert decide.refusal(cell, ask(right, 3, seen=cell)) == decide.Exceeded()
    assert decide.refusal(cell, ask(right, 2, seen=cell)) is None


def test_an_answer_says_when_enough_has_rolled_off() -> None:
    right, limits = entitlement(rolls(10)), effective(rolls(10))
    cells = Cells(MemoryEngine())
    seen = Cell()
    for days, amount in ((0, 4), (10, 5)):
        outcome = cells.admit(CellName("acme", FEATURE), ask(right, amount, seen=seen, now=NOW + days * DAY), ENTRY)
        assert isinstance(outcome, Admitted)
        seen = outcome.after
    now = NOW + 11 * DAY
    asked = ask(right, 3, seen=seen, now=now)
    why = decide.refusal(seen, asked)
    assert why is not None
    denied = decide.denied(limits, right, asked, seen, why=why)
    assert denied.retry_at is not None
    assert NOW + 30 * DAY <= denied.retry_at <= NOW + 30 * DAY + WIDTH
    before, after = (ask(right, 3, seen=seen, now=denied.retry_at + offset) for offset in (-1, 0))
    assert decide.refusal(seen, before) == decide.Exceeded()
    assert decide.refusal(seen, after) is None
    state = denied.limits[0]
    assert (state.used, state.remaining, state.start) == (9, 1, asked.quotas[0].window.start - 30 * DAY)


def test_what_never_fits_has_no_time_to_try_again() -> None:
    right, limits = entitlement(rolls(10)), effective(rolls(10))
    asked = ask(right, 11)
    denied = decide.denied(limits, right, asked, Cell(), why=decide.Exceeded())
    assert denied.retry_at is None


def test_the_worst_that_the_catalog_takes_stays_inside_the_engines_bounds(dynamo_engine: DynamoEngine) -> None:
    quotas = (rolls(10**17), rolls(10**17, "P7D", ordinal=2), *(quota(10**17, ordinal=n) for n in range(3, 9)))
    right = entitlement(*quotas, rates=tuple(rate(10**6, ordinal=n) for n in range(9, 17)))
    rated = Cell(rated={(n, NOW // MINUTE - 1): Decimal(3) for n in range(9, 17)})
    assert isinstance(Cells(dynamo_engine).admit(CellName("acme", FEATURE), ask(right, 2, seen=rated), ENTRY), Admitted)


def test_a_year_of_rolling_costs_one_unit_a_write(dynamo_engine: DynamoEngine, dynamodb: Any) -> None:
    right, cells, seen = entitlement(rolls(10**6)), Cells(dynamo_engine), Cell()
    with counting(dynamodb) as cost:
        for day in range(0, 365, 2):
            outcome = cells.admit(CellName("acme", FEATURE), ask(right, 1_000, seen=seen, now=NOW + day * DAY), ENTRY)
            assert isinstance(outcome, Admitted)
            seen = outcome.after
            assert len(seen.used) <= ROLLING_PARTS + 2, "what no longer counts is removed"
    assert (cost.total, cost.write_units) == (183, 183)


def test_tiers_that_an_override_leaves_over_a_rolling_period_let_nobody_beyond_its_limit() -> None:
    """Usage lies in many counters there, of which the bounds of a rung would see the newest alone."""
    right = entitlement(rolls(10))
    lenient = (Tier(level="over", at=percent(120), policy=Deny()), Tier(level="half", at=percent(50)))
    right = replace(right, limits=(replace(right.limits[0], tiers=lenient),))
    earlier = Cell(used={(1, FULL.quotas[0].window.start - WIDTH): Decimal(9)})
    image: Item = {cell_image.used_name(counter): value for counter, value in earlier.used.items()}
    assert holds(admission_condition(ask(right, 1, seen=earlier)), image)
    assert not holds(admission_condition(ask(right, 2, seen=earlier)), image)
    assert isinstance(decide.refusal(earlier, ask(right, 2, seen=earlier)), decide.Exceeded)
