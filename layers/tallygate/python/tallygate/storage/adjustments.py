"""The adjustments family: entries that are put twice, once to be listed by customer and once by feature, and kept.

    ADJUSTMENT#<customer>             <at, ms>#<id>   customer, feature, amount, reason, actor, category, name,
    ADJUSTMENT#<customer>#<feature>   <at, ms>#<id>   ordinal, start, end, base, carried, adjusted, resumed

Both are in the transaction of the write that they tell of. The cell decides and the journal counts; here is only what
is listed, and what the closing of a window states.
"""

from __future__ import annotations

from decimal import Decimal

from tallygate.domain.adjustments import Adjustment, Parts
from tallygate.domain.instants import Instant
from tallygate.domain.periods import Window
from tallygate.errors import InvariantBroken
from tallygate.storage import items, keys
from tallygate.storage.engine import Engine, Put
from tallygate.storage.expressions import Absent, Item
from tallygate.store import Moves


class Adjustments:
    """What the control plane asks of storage about adjustments."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, adjustment: Adjustment) -> Moves:
        """The writes that keep an adjustment; refused where its id is taken."""
        item = _item(adjustment)
        return tuple(
            Put(
                key=keys.adjustment(adjustment.customer, feature, adjustment.at, adjustment.id),
                item=item,
                condition=Absent("pk"),
            )
            for feature in (None, adjustment.feature)
        )

    def page(
        self, customer: str, feature: str | None, *, after: str | None, limit: int
    ) -> tuple[tuple[Adjustment, ...], str | None]:
        """Some adjustments of a customer (and feature), the newest first, and where to go on. One request."""
        partition = keys.adjustment_partition(customer, feature)
        page = self._engine.query(partition, after=after, newest_first=True, limit=limit, consistent=True)
        return tuple(adjustment_of(item) for item in page.items), page.next_after


def newest_adjustments(
    engine: Engine, customer: str, feature: str, before: Instant, limit: int
) -> tuple[Adjustment, ...]:
    """The newest adjustments of a feature that were made before an instant, newest first. One request."""
    partition, until = keys.adjustment_partition(customer, feature), keys.adjustments_before(before)
    page = engine.query(partition, after=until, newest_first=True, limit=limit, consistent=True)
    return tuple(adjustment_of(item) for item in page.items)


def _item(adjustment: Adjustment) -> Item:
    item: Item = {
        "customer": adjustment.customer,
        "feature": adjustment.feature,
        "amount": adjustment.amount,
        "reason": adjustment.reason,
        "actor": adjustment.actor,
        "name": adjustment.name,
        "ordinal": adjustment.ordinal,
        "start": adjustment.window.start,
        "end": adjustment.window.end,
        "base": adjustment.after.base,
        "carried": adjustment.after.carried,
        "adjusted": adjustment.after.adjusted,
        "resumed": adjustment.resumed,
    }
    if adjustment.category is not None:
        item["category"] = adjustment.category
    return item


def adjustment_of(item: Item) -> Adjustment:
    """The adjustment that an item states."""
    at, _, adjustment_id = items.text(item, "sk").partition("#")
    return Adjustment(
        id=adjustment_id,
        customer=items.text(item, "customer"),
        feature=items.text(item, "feature"),
        amount=_quantity(item, "amount"),
        reason=items.text(item, "reason"),
        actor=items.text(item, "actor"),
        category=items.text(item, "category") if "category" in item else None,
        at=int(at),
        name=items.text(item, "name"),
        ordinal=items.integer(item, "ordinal"),
        window=Window(items.integer(item, "start"), items.integer(item, "end")),
        after=Parts(
            base=_quantity(item, "base"), carried=_quantity(item, "carried"), adjusted=_quantity(item, "adjusted")
        ),
        resumed=item["resumed"] is True,
    )


def _quantity(item: Item, name: str) -> Decimal:
    value = item.get(name)
    if not isinstance(value, Decimal):
        raise InvariantBroken(f"an adjustment's {name} must be a quantity")
    return value
