"""The contract of a cell with windows from their first use: the condition admits what the image's function does."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tallygate.domain.admission import decide
from tallygate.domain.admission.cells import UNSEEN, Cell, RequestMark
from tallygate.domain.admission.terms import Terms, placed, terms
from tallygate.domain.base.instants import HOUR, MINUTE, Instant
from tallygate.domain.catalog.tiers import (
    AllowWithGrace,
    AllowWithOverage,
    Deny,
    Enforcement,
    SuspendUsage,
    Tier,
    percent,
)
from tallygate.domain.entries.notices import OpenEntry
from tallygate.domain.limits.counters import CellName, CountedWindow
from tallygate.domain.limits.limits import Entitlement, Quota
from tallygate.domain.periods.recurrence import FIRST_USE, Schedule, Segment
from tallygate.operations.admission.ports import Admitted
from tallygate.storage.admission import cell_image
from tallygate.storage.admission.cells import Cells, admission_condition
from tallygate.storage.base import keys
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Engine, Put
from tallygate.storage.base.expressions import Item, holds
from tallygate.storage.journal.first_use import OPENED_KEPT, CellFirstUse
from tests.given import ENTRY, FEATURE, NOW, entitlement, quota

CELL = CellName("acme", FEATURE)
LENGTH = 5 * HOUR
STARTS = (NOW - LENGTH, NOW - LENGTH + 1, NOW - HOUR, NOW, NOW + MINUTE)
"""Just over, just not over, open, opened in this very millisecond, opened by a clock that is ahead."""
TIERS = (
    Tier(level="late", at=percent(60), policy=AllowWithGrace(amount=Decimal(1), lasts=HOUR, then=Deny())),
    Tier(level="over", at=percent(120), policy=AllowWithOverage(max_overage=Decimal(4))),
    Tier(level="stop", at=percent(200), policy=SuspendUsage(until="next_period")),
)


def from_first_use(limit: int | None = 5, *, every: str = "PT5H", ordinal: int = 1) -> Quota:
    return replace(quota(limit, ordinal=ordinal), schedule=Schedule((Segment(every, "UTC", None, FIRST_USE),)))


@st.composite
def _rights(draw: st.DrawFn) -> Entitlement:
    right = entitlement(from_first_use(), from_first_use(8, every="day", ordinal=2), quota(30, ordinal=3, every="year"))
    own = replace(
        right.limits[0], tiers=draw(st.sampled_from([(), TIERS])), enforcement=draw(st.sampled_from(Enforcement))
    )
    return replace(right, limits=(own, *right.limits[1:]))


COUNTS = st.integers(0, 14).map(Decimal)


def _possible(item: dict[str, Any]) -> Item:
    """An item as cells come to be: nothing is counted after the newest window, or where none ever was."""
    newest = {o: item.get(cell_image.newest_name(o)) for o in (1, 2)}

    def kept(name: str) -> bool:
        kind, _, rest = name.partition(".")
        if kind not in ("u", "g", "a"):
            return True
        ordinal, _, start = rest.partition(".")
        began = newest[int(ordinal)]
        return isinstance(began, Decimal) and int(start) <= began

    return {name: value for name, value in item.items() if kept(name)}


CELLS: st.SearchStrategy[Item] = st.fixed_dictionaries(
    {},
    optional={
        **{cell_image.newest_name(ordinal): st.sampled_from(STARTS).map(Decimal) for ordinal in (1, 2)},
        **{cell_image.used_name((ordinal, start)): COUNTS for ordinal in (1, 2) for start in STARTS},
        **{
            cell_image.window_name("g", (1, start)): st.sampled_from([NOW - HOUR, NOW]).map(Decimal) for start in STARTS
        },
        **{cell_image.window_name("a", (1, start)): st.integers(-2, 2).map(Decimal) for start in STARTS},
        "fl": st.sampled_from([NOW - LENGTH, NOW, NOW + HOUR]).map(Decimal),
        "fe.1": st.just(f"{NOW - LENGTH},{NOW - HOUR}"),
    },
).map(_possible)


def ask(right: Entitlement, amount: int, *, seen: Cell) -> Terms:
    mark = RequestMark(NOW // MINUTE, b"abcdef")
    return terms(right, amount=Decimal(amount), version=1, mark=mark, remembered=False, now=NOW, seen=seen)


@settings(max_examples=1500, deadline=None)
@given(_rights(), CELLS, CELLS | st.none(), st.integers(1, 9))
def test_a_condition_never_admits_what_the_image_refuses(
    right: Entitlement, item: Item, stale: Item | None, amount: int
) -> None:
    """Whatever the writer saw last, also where it saw nothing: a window that others opened is never opened again."""
    asked = ask(right, amount, seen=UNSEEN if stale is None else cell_image.cell_of(stale))
    cell = cell_image.cell_of(item)
    if holds(admission_condition(asked), item):
        assert decide.refusal(cell, asked) is None
        assert placed(asked, cell) is asked, "the amount goes into the window that the image shows"


@settings(max_examples=1500, deadline=None)
@given(_rights(), CELLS, st.integers(1, 9))
def test_a_condition_admits_whatever_the_image_it_was_made_from_allows(
    right: Entitlement, item: Item, amount: int
) -> None:
    cell = cell_image.cell_of(item)
    asked = ask(right, amount, seen=cell)
    assert holds(admission_condition(asked), item) == (decide.refusal(cell, asked) is None)


@settings(max_examples=1500, deadline=None)
@given(_rights(), CELLS, CELLS | st.none(), st.integers(1, 9))
def test_a_refusal_is_explained_by_the_windows_of_its_image(
    right: Entitlement, item: Item, stale: Item | None, amount: int
) -> None:
    """So a denial needs no second try, whatever was seen of an older window."""
    cell = cell_image.cell_of(item)
    late = ask(right, amount, seen=UNSEEN if stale is None else cell_image.cell_of(stale))
    fresh = ask(right, amount, seen=cell)
    assert type(decide.refusal(cell, late)) is type(decide.refusal(cell, fresh))


def test_the_real_engine_admits_and_opens_exactly_what_the_explanation_says(dynamo_engine: DynamoEngine) -> None:
    cells = Cells(dynamo_engine)

    @settings(max_examples=250, deadline=None)
    @given(_rights(), CELLS, st.integers(1, 9))
    def agree(right: Entitlement, item: Item, amount: int) -> None:
        dynamo_engine.write(Put(key=keys.cell(CELL), item=item))
        before = cell_image.cell_of(item)
        asked = ask(right, amount, seen=before)
        outcome = cells.admit(CellName("acme", FEATURE), asked, ENTRY)
        assert isinstance(outcome, Admitted) == (decide.refusal(before, asked) is None)
        if isinstance(outcome, Admitted):
            for term in asked.quotas[:2]:
                assert outcome.after.newest[term.quota.ordinal] == term.window.start
                assert outcome.after.used[term.counter] == before.used.get(term.counter, 0) + amount

    agree()


def opening(start: Instant) -> OpenEntry:
    return OpenEntry(feature=FEATURE, time=NOW, window=CountedWindow(1, start, start + LENGTH))


def test_a_fold_opens_a_window_only_over_what_it_saw(engine: Engine) -> None:
    cells = CellFirstUse(engine)
    unseen = cells.look(CELL)
    first = cells.open(CELL, unseen, opening(NOW))
    assert (first.newest, first.opened_for_events) == ({1: NOW}, {1: (NOW,)})
    other = cells.open(CELL, unseen, opening(NOW + LENGTH))
    assert other == first, "what it saw has moved: the cell is as it was"
    late = cells.open(CELL, first, opening(NOW - LENGTH))
    assert (late.newest, late.opened_for_events) == ({1: NOW}, {1: (NOW, NOW - LENGTH)})
    assert cells.open(CELL, first, opening(NOW - HOUR)) == late
    for turn in range(2 * OPENED_KEPT):
        late = cells.open(CELL, late, opening(NOW + turn * LENGTH))
    assert len(late.opened_for_events[1]) == OPENED_KEPT and late.used == {}
