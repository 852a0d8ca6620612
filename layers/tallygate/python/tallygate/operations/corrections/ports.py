"""Ports: what the operations of this room ask of storage, and the values that it answers with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.tier_suspensions import Lifting
from tallygate.domain.base.instants import Instant
from tallygate.domain.corrections.adjusting import CellAdjustment
from tallygate.domain.corrections.resets import WindowReset
from tallygate.domain.entries.notices import ResumeEntry
from tallygate.domain.entries.total import Total
from tallygate.domain.entries.windows import AdjustEntry, ResetEntry
from tallygate.domain.facts.adjustments import Adjustment
from tallygate.domain.limits.counters import CellName, CounterName
from tallygate.operations.base.ports import Moves
from tallygate.operations.journal.ports import KeptRecord


class CellControlStore(Protocol):
    """Cells, as far as operators reach into them."""

    def resume(self, cell: CellName, found: Lifting, entry: ResumeEntry, now: Instant) -> Moves:
        """The write that lifts suspensions in the root cell, and waives; refused where one of them has moved."""

    def read(self, cell: CellName) -> Cell:
        """The cell, consistent."""

    def adjust(self, cell: CellName, found: CellAdjustment, entry: AdjustEntry) -> Moves:
        """The write that adjusts a window, and opens it where it is not; refused where what was seen has moved."""


class AdjustmentStore(Protocol):
    """Adjustments, as they are listed."""

    def record(self, adjustment: Adjustment) -> Moves:
        """The writes that keep an adjustment; refused where its id is taken."""

    def page(
        self, customer: str, feature: str | None, *, after: str | None, limit: int
    ) -> tuple[tuple[Adjustment, ...], str | None]:
        """Some adjustments of a customer (and feature), the newest first, and where to go on. One request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResettableCell:
    """A cell as it was read, and by window how much of its counters came by events. `corrected` is the revision of the
    newest settlement or reset; 0: there was none."""

    cell: Cell
    brought: Mapping[CounterName, Decimal]
    corrected: int


class UsageResetStore(Protocol):
    """Cells, as far as resets by hand go. Every method is one request at most; reads are consistent."""

    def look(self, cell: CellName) -> ResettableCell:
        """The root cell."""

    def total(self, cell: CellName, counter: CounterName) -> Total | None:
        """The total of a window; None: nothing of it is folded."""

    def newest(self, customer: str, *, before: int | None, limit: int) -> tuple[KeptRecord, ...]:
        """The newest journal records (numbered less than `before`), the newest first."""

    def exclude(self, cell: CellName, found: Sequence[WindowReset], *, upto: int, entry: ResetEntry) -> Moves:
        """The write that takes it out; refused where a settlement or another reset came after the revision `upto`."""
