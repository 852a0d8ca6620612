"""Ports: what the operations of this room ask of storage, and the values that it answers with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from tallygate.domain.base.instants import Instant

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


class ClockStore(Protocol):
    """The test clock."""

    def frozen_at(self) -> Instant | None:
        """The instant at which time stands still; None: it does not. One consistent read."""

    def move(self, seen: Instant | None, to: Instant | None) -> Moves:
        """The write that moves the clock (None: back to real time), refused unless it stands where it was seen."""
