"""API keys and the test clock on the wire. Only the answer of the POST that created a key's text shows the text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field

from tallygate.contracts.base.answers import JSON, fields_of, time
from tallygate.contracts.base.fields import CustomerId, Text, Time, kept, one_of
from tallygate.contracts.base.names import Rule
from tallygate.contracts.base.reading import Contract, Judged, rule
from tallygate.domain.base.instants import Instant, format_instant
from tallygate.domain.customers.api_keys import OVERLAP_MAX_S, KeyTexts, broken_scopes
from tallygate.domain.customers.key_scopes import SCOPES
from tallygate.errors import FieldError


def _repeated(scopes: list[str]) -> Rule | None:
    return ("repeated", "must name each scope once") if len(set(scopes)) < len(scopes) else None


Scope = Annotated[str, one_of(SCOPES, ("read",))]


class KeyBody(Judged):
    """A new API key.

    customer: binds the key to one customer; such a key cannot have the scope manage
    expires_at: the end of its validity; null: never; absent: the stack's default
    """

    name: Text
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(SCOPES)), kept(_repeated)]
    customer: CustomerId | None = None
    expires_at: Time | None = None

    def rules_broken(self, _known: Mapping[str, Any]) -> Iterator[FieldError]:
        if why := broken_scopes(self.scopes, self.customer):
            yield rule("not_allowed", why, "scopes")

    def expiry(self, *, now: Instant, lifetime_ms: int | None) -> Instant | None:
        """Return when the key expires; None: never. `lifetime_ms`: the stack's default; None: keys never expire."""
        if "expires_at" in self.model_fields_set or lifetime_ms is None:
            return self.expires_at
        return now + lifetime_ms


class RotationBody(Contract):
    """The rotation of a key to a new text.

    overlap_seconds: how long the former text stays valid; 0 ends it at once
    """

    overlap_seconds: Annotated[int, Field(strict=True, ge=0, le=OVERLAP_MAX_S)]


class TestClockBody(Contract):
    """The time to set the stack's clock to; null returns to real time."""

    __test__ = False
    now: Time | None


def key_answer(texts: KeyTexts, now: Instant) -> JSON:
    """Return a key as JSON, without its texts.

    last_used: the last UTC day on which any text of the key was used; null: never used
    previous: earlier texts that are still valid after a rotation
    """
    key = texts.key
    return {
        **fields_of(key, "id name scopes customer"),
        "expires_at": time(key.expires_at),
        "created_at": format_instant(key.created_at),
        "last_used": _day(texts.used_on),
        "previous": [
            {"valid_until": format_instant(text.until), "last_used": _day(text.used_on)}
            for text in texts.valid_former(now)
            if text.until is not None
        ],
    }


def _day(instant: Instant | None) -> str | None:
    return None if instant is None else format_instant(instant)[:10]
