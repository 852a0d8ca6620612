"""Totals as aggregation leaves them, and the facts that close them, for the tests of closings."""

from __future__ import annotations

from decimal import Decimal

from tallygate.domain.base.instants import DAY, parse_instant
from tallygate.domain.entries.fact_types import PERIOD_CLOSED
from tallygate.domain.entries.moves import TotalMove
from tallygate.domain.entries.total import Total
from tallygate.domain.facts.closing import closing_id, period_of, statement
from tallygate.domain.facts.facts import Fact
from tallygate.domain.journal.fold import TotalChange
from tallygate.domain.limits.counters import CountedWindow
from tallygate.domain.limits.governing import Governed
from tallygate.domain.metering.contributions import Add
from tallygate.operations.facts.ports import TotalName
from tallygate.storage.base import items, keys
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.expressions import Item
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.journal.totals import Totals

START = parse_instant("2026-11-01T00:00:00Z")
END = parse_instant("2026-12-01T00:00:00Z")


def governed(
    limit: int | None = 3,
    *,
    feature: str = "ai-tokens",
    stripe_customer_id: str | None = "cus_1",
    every: str | None = None,
) -> Governed:
    return Governed(
        feature=feature,
        meter="tokens",
        name=feature,
        limit=None if limit is None else Decimal(limit),
        plan="pro",
        plan_version=2,
        stripe_customer_id=stripe_customer_id,
        every=every,
    )


def add_usage(
    engine: Engine,
    value: int,
    *,
    customer: str = "acme",
    start: int = START,
    end: int = END,
    ordinal: int = 1,
    under: Governed | None = None,
) -> None:
    """Add usage of a window as aggregation does: append the next journal record and apply it to the total."""
    under = under or governed()
    held = engine.get(keys.total(customer, under.feature, ordinal, start)) or {}
    move = TotalMove(window=CountedWindow(ordinal, start, end), value=Add(Decimal(value)))
    change = TotalChange(governed=under, move=move)
    Totals(engine).add_to_total(customer, change, items.integer(held, "upto", 0) + 1)


def total_item(value: int, *, feature: str = "ai-tokens", start: int = START) -> Item:
    """A total's item, as aggregation writes it."""
    engine = MemoryEngine()
    add_usage(engine, value, start=start, end=start + 28 * DAY, under=governed(feature=feature))
    item = engine.get(keys.total("acme", feature, 1, start))
    assert item is not None
    return {name: part for name, part in item.items() if name not in ("pk", "sk")}


def name_of(customer: str = "acme", *, feature: str = "ai-tokens", start: int = START, ordinal: int = 1) -> TotalName:
    key = keys.total(customer, feature, ordinal, start)
    return TotalName(key.pk, key.sk)


def closing_fact(total: Total) -> Fact:
    """The fact that closes a total as the first of its feature."""
    return Fact(
        id=closing_id(total),
        type=PERIOD_CLOSED,
        customer=total.customer,
        feature=total.feature,
        time=END,
        sequence=1,
        data=statement(total, period=period_of(total, None), stripe_customer_id="cus_1", revision=1),
    )
