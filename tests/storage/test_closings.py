"""The closings family, on both engines."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from tallygate.domain.base.instants import DAY, parse_instant
from tallygate.domain.entries.moves import TotalMove
from tallygate.domain.entries.total import Total
from tallygate.domain.facts.facts import Fact
from tallygate.domain.journal.fold import TotalChange
from tallygate.domain.limits.counters import CountedWindow
from tallygate.operations.facts.ports import TotalName
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Engine, Put, Update
from tallygate.storage.base.expressions import Increase
from tallygate.storage.facts.closings import Closings
from tallygate.storage.facts.outbox import fact_of
from tallygate.storage.journal.totals import Totals
from tests.closings import END, START, add_usage, closing_fact, name_of, total_item


def close(engine: Engine, fact: Fact | None = None) -> bool:
    store = Closings(engine)
    total = store.total(name_of())
    assert total is not None
    return store.close(name_of(), total, fact or closing_fact(total))


def test_a_total_is_due_once_its_window_is_over(engine: Engine) -> None:
    add_usage(engine, 5)
    store = Closings(engine)
    assert [name for shard in range(16) for name in store.due(shard, END - 1, 10)] == []
    assert [name for shard in range(16) for name in store.due(shard, END, 10)] == [name_of()]


def test_closing_marks_the_total_keeps_the_fact_and_takes_its_place_in_the_feed(engine: Engine) -> None:
    add_usage(engine, 5)
    store = Closings(engine)
    before = store.total(name_of())
    assert before is not None
    fact = closing_fact(before)
    assert store.close(name_of(), before, fact)
    assert store.total(name_of()) == replace(before, closed=True, revision=1)
    kept = engine.get(keys.fact(fact.id))
    assert kept is not None
    assert fact_of(fact.id, kept) == fact
    assert store.sequence("acme", "ai-tokens") == 1
    assert [name for shard in range(16) for name in store.due(shard, END + DAY, 10)] == []


def test_a_closing_repeated_after_an_unknown_outcome_knows_itself(engine: Engine) -> None:
    add_usage(engine, 5)
    total = Closings(engine).total(name_of())
    assert total is not None
    fact = closing_fact(total)
    assert Closings(engine).close(name_of(), total, fact)
    assert Closings(engine).close(name_of(), total, fact)
    assert Closings(engine).sequence("acme", "ai-tokens") == 1


def test_a_second_closing_changes_nothing(engine: Engine) -> None:
    add_usage(engine, 5)
    total = Closings(engine).total(name_of())
    assert total is not None
    assert Closings(engine).close(name_of(), total, closing_fact(total))
    another = replace(closing_fact(total), time=END + 1, sequence=2)
    assert not Closings(engine).close(name_of(), total, another)
    assert Closings(engine).sequence("acme", "ai-tokens") == 1


def test_usage_counted_since_the_look_refuses_the_closing(engine: Engine) -> None:
    add_usage(engine, 5)
    total = Closings(engine).total(name_of())
    assert total is not None
    add_usage(engine, 1)
    assert not Closings(engine).close(name_of(), total, closing_fact(total))
    assert engine.get(keys.fact(closing_fact(total).id)) is None
    assert close(engine)


def test_what_is_carried_or_adjusted_since_the_look_refuses_the_closing(engine: Engine) -> None:
    """It moves no usage, but what is included and carried out; after a closing it would be stated anew."""
    add_usage(engine, 5)
    for number, (carried, adjusted) in ((2, (Decimal(7), Decimal(0))), (3, (None, Decimal(2)))):
        total = Closings(engine).total(name_of())
        assert total is not None
        move = TotalMove(window=CountedWindow(1, START, END), carried=carried, adjusted=adjusted)
        Totals(engine).add_to_total("acme", TotalChange(governed=total.governed, move=move), number)
        assert not Closings(engine).close(name_of(), total, closing_fact(total))
    assert close(engine)


def test_a_place_that_another_fact_took_refuses_the_closing(engine: Engine) -> None:
    add_usage(engine, 5)
    total = Closings(engine).total(name_of())
    assert total is not None
    engine.write(Put(key=keys.feed("acme", "ai-tokens"), item={"sequence": 1}))
    assert not Closings(engine).close(name_of(), total, closing_fact(total))
    assert Closings(engine).total(name_of()) == total
    assert close(engine, replace(closing_fact(total), sequence=2))


def test_looking_again_moves_or_ends_what_is_due(engine: Engine) -> None:
    add_usage(engine, 5)
    store = Closings(engine)
    store.look_again(name_of(), at=END + 7)
    assert [name for shard in range(16) for name in store.due(shard, END + 6, 10)] == []
    assert [name for shard in range(16) for name in store.due(shard, END + 7, 10)] == [name_of()]
    for _ in range(2):
        store.look_again(name_of(), at=None)
    store.look_again(name_of(), at=END)
    assert [name for shard in range(16) for name in store.due(shard, END + DAY, 10)] == []
    assert store.total(name_of()) is not None
    store.look_again(TotalName("TOTAL#nobody", "nothing"), at=END)
    assert store.total(TotalName("TOTAL#nobody", "nothing")) is None


def test_late_usage_leaves_what_was_stated_beside_what_is_true(engine: Engine) -> None:
    add_usage(engine, 5)
    assert close(engine)
    engine.write(Update(key=keys.total("acme", "ai-tokens", 1, START), changes=(Increase("value", 2),)))
    (found,), after = Closings(engine).closed("acme", None, after=None, limit=10)
    assert (found.closed_value, found.total.value, found.closed_at, after) == (Decimal(5), Decimal(7), END, None)


@pytest.mark.parametrize("feature", [None, "ai-tokens"])
def test_closed_periods_are_listed_in_pages_without_those_still_open(engine: Engine, feature: str | None) -> None:
    starts = [parse_instant(f"2026-{month:02d}-01T00:00:00Z") for month in range(1, 8)]
    for start in starts:
        engine.write(Put(key=keys.total("acme", "ai-tokens", 1, start), item=total_item(5, start=start)))
    engine.write(Put(key=keys.total("acme", "ai-tokens2", 1, 0), item=total_item(5, feature="ai-tokens2", start=0)))
    store = Closings(engine)
    for n, start in enumerate(s for s in starts if s != starts[3]):
        name = name_of(start=start)
        total = store.total(name)
        assert total is not None
        assert store.close(name, total, replace(closing_fact(total), sequence=n + 1))
    pages: list[list[Total]] = []
    after: str | None = None
    while True:
        found, after = store.closed("acme", feature, after=after, limit=4)
        pages.append([closed.total for closed in found])
        if after is None:
            break
    assert [total.start for page in pages for total in page] == [s for s in starts if s != starts[3]]
    assert [len(page) for page in pages] == [4, 2]
    assert store.closed("acme", "ai-tokens", after="zzz", limit=4) == ((), None)
    assert store.closed("acme", "other", after=None, limit=4) == ((), None)
