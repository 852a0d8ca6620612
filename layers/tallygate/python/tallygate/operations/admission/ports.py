"""Ports: the storage interface of this room's operations, and the values that storage returns."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.replays import KeptWindow
from tallygate.domain.admission.terms import Terms
from tallygate.domain.admission.tier_suspensions import TierSuspension
from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog.units import Unit
from tallygate.domain.limits.counters import CellName, CounterName
from tallygate.domain.limits.limits import Effective
from tallygate.domain.metering.dimensions import DeclaredDimensions

if TYPE_CHECKING:
    from tallygate.domain.entries.entry import CellEntry
    from tallygate.domain.entries.total import Total


@dataclass(frozen=True, slots=True)
class Admitted:
    """The write succeeded.

    after: the cell after the write
    """

    after: Cell


@dataclass(frozen=True, slots=True)
class NotAdmitted:
    """Nothing was written.

    seen: the cell whose image refused the write
    """

    seen: Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The record of a granted consume under its Idempotency-Key.

    windows: the quota windows that the decision counted in
    """

    fingerprint: str
    decision_id: str
    amount: Decimal
    decided_at: Instant
    windows: tuple[KeptWindow, ...] = ()


@dataclass(frozen=True, slots=True)
class Repeated:
    """The key was used before, and nothing was written.

    receipt: the receipt under the key
    seen: the current cell
    """

    receipt: Receipt
    seen: Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class SoldFeature:
    """The part of a feature that decisions need: its display unit and the dimensions of its requests."""

    unit: Unit | None
    dimensions: DeclaredDimensions


class AdmissionStore(Protocol):
    """Storage of admission. Every method is one request, unless it says otherwise."""

    def effective(self, customer: str) -> Effective | None:
        """Return the customer's limits in force, read consistently; None: no such customer."""

    def knows_feature(self, feature: str) -> bool:
        """Return whether the catalog has the feature. Asked only to explain a denial."""

    def sold(self, feature: str, *, fresh: bool) -> SoldFeature | None:
        """Return the feature as the catalog has it; None: no such feature.

        fresh: read consistently

        At most two requests, or four where the feature was declared a moment ago.
        """

    def decision_secret(self) -> bytes | None:
        """Return the secret that signs decision ids, read consistently; None: none was made yet."""

    def make_decision_secret(self, secret: bytes) -> bytes:
        """Store the secret unless there is one, and return the stored one. Repeatable."""

    def read(self, cell: CellName) -> Cell:
        """Return the cell, read consistently."""

    def admit(self, cell: CellName, terms: Terms, entry: CellEntry) -> Admitted | NotAdmitted:
        """Count the terms' amount in every counter, or in none. Atomic; safe to repeat if the mark is remembered.

        Raises OutcomeUnknown where the write may or may not have happened and could not be repeated safely.
        """

    def admit_once(
        self, cell: CellName, terms: Terms, entry: CellEntry, idempotency_key: str, receipt: Receipt
    ) -> Admitted | NotAdmitted | Repeated:
        """Count as `admit` does and store the receipt, both or neither: one transaction, then one read of the cell."""

    def receipt(self, customer: str, idempotency_key: str, now: Instant) -> Receipt | None:
        """Return the receipt under the key, read consistently. Asked only before a denial that needs no cell."""

    def total(self, cell: CellName, counter: CounterName) -> Total | None:
        """Return a window's total, read consistently; None: nothing of it is aggregated yet.

        Asked only for a window that the cell has removed.
        """

    def follow(self, effective: Effective, feature: str, now: Instant) -> Cell:
        """Let usage of other windows follow as the limits say, unless it has followed. Return the cell after it.

        Two requests. Raises Contended.
        """

    def suspend(self, cell: CellName, suspension: TierSuspension, entry: CellEntry) -> Cell | None:
        """Suspend usage in the cell, if the request still reaches the suspending tier. Safe to repeat.

        Returns the cell after it; None: it is suspended already, or there is room by now.
        """

    def mark_denied(self, cell: CellName, counter: CounterName, over: Instant, entry: CellEntry) -> Cell | None:
        """Mark the first denial in a window that ends at `over`. Repeatable.

        Returns the cell after it; None: it is marked already, or the window was removed.
        """
