"""Instants: whole milliseconds since 1970-01-01T00:00:00Z, as `int`, everywhere inside the layer.

An int compares, hashes and stores exactly and costs nothing on the hot path. Boundaries of periods are whole
milliseconds, so cutting an event's time to the millisecond never moves it across one. The wire form is RFC 3339 in UTC.
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
    """The instant an RFC 3339 string names, cut to the millisecond. Raises ValueError, also without an offset."""
    if not _RFC3339.fullmatch(text):
        raise ValueError("must be an RFC 3339 time with an offset, like 2026-01-31T12:00:00Z")
    return of_datetime(datetime.fromisoformat(text.upper().replace(" ", "T")))


@lru_cache(maxsize=1024)
def format_instant(instant: Instant) -> str:
    """RFC 3339 in UTC; milliseconds only where there are any: `2026-01-31T12:00:00Z`. Boundaries recur: remembered."""
    moment = to_datetime(instant)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S") if moment.year >= 1000 else moment.isoformat()[:19]
    rest = instant % SECOND
    return f"{text}.{rest:03d}Z" if rest else f"{text}Z"


def of_datetime(moment: datetime) -> Instant:
    """An aware datetime as an instant (floor of the millisecond, also before 1970)."""
    return (moment - _EPOCH) // _MILLISECOND


def to_datetime(instant: Instant) -> datetime:
    """An instant as an aware datetime in UTC."""
    return _EPOCH + timedelta(milliseconds=instant)
