"""Limits over dimension values share a cell: the engine admits what the image of the limits that govern allows."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from tallygate.domain.admission import decide
from tallygate.domain.admission.cells import Cell, RequestMark
from tallygate.domain.admission.terms import Terms, terms
from tallygate.domain.base.instants import DAY, MINUTE
from tallygate.domain.catalog.scopes import governs
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.limits import Limit
from tallygate.operations.admission.ports import Admitted, NotAdmitted
from tallygate.storage.admission import cell_image
from tallygate.storage.admission.cells import Cells, admission_condition
from tallygate.storage.base import keys
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Engine, Put
from tallygate.storage.base.expressions import Item, holds
from tests.given import ENTRY, FEATURE, NOW, quota, rate, scoped

LARGE = Limit(name="large", scope={"model": "large"}, quotas=(quota(4, ordinal=2),), rates=(rate(3, ordinal=10),))
SMALL = Limit(name="small", scope={"model": "small"}, quotas=(quota(6, ordinal=3, every="day"),))
TEAM = Limit(name="team", scope={"team": "eng"}, rates=(rate(5, ordinal=11),), quotas=(quota(5, ordinal=4),))
BOTH = Limit(name="both", scope={"team": "eng", "model": "large"}, quotas=(quota(2, ordinal=5),))
LIMITS = (LARGE, SMALL, TEAM, BOTH)
RIGHT = scoped(*LIMITS, own=quota(8), rates=(rate(7),)).entitlements[FEATURE]


def ask(dimensions: dict[str, str] | None, amount: int = 1, *, seen: Cell | None = None, now: int = NOW) -> Terms:
    return terms(
        RIGHT,
        amount=Decimal(amount),
        version=1,
        mark=RequestMark(now // MINUTE, b"abcdef"),
        remembered=False,
        now=now,
        seen=seen or Cell(),
        dimensions=dimensions,
    )


EVERY = ask(None)
COUNTS = st.integers(0, 9).map(Decimal)
CELLS = st.fixed_dictionaries(
    {},
    optional={
        **{cell_image.used_name(term.counter): COUNTS for term in EVERY.quotas},
        **{cell_image.rated_name(term.current): COUNTS for term in EVERY.rates},
        **{cell_image.rated_name(term.previous): COUNTS for term in EVERY.rates},
        "cv": st.integers(0, 2).map(Decimal),
        "fl": st.sampled_from([NOW - DAY, NOW + 40 * DAY]).map(Decimal),
        "sus": st.sampled_from([NOW - 1, NOW + 1]).map(Decimal),
    },
)
DIMENSIONS = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(["large", "small", "medium"]),
        "team": st.sampled_from(["eng", "ops"]),
        "user": st.just("u1"),
    },
)


def test_the_terms_hold_the_limits_that_govern_the_request_and_no_other() -> None:
    asked = ask({"model": "large", "team": "ops", "api_key": "k"})
    assert [term.limit.name for term in asked.quotas] == [FEATURE, "large"]
    assert [term.limit.name for term in asked.rates] == [FEATURE, "large"]
    assert [term.limit.name for term in EVERY.quotas] == [FEATURE, "large", "small", "team", "both"]


@settings(max_examples=1500, deadline=None)
@given(CELLS, CELLS, DIMENSIONS, st.integers(1, 9))
def test_a_condition_never_admits_what_the_image_refuses(
    item: Item, stale: Item, dimensions: dict[str, str], amount: int
) -> None:
    asked = ask(dimensions, amount, seen=cell_image.cell_of(stale))
    if holds(admission_condition(asked), item):
        assert decide.refusal(cell_image.cell_of(item), asked) is None


@settings(max_examples=1500, deadline=None)
@given(CELLS, DIMENSIONS, st.integers(1, 9))
def test_a_condition_admits_whatever_the_image_it_was_made_from_allows(
    item: Item, dimensions: dict[str, str], amount: int
) -> None:
    cell = cell_image.cell_of(item)
    asked = ask(dimensions, amount, seen=cell)
    assert holds(admission_condition(asked), item) == (decide.refusal(cell, asked) is None)


@settings(max_examples=800, deadline=None)
@given(CELLS, DIMENSIONS, st.integers(1, 9))
def test_a_limit_over_other_values_neither_refuses_nor_is_counted(
    item: Item, dimensions: dict[str, str], amount: int
) -> None:
    """The answer is the same where its counters are full, and where they are gone."""
    governing = {limit.name for limit in RIGHT.limits if governs(limit.scope, dimensions)}
    others = [term for term in EVERY.quotas if term.limit.name not in governing]
    rated = [term for term in EVERY.rates if term.limit.name not in governing]
    names = {cell_image.used_name(term.counter) for term in others}
    names |= {cell_image.rated_name(name) for term in rated for name in (term.current, term.previous)}
    full = {**item, **dict.fromkeys(names, Decimal(99))}
    without = {name: value for name, value in item.items() if name not in names}
    asked = ask(dimensions, amount, seen=cell_image.cell_of(item))
    condition = admission_condition(asked)
    assert holds(condition, item) == holds(condition, full) == holds(condition, without)
    assert not {cell_image.used_name(term.counter) for term in asked.quotas} & names


def test_the_real_engine_admits_exactly_what_the_explanation_allows(dynamo_engine: DynamoEngine) -> None:
    cells = Cells(dynamo_engine)

    @settings(max_examples=250, deadline=None)
    @given(CELLS, DIMENSIONS, st.integers(1, 9))
    def agree(item: Item, dimensions: dict[str, str], amount: int) -> None:
        dynamo_engine.write(Put(key=keys.cell(CellName("acme", FEATURE)), item=item))
        asked = ask(dimensions, amount, seen=cell_image.cell_of(item))
        before = cell_image.cell_of(item)
        outcome = cells.admit(CellName("acme", FEATURE), asked, ENTRY)
        assert isinstance(outcome, Admitted) == (decide.refusal(before, asked) is None)
        if isinstance(outcome, Admitted):
            charged = {term.counter for term in asked.quotas}
            grown = {c for c, used in outcome.after.used.items() if used != before.used.get(c, 0)}
            assert grown == charged

    agree()


def test_a_limit_that_refuses_leaves_the_whole_cell_alone(engine: Engine) -> None:
    """All or nothing over scopes: five fit the customer and the team, but not the two for both."""
    cells = Cells(engine)
    assert isinstance(
        cells.admit(CellName("acme", FEATURE), ask({"model": "large", "team": "eng"}, 3), ENTRY), NotAdmitted
    )
    assert cells.read(CellName("acme", FEATURE)) == Cell()
    assert isinstance(
        cells.admit(CellName("acme", FEATURE), ask({"model": "medium", "team": "eng"}, 3), ENTRY), Admitted
    )


def test_counters_over_other_values_are_tidied_too(engine: Engine) -> None:
    """A value that nobody uses any more leaves no counters behind for ever."""
    cells = Cells(engine)
    admitted = cells.admit(CellName("acme", FEATURE), ask({"model": "small"}, 1), ENTRY)
    assert isinstance(admitted, Admitted)
    later = ask({"model": "medium"}, 1, seen=admitted.after, now=NOW + 40 * DAY)
    after = cells.admit(CellName("acme", FEATURE), later, ENTRY)
    assert isinstance(after, Admitted)
    assert {ordinal for ordinal, _ in after.after.used} == {1}
