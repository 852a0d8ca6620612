"""keys: creates, lists, rotates and revokes API keys.

    make ──> text          the key is shown once; its digest is stored
    rotate ──> new text    the earlier text is valid until the end of the overlap
    revoke                 no text is valid any more

The gateway caches authorizations, so an ended text may work a little longer: at most the stack's parameter
AuthorizerCacheSeconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tallygate.domain.base.instants import Instant
from tallygate.domain.customers.api_keys import (
    FORMER_TEXTS_MAX,
    KEY_LENGTH_MAX,
    ApiKey,
    KeyText,
    KeyTexts,
    digest_of,
)
from tallygate.domain.facts.audits import KEY_CREATED, KEY_REVOKED, KEY_ROTATED, Author
from tallygate.errors import Conflict, Contended, NotFound, invalid
from tallygate.operations.base.receipts import Planned
from tallygate.operations.customers.ports import KeyStore
from tallygate.operations.facts.ports import AuditStore

SHOWN_ONCE = "key"
TRIES_MAX = 3

Form = Callable[[KeyTexts, Instant], dict[str, Any]]
"""Returns a key as JSON, without any of its texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The stores that a change of keys writes."""

    keys: KeyStore
    audits: AuditStore


def make_key(stores: Stores, key: ApiKey, text: str, form: Form, *, by: Author) -> Planned:
    """Plan a POST (see `operations.base.receipts`) that stores a key. Its answer shows the key's text once.

    Raises InvalidRequest for a key that has already expired.
    """
    assert len(text) <= KEY_LENGTH_MAX
    if key.expired(by.at):
        raise invalid("/expires_at", "out_of_range", "must be in the future")
    made = KeyTexts(key=key, text=KeyText(digest=digest_of(text)))
    answer = form(made, by.at)
    entry = by.entry(KEY_CREATED, {"key": key.id}, after=answer)
    return _shown_once((*stores.keys.create(key, made.text.digest), *stores.audits.record(entry)), answer, text)


def list_keys(store: KeyStore, *, after: str | None, limit: int) -> tuple[tuple[KeyTexts, ...], str | None]:
    """Return a page of keys in order of their ids, and the next page's cursor."""
    return store.page(after=after, limit=limit)


def rotate_key(stores: Stores, key_id: str, text: str, form: Form, *, overlap_ms: int, by: Author) -> Planned:
    """Plan a POST that gives the key a new text, shown once. The earlier text is valid for the overlap.

    Raises NotFound, Conflict `key_expired`, and Conflict `too_many` where FORMER_TEXTS_MAX earlier texts are valid.
    """
    seen = _known(stores.keys, key_id)
    if seen.key.expired(by.at):
        raise Conflict(f"the key {key_id} has expired: create another", code="key_expired")
    wanted = seen.rotated(digest_of(text), overlap_ms=overlap_ms, now=by.at)
    if len(wanted.former) > FORMER_TEXTS_MAX:
        detail = f"{FORMER_TEXTS_MAX} earlier texts of the key are valid: rotate with overlap_seconds 0, or wait"
        raise Conflict(detail, code="too_many")
    answer = form(wanted, by.at)
    entry = by.entry(KEY_ROTATED, {"key": key_id}, before=form(seen, by.at), after=answer)
    return _shown_once((*stores.keys.rotate(seen, wanted), *stores.audits.record(entry)), answer, text, status=200)


def revoke_key(stores: Stores, key_id: str, form: Form, *, by: Author) -> None:
    """Remove a key with all its texts. Raises NotFound, also for a repeated call, and Contended."""
    for _ in range(TRIES_MAX):
        seen = _known(stores.keys, key_id)
        entry = by.entry(KEY_REVOKED, {"key": key_id}, before=form(seen, by.at), after=None)
        if stores.keys.delete(seen, beside=stores.audits.record(entry)):
            return
    raise Contended("the key was rotated during every try")


def _shown_once(moves: Any, answer: dict[str, Any], text: str, *, status: int = 201) -> Planned:
    return Planned(moves=moves, body={**answer, SHOWN_ONCE: text}, secrets=frozenset((SHOWN_ONCE,)), status=status)


def _known(store: KeyStore, key_id: str) -> KeyTexts:
    found = store.key(key_id)
    if found is None:
        raise NotFound(f"there is no key {key_id[:100]}", code="key_not_found")
    return found
