"""authorize: from the Authorization header to who calls. One read, and none for what cannot be a key.

The first use of a key on a UTC day is one write more, which lets an operator see which keys are still in use.
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
        """What the key with this digest stands for, and the last day of its use, consistent. One request."""

    def use(self, digest: str, day: Instant) -> None:
        """Keep the day as that of the last use; harmless to repeat, and where the key was removed. One request."""


def authorize(store: KeyFinder, authorization: str | None, now: Instant) -> ApiKey | None:
    """The key that calls; None for a missing, unknown, revoked or expired one."""
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
        # The day is for operators alone: a key must not be refused because it could not be written.
        with suppress(StoreUnavailable):
            store.use(digest, today)
    return key
