"""The list of adjustments. Each is put twice, listed by customer and by feature, and kept.

    ADJUSTMENT#<customer>             <at, ms>#<id>   customer, feature, amount, reason, actor, category, name,
    ADJUSTMENT#<customer>#<feature>   <at, ms>#<id>   ordinal, window, after, resumed

Both items join the transaction of the adjustment's write. The cell decides and the journal counts; these items serve
only the list and the statement at a window's closing.
"""

from __future__ import annotations

from tallygate.domain.base.instants import Instant
from tallygate.domain.facts.adjustments import Adjustment
from tallygate.operations.base.ports import Moves
from tallygate.storage.base import items, keys
from tallygate.storage.base.attributes import Attributes
from tallygate.storage.base.engine import Engine, Put
from tallygate.storage.base.expressions import Absent, Item

_ADJUSTMENTS = Attributes(Adjustment, apart=("id", "at"))


class Adjustments:
    """Reads and writes of the list of adjustments."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, adjustment: Adjustment) -> Moves:
        item = _ADJUSTMENTS.item(adjustment)
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
        partition = keys.adjustment_partition(customer, feature)
        page = self._engine.query(partition, after=after, newest_first=True, limit=limit, consistent=True)
        return tuple(adjustment_of(item) for item in page.items), page.next_after


def newest_adjustments(
    engine: Engine, customer: str, feature: str, before: Instant, limit: int
) -> tuple[Adjustment, ...]:
    """Return a feature's newest adjustments made before an instant, newest first. One request."""
    partition, until = keys.adjustment_partition(customer, feature), keys.adjustments_before(before)
    page = engine.query(partition, after=until, newest_first=True, limit=limit, consistent=True)
    return tuple(adjustment_of(item) for item in page.items)


def adjustment_of(item: Item) -> Adjustment:
    """Return the adjustment of an item."""
    at, _, adjustment_id = items.text(item, "sk").partition("#")
    return _ADJUSTMENTS.value(item, id=adjustment_id, at=int(at))
