"""Ports: what the operations of this room ask of storage, and the values that it answers with."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.replays import KeptWindow
from tallygate.domain.admission.terms import Terms
from tallygate.domain.admission.tier_suspensions import TierSuspension
from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog.units import Unit
from tallygate.domain.entries.entry import CellEntry
from tallygate.domain.entries.total import Total
from tallygate.domain.limits.counters import CellName, CounterName
from tallygate.domain.limits.limits import Effective
from tallygate.domain.metering.dimensions import DeclaredDimensions


@dataclass(frozen=True, slots=True)
class Admitted:
    """The write was made; `after` is the cell with it."""

    after: Cell


@dataclass(frozen=True, slots=True)
class NotAdmitted:
    """Nothing was written; `seen` is the cell that refused."""

    seen: Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What an Idempotency-Key keeps of a granted consume; `windows` are those of quotas that it counted in."""

    fingerprint: str
    decision_id: str
    amount: Decimal
    decided_at: Instant
    windows: tuple[KeptWindow, ...] = ()


@dataclass(frozen=True, slots=True)
class Repeated:
    """The key was used before; nothing was written. `receipt` says for what, `seen` is the cell as it stands now."""

    receipt: Receipt
    seen: Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class SoldFeature:
    """A feature as decisions need it: the unit that its quantities are shown in, and the dimensions of its requests."""

    unit: Unit | None
    dimensions: DeclaredDimensions


class AdmissionStore(Protocol):
    """Admission: what may still be consumed now. Every method is one request, unless it says otherwise."""

    def effective(self, customer: str) -> Effective | None:
        """The customer's limits in force, consistent; None: no such customer."""

    def knows_feature(self, feature: str) -> bool:
        """Whether the catalog has the feature; asked only to explain a denial."""

    def sold(self, feature: str, *, fresh: bool) -> SoldFeature | None:
        """The feature as the catalog has it, consistent if `fresh`; None: no such feature. Two requests at most, or
        twice as many where it was declared a moment ago."""

    def decision_secret(self) -> bytes | None:
        """The secret under which decision ids are signed, consistent; None: none was made yet."""

    def make_decision_secret(self, secret: bytes) -> bytes:
        """Keep the secret unless there is one; the one that stands. Repeatable."""

    def read(self, cell: CellName) -> Cell:
        """The cell, consistent."""

    def admit(self, cell: CellName, terms: Terms, entry: CellEntry) -> Admitted | NotAdmitted:
        """Count the terms' amount in every counter, or in none. Atomic; with a remembered mark safe to repeat.

        Raises OutcomeUnknown where the write may or may not have been made and could not be repeated safely.
        """

    def admit_once(
        self, cell: CellName, terms: Terms, entry: CellEntry, idempotency_key: str, receipt: Receipt
    ) -> Admitted | NotAdmitted | Repeated:
        """As `admit`, and keep the receipt, both or neither: one transaction, then one read of the cell."""

    def receipt(self, customer: str, idempotency_key: str, now: Instant) -> Receipt | None:
        """What the key keeps, consistent; asked only before a denial that no cell was asked for."""

    def total(self, cell: CellName, counter: CounterName) -> Total | None:
        """The total of a window, consistent; asked only of one that the cell has removed. None: nothing is folded."""

    def follow(self, effective: Effective, feature: str, now: Instant) -> Cell:
        """Let usage of other windows follow that the limits say follows, unless it has; the cell after it. Two
        requests. Raises Contended."""

    def suspend(self, cell: CellName, suspension: TierSuspension, entry: CellEntry) -> Cell | None:
        """Suspend usage in the cell while the request still reaches for the tier that does; safe to repeat.

        The cell after it; None: it is suspended already, or there is room by now.
        """

    def mark_denied(self, cell: CellName, counter: CounterName, over: Instant, entry: CellEntry) -> Cell | None:
        """Mark the first denial in a window that is over at an instant; None: it is marked, or removed. Repeatable."""
