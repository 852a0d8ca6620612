"""API keys, health and the test clock on the wire. Only the POST that created a key's text shows the text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from tallygate.contracts.base.answers import JSON
from tallygate.contracts.base.bodies import AnswerBody, TimeOut
from tallygate.contracts.base.described import LEFT_OUT
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


Day = Annotated[str, Field(json_schema_extra={"format": "date", "examples": ["2026-11-21"]})]


class FormerText(AnswerBody):
    """An earlier text of a key that is still valid after a rotation.

    last_used: last UTC day of its use; null: never
    """

    valid_until: TimeOut
    last_used: Day | None


class KeyAnswer(AnswerBody):
    """An API key, without its texts.

    customer: the only customer that the key may reach; null: any
    expires_at: null: never
    last_used: last UTC day on which any text of the key was used; null: never
    """

    id: str
    name: str
    scopes: list[str]
    customer: str | None
    expires_at: TimeOut | None
    created_at: TimeOut
    last_used: Day | None
    previous: list[FormerText]


class KeyShown(KeyAnswer):
    """A key with its text, which is shown once.

    key: the text; null in a repeated answer
    """

    key: str | None


class ClockAnswer(AnswerBody):
    """The stack's clock after the call.

    frozen: false: real time
    reset: report of the run that closed ended periods
    deliver: report of the run that sent what was due
    """

    now: TimeOut
    frozen: bool
    reset: Any
    deliver: Any


class StreamLag(AnswerBody):
    """How far the stream of changes is behind.

    lag_ms: null: the probe did not arrive in time
    """

    lag_ms: int | None
    as_of: TimeOut


class HealthAnswer(AnswerBody):
    """Whether the service answers.

    fold: only with deep
    """

    status: Literal["ok", "degraded"]
    version: str
    time: TimeOut
    fold: StreamLag = LEFT_OUT


def key_answer(texts: KeyTexts, now: Instant) -> JSON:
    """Return a key as JSON, without its texts."""
    former = [text for text in texts.valid_former(now) if text.until is not None]
    return KeyAnswer.of(
        texts.key,
        last_used=_day(texts.used_on),
        previous=[{"valid_until": text.until, "last_used": _day(text.used_on)} for text in former],
    )


def _day(instant: Instant | None) -> str | None:
    return None if instant is None else format_instant(instant)[:10]
