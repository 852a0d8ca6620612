"""The marks: what has been read of each shard, and the proof that a cell's record carries."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.domain.admission.cells import Cell
from tallygate.domain.base.instants import HOUR
from tallygate.domain.entries.moves import CellMoves
from tallygate.domain.journal.proof import disproved
from tallygate.domain.journal.records import MARK_KEPT, Mark, Position, advanced, is_new

POSITIONS = st.builds(Position, st.sampled_from(["a", "b", "c"]), st.integers(0, 10**40), st.just(5))


def test_sequence_numbers_compare_as_numbers_not_as_texts() -> None:
    marks = advanced({}, [Position("a", 99, 1)])
    assert is_new(marks, Position("a", 100, 1))
    assert not is_new(marks, Position("a", 99, 1))
    assert not is_new(marks, Position("a", 9, 1))
    assert is_new(marks, Position("b", 9, 1)), "another shard counts for itself"


@given(st.lists(POSITIONS), st.lists(POSITIONS))
def test_marks_only_advance_and_what_they_cover_is_never_new_again(
    first: list[Position], second: list[Position]
) -> None:
    marks = advanced({}, first)
    further = advanced(marks, second)
    for position in (*first, *second):
        assert not is_new(further, position)
    assert all(further[shard].sequence >= mark.sequence for shard, mark in marks.items())


def test_the_mark_of_a_shard_outlives_all_that_the_stream_could_deliver_of_it() -> None:
    marks = advanced({"old": Mark(1, 0)}, [Position("new", 1, 47 * HOUR)])
    assert set(marks) == {"old", "new"}
    assert set(advanced(marks, [Position("new", 2, MARK_KEPT)])) == {"new"}


OLD = Cell(used={(1, 0): Decimal(5), (2, 0): Decimal(5)}, rated={(9, 3): Decimal(1)}, revision=7)
GROWN = {(1, 0): Decimal(8), (2, 0): Decimal(8)}
BY = {(1, 0): Decimal(3), (2, 0): Decimal(3)}


@pytest.mark.parametrize(
    ("new", "why"),
    [
        (Cell(used=GROWN, rated={(9, 3): Decimal(4)}, revision=8), None),
        (Cell(used=GROWN, rated={(9, 4): Decimal(3)}, revision=8), None),
        (Cell(used=GROWN, revision=9), "revision"),
        (Cell(used=GROWN, revision=7), "revision"),
        (Cell(used={**GROWN, (2, 0): Decimal(9)}, revision=8), "counter"),
        (Cell(used={**GROWN, (3, 0): Decimal(1)}, revision=8), "counter"),
        (Cell(used={(1, 0): Decimal(8)}, revision=8), "counter"),
        (Cell(used=GROWN, rated={(9, 3): Decimal(2)}, revision=8), "rate"),
    ],
)
def test_a_record_proves_that_it_counted_what_its_entry_says(new: Cell, why: str | None) -> None:
    assert disproved(OLD, new, CellMoves(used=BY, rated=Decimal(3))) == why


def test_removed_windows_and_the_first_write_prove_themselves_too() -> None:
    first = CellMoves(used={(1, 9): Decimal(3)}, rated=Decimal(3))
    assert disproved(OLD, Cell(used={(1, 9): Decimal(3)}, revision=8), first) is None
    assert disproved(Cell(), Cell(used={(1, 9): Decimal(3)}, revision=1), first) is None


def cell(revision: int, used: int, carried: int = 0, adjusted: int = 0) -> Cell:
    """A cell whose counter starts below zero by what was carried and adjusted."""
    window = (1, 0)
    return Cell(
        used={window: Decimal(used - carried - adjusted)},
        carried={window: Decimal(carried)} if carried else {},
        adjusted={window: Decimal(adjusted)} if adjusted else {},
        revision=revision,
    )


def stated(used: int | None = None, carried: int | None = None, adjusted: int | None = None) -> CellMoves:
    def of(amount: int | None) -> dict[tuple[int, int], Decimal]:
        return {} if amount is None else {(1, 0): Decimal(amount)}

    return CellMoves(used=of(used), carried=of(carried), adjusted=of(adjusted))


@pytest.mark.parametrize(
    ("old", "new", "says", "why"),
    [
        (Cell(), cell(1, 5, carried=300), stated(used=5, carried=300), None),
        (Cell(), cell(1, 5, carried=300), stated(used=5), "carried"),
        (Cell(), cell(1, 5), stated(used=5, carried=300), "carried"),
        (cell(1, 5, carried=300), cell(2, 5, carried=200), stated(carried=200), None),
        (cell(1, 5, carried=300), cell(2, 5, carried=200), stated(carried=100), "carried"),
        (cell(1, 5), cell(2, 5, adjusted=70), stated(adjusted=70), None),
        (cell(1, 5, adjusted=70), cell(2, 5, adjusted=40), stated(adjusted=-30), None),
        (cell(1, 5, adjusted=70), cell(2, 5, adjusted=70), stated(adjusted=-30), "adjusted"),
        (cell(1, 5, carried=1, adjusted=70), cell(2, 9, carried=1, adjusted=70), stated(used=4), None),
        (cell(1, 5), cell(2, 4, adjusted=70), stated(adjusted=70), "counter"),
    ],
)
def test_what_raises_a_limit_moves_the_counter_and_proves_itself(
    old: Cell, new: Cell, says: CellMoves, why: str | None
) -> None:
    assert disproved(old, new, says) == why
