"""POST /v1/events on the wire: one event, a list of events, or CloudEvents (structured or batched); and the answer.

    application/json                       {id, source?, type, subject, time?, data, specversion?}, or a list of these
    application/cloudevents+json           one CloudEvent: specversion and source required, data may be absent
    application/cloudevents-batch+json     a list of CloudEvents

A CloudEvent may have extension attributes: names of lower-case letters and digits, scalar values. They are stored with
the event and are part of its content, except `traceparent` and `tracestate`. Other unknown fields are refused. Each
event is read separately: an invalid event is rejected in its own result and does not affect the others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal

from pydantic import ValidationError

from tallygate.contracts.base.answers import JSON, fields_of
from tallygate.contracts.base.fields import Id, Text, Time
from tallygate.contracts.base.reading import Contract, broken_rules, rule
from tallygate.contracts.base.requests import TRACEPARENT
from tallygate.contracts.base.routes import Answers, Row
from tallygate.domain.base.instants import format_instant
from tallygate.domain.metering.events import DATA_BYTES_MAX, Draft, EventStatus, Result, canonical, rejected
from tallygate.domain.metering.judgement import EventWarning
from tallygate.errors import FieldError, InvalidRequest, MalformedRequest

EVENTS_MAX = 500
EXTENSIONS_MAX = 16
EXTENSION_LENGTH_MAX = 1_024
CLOUDEVENTS = "application/cloudevents+json"
CLOUDEVENTS_BATCH = "application/cloudevents-batch+json"
DEFAULT_SOURCE = "api"
_EXTENSION = re.compile(r"[a-z0-9]{1,20}")
_TRACE = ("traceparent", "tracestate")


class EventIn(Contract):
    """One event in Tallygate's own JSON form."""

    id: Id
    source: Id = DEFAULT_SOURCE
    type: Id
    subject: Id
    time: Time | None = None
    data: dict[str, Any]
    specversion: Literal["1.0"] = "1.0"


class CloudEventIn(Contract):
    """One event as a CloudEvent, without its extension attributes."""

    id: Id
    source: Id
    type: Id
    subject: Id
    time: Time | None = None
    data: dict[str, Any] | None = None
    specversion: Literal["1.0"]
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: Text | None = None


EVENTS = Row(
    "POST /v1/events",
    "ingest",
    "Send up to 500 usage events. Each event has its own result; sending events again is always safe",
    EventIn,
    Answers(body="metering.answers.EventsAnswer"),
    several=EVENTS_MAX,
    example={"id": "e1", "type": "llm.completion", "subject": "acme", "data": {"tokens": 1200, "model": "large"}},
)


def read_events(body: Any, content_type: str, traceparent: str | None) -> tuple[Draft | Result, ...]:
    """Read the events of a body, in order: a draft, or the rejection of an invalid event.

    traceparent: the request's; used for events without their own

    Raises InvalidRequest only if the body as a whole is invalid: neither an object nor a list, a list with the content
    type of a single CloudEvent, or more than EVENTS_MAX events.
    """
    kind = content_type.partition(";")[0].strip().lower()
    cloud = kind in (CLOUDEVENTS, CLOUDEVENTS_BATCH)
    single = isinstance(body, dict)
    if not single and not isinstance(body, list):
        raise MalformedRequest("the body must be an event or a list of events")
    if kind == CLOUDEVENTS and not single:
        raise MalformedRequest(f"a list of events must have the content type {CLOUDEVENTS_BATCH}")
    events = [body] if single else body
    if len(events) > EVENTS_MAX:
        detail = f"must have at most {EVENTS_MAX} events"
        raise InvalidRequest(detail, code="too_many_events", errors=(rule("length", detail),))
    return tuple(
        _read_one(event, "" if single else f"/{index}", cloud=cloud, traceparent=traceparent)
        for index, event in enumerate(events)
    )


def _read_one(given: Any, at: str, *, cloud: bool, traceparent: str | None) -> Draft | Result:
    named = given.get("id") if isinstance(given, dict) else None
    event_id = named[:255].encode("utf-8", "backslashreplace").decode() if isinstance(named, str) else None
    extensions: dict[str, Any] = {}
    fields = given
    if cloud and isinstance(given, dict):
        extensions = {name: value for name, value in given.items() if _is_extension(name, value)}
        fields = {name: value for name, value in given.items() if name not in extensions}
    try:
        event = CloudEventIn.model_validate(fields) if cloud else EventIn.model_validate(fields)
    except ValidationError as failed:
        return _invalid(event_id, broken_rules(failed, at, CloudEventIn if cloud else EventIn))
    if len(extensions) > EXTENSIONS_MAX:
        return _invalid(event_id, _at(at, "length", f"must have at most {EXTENSIONS_MAX} extension attributes"))
    try:
        data = canonical(event.data or {})
        content = {name: value for name, value in extensions.items() if name not in _TRACE}
        canonical(content)
    except ValueError as error:
        return _invalid(event_id, _at(f"{at}/data", "invalid", str(error)))
    if len(data.encode()) > DATA_BYTES_MAX:
        return _invalid(event_id, _at(f"{at}/data", "length", f"must have at most {DATA_BYTES_MAX} bytes"))
    own = extensions.get("traceparent")
    return Draft(
        source=event.source,
        id=event.id,
        type=event.type,
        subject=event.subject,
        time=event.time,
        data=data,
        extensions=content,
        traceparent=own if isinstance(own, str) and TRACEPARENT.fullmatch(own) else traceparent,
    )


def _is_extension(name: str, value: Any) -> bool:
    if name in CloudEventIn.model_fields or name == "data_base64" or not _EXTENSION.fullmatch(name):
        return False
    if isinstance(value, str):
        return len(value) <= EXTENSION_LENGTH_MAX
    return isinstance(value, bool | int) and not isinstance(value, Decimal)


def _invalid(event_id: str | None, errors: tuple[FieldError, ...]) -> Result:
    first = errors[0]
    return rejected(event_id, "invalid_event", f"{first.pointer or 'the event'}: {first.detail}", errors)


def _at(pointer: str, code: str, detail: str) -> tuple[FieldError]:
    return (FieldError(pointer=pointer, code=code, detail=detail),)


def events_answer(results: Sequence[Result]) -> JSON:
    """Return the results and their counts as JSON. Conflicts count as rejected; `warnings` counts all warnings."""
    statuses = [result.status for result in results]
    return {
        "accepted": statuses.count(EventStatus.ACCEPTED),
        "duplicates": statuses.count(EventStatus.DUPLICATE),
        "rejected": statuses.count(EventStatus.REJECTED) + statuses.count(EventStatus.CONFLICT),
        "parked": statuses.count(EventStatus.PARKED),
        "warnings": sum(len(result.judged.warnings) for result in results if result.judged is not None),
        "results": [_result_answer(result) for result in results],
    }


def warning_answer(warning: EventWarning) -> JSON:
    """Return a warning as JSON. `meter` null: the warning concerns the whole event."""
    return fields_of(warning, "meter code detail")


def _result_answer(result: Result) -> JSON:
    answer: JSON = {"id": result.id, "status": result.status.value}
    if result.code is not None:
        answer |= {"code": result.code, "detail": result.detail}
    if result.errors:
        answer["errors"] = [fields_of(error, "pointer code detail") for error in result.errors]
    if result.judged is not None:
        answer["counted_by"] = list(result.judged.counted_by)
        if result.judged.warnings:
            answer["warnings"] = [warning_answer(warning) for warning in result.judged.warnings]
    if result.time is not None:
        answer["time"] = format_instant(result.time)
    return answer
