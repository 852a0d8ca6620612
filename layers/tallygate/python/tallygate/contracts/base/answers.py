"""Common parts of answers: quantities, times and windows as JSON, pages of a list, and the ETag."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

from tallygate.domain.base.instants import Instant, format_instant
from tallygate.domain.base.quantities import Wire, format_quantity
from tallygate.domain.periods.boundaries import NEVER_ENDS
from tallygate.domain.periods.recurrence import Segment

JSON = dict[str, Any]


def quantity(value: Decimal | None) -> Wire | None:
    return None if value is None else format_quantity(value)


def fields_of(value: object, names: str) -> JSON:
    """Return the named members of a value as JSON, under the same names. Not for instants, nor on the hot path."""
    return {name: _stated(getattr(value, name)) for name in names.split()}


def _stated(value: object) -> Any:
    match value:
        case Decimal():
            return format_quantity(value)
        case Enum():
            return value.value
        case Mapping():
            return dict(value)
        case tuple() | list():
            return list(value)
    return value


def time(instant: Instant | None) -> str | None:
    return None if instant is None else format_instant(instant)


def period_answer(start: Instant, end: Instant) -> JSON:
    """Return the bounds of a window; a null end: it never ends."""
    return {"start": format_instant(start), "end": None if end >= NEVER_ENDS else format_instant(end)}


def recurrence_answer(segment: Segment) -> JSON:
    """Return the recurrence of a window."""
    return {"every": segment.every, "anchor": segment.anchor_named, "timezone": segment.zone}


def window_answer(kind: str, start: Instant, end: Instant) -> JSON:
    return {"kind": kind, **period_answer(start, end)}


def page_answer(data: list[JSON], next_after: str | None) -> JSON:
    """Return a page of a list. `next_after`: the key after which the next page begins; None: the last page."""
    cursor = None if next_after is None else base64.urlsafe_b64encode(next_after.encode()).decode().rstrip("=")
    return {"data": data, "next_cursor": cursor}


def etag(version: int) -> str:
    """Return a version as a strong entity tag (RFC 9110)."""
    return f'"{version}"'
