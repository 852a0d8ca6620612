"""Meters for display only: min, avg and latest count events, state their periods, and are never consumed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tallygate.contracts.usage.usage import read_usage
from tallygate.domain.base.instants import HOUR, Instant
from tallygate.errors import InvalidRequest
from tallygate.operations.base.each import in_turn
from tallygate.operations.facts.closing import reset
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.operations.usage.queries import usage
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.facts.closings import Closings
from tallygate.storage.metering.events import Events
from tallygate.storage.usage.queries import UsageReader
from tests.desks import Desk
from tests.given import FEATURE
from tests.shops import Shop, month
from tests.truth import draft

UNLIMITED: dict[str, Any] = {"limit": None}
DISPLAYED = ("min", "avg", "latest")


def shop_of(engine: Engine, aggregation: str) -> Desk:
    class Counting(Desk):
        METER = {**Shop.METER, "aggregation": aggregation, "value": "$.tokens"}  # noqa: RUF012

    return Counting(engine, pro=UNLIMITED)


def post(shop: Desk, name: str, value: int, at: Instant, **data: Any) -> None:
    event = draft(name, tokens=value, event_type="e", time=at, **data)
    (result,) = ingest(Events(shop.engine), Posted(submitted=(event,), batch=name), now=shop.now, each=in_turn)
    assert result.status == "accepted"


def rows(shop: Desk, window: str = "none", **asked: Any) -> tuple[list[Decimal], Decimal]:
    query = read_usage(
        {"customer": "acme", "feature": FEATURE, "from": "2026-01-01T00:00:00Z", "window": window, **asked},
        now=shop.now + HOUR,
    )
    found = usage(UsageReader(shop.engine), query, shop.now)
    return [row.value for row in found.rows], found.total


@pytest.mark.parametrize("aggregation", DISPLAYED)
def test_they_cannot_be_consumed_and_a_check_shows_them(engine: Engine, aggregation: str) -> None:
    shop = shop_of(engine, aggregation)
    with pytest.raises(InvalidRequest) as refused:
        shop.consume(1)
    assert refused.value.code == "not_consumable"
    answer = shop.state(5)
    assert (answer["granted"], answer["reason"], answer["used"], answer["limit"]) == (True, "unlimited", 0, None)


def test_an_average_over_groups_and_windows_is_of_all_values() -> None:
    shop = shop_of(MemoryEngine(), "avg")
    shop.now = month(1) + 40 * HOUR
    for name, value, hour, model in (("a", 1, 0, "x"), ("b", 2, 0, "x"), ("c", 9, 1, "x"), ("d", 4, 30, "y")):
        post(shop, name, value, month(1) + hour * HOUR, model=model)
    shop.fold()
    assert rows(shop) == ([4], 4)
    assert rows(shop, "hour") == ([Decimal("1.5"), 9, 4], 4)
    assert rows(shop, "day", group_by="model") == ([4, 4], 4)
    post(shop, "e", 0, shop.now)
    shop.fold()
    assert rows(shop)[1] == Decimal("3.2"), "a value of 0 counts"
    assert shop.used() == Decimal("3.2")


def test_an_average_is_rounded_where_it_is_stated_and_nowhere_else() -> None:
    shop = shop_of(MemoryEngine(), "avg")
    for name, value in (("a", 1), ("b", 0), ("c", 0)):
        post(shop, name, value, shop.now)
        shop.fold()
    assert rows(shop)[1] == Decimal("0.333333333")
    for name in ("d", "e", "f"):
        post(shop, name, 1, shop.now)
    shop.fold()
    assert rows(shop)[1] == Decimal("0.666666667")


def test_the_latest_value_is_by_time_and_not_by_arrival() -> None:
    shop = shop_of(MemoryEngine(), "latest")
    shop.now = month(1, 2)
    post(shop, "b", 5, shop.now)
    post(shop, "late", 7, shop.now - HOUR)
    shop.fold()
    assert (rows(shop)[1], shop.used()) == (5, 5)
    post(shop, "a", 6, shop.now)
    shop.fold()
    assert rows(shop)[1] == 5, "of equal times, the greater id"
    post(shop, "c", 0, shop.now)
    shop.fold()
    assert (rows(shop)[1], shop.used()) == (0, 0)


def test_a_minimum_of_zero_is_a_minimum() -> None:
    shop = shop_of(MemoryEngine(), "min")
    post(shop, "a", 5, shop.now)
    shop.fold()
    assert (rows(shop), shop.used()) == (([5], 5), 5)
    post(shop, "b", 0, shop.now)
    shop.fold()
    post(shop, "c", 3, shop.now)
    shop.fold()
    assert (rows(shop), shop.used()) == (([0], 0), 0)


@pytest.mark.parametrize(("aggregation", "closed", "restated"), [("min", 2, 1), ("avg", 4, 3), ("latest", 6, 6)])
def test_a_closed_period_states_the_quantity_and_a_late_event_restates_it(
    aggregation: str, closed: int, restated: int
) -> None:
    shop = shop_of(MemoryEngine(), aggregation)
    shop.now = month(1, 20)
    post(shop, "a", 2, shop.now - HOUR)
    post(shop, "b", 6, shop.now)
    shop.fold()
    shop.now = month(2)
    reset(Closings(shop.engine), now=shop.now, grace=0, time_left=lambda: True)
    (stated,) = shop.facts_of("usage.period_closed")
    assert (stated["raw"], stated["billable"], stated["included"], stated["overage"]) == (closed, closed, closed, 0)
    post(shop, "late", 1, month(1, 5))
    again = shop.facts_of("usage.restated")
    assert [fact["raw"] for fact in again] == ([] if restated == closed else [restated])
