"""One wrapper for every POST of the control plane: what it plans is committed together with its receipt.

    plan ──> moves + answer ──one transaction: moves, RECEIPT──> finish ──> answer
    the same Idempotency-Key again ──> the stored answer ──> finish ──> answer, `replayed`

There is no moment at which the change is made and its receipt is not. A receipt never holds a secret: a replayed
answer has null in its place. `finish` is what follows the commit (and must be harmless to repeat); a replay repeats it,
so that a crash between the two is mended by the caller's own retry.
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
"""JSON as it goes over the wire: strings, whole numbers, booleans, null, and lists and objects of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a POST is about to do (nothing, where all is so already), and what it will answer.

    `secrets` names members of the body that are shown once.
    """

    moves: Moves
    body: Body
    status: int = 201
    secrets: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        assert self.secrets <= self.body.keys()

    @property
    def redacted(self) -> dict[str, Any]:
        """The body as a receipt keeps it."""
        return {name: None if name in self.secrets else value for name, value in self.body.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The answer of a POST, and whether an earlier call with the same Idempotency-Key gave it."""

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
    """Plan and commit, at most once for each Idempotency-Key of an operation (its method and path) in 24 hours.

    `plan` is called again where a condition of its moves was refused, and reads what it needs afresh. Raises
    InvalidRequest `idempotency_key_reused` where the key stands for another body, Contended after TRIES_MAX.
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
        # A transaction that was sent twice is refused by its own receipt: the ids in its body tell it from another's.
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
