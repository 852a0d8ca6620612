"""Events: immutable records of usage, identified by (customer, source, id); the first stored event wins.

    draft ──time and subject acceptable──> event ──put if absent──> accepted | duplicate | conflict
      └── rejected: unknown_customer, timestamp_in_future, timestamp_too_far_in_past, …

A second submission with the same identity is a duplicate if its *fingerprint* is equal, else a conflict. The
fingerprint is a digest of type, subject, time, data and extensions in canonical form, without transport metadata. An
event sent without a time has none in its fingerprint, so sending it again later is still the same event.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from tallygate.domain.base.instants import DAY, MINUTE, Instant
from tallygate.domain.base.quantities import plain
from tallygate.domain.metering.judgement import EventJudgement
from tallygate.domain.metering.lateness import FUTURE_MAX, LATENESS_MAX
from tallygate.errors import FieldError

DATA_BYTES_MAX = 65_536
DEPTH_MAX = 32
NUMBER_PLAIN_MAX = 100
"""Numbers with at most this exponent, in either direction, are stored in plain form."""
NUMBER_EXPONENT_MAX = 400
"""The largest accepted exponent, beyond the range of a double. Larger numbers are no measurements."""


class EventStatus(StrEnum):
    """The outcome of one submitted event. Conflicts count as rejected. Parked events wait for a customer or meter."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REJECTED = "rejected"
    PARKED = "parked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One well-formed event as sent.

    time: None: the sender left it to the time of receipt
    data: canonical JSON text
    """

    source: str
    id: str
    type: str
    subject: str
    time: Instant | None
    data: str
    extensions: Mapping[str, Any] = field(default_factory=dict)
    traceparent: str | None = None

    @property
    def fingerprint(self) -> str:
        """A digest of the content, without transport metadata: equal events have equal fingerprints."""
        content = f"{canonical([self.type, self.subject, self.time, self.extensions])}{self.data}"
        return hashlib.sha256(content.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of a known customer, as stored. `batch` identifies the request that sent the event."""

    customer: str
    source: str
    id: str
    type: str
    subject: str
    time: Instant
    received_at: Instant
    data: str
    fingerprint: str
    batch: str
    extensions: Mapping[str, Any] = field(default_factory=dict)
    traceparent: str | None = None

    @property
    def identity(self) -> tuple[str, str, str]:
        return (self.customer, self.source, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The outcome of one submitted event.

    code, detail, errors: why the event was not accepted
    time: the time of receipt, if the event was sent without a time
    judged: what an accepted event counts, and its warnings; else None
    """

    id: str | None
    status: EventStatus
    code: str | None = None
    detail: str | None = None
    errors: tuple[FieldError, ...] = ()
    time: Instant | None = None
    judged: EventJudgement | None = None


def rejected(event_id: str | None, code: str, detail: str, errors: tuple[FieldError, ...] = ()) -> Result:
    return Result(id=event_id, status=EventStatus.REJECTED, code=code, detail=detail, errors=errors)


def untimely(draft: Draft, now: Instant) -> Result | None:
    """Return the rejection of an event that is too old or too far ahead; None if its time is acceptable."""
    if draft.time is None:
        return None
    if draft.time > now + FUTURE_MAX:
        minutes = FUTURE_MAX // MINUTE
        return rejected(draft.id, "timestamp_in_future", f"time is more than {minutes} minutes ahead")
    if draft.time < now - LATENESS_MAX:
        days = LATENESS_MAX // DAY
        return rejected(draft.id, "timestamp_too_far_in_past", f"time is more than {days} days ago")
    return None


def accepted_as(draft: Draft, customer: str, now: Instant, batch: str) -> Event:
    """Return the event of a draft whose customer is known. The time defaults to the time of receipt."""
    return Event(
        customer=customer,
        source=draft.source,
        id=draft.id,
        type=draft.type,
        subject=draft.subject,
        time=now if draft.time is None else draft.time,
        received_at=now,
        data=draft.data,
        fingerprint=draft.fingerprint,
        batch=batch,
        extensions=draft.extensions,
        traceparent=draft.traceparent,
    )


def data_of(text: str) -> dict[str, Any]:
    """Parse an event's canonical data text, with exact numbers. Raises ValueError."""
    data = json.loads(text, parse_float=Decimal)
    if not isinstance(data, dict):
        raise ValueError("the data of an event is an object")  # noqa: TRY004  # text that cannot be read, not a type
    return data


def canonical(value: Any) -> str:
    """Return JSON text that is equal for equal values: sorted names, no spaces, numbers in plain decimal form.

    Raises ValueError whose message states the rule: nested too deeply, number out of range, or invalid Unicode.
    """
    parts: list[str] = []
    _write(value, parts, 0)
    text = "".join(parts)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode, without lone surrogates") from None
    return text


def _write(value: Any, parts: list[str], depth: int) -> None:
    if depth > DEPTH_MAX:
        raise ValueError(f"must not be nested more than {DEPTH_MAX} levels deep")
    if isinstance(value, Mapping):
        opening = "{"
        for name in sorted(value):
            parts.append(f"{opening}{json.dumps(name, ensure_ascii=False)}:")
            _write(value[name], parts, depth + 1)
            opening = ","
        parts.append("}" if value else "{}")
    elif isinstance(value, list | tuple):
        opening = "["
        for element in value:
            parts.append(opening)
            _write(element, parts, depth + 1)
            opening = ","
        parts.append("]" if value else "[]")
    elif isinstance(value, Decimal):
        parts.append(_number(value))
    else:
        parts.append(json.dumps(value, ensure_ascii=False))


def _number(value: Decimal) -> str:
    """Return plain decimal form up to NUMBER_PLAIN_MAX, else digits and exponent, so the text stays short."""
    if not value.is_finite():
        raise ValueError("numbers must be finite")
    if not value:
        return "0"
    if abs(value.adjusted()) <= NUMBER_PLAIN_MAX:
        return plain(value)
    if abs(value.adjusted()) > NUMBER_EXPONENT_MAX:
        raise ValueError(f"numbers must have an exponent from -{NUMBER_EXPONENT_MAX} to {NUMBER_EXPONENT_MAX}")
    digits = "".join(map(str, value.as_tuple().digits)).rstrip("0")
    return f"{'-' if value < 0 else ''}{digits[0]}.{digits[1:] or '0'}E{value.adjusted()}"
