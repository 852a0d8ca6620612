"""A fact as the bytes that leave: a CloudEvents 1.0 event in JSON that is a Standard Webhooks payload as well.

    CloudEvents         specversion, id, source, type, subject, time, datacontenttype, traceparent, data
    Standard Webhooks   type, timestamp, data

`timestamp` repeats `time`, as an extension attribute of the event. The bytes are a pure function of the fact, so every
attempt sends and signs the same. They go out as application/json: that is what receivers' frameworks parse, or hand
over raw for the signature, without being told; a CloudEvents reader is told the format by the endpoint's owner.
"""

from __future__ import annotations

from typing import Any

from tallygate.domain.exact_json import write_json
from tallygate.domain.facts import Fact
from tallygate.domain.instants import format_instant
from tallygate.errors import InvariantBroken

SOURCE = "tallygate"
CONTENT_TYPE = "application/json"
BODY_BYTES_MAX = 20_000
"""Standard Webhooks asks for less than 20 KB."""


def event_of(fact: Fact) -> dict[str, Any]:
    """The event as a JSON value."""
    time = format_instant(fact.time)
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": fact.id,
        "source": SOURCE,
        "type": fact.type,
        # A fact about an event that names no customer has no subject.
        **({"subject": fact.customer} if fact.customer else {}),
        "time": time,
        "timestamp": time,
        "datacontenttype": "application/json",
    }
    if fact.traceparent is not None:
        event["traceparent"] = fact.traceparent
    event["data"] = {**fact.data, "sequence": fact.sequence}
    return event


def body_of(fact: Fact) -> bytes:
    """The event's bytes. Raises InvariantBroken beyond BODY_BYTES_MAX, which no fact of ours reaches."""
    body = write_json(event_of(fact)).encode()
    if len(body) >= BODY_BYTES_MAX:
        raise InvariantBroken(f"the fact {fact.id} has {len(body)} bytes")
    return body


def headers_of(fact: Fact) -> dict[str, str]:
    """The headers that say what the body is and which trace it belongs to."""
    headers = {"content-type": CONTENT_TYPE}
    if fact.traceparent is not None:
        headers["traceparent"] = fact.traceparent
    return headers
