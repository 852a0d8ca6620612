"""Receipts of the control plane: put if absent, in the transaction of the moves that they document.

    RECEIPT   fingerprint, status, body (JSON, secrets null), kept_until (ms, by the stack's clock), expires_at (s)

A receipt whose kept_until has passed counts as absent, even while its item still exists.
"""

from __future__ import annotations

from tallygate.domain.base.instants import DAY, SECOND, Instant
from tallygate.errors import InvariantBroken
from tallygate.operations.base.ports import Moves, StoredAnswer
from tallygate.storage.base import items, keys
from tallygate.storage.base.documents import compact, read_document
from tallygate.storage.base.engine import Committed, Delete, Engine, Put, Require, Update
from tallygate.storage.base.expressions import Compare, absent_or

KEPT = DAY
KEPT_UNTIL = "kept_until"
NO_CUSTOMER = ""


class Receipts:
    """Commits planned moves, with or without a receipt."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def stored(self, operation: str, idempotency_key: str, now: Instant) -> StoredAnswer | None:
        item = self._engine.get(keys.receipt(NO_CUSTOMER, operation, idempotency_key))
        if item is None or items.integer(item, KEPT_UNTIL) <= now:
            return None
        return StoredAnswer(
            fingerprint=items.text(item, "fingerprint"),
            status=items.integer(item, "status"),
            body=read_document(items.text(item, "body")),
        )

    def commit(self, moves: Moves) -> bool:
        return not moves or isinstance(self._engine.transact(writes_of(moves)), Committed)

    def commit_once(
        self, moves: Moves, operation: str, idempotency_key: str, answer: StoredAnswer, now: Instant
    ) -> bool:
        """Commit all moves and the receipt, or nothing, in one transaction. Its own receipt makes it safe to repeat."""
        receipt = Put(
            key=keys.receipt(NO_CUSTOMER, operation, idempotency_key),
            item={
                "fingerprint": answer.fingerprint,
                "status": answer.status,
                "body": compact(answer.body),
                KEPT_UNTIL: now + KEPT,
                "expires_at": (now + KEPT) // SECOND,
            },
            condition=absent_or(Compare(KEPT_UNTIL, "<=", now)),
        )
        return isinstance(self._engine.transact((*writes_of(moves), receipt), repeatable=True), Committed)


def writes_of(moves: Moves) -> tuple[Put | Update | Delete | Require, ...]:
    """Return the writes that another store prepared as moves."""
    writes = tuple(move for move in moves if isinstance(move, Put | Update | Delete | Require))
    if len(writes) != len(moves):
        raise InvariantBroken("a move must be a write of this storage")
    return writes
