"""What the control plane does to a cell by hand: it lifts what tiers have suspended there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from tallygate.domain.entries import Entry
from tallygate.domain.instants import Instant
from tallygate.storage import items, keys
from tallygate.storage.engine import Engine, Update
from tallygate.storage.expressions import All, Change, Compare, Increase, Remove, Set
from tallygate.store import Moves

_SCOPED = f"{items.SUSPENDED}."


@dataclass(slots=True)
class CellControls:
    """Moves on cells, to be committed together with the change that they follow from."""

    engine: Engine

    def resume(
        self, customer: str, feature: str, entry: Entry, now: Instant, *, only: Collection[int] | None = None
    ) -> Moves:
        """The write that lifts every suspension in force in the root cell, or those of the ordinals in `only`.

        Nothing where there is none. Refused where one of them is lifted before. One read.
        """
        image = self.engine.get(keys.root_cell(customer, feature)) or {}
        names = sorted(
            name
            for name, until in image.items()
            if (name == items.SUSPENDED or name.startswith(_SCOPED))
            and (only is None or _ordinal(name) in only)
            and isinstance(until, Decimal)
            and until > now
        )
        if not names:
            return ()
        told: tuple[Change, ...] = (Set(items.LAST, items.entry_text(entry)), Increase(items.REVISION, 1))
        changes = (*(Remove(name) for name in names), *told)
        condition = All(tuple(Compare(name, ">", now) for name in names))
        return (Update(key=keys.root_cell(customer, feature), changes=changes, condition=condition),)


def _ordinal(name: str) -> int:
    """Whose quota's suspension an attribute is; 0 is that of the whole feature."""
    number = name[len(_SCOPED) :]
    return int(number) if number.isdigit() else 0
