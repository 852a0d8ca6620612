"""authorize: from the Authorization header to who calls. One read, and none for what cannot be a key."""

from __future__ import annotations

from typing import Protocol

from tallygate.domain.api_keys import ApiKey, bearer, digest_of
from tallygate.domain.instants import Instant


class KeyFinder(Protocol):
    """Keys by their digests."""

    def find(self, digest: str) -> ApiKey | None:
        """What the key with this digest stands for, consistent. One request."""


def authorize(store: KeyFinder, authorization: str | None, now: Instant) -> ApiKey | None:
    """The key that calls; None for a missing, unknown, revoked or expired one."""
    key = bearer(authorization)
    found = store.find(digest_of(key)) if key is not None else None
    return None if found is None or found.expired(now) else found
