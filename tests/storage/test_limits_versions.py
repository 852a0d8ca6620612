"""Versions of limits: each is kept exactly once, whoever dies or comes twice, and is found by when it was in force."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from copy import copy
from typing import Any

import pytest

from bench.cost import counting
from tallygate.domain.base.instants import HOUR, MINUTE, SECOND, Instant
from tallygate.domain.limits.governing import KEPT
from tallygate.domain.limits.limits import Effective
from tallygate.operations.customers.customers import Stores
from tallygate.operations.facts.closing import reset
from tallygate.storage.base import keys
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Engine, Put
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.catalog.catalog import Catalogs
from tallygate.storage.customers.customers import Customers
from tallygate.storage.facts.closings import Closings
from tallygate.storage.journal.past_usage import CellVersions
from tallygate.storage.limits.versions import READ_AT_ONCE, effective_of, former_limits
from tests.closings import add_usage, governed
from tests.crashes import Crash, Fuse, FusedEngine
from tests.given import FEATURE
from tests.shops import OPENED, Shop, month

PLANS: dict[str, Any] = {"free": {"limit": 100}, "pro": {"limit": 200}}


def present(engine: Engine) -> Effective:
    item = engine.get(keys.effective("acme"))
    assert item is not None
    return effective_of(item)


def found(engine: Engine, before: Instant) -> list[tuple[str | None, Instant]]:
    return [(version.plan, version.since) for version in former_limits(engine, "acme", before)]


def changes(shop: Shop, count: int) -> list[tuple[str | None, Instant]]:
    """Change the plan to and fro, once an hour; the versions as they should be, the newest first."""
    expected: list[tuple[str | None, Instant]] = [("free", OPENED)]
    for number in range(1, count + 1):
        shop.now = OPENED + number * HOUR
        plan = "pro" if number % 2 else "free"
        shop.subscribe(plan)
        expected.insert(0, (plan, shop.now))
    return expected


def test_versions_are_found_by_when_they_came_into_force(engine: Engine) -> None:
    expected = changes(Shop(engine, **PLANS), 2 * READ_AT_ONCE + 1)
    newest, *former = expected
    assert (present(engine).plan, present(engine).since) == newest
    assert found(engine, newest[1]) == former
    for index, (_, since) in enumerate(former):
        assert found(engine, since) == former[index + 1 :]
        assert found(engine, since + 1) == former[index:]


def test_as_many_are_read_as_are_asked_for() -> None:
    engine = MemoryEngine()
    changes(Shop(engine, **PLANS), 3 * READ_AT_ONCE)
    since = present(engine).since
    before = engine.requests
    versions = former_limits(engine, "acme", since)
    assert engine.requests == before
    for _ in range(READ_AT_ONCE):
        next(versions)
    assert engine.requests == before + 1


def test_two_changes_in_one_millisecond_and_a_clock_that_lags_keep_their_order(engine: Engine) -> None:
    shop = Shop(engine, **PLANS)
    shop.subscribe("pro")
    shop.now -= MINUTE
    shop.subscribe("free")
    assert (present(engine).plan, present(engine).since) == ("free", OPENED + 2)
    assert found(engine, OPENED + 2) == [("pro", OPENED + 1), ("free", OPENED)]


def test_what_changes_no_limits_leaves_no_version(engine: Engine) -> None:
    shop = Shop(engine, **PLANS)
    shop.now += HOUR
    shop.put(name="Acme")
    shop.subscribe("free")
    assert (present(engine).since, found(engine, shop.now)) == (OPENED, [])


def test_a_version_says_when_it_may_go(engine: Engine) -> None:
    shop = Shop(engine, **PLANS)
    shop.now += HOUR
    shop.subscribe("pro")
    item = engine.get(keys.effective_version("acme", OPENED))
    assert item is not None
    assert item["expires_at"] == (shop.now + KEPT) // SECOND
    assert "expires_at" not in (engine.get(keys.effective("acme")) or {})


def test_limits_from_before_there_were_versions_are_taken_for_ever_in_force(engine: Engine) -> None:
    shop = Shop(engine, **PLANS)
    key = keys.effective("acme")
    held = engine.get(key)
    assert held is not None
    # As an earlier release has written it.
    engine.write(Put(key=key, item={name: held[name] for name in ("version", "doc")}))
    assert present(engine).since == 0
    shop.now += HOUR
    shop.subscribe("pro")
    assert found(engine, shop.now) == [("free", 0)]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    "change",
    [
        lambda shop: shop.subscribe("pro"),
        lambda shop: shop.subscribe("pro", when="next_period"),
        lambda shop: shop.put(timezone="Asia/Tokyo"),
        lambda shop: shop.unsubscribe(),
    ],
    ids=["now", "next_period", "zone", "end"],
)
def test_a_crash_at_any_call_of_a_change_loses_no_version_and_keeps_none_twice(
    change: Callable[[Shop], None], *, after: bool
) -> None:
    def world() -> tuple[MemoryEngine, Shop]:
        engine = MemoryEngine()
        shop = Shop(engine, **PLANS)
        shop.now += HOUR
        return engine, shop

    def fused(shop: Shop, fuse: Fuse) -> None:
        dying, engine = copy(shop), FusedEngine(shop.engine, fuse)
        dying.stores = Stores(catalog=Catalogs(engine), customers=Customers(engine), cells=CellVersions(engine))
        change(dying)

    calm, counted = world(), Fuse()
    fused(calm[1], counted)
    assert counted.steps > 3
    for at in range(1, counted.steps + 1):
        engine, shop = world()
        with pytest.raises(Crash):
            fused(shop, Fuse(at=at, after=after))
        change(shop)
        assert present(engine) == present(calm[0]), at
        assert present(engine).since == shop.now, at
        assert found(engine, shop.now) == [("free", OPENED)], at


def test_a_closing_reads_no_more_than_before_unless_limits_have_changed_since(
    dynamo_engine: DynamoEngine, dynamodb: Any
) -> None:
    shop = Shop(dynamo_engine, **PLANS)

    def closed(start: Instant, end: Instant) -> tuple[str, Counter[str]]:
        add_usage(dynamo_engine, 150, start=start, end=end, under=governed(100, feature=FEATURE))
        with counting(dynamodb) as cost:
            run = reset(Closings(dynamo_engine), now=end, grace=0, time_left=lambda: True)
        (fact,) = run.closed
        return fact.data["plan"], cost.requests

    # A query for each shard and one for adjustments; the total, the limits, the unit, the sequence.
    alone = Counter({"Query": 17, "GetItem": 4, "TransactWriteItems": 1})
    shop.now = month(2)
    assert closed(month(1), month(2)) == ("free", alone)
    shop.subscribe("pro")
    shop.now = month(3) + 1
    shop.subscribe("free")
    assert closed(month(2), month(3)) == ("pro", alone + Counter({"Query": 1}))


def test_a_change_of_limits_keeps_the_version_before_in_the_transaction_that_it_is(
    dynamo_engine: DynamoEngine, dynamodb: Any
) -> None:
    shop = Shop(dynamo_engine, **PLANS)
    shop.now += HOUR
    with counting(dynamodb) as cost:
        shop.subscribe("pro")
    writes = {name: n for name, n in cost.requests.items() if name not in ("GetItem", "Query")}
    assert writes == {"TransactWriteItems": 1, "UpdateItem": 1}, "the change, and the cell that is told"
