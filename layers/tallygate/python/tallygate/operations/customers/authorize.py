"""authorize: finds the API key of an Authorization header. One read; none for a text that cannot be a key.

The first use of a key on a UTC day costs one more write, which shows operators the keys in use.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol

from tallygate.domain.base.instants import Instant
from tallygate.domain.customers.api_keys import ApiKey, bearer, day_of, digest_of
from tallygate.errors import StoreUnavailable


class KeyFinder(Protocol):
    """Keys by their digests."""

    def find(self, digest: str) -> tuple[ApiKey, Instant | None] | None:
        """Return the key with this digest and the last day of its use, read consistently. One request."""

    def use(self, digest: str, day: Instant) -> None:
        """Store the day of the last use. Harmless to repeat, and after the key was removed. One request."""


def authorize(store: KeyFinder, authorization: str | None, now: Instant) -> ApiKey | None:
    """Return the calling key; None for a missing, unknown, revoked or expired key."""
    text = bearer(authorization)
    if text is None:
        return None
    digest = digest_of(text)
    found = store.find(digest)
    if found is None or found[0].expired(now):
        return None
    key, used_on = found
    today = day_of(now)
    if used_on is None or used_on < today:
        # Only operators read the day. A key must not be refused because its day could not be written.
        with suppress(StoreUnavailable):
            store.use(digest, today)
    return key
