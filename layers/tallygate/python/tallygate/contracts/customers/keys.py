"""API keys and the test clock on the wire. A key's text is in one answer only: that of the POST that made it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field

from tallygate.contracts.base.answers import JSON, fields_of, time
from tallygate.contracts.base.fields import CustomerId, Rule, Text, Time, kept, one_of
from tallygate.contracts.base.reading import Contract, Judged, rule
from tallygate.domain.base.instants import Instant, format_instant
from tallygate.domain.customers.api_keys import OVERLAP_MAX_S, SCOPES, KeyTexts, broken_scopes
from tallygate.errors import FieldError


def _repeated(scopes: list[str]) -> Rule | None:
    return ("repeated", "must name each scope once") if len(set(scopes)) < len(scopes) else None


Scope = Annotated[str, one_of(SCOPES, ("read",))]


class KeyBody(Judged):
    """A new API key.

    customer: the one customer that the key is for; such a key cannot have the scope manage
    expires_at: the end of its validity; null: it never expires; absent: the stack's default
    """

    name: Text
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(SCOPES)), kept(_repeated)]
    customer: CustomerId | None = None
    expires_at: Time | None = None

    def rules_broken(self, _known: Mapping[str, Any]) -> Iterator[FieldError]:
        if why := broken_scopes(self.scopes, self.customer):
            yield rule("not_allowed", why, "scopes")

    def expiry(self, *, now: Instant, lifetime_ms: int | None) -> Instant | None:
        """When the key expires; `lifetime_ms` is the stack's default, None: never."""
        if "expires_at" in self.model_fields_set or lifetime_ms is None:
            return self.expires_at
        return now + lifetime_ms


class RotationBody(Contract):
    """A new text for a key. The former text stays valid for so many seconds; with 0 it ends at once."""

    overlap_seconds: Annotated[int, Field(strict=True, ge=0, le=OVERLAP_MAX_S)]


class TestClockBody(Contract):
    """The time to set the stack's clock to; null returns to real time."""

    __test__ = False
    now: Time | None


def key_answer(texts: KeyTexts, now: Instant) -> JSON:
    """What a key stands for, as JSON; never one of its texts.

    last_used: the last UTC day on which any of its texts was used; null: on none
    previous: earlier texts that a rotation left valid for a while
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
