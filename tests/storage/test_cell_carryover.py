"""What the fold asks and tells of windows that carry over, on either engine."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from tallygate.domain.entries import carry_entry
from tallygate.domain.facts import Total
from tallygate.domain.instants import DAY
from tallygate.domain.journal import CarriedIn, CarryEntry, CountedWindow, Governed
from tallygate.domain.periods import Window
from tallygate.domain.revisions import Revision
from tallygate.domain.rolls import Layer
from tallygate.domain.total_changes import TotalChange
from tallygate.storage import cell_carryover, items, keys
from tallygate.storage.cell_carryover import CellCarryover
from tallygate.storage.cell_entries import entry_of, stated_of
from tallygate.storage.engine import Engine, Put
from tallygate.storage.expressions import Item
from tallygate.storage.totals import Totals
from tests.given import FEATURE, METER, NOW

START = NOW - NOW % DAY
GOVERNED = Governed(feature=FEATURE, meter=METER, name=FEATURE, limit=Decimal(100), carries=True)
LAYERS = (Layer(Decimal(5), 2), Layer(Decimal(20), 1))


def began(days_ago: int) -> int:
    return START - days_ago * DAY


def counted(engine: Engine, days_ago: int, ordinal: int = 1) -> None:
    change = TotalChange(
        ordinal=ordinal,
        start=began(days_ago),
        end=began(days_ago) + DAY,
        value=Decimal(days_ago),
        by_event=Decimal(0),
        governed=GOVERNED,
        into=CarriedIn(layers=LAYERS),
        carried=Decimal(25),
    )
    Totals(engine).add_to_total("acme", change, 1)


@pytest.mark.parametrize("back", [1, 5, 12])
def test_the_newest_totals_are_read_back_to_what_is_enough(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, back: int
) -> None:
    monkeypatch.setattr(cell_carryover, "READ_FIRST", 2)
    monkeypatch.setattr(cell_carryover, "READ_AT_ONCE", 3)
    for days_ago in range(10):
        counted(engine, days_ago)
        counted(engine, days_ago, ordinal=2)
    read = CellCarryover(engine).totals("acme", FEATURE, 1, until=lambda known: known.start <= began(back))
    assert sorted(read) == [began(days_ago) for days_ago in range(min(back, 9), -1, -1)]
    assert all((known.ordinal, known.layers) == (1, LAYERS) for known in read.values())


def revised(engine: Engine, *, removed: bool) -> bool:
    about = Total(
        customer="acme",
        ordinal=1,
        start=began(1),
        end=START,
        value=Decimal(0),
        by_event=Decimal(0),
        upto=1,
        governed=GOVERNED,
    )
    found = Revision(
        counter=(1, began(1)), end=START, was=Decimal(25), layers=(Layer(Decimal(7), 1),), removed=removed, after=None
    )
    entry = carry_entry(about, layers=found.layers, now=NOW, window=Window(began(1), START), removed=removed)
    return CellCarryover(engine).revise("acme", FEATURE, found, entry)


def test_of_a_window_that_the_cell_shows_counter_and_carried_move_together(engine: Engine) -> None:
    key, window = keys.root_cell("acme", FEATURE), f"1.{began(1)}"
    shown: Item = {f"u.{window}": Decimal(-15), f"k.{window}": Decimal(25), f"y.{window}": "5@2,20@1", "n": Decimal(3)}
    engine.write(Put(key=key, item=shown))
    assert not revised(engine, removed=True), "it is not removed"
    assert revised(engine, removed=False)
    assert not revised(engine, removed=False), "what is carried is not 25 any more"
    item = engine.get(key) or {}
    assert (item[f"u.{window}"], item[f"k.{window}"], item["n"], f"y.{window}" in item) == (3, 7, 4, False)


def test_of_a_window_that_the_cell_has_removed_the_entry_alone_is_written(engine: Engine) -> None:
    key = keys.root_cell("acme", FEATURE)
    engine.write(Put(key=key, item={f"u.1.{START}": Decimal(4), "n": Decimal(3)}))
    assert not revised(engine, removed=False)
    assert revised(engine, removed=True)
    item = engine.get(key) or {}
    assert (item[f"u.1.{START}"], item["n"], f"u.1.{began(1)}" in item) == (4, 4, False)
    entry = json.loads(items.text(item, items.LAST))
    told = entry_of(entry, "", feature=FEATURE, revision=4)
    assert isinstance(told, CarryEntry)
    assert (told.window, told.into) == (CountedWindow(1, began(1), START), CarriedIn(layers=(Layer(Decimal(7), 1),)))
    assert stated_of(entry).carried == {}, "no counter is said to have moved"
