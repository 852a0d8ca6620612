"""API keys: who may call what. The text of a key is shown once and never stored; a key is looked up by its digest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from tallygate.domain.base.instants import DAY, Instant
from tallygate.domain.customers.key_scopes import MANAGE

OVERLAP_MAX_S = 30 * 86_400
FORMER_TEXTS_MAX = 3
"""The maximum number of earlier texts of a key that are valid at once."""
PREFIX = "tg_"
KEY_LENGTH_MAX = 128
"""The maximum length of a key. A longer text is not looked up."""
_FORM = re.compile(rf"{PREFIX}[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key and its rights.

    scopes: subset of SCOPES
    customer: the only customer that the key may access; None: all
    expires_at: the key is invalid from this instant on; None: never
    """

    id: str
    name: str
    scopes: tuple[str, ...]
    customer: str | None = None
    expires_at: Instant | None = None
    created_at: Instant

    def expired(self, now: Instant) -> bool:
        return self.expires_at is not None and self.expires_at <= now


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyText:
    """One text of a key, by its digest.

    until: end of validity, set by a rotation; None: valid until the key expires
    used_on: start of the last UTC day on which it was used, ms; None: never used
    """

    digest: str
    until: Instant | None = None
    used_on: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTexts:
    """A key with its current text and the earlier texts that rotations left valid for a while, newest first.

    used_before: start of the last UTC day on which any text was used before the newest rotation, ms; None: never used
    """

    key: ApiKey
    text: KeyText
    former: tuple[KeyText, ...] = ()
    used_before: Instant | None = None

    @property
    def used_on(self) -> Instant | None:
        """The start of the last UTC day on which any text of the key was used; None: never used."""
        days = (self.used_before, *(text.used_on for text in (self.text, *self.former)))
        return max((day for day in days if day is not None), default=None)

    def valid_former(self, now: Instant) -> tuple[KeyText, ...]:
        """Return the earlier texts that are still valid."""
        return tuple(text for text in self.former if text.until is not None and text.until > now)

    def rotated(self, digest: str, *, overlap_ms: int, now: Instant) -> KeyTexts:
        """Return the key with a new text. With an overlap of 0, all earlier texts become invalid at once."""
        new = replace(self, text=KeyText(digest=digest), former=(), used_before=self.used_on)
        if overlap_ms == 0:
            return new
        until = now + overlap_ms
        if self.key.expires_at is not None:
            until = min(until, self.key.expires_at)
        return replace(new, former=(replace(self.text, until=until), *self.valid_former(now)))


def broken_scopes(scopes: Collection[str], customer: str | None) -> str | None:
    """Return why a key cannot have these scopes; None if it can."""
    if customer is not None and MANAGE in scopes:
        return "a key bound to one customer cannot have manage; read gives access to that customer's limits and usage"
    return None


def day_of(now: Instant) -> Instant:
    """Return the start of the UTC day."""
    return now - now % DAY


def digest_of(key: str) -> str:
    """Return the digest stored instead of the key. A key has 256 random bits, so no slow or salted hash is needed."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def bearer(header: str | None) -> str | None:
    """Return the key in an Authorization header; None if the header has no well-formed key."""
    scheme, _, token = (header or "").strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or len(token) > KEY_LENGTH_MAX or not _FORM.fullmatch(token):
        return None
    return token
