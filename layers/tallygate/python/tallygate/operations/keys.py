"""keys: make, list and revoke API keys. A revocation acts once the gateway forgets the key, at most 60 s later."""

from __future__ import annotations

from typing import Any

from tallygate.control_store import KeyStore
from tallygate.domain.api_keys import ApiKey, digest_of
from tallygate.domain.instants import Instant
from tallygate.errors import NotFound, invalid
from tallygate.operations.receipts import Planned

SHOWN_ONCE = "key"


def make_key(store: KeyStore, key: ApiKey, text: str, answer: dict[str, Any], *, now: Instant) -> Planned:
    """The plan of a POST (see `operations.receipts`): the key's record, and an answer that shows its text once.

    Raises InvalidRequest for a key that would be expired from the start.
    """
    if key.expired(now):
        raise invalid("/expires_at", "out_of_range", "must be in the future")
    return Planned(
        moves=store.create(key, digest_of(text)),
        body={**answer, SHOWN_ONCE: text},
        secrets=frozenset((SHOWN_ONCE,)),
    )


def list_keys(store: KeyStore, *, after: str | None, limit: int) -> tuple[tuple[ApiKey, ...], str | None]:
    """A page of keys in order of their ids, and where to go on."""
    return store.page(after=after, limit=limit)


def revoke_key(store: KeyStore, key_id: str) -> None:
    """Remove a key. Raises NotFound, also the second time."""
    if not store.delete(key_id):
        raise NotFound(f"there is no key {key_id[:100]}", code="key_not_found")
