"""Instants: whole milliseconds since 1970-01-01T00:00:00Z, as `int`, everywhere inside the layer.

An int compares, hashes and stores exactly and is cheap on the hot path. Period boundaries are whole milliseconds.
Truncating an event's time to the millisecond therefore never moves the event across a boundary. The wire form is
RFC 3339 in UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

Instant = int

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def parse_instant(text: str) -> Instant:
    """Parse an RFC 3339 string, truncated to the millisecond. Raises ValueError, also when the offset is missing."""
    if not _RFC3339.fullmatch(text):
        raise ValueError("must be an RFC 3339 time with an offset, like 2026-01-31T12:00:00Z")
    return of_datetime(datetime.fromisoformat(text.upper().replace(" ", "T")))


@lru_cache(maxsize=1024)
def format_instant(instant: Instant) -> str:
    """Format as RFC 3339 in UTC, with milliseconds only if not zero: `2026-01-31T12:00:00Z`.

    The result is cached, because the same period boundaries are formatted again and again.
    """
    moment = to_datetime(instant)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S") if moment.year >= 1000 else moment.isoformat()[:19]
    rest = instant % SECOND
    return f"{text}.{rest:03d}Z" if rest else f"{text}Z"


def of_datetime(moment: datetime) -> Instant:
    """Convert an aware datetime to an instant, rounded down to the millisecond (also before 1970)."""
    return (moment - _EPOCH) // _MILLISECOND


def to_datetime(instant: Instant) -> datetime:
    """Convert an instant to an aware datetime in UTC."""
    return _EPOCH + timedelta(milliseconds=instant)
