"""The cell's contract: what the engine admits is what the pure function of the image says it admits."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallygate.domain.admission import decide
from tallygate.domain.admission.cells import Cell, RequestMark
from tallygate.domain.admission.terms import Terms, terms
from tallygate.domain.base.instants import DAY, HOUR, MINUTE
from tallygate.domain.catalog.tiers import (
    AllowWithGrace,
    AllowWithOverage,
    Deny,
    Enforcement,
    NotifyOnly,
    RateLimit,
    SuspendUsage,
    Threshold,
    Tier,
)
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.limits import Entitlement
from tallygate.domain.limits.rungs import UNTIL_RESUMED
from tallygate.operations.admission.ports import Admitted, NotAdmitted
from tallygate.storage.admission import cell_image
from tallygate.storage.admission.cells import Cells, admission_condition
from tallygate.storage.base import keys
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Engine, Put
from tallygate.storage.base.expressions import Item, holds
from tallygate.storage.limits.versions import effective_document
from tests.given import ENTRY, FEATURE, NOW, effective, entitlement, quota, rate

MARK = RequestMark(NOW // MINUTE, b"abcdef")


def ask(
    right: Entitlement, amount: int | str = 1, *, seen: Cell | None = None, now: int = NOW, version: int = 1
) -> Terms:
    mark = RequestMark(now // MINUTE, MARK.digest)
    return terms(
        right, amount=Decimal(amount), version=version, mark=mark, remembered=True, now=now, seen=seen or Cell()
    )


def write(engine: Engine, item: Item) -> None:
    engine.write(Put(key=keys.cell(CellName("acme", FEATURE)), item=item))


def test_more_than_the_limit_does_not_fit_a_fresh_window(engine: Engine) -> None:
    cells, asked = Cells(engine), ask(entitlement(quota(10)), 11)
    assert cells.admit(CellName("acme", FEATURE), asked, ENTRY) == NotAdmitted(Cell())
    assert decide.refusal(Cell(), asked) == decide.Exceeded()


def test_a_limit_of_zero_denies_everything(engine: Engine) -> None:
    cells, right = Cells(engine), entitlement(quota(0))
    assert isinstance(cells.admit(CellName("acme", FEATURE), ask(right, "0.000000001"), ENTRY), NotAdmitted)


def test_equality_grants_and_the_next_unit_does_not(engine: Engine) -> None:
    cells, right = Cells(engine), entitlement(quota(10))
    admitted = cells.admit(CellName("acme", FEATURE), ask(right, 10), ENTRY)
    assert isinstance(admitted, Admitted)
    (used,) = admitted.after.used.values()
    assert (used, admitted.after.revision, admitted.after.version) == (10, 1, 1)
    other = terms(
        right,
        amount=Decimal("0.000000001"),
        version=1,
        mark=RequestMark(MARK.minute, b"other!"),
        remembered=True,
        now=NOW,
        seen=admitted.after,
    )
    assert isinstance(cells.admit(CellName("acme", FEATURE), other, ENTRY), NotAdmitted)


def test_a_limit_that_refuses_leaves_every_other_counter_alone(engine: Engine) -> None:
    cells, right = Cells(engine), entitlement(quota(100), quota(5, ordinal=2, every="day"))
    assert isinstance(cells.admit(CellName("acme", FEATURE), ask(right, 6), ENTRY), NotAdmitted)
    assert cells.read(CellName("acme", FEATURE)) == Cell()


def test_an_older_version_is_refused_as_stale_and_a_raise_is_final(engine: Engine) -> None:
    cells, right = Cells(engine), entitlement(quota(10))
    cells.raise_version(CellName("acme", FEATURE), 3, NOW)
    cells.raise_version(CellName("acme", FEATURE), 2, NOW)
    refused = cells.admit(CellName("acme", FEATURE), ask(right, version=2), ENTRY)
    assert isinstance(refused, NotAdmitted)
    assert (refused.seen.version, refused.seen.revision) == (3, 1)
    assert decide.refusal(refused.seen, ask(right, version=2)) == decide.Stale()
    assert isinstance(cells.admit(CellName("acme", FEATURE), ask(right, version=3), ENTRY), Admitted)


def test_a_window_that_was_removed_cannot_be_revived_by_a_slow_clock(engine: Engine) -> None:
    """200 of 100 would be granted if the removed window could start at zero again."""
    cells, right = Cells(engine), entitlement(quota(100))
    admitted = cells.admit(CellName("acme", FEATURE), ask(right, 100), ENTRY)
    assert isinstance(admitted, Admitted)
    next_month = NOW + 15 * DAY
    rolled = cells.admit(CellName("acme", FEATURE), ask(right, 1, seen=admitted.after, now=next_month), ENTRY)
    assert isinstance(rolled, Admitted)
    assert len(rolled.after.used) == 1, "the window that is over was removed"
    late = ask(right, 100, now=NOW + HOUR)
    refused = cells.admit(CellName("acme", FEATURE), late, ENTRY)
    assert isinstance(refused, NotAdmitted)
    assert decide.refusal(refused.seen, late) == decide.Behind()


def test_a_window_over_for_less_than_ten_minutes_stays(engine: Engine) -> None:
    cells, right = Cells(engine), entitlement(quota(100))
    admitted = cells.admit(CellName("acme", FEATURE), ask(right, 100), ENTRY)
    assert isinstance(admitted, Admitted)
    (end,) = {term.window.end for term in ask(right).quotas}
    rolled = cells.admit(CellName("acme", FEATURE), ask(right, 1, seen=admitted.after, now=end + 9 * MINUTE), ENTRY)
    assert isinstance(rolled, Admitted)
    assert sorted(rolled.after.used.values()) == [1, 100]
    assert isinstance(cells.admit(CellName("acme", FEATURE), ask(right, 1, now=end - 1), ENTRY), NotAdmitted)


def test_the_same_request_is_counted_once_in_three_minutes_and_forgotten_later(engine: Engine) -> None:
    cells, right = Cells(engine), entitlement(quota(100))
    seen = Cell()
    for minutes, expected in ((0, Admitted), (0, NotAdmitted), (1, NotAdmitted), (3, Admitted)):
        asked = ask(right, 1, seen=seen, now=NOW + minutes * MINUTE)
        outcome = cells.admit(CellName("acme", FEATURE), asked, ENTRY)
        assert isinstance(outcome, expected)
        seen = outcome.after if isinstance(outcome, Admitted) else outcome.seen
        if isinstance(outcome, NotAdmitted):
            assert decide.refusal(seen, asked) == decide.Replayed(MARK.minute)
    assert set(seen.marks) == {MARK.minute + 3}, "minutes that nobody asks for are removed"


def test_a_suspended_cell_admits_nothing(engine: Engine) -> None:
    write(engine, {"sus": NOW + HOUR, "n": 1, "cv": 1})
    refused = Cells(engine).admit(CellName("acme", FEATURE), ask(entitlement(quota(10))), ENTRY)
    assert isinstance(refused, NotAdmitted)
    assert decide.refusal(refused.seen, ask(entitlement(quota(10)))) == decide.Suspended(NOW + HOUR, 0)


def test_the_limits_in_force_are_read_as_they_were_stored(engine: Engine) -> None:
    limits = effective(quota("10.5"), quota(None, ordinal=2), rates=(rate(60),), tiers={"warning": 80})
    engine.write(Put(key=keys.effective("acme"), item={"version": 1, "doc": effective_document(limits)}))
    assert Cells(engine).effective("acme") == limits
    assert Cells(engine).effective("nobody") is None


RIGHT = entitlement(quota(5), quota(7, ordinal=2, every="day"), rates=(rate(4), rate(9, burst=3, ordinal=10)))
MIXED = entitlement(
    quota(5), quota(7, ordinal=2, every="day"), rates=(rate(4), rate(9, burst=3, ordinal=10)), enforcement="soft"
)
"""Its own limit only counts; the further one decides."""
THROTTLE = RateLimit(rate=rate(3, ordinal=20))
ENDS_IN = st.sampled_from([Deny(), SuspendUsage(until="resumed"), AllowWithOverage(max_overage=Decimal(2)), THROTTLE])
POLICIES = st.one_of(
    st.sampled_from([NotifyOnly(), Deny(), SuspendUsage(until="next_period"), AllowWithOverage(), THROTTLE]),
    st.builds(AllowWithOverage, max_overage=st.integers(0, 3).map(Decimal)),
    st.builds(AllowWithGrace, amount=st.integers(1, 3).map(Decimal), then=ENDS_IN),
)
LASTING = st.builds(AllowWithGrace, amount=st.none() | st.just(Decimal(2)), lasts=st.just(HOUR), then=ENDS_IN)
PLACES = st.one_of(
    st.sampled_from([40, 60, 80, 100, 120]).map(lambda at: Threshold(percent=Decimal(at))),
    st.sampled_from([3, 5, 6]).map(lambda at: Threshold(amount=Decimal(at))),
)


@st.composite
def _tiered(draw: st.DrawFn) -> Entitlement:
    """A limit with up to four tiers, one of which may be a grace that lasts some time, of any enforcement."""
    tiers = draw(st.lists(st.builds(Tier, level=st.just("l"), at=PLACES, policy=POLICIES), max_size=3))
    tiers += draw(st.lists(st.builds(Tier, level=st.just("g"), at=PLACES, policy=LASTING), max_size=1))
    own = replace(RIGHT.limits[0], tiers=tuple(tiers), enforcement=draw(st.sampled_from(Enforcement)))
    return replace(RIGHT, limits=(own, *RIGHT.limits[1:]))


RIGHTS = st.one_of(st.sampled_from([RIGHT, MIXED]), _tiered())
FULL = ask(RIGHT)
OWN = FULL.quotas[0].counter
COUNTS = st.integers(0, 8).map(Decimal)
RAISED = st.integers(-2, 4).map(Decimal)
CELLS = st.fixed_dictionaries(
    {},
    optional={
        **{cell_image.used_name(term.counter): COUNTS for term in FULL.quotas},
        **{cell_image.rated_name(term.current): COUNTS for term in FULL.rates},
        **{cell_image.rated_name(term.previous): COUNTS for term in FULL.rates},
        cell_image.rated_name((20, FULL.rates[0].at.index)): COUNTS,
        cell_image.window_name(cell_image.CARRIED, OWN): RAISED,
        cell_image.window_name(cell_image.ADJUSTED, OWN): RAISED,
        cell_image.window_name(cell_image.GRACE, OWN): st.sampled_from([NOW - 2 * HOUR, NOW - HOUR, NOW - MINUTE]).map(
            Decimal
        ),
        "cv": st.integers(0, 2).map(Decimal),
        "fl": st.sampled_from([NOW - DAY, NOW + HOUR, NOW + 40 * DAY]).map(Decimal),
        "sus": st.sampled_from([NOW - MINUTE, NOW + HOUR, UNTIL_RESUMED]).map(Decimal),
        cell_image.marks_name(MARK.minute - 1): st.sets(st.sampled_from([MARK.digest, b"other!"]), min_size=1).map(
            frozenset
        ),
    },
)


@settings(max_examples=1500, deadline=None)
@given(RIGHTS, CELLS, CELLS, st.integers(1, 9), st.integers(0, MINUTE - 1))
def test_a_condition_never_admits_what_the_image_refuses(
    right: Entitlement, item: Item, stale: Item, amount: int, offset: int
) -> None:
    """Whatever the writer saw last: if the write is made, the image allowed it. Never over a cap."""
    asked = ask(right, amount, seen=cell_image.cell_of(stale), now=NOW + offset)
    if holds(admission_condition(asked), item):
        assert decide.refusal(cell_image.cell_of(item), asked) is None


@settings(max_examples=1500, deadline=None)
@given(RIGHTS, CELLS, st.integers(1, 9), st.integers(0, MINUTE - 1))
def test_a_condition_admits_whatever_the_image_it_was_made_from_allows(
    right: Entitlement, item: Item, amount: int, offset: int
) -> None:
    """No false denial: with the image in hand, the condition and the explanation agree in both directions."""
    cell = cell_image.cell_of(item)
    asked = ask(right, amount, seen=cell, now=NOW + offset)
    assert holds(admission_condition(asked), item) == (decide.refusal(cell, asked) is None)


def test_the_real_engine_admits_exactly_what_the_explanation_allows(dynamo_engine: DynamoEngine) -> None:
    cells = Cells(dynamo_engine)

    @settings(max_examples=250, deadline=None)
    @given(RIGHTS, CELLS, st.integers(1, 9))
    def agree(right: Entitlement, item: Item, amount: int) -> None:
        write(dynamo_engine, item)
        asked = ask(right, amount, seen=cell_image.cell_of(item))
        admitted = cells.admit(CellName("acme", FEATURE), asked, ENTRY)
        assert isinstance(admitted, Admitted) == (decide.refusal(cell_image.cell_of(item), asked) is None)

    agree()


@pytest.mark.parametrize("seen", [Cell(), Cell(rated={(9, 1): Decimal(3)})])
def test_eight_quotas_and_eight_rates_stay_inside_the_engines_bounds(dynamo_engine: DynamoEngine, seen: Cell) -> None:
    quotas = tuple(quota(10**17, ordinal=n) for n in range(1, 9))
    rates = tuple(rate(10**6, ordinal=n) for n in range(9, 17))
    right = entitlement(*quotas, rates=rates)
    outcome = Cells(dynamo_engine).admit(CellName("acme", FEATURE), ask(right, "1.5", seen=seen), ENTRY)
    assert isinstance(outcome, Admitted)
    assert len(outcome.after.used) == len(outcome.after.rated) == 8
