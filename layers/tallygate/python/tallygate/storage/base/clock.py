"""The test clock's item: `now` in milliseconds while time is frozen; no such attribute while real time runs."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from tallygate.domain.base.instants import Instant
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Engine, Put
from tallygate.storage.base.expressions import Absent, Compare, Condition

if TYPE_CHECKING:
    from tallygate.operations.base.ports import Moves

NOW = "now"


class ClockItem:
    """Reads and moves the one clock of a stack."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def frozen_at(self) -> Instant | None:
        held = (self._engine.get(keys.CLOCK) or {}).get(NOW)
        return int(held) if isinstance(held, Decimal) else None

    def move(self, seen: Instant | None, to: Instant | None) -> Moves:
        condition: Condition = Absent(NOW) if seen is None else Compare(NOW, "=", seen)
        return (Put(key=keys.CLOCK, item={} if to is None else {NOW: to}, condition=condition),)
