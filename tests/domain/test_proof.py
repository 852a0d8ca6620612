"""The proof that a stream record of a cell carries: exact, however much has been used."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tallygate.domain.admission.cells import Cell
from tallygate.domain.entries.moves import CellMoves
from tallygate.domain.journal.proof import disproved, disproved_addition

COUNTER = (1, 0)


def test_a_use_proves_itself_though_all_that_was_used_is_more_than_one_quantity_holds() -> None:
    """Twenty of the largest are 29 digits."""
    largest = Decimal("999999999999999999.123456789")
    before, after = (Decimal("18999999999999999983.345678991"), Decimal("19999999999999999982.469135780"))
    old = Cell(used={COUNTER: before}, revision=1)
    new = Cell(used={COUNTER: after}, revision=2)
    assert disproved(old, new, CellMoves(used={COUNTER: largest})) is None
    for wrong in (largest + Decimal("0.000000001"), largest - Decimal("0.000000001")):
        assert disproved(old, new, CellMoves(used={COUNTER: wrong})) == "counter"


def test_an_addition_of_usage_by_event_proves_itself_without_an_entry() -> None:
    old = Cell(used={COUNTER: Decimal(7)}, brought={COUNTER: Decimal(2)}, revision=3)
    new = replace(old, used={COUNTER: Decimal(12)}, brought={COUNTER: Decimal(7)})
    assert disproved_addition(old, new) is None
    assert disproved_addition(Cell(), Cell(used={COUNTER: Decimal(5)}, brought={COUNTER: Decimal(5)})) is None
    for wrong, why in (
        (replace(new, used={COUNTER: Decimal(13)}), "counter"),
        (replace(new, used={}), "counter"),
        (replace(new, used={**new.used, (2, 0): Decimal(1)}), "counter"),
        (replace(new, suspended={0: 9}), "entry"),
        (replace(new, carried={COUNTER: Decimal(1)}), "entry"),
    ):
        assert disproved_addition(old, wrong) == why
