"""What the fold asks and tells of windows that carry over, on either engine."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tallygate.domain.base.instants import DAY
from tallygate.domain.entries.moves import CellMoves, TotalMove
from tallygate.domain.entries.windows import CarryEntry
from tallygate.domain.facts.revisions import Revision
from tallygate.domain.journal.fold import TotalChange
from tallygate.domain.limits.counters import CarriedIn, CellName, CountedWindow
from tallygate.domain.limits.governing import Governed
from tallygate.domain.limits.rollover import Layer
from tallygate.domain.metering.contributions import Add
from tallygate.storage.base import items, keys
from tallygate.storage.base.engine import Engine, Put
from tallygate.storage.base.expressions import Item
from tallygate.storage.entries.entries import entry_of
from tallygate.storage.entries.writes import LAST
from tallygate.storage.journal import carryover as cell_carryover
from tallygate.storage.journal.carryover import CellCarryover
from tallygate.storage.journal.totals import Totals
from tests.given import FEATURE, METER, NOW

CELL = CellName("acme", FEATURE)
START = NOW - NOW % DAY
GOVERNED = Governed(feature=FEATURE, meter=METER, name=FEATURE, limit=Decimal(100), carries=True)
LAYERS = (Layer(Decimal(5), 2), Layer(Decimal(20), 1))


def began(days_ago: int) -> int:
    return START - days_ago * DAY


def counted(engine: Engine, days_ago: int, ordinal: int = 1) -> None:
    move = TotalMove(
        window=CountedWindow(ordinal, began(days_ago), began(days_ago) + DAY),
        value=Add(Decimal(days_ago)),
        into=CarriedIn(layers=LAYERS),
        carried=Decimal(25),
    )
    Totals(engine).add_to_total("acme", TotalChange(governed=GOVERNED, move=move), 1)


@pytest.mark.parametrize("back", [1, 5, 12])
def test_the_newest_totals_are_read_back_to_what_is_enough(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, back: int
) -> None:
    monkeypatch.setattr(cell_carryover, "READ_FIRST", 2)
    monkeypatch.setattr(cell_carryover, "READ_AT_ONCE", 3)
    for days_ago in range(10):
        counted(engine, days_ago)
        counted(engine, days_ago, ordinal=2)
    read = CellCarryover(engine).totals(CELL, 1, until=lambda known: known.start <= began(back))
    assert sorted(read) == [began(days_ago) for days_ago in range(min(back, 9), -1, -1)]
    assert all((known.ordinal, known.layers) == (1, LAYERS) for known in read.values())


def revised(engine: Engine, *, removed: bool) -> bool:
    found = Revision(
        counter=(1, began(1)), end=START, was=Decimal(25), layers=(Layer(Decimal(7), 1),), removed=removed, after=None
    )
    entry = CarryEntry(
        feature=FEATURE,
        meter=METER,
        name=FEATURE,
        time=NOW,
        window=CountedWindow(1, began(1), START),
        into=CarriedIn(layers=found.layers),
        removed=removed,
    )
    return CellCarryover(engine).revise(CELL, found, entry)


def test_of_a_window_that_the_cell_shows_counter_and_carried_move_together(engine: Engine) -> None:
    key, window = keys.cell(CELL), f"1.{began(1)}"
    shown: Item = {f"u.{window}": Decimal(-15), f"k.{window}": Decimal(25), f"y.{window}": "5@2,20@1", "n": Decimal(3)}
    engine.write(Put(key=key, item=shown))
    assert not revised(engine, removed=True), "it is not removed"
    assert revised(engine, removed=False)
    assert not revised(engine, removed=False), "what is carried is not 25 any more"
    item = engine.get(key) or {}
    assert (item[f"u.{window}"], item[f"k.{window}"], item["n"], f"y.{window}" in item) == (3, 7, 4, False)


def test_of_a_window_that_the_cell_has_removed_the_entry_alone_is_written(engine: Engine) -> None:
    key = keys.cell(CELL)
    engine.write(Put(key=key, item={f"u.1.{START}": Decimal(4), "n": Decimal(3)}))
    assert not revised(engine, removed=False)
    assert revised(engine, removed=True)
    item = engine.get(key) or {}
    assert (item[f"u.1.{START}"], item["n"], f"u.1.{began(1)}" in item) == (4, 4, False)
    customer, told = entry_of(items.text(item, LAST))
    assert isinstance(told, CarryEntry)
    assert customer == "acme"
    assert told.window == CountedWindow(1, began(1), START)
    assert told.into == CarriedIn(layers=(Layer(Decimal(7), 1),))
    assert told.moves == CellMoves(), "no counter is said to have moved"
