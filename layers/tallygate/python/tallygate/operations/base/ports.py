"""Ports: the storage interface of this room's operations, and the values that storage returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from tallygate.domain.base.instants import Instant

Moves = tuple[object, ...]
"""Writes that a store prepared, to be committed with others in one transaction. Only storage looks inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """The record under an Idempotency-Key of the control plane: the request's fingerprint, and its answer without
    secrets.
    """

    fingerprint: str
    status: int
    body: Mapping[str, Any]


class ReceiptStore(Protocol):
    """Commits the writes that an operation of the control plane planned, with or without a receipt."""

    def stored(self, operation: str, idempotency_key: str, now: Instant) -> StoredAnswer | None:
        """Return the answer stored under the key, read consistently; None: there is none, or it has expired."""

    def commit(self, moves: Moves) -> bool:
        """Commit all moves or none, in one transaction. False: a condition refused. Raises OutcomeUnknown."""

    def commit_once(
        self, moves: Moves, operation: str, idempotency_key: str, answer: StoredAnswer, now: Instant
    ) -> bool:
        """Commit all moves and the receipt or nothing, in one transaction.

        False: a condition of the moves refused, or the key holds an answer by now. That answer may be this very one,
        where the outcome of a first attempt was unknown.
        """


class ClockStore(Protocol):
    """The test clock."""

    def frozen_at(self) -> Instant | None:
        """Return the instant at which time is frozen; None: real time runs. One consistent read."""

    def move(self, seen: Instant | None, to: Instant | None) -> Moves:
        """Return the write that moves the clock (None: back to real time).

        It is refused unless the clock is still at `seen`.
        """
