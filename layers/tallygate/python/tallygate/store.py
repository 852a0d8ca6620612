"""What the operations ask of storage: named moves, each with its atomicity, and the values that they answer.

One Protocol per family of moves; `tallygate.storage` provides each over either engine. An operation names the Protocol
that it needs and sees nothing of items, keys or expressions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from tallygate.domain.cells import Cell, Terms
from tallygate.domain.entries import Entry
from tallygate.domain.instants import Instant
from tallygate.domain.limits import Effective


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
    """What an Idempotency-Key keeps of a granted consume."""

    fingerprint: str
    decision_id: str
    amount: Decimal
    decided_at: Instant


@dataclass(frozen=True, slots=True)
class Repeated:
    """The key was used before; nothing was written. `receipt` says for what, `cell` is the cell as it stands now."""

    receipt: Receipt
    cell: Cell


class AdmissionStore(Protocol):
    """Admission: what may still be consumed now. Every method is one request, unless it says otherwise."""

    def effective(self, customer: str) -> Effective | None:
        """The customer's limits in force, consistent; None: no such customer."""

    def knows_feature(self, feature: str) -> bool:
        """Whether the catalog has the feature; asked only to explain a denial."""

    def read(self, customer: str, feature: str) -> Cell:
        """The root cell, consistent."""

    def admit(self, customer: str, feature: str, terms: Terms, entry: Entry) -> Admitted | NotAdmitted:
        """Count the terms' amount in every counter, or in none. Atomic; with a remembered mark safe to repeat.

        Raises OutcomeUnknown where the write may or may not have been made and could not be repeated safely.
        """

    def admit_once(
        self, customer: str, feature: str, terms: Terms, entry: Entry, idempotency_key: str, receipt: Receipt
    ) -> Admitted | NotAdmitted | Repeated:
        """As `admit`, and keep the receipt, both or neither: one transaction, then one read of the cell."""


Moves = tuple[object, ...]
"""Writes that a family of storage prepared, to be committed with others in one transaction; it alone looks inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """What an Idempotency-Key of the control plane keeps: the request's fingerprint and the answer without secrets."""

    fingerprint: str
    status: int
    body: Mapping[str, Any]


class ReceiptStore(Protocol):
    """Commits what an operation of the control plane planned, with or without a receipt."""

    def stored(self, operation: str, idempotency_key: str, now: Instant) -> StoredAnswer | None:
        """What the key keeps, consistent; None where nothing is kept, or no longer."""

    def commit(self, moves: Moves) -> bool:
        """All of the moves or none, in one transaction; False: a condition refused. Raises OutcomeUnknown."""

    def commit_once(
        self, moves: Moves, operation: str, idempotency_key: str, answer: StoredAnswer, now: Instant
    ) -> bool:
        """All of the moves and the receipt, or none, in one transaction. False: the key keeps an answer by now (which
        may be this very one, where the first attempt's outcome was unknown), or a condition of the moves refused."""
