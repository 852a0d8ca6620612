"""Events: immutable usage facts, told apart by (customer, source, id); the first one stored wins.

    draft ──time and subject acceptable──> event ──put if absent──> accepted | duplicate | conflict
      └── rejected: unknown_customer, timestamp_in_future, timestamp_too_far_in_past, …

Two submissions are the same event when their *fingerprints* are equal: a digest of type, subject, time, data and
extensions in canonical form, without anything that belongs to the transport. An event that came without a time has
none in its fingerprint, so that sending it again later is still the same event.
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
from tallygate.errors import FieldError

LATENESS_MAX = 35 * DAY
"""How old an event may be. Identities are remembered for longer than this, so that no replay counts twice."""
FUTURE_MAX = 5 * MINUTE
"""How far a producer's clock may be ahead."""
DATA_BYTES_MAX = 65_536
DEPTH_MAX = 32
NUMBER_PLAIN_MAX = 100
"""Numbers of up to so many digits on either side of the point are stored in plain form."""
NUMBER_EXPONENT_MAX = 400
"""Beyond what any double is; what is larger is no measurement."""


class EventStatus(StrEnum):
    """What became of one submitted event; conflicts count as rejected, parked ones wait for what they lack."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REJECTED = "rejected"
    PARKED = "parked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One event as it was sent, read and found well formed. `data` is canonical JSON text."""

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
        """A digest of the content: equal for equal events, whatever their transport."""
        content = f"{canonical([self.type, self.subject, self.time, self.extensions])}{self.data}"
        return hashlib.sha256(content.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of a known customer, as it is stored. `batch` names the request that brought it."""

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
    """What became of one submitted event. `time` is told where the sender left it to the receipt.

    judged: what an accepted one counts, and what is said of it; None of all others
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
    """The rejection of an event whose time lies outside what is accepted; None where it is acceptable."""
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
    """The event that a draft becomes once its customer is known; its time defaults to the receipt."""
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
    """The data that an event's canonical text states, with exact numbers. Raises ValueError."""
    data = json.loads(text, parse_float=Decimal)
    if not isinstance(data, dict):
        raise ValueError("the data of an event is an object")  # noqa: TRY004  # text that cannot be read, not a type
    return data


def canonical(value: Any) -> str:
    """JSON text that is equal for equal values: sorted names, no spaces, numbers in plain decimal form.

    Raises ValueError that names the rule for what is nested too deeply, too large a number, or no valid Unicode.
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
    """Plain decimal form near the point, else the digits and their exponent: never longer than what was sent."""
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
