"""The same windows by an independent method: the months and zones of the library whenever, else steps along the clock.

Slow and simple on purpose. It shares only the files of the zone database with the layer, and reads them itself.
"""

from __future__ import annotations

from bisect import bisect_right

import whenever
from whenever import Instant, PlainDateTime, RepeatedTime, SkippedTime, ZonedDateTime

whenever.reset_tzpath(())  # use the pinned tzdata package only

MONTHS = {"month": 1, "quarter": 3, "year": 12, "billing_period": 1, "P1M": 1, "P2M": 2, "P1Y6M": 18, "P4Y": 48}
DAYS = {"day": 1, "week": 7, "P30D": 30, "P10D": 10, "P2W": 14}
MINUTES = {"minute": 1, "hour": 60, "PT15M": 15, "PT45M": 45, "PT5H": 300, "PT6H": 360, "PT36H": 2160}
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
FIRST = PlainDateTime(1970, 1, 1)
MINUTE = 60_000


def window(every: str, zone: str, origin: int | None, week_starts: str, at: int) -> tuple[int, int]:
    """The window that contains `at`, in milliseconds; origin None: the calendar's."""
    if every in MINUTES and origin is not None:
        step = MINUTES[every] * MINUTE
        start = origin + (at - origin) // step * step
        return start, start + step
    if every in MINUTES and MINUTES[every] <= 60:
        return _walked(MINUTES[every], zone, at)
    anchor = FIRST if origin is None else shown(origin, zone).to_plain()
    if origin is None and every in ("week", "P2W"):
        while WEEKDAYS[anchor.day_of_week().value - 1] != week_starts:
            anchor = anchor.add(days=-1)
    now = shown(at, zone).to_plain()
    if every in MONTHS:
        near = ((now.year - anchor.year) * 12 + now.month - anchor.month) // MONTHS[every]
        found = [(k, anchor.add(months=k * MONTHS[every])) for k in range(near - 3, near + 4)]
    else:
        days = now.date().since(anchor.date(), total="days")
        hours = 24 * DAYS[every] if every in DAYS else MINUTES[every] // 60
        near = int(days) * 24 // hours
        found = [
            (k, anchor.add(days=k * hours // 24).add(hours=k * hours % 24, naive_arithmetic_ok=True))
            for k in range(near - 30, near + 31)
        ]
    boundaries = [origin if k == 0 and origin is not None else first_shown(local, zone) for k, local in found]
    after = bisect_right(boundaries, at)
    return boundaries[after - 1], boundaries[after]


def shown(at: int, zone: str) -> ZonedDateTime:
    return Instant.from_timestamp(at, unit="millisecond").to_tz(zone)


def first_shown(local: PlainDateTime, zone: str) -> int:
    """The instant at which the clock first shows this time, or of the clock change that skips it."""
    try:
        return local.assume_tz(zone, disambiguation="raise").timestamp(unit="millisecond")
    except RepeatedTime:
        return local.assume_tz(zone, disambiguation="earlier").timestamp(unit="millisecond")
    except SkippedTime:
        moved = local.assume_tz(zone, disambiguation="earlier").next_transition()
        assert moved is not None
        return moved.timestamp(unit="millisecond")


def _walked(minutes: int, zone: str, at: int) -> tuple[int, int]:
    """Step minute by minute to the nearest boundaries on either side."""
    start = at - at % MINUTE
    while not _begins(minutes, zone, start):
        start -= MINUTE
    end = at - at % MINUTE + MINUTE
    while not _begins(minutes, zone, end):
        end += MINUTE
    return start, end


def _begins(minutes: int, zone: str, at: int) -> bool:
    """Whether the clock shows a multiple in this minute, or a clock change skipped one just before it."""
    now, due = _since_first(at, zone), _since_first(at - MINUTE, zone) + 1
    multiple = now // minutes * minutes
    return multiple == now or due <= multiple < now


def _since_first(at: int, zone: str) -> int:
    """Minutes on the wall clock since it showed 1970-01-01T00:00."""
    return shown(at, zone).to_plain().assume_utc().timestamp() // 60
