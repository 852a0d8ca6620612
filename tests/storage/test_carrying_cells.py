"""The contract of a cell where quota carries over: the condition admits what the pure function of the image does."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tallygate.domain.admission import decide
from tallygate.domain.admission.cells import UNSEEN, Cell, RequestMark
from tallygate.domain.admission.terms import Terms, terms
from tallygate.domain.base.instants import MINUTE, Instant, parse_instant
from tallygate.domain.catalog.carryover import Cap, Carryover
from tallygate.domain.catalog.tiers import AllowWithOverage, Enforcement, RateLimit, Tier, percent
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.limits import Entitlement
from tallygate.domain.limits.rollover import Stretch
from tallygate.operations.admission.ports import Admitted
from tallygate.storage.admission import cell_image
from tallygate.storage.admission.cells import Cells, admission_condition
from tallygate.storage.base import keys
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Put
from tallygate.storage.base.expressions import Item, holds
from tests.given import ENTRY, FEATURE, NOW, entitlement, quota, rate

SEPTEMBER, OCTOBER, NOVEMBER, DECEMBER = (parse_instant(f"2026-{month:02d}-01T00:00:00Z") for month in (9, 10, 11, 12))
TIERS = (
    Tier(level="slow", at=percent(60), policy=RateLimit(rate=rate(3, ordinal=20))),
    Tier(level="over", at=percent(120), policy=AllowWithOverage(max_overage=Decimal(4))),
)


@st.composite
def _rights(draw: st.DrawFn) -> Entitlement:
    since = draw(st.sampled_from([SEPTEMBER, OCTOBER, NOVEMBER]))
    carrying = replace(quota(5), stretches=(Stretch(since, Decimal(5)),))
    carryover = draw(
        st.sampled_from([Carryover(), Carryover(most=Cap(amount=Decimal(3))), Carryover(expires_after=1)])
        | st.just(Carryover(overage="deduct"))
    )
    right = entitlement(carrying, quota(30, ordinal=2, every="year"))
    own = replace(
        right.limits[0],
        carryover=carryover,
        tiers=draw(st.sampled_from([(), TIERS])),
        enforcement=draw(st.sampled_from(Enforcement)),
    )
    return replace(right, limits=(own, *right.limits[1:]))


COUNTS = st.integers(-6, 9).map(Decimal)


def _of(kind: str, values: st.SearchStrategy[Any], *starts: Instant) -> dict[str, st.SearchStrategy[Any]]:
    return {cell_image.window_name(kind, (1, start)): values for start in starts}


def _written(item: Item) -> Item:
    """Without what no write leaves: something carried into a window that is not open."""
    return {name: value for name, value in item.items() if name[:2] not in ("k.", "y.") or f"u{name[1:]}" in item}


CELLS: st.SearchStrategy[Item] = st.fixed_dictionaries(
    {},
    optional={
        **_of("u", COUNTS, SEPTEMBER, OCTOBER, NOVEMBER),
        **_of("k", st.integers(0, 6).map(Decimal), OCTOBER, NOVEMBER),
        **_of("y", st.sampled_from(["2@1", "1@1,2@2"]), OCTOBER, NOVEMBER),
        cell_image.rated_name((20, NOW // MINUTE)): st.integers(0, 3).map(Decimal),
        cell_image.newest_name(1): st.sampled_from([SEPTEMBER, OCTOBER, NOVEMBER]).map(Decimal),
        "fl": st.sampled_from([OCTOBER, NOVEMBER, DECEMBER]).map(Decimal),
    },
).map(_written)


def ask(right: Entitlement, amount: int, *, seen: Cell) -> Terms:
    mark = RequestMark(NOW // MINUTE, b"abcdef")
    return terms(right, amount=Decimal(amount), version=1, mark=mark, remembered=False, now=NOW, seen=seen)


@settings(max_examples=1500, deadline=None)
@given(_rights(), CELLS, CELLS | st.none(), st.integers(1, 9))
def test_a_condition_never_admits_what_the_image_refuses(
    right: Entitlement, item: Item, stale: Item | None, amount: int
) -> None:
    """Whatever the writer saw last, also where it saw nothing: never over what was granted and carried."""
    asked = ask(right, amount, seen=UNSEEN if stale is None else cell_image.cell_of(stale))
    if holds(admission_condition(asked), item) and _consistent(asked, item, stale):
        assert decide.refusal(cell_image.cell_of(item), asked) is None


def _consistent(asked: Terms, item: Item, stale: Item | None) -> bool:
    """Every window is opened once, and says so: no other is open where the one that was opened last is the same.
    Those up to the one in which the quota came to carry over may have been counted in without it."""
    name, first = cell_image.newest_name(1), asked.quotas[0].quota.stretches[0].since
    return stale is None or item.get(name) != stale.get(name) or _opened_in(item, first) == _opened_in(stale, first)


def _opened_in(item: Item, first: Instant) -> set[Instant]:
    return {start for _, start in cell_image.cell_of(item).used if start > first}


@settings(max_examples=1500, deadline=None)
@given(_rights(), CELLS, st.integers(1, 9))
def test_a_condition_admits_whatever_the_image_it_was_made_from_allows(
    right: Entitlement, item: Item, amount: int
) -> None:
    cell = cell_image.cell_of(item)
    asked = ask(right, amount, seen=cell)
    assert holds(admission_condition(asked), item) == (decide.refusal(cell, asked) is None)


def test_the_real_engine_admits_and_opens_exactly_what_the_explanation_says(dynamo_engine: DynamoEngine) -> None:
    cells = Cells(dynamo_engine)

    @settings(max_examples=250, deadline=None)
    @given(_rights(), CELLS, st.integers(1, 9))
    def agree(right: Entitlement, item: Item, amount: int) -> None:
        dynamo_engine.write(Put(key=keys.cell(CellName("acme", FEATURE)), item=item))
        before = cell_image.cell_of(item)
        asked = ask(right, amount, seen=before)
        outcome = cells.admit(CellName("acme", FEATURE), asked, ENTRY)
        assert isinstance(outcome, Admitted) == (decide.refusal(before, asked) is None)
        if isinstance(outcome, Admitted):
            opened = asked.quotas[0].opens
            begins = before.used.get((1, NOVEMBER), Decimal(0)) if opened is None else -opened.carried
            assert outcome.after.used[(1, NOVEMBER)] == begins + amount
            if opened is not None:
                assert outcome.after.carried.get((1, NOVEMBER), 0) == opened.carried
                assert outcome.after.floor is not None and outcome.after.floor >= NOVEMBER

    agree()
