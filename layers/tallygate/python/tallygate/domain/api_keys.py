"""API keys: who may call what. The key itself is shown once and kept nowhere; its digest finds what it stands for."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from tallygate.domain.instants import Instant

SCOPES = ("ingest", "check", "manage")
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
