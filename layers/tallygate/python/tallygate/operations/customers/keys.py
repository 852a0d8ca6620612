"""keys: make, list, rotate and revoke API keys.

    make ──> text          the key is shown once; its digest is stored
    rotate ──> new text    the text before is valid until the end of the overlap
    revoke                 every text ends

A text that ends is refused once the gateway forgets it: the stack's parameter AuthorizerCacheSeconds bounds that.
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
"""A key as JSON, without any of its texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """What a change of keys writes."""

    keys: KeyStore
    audits: AuditStore


def make_key(stores: Stores, key: ApiKey, text: str, form: Form, *, by: Author) -> Planned:
    """The plan of a POST (see `operations.base.receipts`): the key's record, and an answer that shows its text once.

    Raises InvalidRequest for a key that would be expired from the start.
    """
    assert len(text) <= KEY_LENGTH_MAX
    if key.expired(by.at):
        raise invalid("/expires_at", "out_of_range", "must be in the future")
    made = KeyTexts(key=key, text=KeyText(digest=digest_of(text)))
    answer = form(made, by.at)
    entry = by.entry(KEY_CREATED, {"key": key.id}, after=answer)
    return _shown_once((*stores.keys.create(key, made.text.digest), *stores.audits.record(entry)), answer, text)


def list_keys(store: KeyStore, *, after: str | None, limit: int) -> tuple[tuple[KeyTexts, ...], str | None]:
    """A page of keys in order of their ids, and where to go on."""
    return store.page(after=after, limit=limit)


def rotate_key(stores: Stores, key_id: str, text: str, form: Form, *, overlap_ms: int, by: Author) -> Planned:
    """The plan of a POST: another text for the key, shown once. The text before is valid for the overlap.

    Raises NotFound, Conflict `key_expired` and Conflict `too_many` where FORMER_TEXTS_MAX earlier texts are valid.
    """
    seen = _known(stores.keys, key_id)
    if seen.key.expired(by.at):
        raise Conflict(f"the key {key_id} has expired: make another", code="key_expired")
    wanted = seen.rotated(digest_of(text), overlap_ms=overlap_ms, now=by.at)
    if len(wanted.former) > FORMER_TEXTS_MAX:
        detail = f"{FORMER_TEXTS_MAX} earlier texts of the key are valid: rotate with overlap_seconds 0, or wait"
        raise Conflict(detail, code="too_many")
    answer = form(wanted, by.at)
    entry = by.entry(KEY_ROTATED, {"key": key_id}, before=form(seen, by.at), after=answer)
    return _shown_once((*stores.keys.rotate(seen, wanted), *stores.audits.record(entry)), answer, text, status=200)


def revoke_key(stores: Stores, key_id: str, form: Form, *, by: Author) -> None:
    """Remove a key with all its texts. Raises NotFound, also the second time, and Contended."""
    for _ in range(TRIES_MAX):
        seen = _known(stores.keys, key_id)
        entry = by.entry(KEY_REVOKED, {"key": key_id}, before=form(seen, by.at), after=None)
        if stores.keys.delete(seen, beside=stores.audits.record(entry)):
            return
    raise Contended("the key was rotated by others at every try")


def _shown_once(moves: Any, answer: dict[str, Any], text: str, *, status: int = 201) -> Planned:
    return Planned(moves=moves, body={**answer, SHOWN_ONCE: text}, secrets=frozenset((SHOWN_ONCE,)), status=status)


def _known(store: KeyStore, key_id: str) -> KeyTexts:
    found = store.key(key_id)
    if found is None:
        raise NotFound(f"there is no key {key_id[:100]}", code="key_not_found")
    return found
