"""Closings: a total whose window has ended is closed in one transaction with the fact that states it.

    TOTAL#<customer>   <feature>#<ordinal>#<start>   closed (when), closed_value, closed_under, revision, unit,
                       carried_out, layers, adjustments; due_shard, due_at go

The transaction requires that the total is still the stated one, by the journal number that it came from. So no usage,
carryover or adjustment between the read and the closing goes unstated. Later changes meet a closed total, and the
stream's reader restates it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

from tallygate.domain.admission.cells import Cell
from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog.units import Unit
from tallygate.domain.entries.total import Total
from tallygate.domain.facts.adjustments import Adjustment
from tallygate.domain.facts.closing import FIRST_REVISION
from tallygate.domain.facts.facts import Fact
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.limits import Effective
from tallygate.domain.limits.rollover import layers_text
from tallygate.operations.facts.ports import ClosedTotal, TotalName
from tallygate.storage.admission import cell_image
from tallygate.storage.base import items, keys
from tallygate.storage.base.documents import compact
from tallygate.storage.base.engine import Cancelled, Engine, Key, Update, each_item
from tallygate.storage.base.expressions import Absent, All, Compare, Item, Present, Remove, Set
from tallygate.storage.catalog.features import unit_at, unit_text
from tallygate.storage.entries.totals import (
    ADJUSTMENTS,
    CARRIED_OUT,
    CLOSED,
    CLOSED_UNDER,
    DUE_AT,
    DUE_SHARD,
    LAYERS,
    REVISION,
    UNIT,
    UPTO,
    governed_text,
    total_of,
)
from tallygate.storage.facts.adjustments import newest_adjustments
from tallygate.storage.facts.outbox import SEQUENCE, fact_of, next_in_feed, put_fact
from tallygate.storage.limits.versions import effective_at, former_limits

CLOSED_VALUE = "closed_value"
_READ_AT_ONCE = 100


class Closings:
    """Reads and writes of reset and of the list of closed periods.

    Every method is one request, unless it says otherwise.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def due(self, shard: int, until: Instant, limit: int) -> tuple[TotalName, ...]:
        return tuple(TotalName(key.pk, key.sk) for key in self._engine.due(str(shard), until, limit))

    def total(self, name: TotalName) -> Total | None:
        item = self._engine.get(_key(name))
        return None if item is None else total_of(item)

    def effective(self, customer: str) -> Effective | None:
        return effective_at(self._engine, customer)

    def former_limits(self, customer: str, before: Instant) -> Iterator[Effective]:
        return former_limits(self._engine, customer, before)

    def unit(self, feature: str) -> Unit | None:
        return unit_at(self._engine, feature)

    def cell(self, name: CellName) -> Cell:
        """Return the cell, read consistently."""
        return cell_image.cell_of(self._engine.get(keys.cell(name)))

    def adjustments(self, customer: str, feature: str, before: Instant, limit: int) -> tuple[Adjustment, ...]:
        return newest_adjustments(self._engine, customer, feature, before, limit)

    def sequence(self, customer: str, feature: str) -> int:
        return items.integer(self._engine.get(keys.feed(customer, feature)) or {}, SEQUENCE, 0)

    def close(self, name: TotalName, total: Total, fact: Fact) -> bool:
        unit = () if total.unit is None else (Set(UNIT, unit_text(total.unit)),)
        carried: tuple[Set, ...] = ()
        if total.carried_out is not None:
            carried = (Set(CARRIED_OUT, total.carried_out),)
            carried += (Set(LAYERS, layers_text(total.layers)),) if total.layers else ()
        stated = [dict(each) for each in total.adjustments]
        adjusted = (Set(ADJUSTMENTS, compact(stated)),) if stated else ()
        closing = Update(
            key=_key(name),
            changes=(
                Set(CLOSED, fact.time),
                Set(CLOSED_VALUE, total.value),
                Set(REVISION, FIRST_REVISION),
                *unit,
                Set(CLOSED_UNDER, governed_text(total.governed)),
                *carried,
                *adjusted,
                Remove(DUE_SHARD),
                Remove(DUE_AT),
            ),
            condition=All((Absent(CLOSED), Compare(UPTO, "=", total.upto))),
        )
        outcome = self._engine.transact((closing, put_fact(fact), next_in_feed((fact,))), repeatable=True)
        if not isinstance(outcome, Cancelled):
            return True
        # After an unknown outcome, a repeated transaction is refused by its own first application.
        kept = outcome.images[1]
        return kept is not None and fact_of(fact.id, kept) == fact

    def look_again(self, name: TotalName, *, at: Instant | None) -> None:
        changes = (Remove(DUE_SHARD), Remove(DUE_AT)) if at is None else (Set(DUE_AT, at),)
        self._engine.write(Update(key=_key(name), changes=changes, condition=Present(DUE_SHARD)), repeatable=True)

    def closed(
        self,
        customer: str,
        feature: str | None,
        *,
        after: str | None,
        limit: int,
        wanted: Callable[[Total], bool] = lambda _: True,
    ) -> tuple[tuple[ClosedTotal, ...], str | None]:
        prefix = "" if feature is None else f"{keys.escaped(feature)}#"
        if after is not None and not after.startswith(prefix):
            return (), None
        found: list[ClosedTotal] = []
        partition = keys.total_partition(customer)
        for item in each_item(
            self._engine, partition, prefix=prefix, after=after, limit=_READ_AT_ONCE, consistent=True
        ):
            closed = _closed_total(item) if CLOSED in item else None
            if closed is None or not wanted(closed.total):
                continue
            if len(found) == limit:
                return tuple(found), found[-1].position
            found.append(closed)
        return tuple(found), None


def _key(name: TotalName) -> Key:
    return Key(name.customer_part, name.window_part)


def _closed_total(item: Item) -> ClosedTotal:
    value = item.get(CLOSED_VALUE)
    assert isinstance(value, Decimal), "a closed total has a closed value"
    return ClosedTotal(
        position=items.text(item, "sk"),
        total=total_of(item),
        closed_at=items.integer(item, CLOSED),
        closed_value=value,
    )
