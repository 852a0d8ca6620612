"""API keys: who may call what. The key itself is shown once and kept nowhere; its digest finds what it stands for."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from tallygate.domain.base.instants import DAY, Instant

INGEST, CHECK, READ, MANAGE = "ingest", "check", "read", "manage"
SCOPES = (INGEST, CHECK, READ, MANAGE)
OVERLAP_MAX_S = 30 * 86_400
FORMER_TEXTS_MAX = 3
"""So many earlier texts of one key may be valid at once."""
PREFIX = "tg_"
KEY_LENGTH_MAX = 128
"""No key that was ever made is longer; what is need not be looked up."""
_FORM = re.compile(rf"{PREFIX}[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """What a key stands for. `customer` binds it to one customer; from `expires_at` on it is no key any more."""

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

    until: from then on the text is not valid any more, by a rotation; None: until the key expires
    used_on: start of the last UTC day on which it was used, ms; None: not yet
    """

    digest: str
    until: Instant | None = None
    used_on: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTexts:
    """A key with its text and the earlier ones that a rotation left valid for a while, the newest first.

    used_before: the last UTC day on which any text was used before the newest rotation, ms; None: on none
    """

    key: ApiKey
    text: KeyText
    former: tuple[KeyText, ...] = ()
    used_before: Instant | None = None

    @property
    def used_on(self) -> Instant | None:
        """The last UTC day on which any text of the key was used."""
        days = (self.used_before, *(text.used_on for text in (self.text, *self.former)))
        return max((day for day in days if day is not None), default=None)

    def valid_former(self, now: Instant) -> tuple[KeyText, ...]:
        """The earlier texts that are still valid."""
        return tuple(text for text in self.former if text.until is not None and text.until > now)

    def rotated(self, digest: str, *, overlap_ms: int, now: Instant) -> KeyTexts:
        """The key with a new text. Without an overlap all earlier texts end at once, whoever rotated them."""
        new = replace(self, text=KeyText(digest=digest), former=(), used_before=self.used_on)
        if overlap_ms == 0:
            return new
        until = now + overlap_ms
        if self.key.expires_at is not None:
            until = min(until, self.key.expires_at)
        return replace(new, former=(replace(self.text, until=until), *self.valid_former(now)))


def broken_scopes(scopes: Collection[str], customer: str | None) -> str | None:
    """Why a key cannot have these scopes; None: it can."""
    if customer is not None and MANAGE in scopes:
        return "a key of one customer cannot have manage: read shows that customer's own limits and usage"
    return None


def day_of(now: Instant) -> Instant:
    """The start of the UTC day."""
    return now - now % DAY


def digest_of(key: str) -> str:
    """What is stored instead of the key. Its 256 random bits make a slow or salted hash needless."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def bearer(header: str | None) -> str | None:
    """The key in an Authorization header; None where it holds none that could be ours."""
    scheme, _, token = (header or "").strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or len(token) > KEY_LENGTH_MAX or not _FORM.fullmatch(token):
        return None
    return token
