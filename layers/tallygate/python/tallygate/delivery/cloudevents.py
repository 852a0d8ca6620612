"""The body and headers of an outgoing event: CloudEvents 1.0 in JSON, which is a Standard Webhooks payload as well.

    CloudEvents         specversion, id, source, type, subject, time, datacontenttype, traceparent, data
    Standard Webhooks   type, timestamp, data

`timestamp` repeats `time` as an extension attribute. The bytes depend on the fact alone, so every attempt sends and
signs the same bytes. The content type is application/json, because receivers' frameworks parse it by default.
"""

from __future__ import annotations

from typing import Any

from tallygate.domain.base.instants import format_instant
from tallygate.domain.base.json import write_json
from tallygate.domain.facts.facts import Fact
from tallygate.errors import InvariantBroken

SOURCE = "tallygate"
CONTENT_TYPE = "application/json"
BODY_BYTES_MAX = 20_000
"""Standard Webhooks asks for fewer bytes than this."""


def event_of(fact: Fact) -> dict[str, Any]:
    """The event as a JSON value."""
    time = format_instant(fact.time)
    return {
        "specversion": "1.0",
        "id": fact.id,
        "source": SOURCE,
        "type": fact.type,
        # A rejected usage event may name no customer.
        **({"subject": fact.customer} if fact.customer else {}),
        "time": time,
        "timestamp": time,
        "datacontenttype": CONTENT_TYPE,
        **_trace_of(fact),
        "data": {**fact.data, "sequence": fact.sequence},
    }


def body_of(fact: Fact) -> bytes:
    """The event's bytes. Raises InvariantBroken at BODY_BYTES_MAX, which no fact reaches."""
    body = write_json(event_of(fact)).encode()
    if len(body) >= BODY_BYTES_MAX:
        raise InvariantBroken(f"the fact {fact.id} has {len(body)} bytes")
    return body


def headers_of(fact: Fact) -> dict[str, str]:
    """The headers that name the body's format and the trace."""
    return {"content-type": CONTENT_TYPE, **_trace_of(fact)}


def _trace_of(fact: Fact) -> dict[str, str]:
    return {} if fact.traceparent is None else {"traceparent": fact.traceparent}
