"""The wrapper of every POST of the control plane: the planned writes are committed together with a receipt.

    plan ──> moves + answer ──one transaction: moves, RECEIPT──> finish ──> answer
    the same Idempotency-Key again ──> the stored answer ──> finish ──> answer, `replayed`

At no moment is the change made without its receipt. A receipt never holds a secret: a replayed answer has null in its
place. `finish` runs after the commit and must be harmless to repeat. A replay repeats it, so the caller's own retry
completes a call that crashed between commit and `finish`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tallygate.domain.base.instants import Instant
from tallygate.errors import Contended, InvalidRequest
from tallygate.operations.base.ports import Moves, ReceiptStore, StoredAnswer

TRIES_MAX = 3

Body = Mapping[str, Any]
"""JSON values of the wire: strings, whole numbers, booleans, null, and lists and objects of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The writes and the answer of a POST.

    moves: the writes; empty where nothing changes
    secrets: names of body members that are shown only once
    """

    moves: Moves
    body: Body
    status: int = 201
    secrets: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        assert self.secrets <= self.body.keys()

    @property
    def redacted(self) -> dict[str, Any]:
        """The body as stored in a receipt, with null for every secret."""
        return {name: None if name in self.secrets else value for name, value in self.body.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The answer of a POST.

    replayed: an earlier call with the same Idempotency-Key gave this answer
    """

    status: int
    body: Body
    replayed: bool = False


def once(
    store: ReceiptStore,
    plan: Callable[[], Planned],
    *,
    operation: str,
    idempotency_key: str | None,
    fingerprint: str,
    now: Instant,
    finish: Callable[[Body], Body] | None = None,
) -> Outcome:
    """Plan and commit a POST, at most once in 24 hours for each Idempotency-Key of an operation.

    plan: reads afresh and plans; called again after a condition of its moves refused
    operation: the request's method and path
    fingerprint: digest of the body
    finish: runs after the commit and after a replay

    Raises InvalidRequest `idempotency_key_reused` where the key was used with another body, and Contended after
    TRIES_MAX.
    """
    outcome = _committed(store, plan, operation, idempotency_key, fingerprint, now)
    return outcome if finish is None else replace(outcome, body=finish(outcome.body))


def _committed(
    store: ReceiptStore,
    plan: Callable[[], Planned],
    operation: str,
    key: str | None,
    fingerprint: str,
    now: Instant,
) -> Outcome:
    for _ in range(TRIES_MAX):
        stored = store.stored(operation, key, now) if key is not None else None
        if stored is not None:
            return _replayed(stored, fingerprint)
        planned = plan()
        made = Outcome(status=planned.status, body=planned.body)
        if key is None:
            if store.commit(planned.moves):
                return made
            continue
        answer = StoredAnswer(fingerprint=fingerprint, status=planned.status, body=planned.redacted)
        if store.commit_once(planned.moves, operation, key, answer, now):
            return made
        # A transaction sent twice is refused by its own receipt. The ids in the body tell this answer from another
        # call's.
        if _same(store.stored(operation, key, now), answer):
            return made
    raise Contended("other writers won every try")


def _replayed(stored: StoredAnswer, fingerprint: str) -> Outcome:
    if stored.fingerprint != fingerprint:
        raise InvalidRequest(
            "this Idempotency-Key was used with another body in the last 24 hours", code="idempotency_key_reused"
        )
    return Outcome(status=stored.status, body=stored.body, replayed=True)


def _same(stored: StoredAnswer | None, answer: StoredAnswer) -> bool:
    if stored is None or stored.fingerprint != answer.fingerprint or stored.status != answer.status:
        return False
    return _text(stored.body) == _text(answer.body)


def _text(body: Body) -> str:
    return json.dumps(body, sort_keys=True, default=str)
