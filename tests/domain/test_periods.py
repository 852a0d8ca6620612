"""Windows tile time, boundaries are local midnights, and a change of zone waits for the window's end."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.domain.instants import HOUR, format_instant, of_datetime, parse_instant, to_datetime
from tallygate.domain.periods import Schedule, Segment, calendar, changed_zone, is_zone, window_at

ZONES = [
    "UTC",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Europe/Paris",
    "Pacific/Apia",
    "Pacific/Auckland",
]
INSTANTS = st.integers(parse_instant("1995-01-01T00:00:00Z"), parse_instant("2036-12-31T00:00:00Z"))


@given(INSTANTS, st.sampled_from(ZONES), st.sampled_from(["day", "month"]))
def test_windows_tile_time_without_gap_or_overlap(instant: int, zone: str, every: str) -> None:
    schedule = calendar(every, zone)
    window = window_at(schedule, instant)
    assert instant in window
    assert window_at(schedule, window.start) == window_at(schedule, window.end - 1) == window
    assert window_at(schedule, window.end).start == window.end
    assert window_at(schedule, window.start - 1).end == window.start


@given(INSTANTS, st.sampled_from(ZONES))
def test_a_month_starts_where_its_first_local_day_starts(instant: int, zone: str) -> None:
    window = window_at(calendar("month", zone), instant)
    before, first = (to_datetime(at).astimezone(ZoneInfo(zone)) for at in (window.start - 1, window.start))
    assert (before.year, before.month) != (first.year, first.month)
    assert first.day == 1
    local = to_datetime(instant).astimezone(ZoneInfo(zone))
    assert (local.year, local.month) == (first.year, first.month)


@pytest.mark.parametrize(
    ("zone", "at", "start", "end", "hours"),
    [
        ("America/New_York", "2026-03-08T12:00:00Z", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z", 23),
        ("America/New_York", "2026-11-01T12:00:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z", 25),
        ("Australia/Lord_Howe", "2026-04-04T20:00:00Z", "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z", 24.5),
        ("Asia/Kathmandu", "2026-05-01T00:00:00Z", "2026-04-30T18:15:00Z", "2026-05-01T18:15:00Z", 24),
        ("Africa/Cairo", "2026-04-24T01:00:00Z", "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z", 23),
    ],
)
def test_a_day_is_as_long_as_the_zone_makes_it(zone: str, at: str, start: str, end: str, hours: float) -> None:
    window = window_at(calendar("day", zone), parse_instant(at))
    assert (format_instant(window.start), format_instant(window.end)) == (start, end)
    assert (window.end - window.start) / HOUR == hours


def test_a_midnight_that_does_not_exist_is_the_first_instant_after_the_gap() -> None:
    """Cairo's clocks went from 00:00 to 01:00 on 24 April 2026, Apia's calendar from the 29th to the 31st in 2011."""
    cairo = window_at(calendar("day", "Africa/Cairo"), parse_instant("2026-04-23T22:00:00Z"))
    assert to_datetime(cairo.start).astimezone(ZoneInfo("Africa/Cairo")).hour == 1
    apia = window_at(calendar("day", "Pacific/Apia"), parse_instant("2011-12-30T10:00:00Z"))
    assert to_datetime(apia.start).astimezone(ZoneInfo("Pacific/Apia")).date() == date(2011, 12, 31)


def test_an_instant_at_the_end_belongs_to_the_next_window() -> None:
    end = parse_instant("2026-12-01T00:00:00Z")
    schedule = calendar("month", "UTC")
    assert (window_at(schedule, end - 1).end, window_at(schedule, end).start) == (end, end)


@given(INSTANTS, st.sampled_from(ZONES), st.sampled_from(ZONES))
def test_a_change_of_zone_keeps_the_window_that_runs_and_leaves_no_gap(now: int, old: str, new: str) -> None:
    before = calendar("month", old)
    after = changed_zone(before, new, now)
    running = window_at(before, now)
    assert window_at(after, now) == running, "what was decided stays as it was"
    following = window_at(after, running.end)
    assert following.start == running.end
    assert window_at(after, following.end).end == window_at(calendar("month", new), following.end).end


def test_a_change_of_zone_that_is_taken_back_in_time_changes_nothing() -> None:
    now = parse_instant("2026-11-20T10:00:00Z")
    before = calendar("month", "UTC")
    assert changed_zone(changed_zone(before, "Asia/Tokyo", now), "UTC", now) == before


def test_a_schedule_covers_all_of_time() -> None:
    with pytest.raises(AssertionError):
        Schedule((Segment("month", "UTC", 5),))


@pytest.mark.parametrize(
    ("name", "known"), [("Europe/Paris", True), ("Mars/Base", False), ("../etc", False), ("", False)]
)
def test_only_the_pinned_zones_are_zones(name: str, known: bool) -> None:
    assert is_zone(name) is known


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)), st.integers(-14 * 4, 14 * 4))  # noqa: DTZ001
def test_an_instant_survives_the_wire_to_the_millisecond(moment: datetime, quarters: int) -> None:
    offset = timedelta(minutes=15 * quarters)
    sign = "+" if quarters >= 0 else "-"
    text = f"{moment.isoformat()}{sign}{abs(offset).seconds // 3600:02d}:{abs(offset).seconds // 60 % 60:02d}"
    instant = parse_instant(text)
    assert instant == of_datetime((moment - offset).replace(tzinfo=ZoneInfo("UTC")))
    assert parse_instant(format_instant(instant)) == instant


@pytest.mark.parametrize(
    "text", ["2026-11-20", "2026-11-20T10:00:00", "20261120T100000Z", "2026-13-01T00:00:00Z", "now"]
)
def test_a_time_without_offset_or_date_is_no_instant(text: str) -> None:
    with pytest.raises(ValueError):
        parse_instant(text)
