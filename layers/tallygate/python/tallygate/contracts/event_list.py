"""GET /v1/events on the wire: the query's parameters, and a row of the list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tallygate.contracts.ingest import warning_answer
from tallygate.contracts.queries import instant_asked, parameter_error
from tallygate.domain.event_log import LISTED_FOR, STATUSES, EventRow, EventsAsked
from tallygate.domain.instants import Instant, format_instant
from tallygate.errors import FieldError, InvalidRequest


def read_event_list(parameters: Mapping[str, str], *, now: Instant) -> EventsAsked:
    """What the parameters ask for. Raises InvalidRequest with every rule that is broken."""
    errors: list[FieldError] = []
    status = parameters.get("status")
    if status == "parked":
        errors.append(parameter_error("status", "not_available", "parked is not available in this version"))
    elif status is not None and status not in STATUSES:
        errors.append(parameter_error("status", "not_allowed", f"must be {' or '.join(STATUSES)}"))
    elif status == "accepted" and "customer" not in parameters:
        errors.append(parameter_error("customer", "required", "is required: an accepted event is one of a customer"))
    start, end = _stretch(parameters, now, errors)
    if errors:
        first = errors[0]
        raise InvalidRequest(f"{first.pointer}: {first.detail}", errors=tuple(errors))
    return EventsAsked(
        customer=parameters.get("customer"),
        start=start,
        end=end,
        status=status,
        type=parameters.get("type"),
        id=parameters.get("id"),
    )


def _stretch(parameters: Mapping[str, str], now: Instant, errors: list[FieldError]) -> tuple[Instant, Instant]:
    """From when to when (exclusive); by default up to what is received right now."""
    end = instant_asked(parameters, "to", now + 1, errors)
    start = instant_asked(parameters, "from", min(now, end) - LISTED_FOR, errors)
    if not errors and start >= end:
        errors.append(parameter_error("to", "out_of_range", "must be after from"))
    return start, end


def event_row_answer(row: EventRow) -> dict[str, Any]:
    """One event; what is not known of one that could not be read is null."""
    answer: dict[str, Any] = {
        "id": row.id,
        "source": row.source,
        "type": row.type,
        "time": None if row.time is None else format_instant(row.time),
        "received_at": format_instant(row.received_at),
        "status": row.status,
        "counted_by": list(row.counted_by),
        "warnings": [warning_answer(warning) for warning in row.warnings],
    }
    if row.code is not None:
        answer |= {"code": row.code, "detail": row.detail}
    if row.subject is not None:
        answer["subject"] = row.subject
    if row.others:
        answer["others"] = row.others
    return answer
