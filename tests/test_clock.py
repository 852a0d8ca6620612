"""The clock is real, or stands where the test clock was set; a container looks at most once a second."""

from __future__ import annotations

from tallygate.clock import Clock, clock_of
from tallygate.storage.base import keys
from tallygate.storage.base.clock import ClockItem
from tallygate.storage.base.engine import Cancelled, Committed
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.base.receipts import writes_of


def test_without_a_test_clock_time_is_real_and_nothing_is_read() -> None:
    engine = MemoryEngine()
    assert clock_of({}, engine).now() > 1_700_000_000_000
    assert clock_of({"TEST_CLOCK": "disabled"}, engine).now() > 1_700_000_000_000
    assert engine.requests == 0


def test_a_set_test_clock_stands_still_and_is_read_once_a_second() -> None:
    engine, moment = MemoryEngine(), [0.0]
    item = ClockItem(engine)
    clock = Clock(item.frozen_at, real=lambda: 42, monotonic=lambda: moment[0])
    assert clock.now() == 42
    assert isinstance(engine.transact(writes_of(item.move(None, 1_000))), Committed)
    moment[0] = 0.99
    assert clock.now() == 42
    moment[0] = 1.0
    assert [clock.now(), clock.now()] == [1_000, 1_000]
    assert isinstance(engine.transact(writes_of(item.move(1_000, None))), Committed)
    moment[0] = 2.0
    assert clock.now() == 42


def test_a_lost_race_to_move_the_clock_is_refused() -> None:
    engine = MemoryEngine()
    item = ClockItem(engine)
    engine.transact(writes_of(item.move(None, 1_000)))
    assert isinstance(engine.transact(writes_of(item.move(None, 2_000))), Cancelled)
    assert isinstance(engine.transact(writes_of(item.move(500, 2_000))), Cancelled)
    assert item.frozen_at() == 1_000


def test_the_stacks_clock_is_the_item_where_it_is_enabled() -> None:
    engine = MemoryEngine()
    engine.transact(writes_of(ClockItem(engine).move(None, 7)))
    assert clock_of({"TEST_CLOCK": "enabled"}, engine).now() == 7
    assert engine.items[keys.CLOCK]["now"] == 7
