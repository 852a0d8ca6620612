"""Ports: the storage interface of this room's operations, and the values that storage returns."""

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
    """Cells, for the manual changes of operators."""

    def resume(self, cell: CellName, found: Lifting, entry: ResumeEntry, now: Instant) -> Moves:
        """Return the write that lifts the suspensions in the root cell and waives their tiers.

        It is refused where one has changed.
        """

    def read(self, cell: CellName) -> Cell:
        """Return the cell, read consistently."""

    def adjust(self, cell: CellName, found: CellAdjustment, entry: AdjustEntry) -> Moves:
        """Return the write that adjusts a window and, if needed, opens it.

        It is refused where the seen parts have changed.
        """


class AdjustmentStore(Protocol):
    """The list of adjustments."""

    def record(self, adjustment: Adjustment) -> Moves:
        """Return the writes that list an adjustment. They are refused where its id is taken."""

    def page(
        self, customer: str, feature: str | None, *, after: str | None, limit: int
    ) -> tuple[tuple[Adjustment, ...], str | None]:
        """Return a page of a customer's (and feature's) adjustments, newest first, and the next page's cursor.

        One request.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ResettableCell:
    """A cell with the values that a reset needs.

    brought: by window, the part of its counter that came by events
    corrected: the revision of the newest settlement or reset; 0: there was none
    """

    cell: Cell
    brought: Mapping[CounterName, Decimal]
    corrected: int


class UsageResetStore(Protocol):
    """Cells, for manual resets. Every method is one request at most, unless it says otherwise; reads are consistent."""

    def look(self, cell: CellName) -> ResettableCell:
        """Return the root cell."""

    def total(self, cell: CellName, counter: CounterName) -> Total | None:
        """Return a window's total; None: nothing of it is aggregated yet."""

    def journaled(self, cell: CellName, *, now: Instant) -> int:
        """Return the newest journaled revision of the cell; 0: none. One request, or a few more."""

    def newest(self, customer: str, *, before: int | None, limit: int) -> tuple[KeptRecord, ...]:
        """Return the newest journal records (numbered less than `before`), newest first."""

    def exclude(self, cell: CellName, found: Sequence[WindowReset], *, upto: int, entry: ResetEntry) -> Moves:
        """Return the write that excludes this usage.

        It is refused after a settlement or reset later than the revision `upto`.
        """
