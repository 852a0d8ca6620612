"""Windows tile time for every period, anchor and zone, nothing drifts, and a change keeps what was decided."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallygate.domain.base.instants import DAY, HOUR, format_instant, of_datetime, parse_instant, to_datetime
from tallygate.domain.periods.boundaries import EVERY, NEVER_ENDS, WEEKDAYS, Grid, TimeUnit, is_zone, length_of, step_of
from tallygate.domain.periods.recurrence import (
    CALENDAR,
    ROLLING_PARTS,
    SUBSCRIPTION_START,
    TIMESTAMP,
    Schedule,
    Segment,
    Window,
    calendar,
    changed,
    recent,
    rolling,
    window_at,
)

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
DURATIONS = ["P30D", "P2W", "P1M", "P1Y6M", "P100Y", "PT1M", "PT5H", "PT45M", "PT6H", "PT36H", "PT90S"]
AWKWARD = [
    parse_instant(text)
    for text in (
        "2026-11-01T05:30:00Z",  # New York: 01:30, which comes again an hour later
        "2026-11-01T06:30:00Z",
        "2026-03-08T07:00:00Z",  # New York: the first instant after the gap
        "2026-04-04T15:15:00Z",  # Lord Howe: 01:45, for the second time
        "2026-10-03T15:30:00Z",
        "2011-12-30T09:59:59.999Z",  # Apia: the last instant of 29 December
        "2011-12-30T10:00:00Z",
        "2024-02-29T12:00:00Z",
        "2026-01-31T23:59:59.999Z",
        "1970-01-01T00:00:00Z",
    )
]
"""Anchors and instants around which clocks are moved and months end."""
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


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    every = draw(st.sampled_from([*EVERY, *DURATIONS]))
    anchor = (
        SUBSCRIPTION_START
        if every == "billing_period"
        else draw(st.sampled_from([CALENDAR, SUBSCRIPTION_START, TIMESTAMP]))
    )
    origin = None if anchor == CALENDAR else draw(INSTANTS | st.sampled_from(AWKWARD))
    week = draw(st.sampled_from(WEEKDAYS)) if step_of(every).weekly and anchor == CALENDAR else WEEKDAYS[0]
    return Segment(every, draw(st.sampled_from(ZONES)), None, anchor, origin, week)


@settings(max_examples=1_000)
@given(segments(), INSTANTS | st.sampled_from(AWKWARD))
def test_windows_tile_time_for_every_period_anchor_and_zone(segment: Segment, instant: int) -> None:
    schedule = Schedule((segment,))
    window = window_at(schedule, instant)
    assert instant in window
    assert window_at(schedule, window.start) == window_at(schedule, window.end - 1) == window
    if window.end < NEVER_ENDS:
        assert window_at(schedule, window.end).start == window.end
    assert window_at(schedule, window.start - 1).end == window.start


@given(st.sampled_from(["P30D", "P1W", "hour", "PT36H", "PT3601S", "day"]), st.sampled_from(ZONES), INSTANTS)
def test_what_rolls_is_counted_in_equal_parts_that_reach_back_its_whole_length(
    every: str, zone: str, instant: int
) -> None:
    schedule, length = Schedule((rolling(every, zone),)), length_of(step_of(every))
    window = window_at(schedule, instant)
    assert length is not None
    assert instant in window
    assert window_at(schedule, window.end).start == window.end
    width = window.end - window.start
    assert schedule.reach == ROLLING_PARTS * width
    assert length <= schedule.reach < length + ROLLING_PARTS, "a length that twelve does not divide is rounded up"
    assert changed(schedule, rolling(every, "Asia/Tokyo"), instant, at_once=True) == schedule


@settings(max_examples=300)
@given(segments(), INSTANTS, st.integers(1, 30))
def test_walking_from_window_to_window_drifts_nowhere(segment: Segment, instant: int, steps: int) -> None:
    """There and back again, however far: no boundary depends on the one before it."""
    schedule = Schedule((segment,))
    window = first = window_at(schedule, instant)
    for _ in range(steps):
        if window.end >= NEVER_ENDS:
            break
        window = window_at(schedule, window.end)
    back = window
    for _ in range(steps):
        if back.start <= first.start:
            break
        back = window_at(schedule, back.start - 1)
    assert back == first
    if segment.origin is not None and step_of(segment.every).unit is not TimeUnit.NEVER:
        assert window_at(schedule, segment.origin).start == segment.origin, "the anchor is a boundary"


@given(INSTANTS, st.sampled_from(ZONES), st.sampled_from(["day", "week", "month", "year"]), st.integers(-40, 40))
def test_a_boundary_shows_the_anchors_time_of_day_wherever_that_exists(
    origin: int, zone: str, every: str, steps: int
) -> None:
    grid = Grid(every, zone, origin)
    at = grid.around(origin)[0]
    for _ in range(abs(steps)):
        at = grid.around(at)[1] if steps > 0 else grid.around(at - 1)[0]
    shown, anchor = (to_datetime(t).astimezone(ZoneInfo(zone)) for t in (at, origin))
    if shown.time() != anchor.time():
        wanted = shown.replace(hour=anchor.hour, minute=anchor.minute, second=anchor.second, fold=0)
        assert wanted.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) != wanted.replace(tzinfo=None)


@pytest.mark.parametrize(
    ("zone", "at", "start", "end"),
    [
        ("Asia/Kolkata", "2026-05-01T00:10:00Z", "2026-04-30T23:30:00Z", "2026-05-01T00:30:00Z"),
        ("Asia/Kathmandu", "2026-05-01T00:10:00Z", "2026-04-30T23:15:00Z", "2026-05-01T00:15:00Z"),
        ("America/St_Johns", "2026-01-01T00:10:00Z", "2025-12-31T23:30:00Z", "2026-01-01T00:30:00Z"),
        # 01:00 to 02:00 is shown twice: each is an hour.
        ("America/New_York", "2026-11-01T05:30:00Z", "2026-11-01T05:00:00Z", "2026-11-01T06:00:00Z"),
        ("America/New_York", "2026-11-01T06:30:00Z", "2026-11-01T06:00:00Z", "2026-11-01T07:00:00Z"),
        # Lord Howe's clock goes from 02:00 to 01:30, and from 02:00 to 02:30.
        ("Australia/Lord_Howe", "2026-04-04T15:10:00Z", "2026-04-04T14:00:00Z", "2026-04-04T15:30:00Z"),
        ("Australia/Lord_Howe", "2026-10-03T15:10:00Z", "2026-10-03T14:30:00Z", "2026-10-03T15:30:00Z"),
        ("Australia/Lord_Howe", "2026-10-03T15:40:00Z", "2026-10-03T15:30:00Z", "2026-10-03T16:00:00Z"),
    ],
)
def test_an_hour_is_from_the_top_of_one_local_hour_to_the_next(zone: str, at: str, start: str, end: str) -> None:
    window = window_at(calendar("hour", zone), parse_instant(at))
    assert (format_instant(window.start), format_instant(window.end)) == (start, end)


@pytest.mark.parametrize(
    "every",
    [
        "P",
        "PT",
        "P1M15D",
        "P1DT2H",
        "PT30S",
        "P0D",
        "PT0H",
        "P101Y",
        "P40000D",
        "p30d",
        "P1.5M",
        "-P1M",
        "months",
        "",
        "P1W2D",
    ],
)
def test_a_length_of_two_meanings_is_none(every: str) -> None:
    with pytest.raises(ValueError):
        step_of(every)


def test_the_window_asked_for_last_is_found_without_arithmetic() -> None:
    """Twenty thousand decisions in one window: one calculation of its boundaries."""
    schedule, now = calendar("month", "Australia/Lord_Howe"), parse_instant("2026-11-20T10:00:00Z")
    first = window_at(schedule, now)
    assert all(window_at(schedule, now + n) is first for n in range(20_000))


@settings(max_examples=300)
@given(segments(), segments(), INSTANTS, st.booleans())
def test_a_change_keeps_what_was_decided_and_leaves_no_gap(old: Segment, new: Segment, now: int, at_once: bool) -> None:
    wanted = replace(new, every=old.every, anchor=old.anchor, origin=_origin(old, new), week_starts=old.week_starts)
    before = Schedule((old,))
    after = changed(before, wanted, now, at_once=at_once)
    running = window_at(before, now)
    assert window_at(after, running.start).start == running.start, "a counter keeps its name"
    if after == before:
        assert old.every == "never" or (old.zone, old.origin) == (wanted.zone, wanted.origin)
        return
    since = after.current.since
    assert since == (min(running.end, wanted.grid.around(now)[1]) if at_once else running.end)
    assert since is not None
    assert window_at(after, since).start == since
    assert window_at(after, since).end == Window(*wanted.grid.around(since)).end
    assert after.current.covered == (running.end if running.end > since else None), "nothing is granted twice"
    assert window_at(after, since - 1).end == since
    assert changed(after, wanted, now, at_once=at_once) == after, "asking twice changes nothing"
    assert changed(after, wanted, now) == after, "nor does anything else that is changed meanwhile"


def _origin(old: Segment, new: Segment) -> int | None:
    if old.anchor == CALENDAR:
        return None
    return new.origin if new.origin is not None else old.origin


def test_a_change_of_zone_that_is_taken_back_in_time_changes_nothing() -> None:
    now = parse_instant("2026-11-20T10:00:00Z")
    before = calendar("month", "UTC")
    assert changed(changed(before, Segment("month", "Asia/Tokyo"), now), Segment("month", "UTC"), now) == before


def test_a_long_window_is_not_lost_with_the_segment_that_began_it() -> None:
    now = parse_instant("2026-11-20T10:00:00Z")
    cut = now - 800 * DAY
    schedule = Schedule((Segment("P10Y", "UTC"), Segment("P10Y", "Asia/Tokyo", cut)))
    assert window_at(schedule, now).start == cut
    assert recent(schedule, now - 400 * DAY, now) == schedule


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
