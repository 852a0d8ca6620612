"""A container of check in tests: its memory, and a counter instead of randomness."""

from __future__ import annotations

from tallygate.domain.admission.decision import Decision
from tallygate.domain.base.instants import Instant
from tallygate.operations.admission.attempts import Consume
from tallygate.operations.admission.check import check
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.engine import Engine
from tests.given import NOW


class Clocked:
    """One container: its memory, and a counter instead of randomness."""

    def __init__(self, engine: Engine, drawn: int = 0) -> None:
        self.engine = engine
        self.seconds = 0.0
        self.memory = Memory(ticks=lambda: self.seconds)
        self._drawn = drawn

    def entropy(self, count: int) -> bytes:
        self._drawn += 1
        return self._drawn.to_bytes(count)

    def consume(self, request: Consume, now: Instant = NOW) -> Decision:
        return consume(Cells(self.engine), self.memory, request, now=now, entropy=self.entropy)

    def check(self, request: Consume, now: Instant = NOW) -> Decision:
        return check(Cells(self.engine), self.memory, request, now=now)
