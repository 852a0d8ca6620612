"""Windows from their first use: how long each is, and that none of a quota overlap whatever is known of them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.domain.admission.openings import opened_at, window_holding
from tallygate.domain.base.instants import DAY, HOUR, MINUTE, SECOND, Instant, parse_instant
from tallygate.domain.periods.recurrence import (
    FIRST_USE,
    Schedule,
    Segment,
    changed,
    earliest_reaching,
    recent,
    window_at,
)

NEW_YORK, LORD_HOWE = "America/New_York", "Australia/Lord_Howe"
EVERY = ["minute", "hour", "PT5H", "day", "week", "month", "quarter", "year", "P2W", "P1Y6M"]
TIMES = st.integers(parse_instant("2019-12-01T00:00:00Z"), parse_instant("2029-01-01T00:00:00Z"))


def schedule(every: str, zone: str = "UTC") -> Schedule:
    return Schedule((Segment(every, zone, None, FIRST_USE),))


@pytest.mark.parametrize(
    ("every", "zone", "used", "ends"),
    [
        ("PT5H", "UTC", "2026-03-08T04:59:59.123Z", "2026-03-08T09:59:59.123Z"),
        ("hour", LORD_HOWE, "2026-04-04T14:45:00Z", "2026-04-04T15:45:00Z"),
        ("day", NEW_YORK, "2026-03-07T17:30:00Z", "2026-03-08T16:30:00Z"),
        ("day", NEW_YORK, "2026-10-31T16:30:00Z", "2026-11-01T17:30:00Z"),
        ("week", "UTC", "2026-11-20T10:07:00Z", "2026-11-27T10:07:00Z"),
        ("month", "UTC", "2027-01-31T10:07:00Z", "2027-02-28T10:07:00Z"),
        ("month", "UTC", "2028-01-31T10:07:00Z", "2028-02-29T10:07:00Z"),
        ("year", "UTC", "2028-02-29T00:00:00Z", "2029-02-28T00:00:00Z"),
    ],
)
def test_a_window_begins_with_the_use_and_is_as_long_as_its_period(every: str, zone: str, used: str, ends: str) -> None:
    """Days and months by the wall clock, hours by elapsed time, as from any other anchor."""
    window = window_at(schedule(every, zone), parse_instant(used))
    assert (window.start, window.end) == (parse_instant(used), parse_instant(ends))


@given(st.sampled_from(EVERY), st.sampled_from(["UTC", NEW_YORK, LORD_HOWE]), TIMES)
def test_whoever_asks_with_a_windows_own_start_gets_that_window(every: str, zone: str, time: Instant) -> None:
    window = window_at(schedule(every, zone), time)
    assert window.start == time and window_at(schedule(every, zone), window.start) == window


def test_another_zone_acts_on_windows_that_open_later() -> None:
    moved = parse_instant("2026-03-07T12:00:00Z")
    wanted = Segment("day", NEW_YORK, None, FIRST_USE)
    for at_once in (True, False):
        after = changed(schedule("day"), wanted, moved, at_once=at_once)
        assert window_at(after, moved - 1).end == moved - 1 + DAY
        assert window_at(after, moved).end == moved + 23 * HOUR, "clocks go forward in between"
        assert changed(after, wanted, moved + HOUR) == after


def test_a_zone_that_was_left_is_forgotten_once_no_window_of_it_is_open() -> None:
    left = parse_instant("2026-03-07T12:00:00Z")
    after = changed(schedule("year"), Segment("year", NEW_YORK, None, FIRST_USE), left)
    over = window_at(schedule("year"), left).end
    assert recent(after, over - 1, over) == after
    assert len(recent(after, over, over).segments) == 1


@given(st.sampled_from(EVERY), TIMES, st.integers(0, 600 * DAY))
def test_no_window_that_begins_earlier_than_is_said_reaches_an_instant(every: str, instant: Instant, ago: int) -> None:
    earliest = earliest_reaching(schedule(every), instant)
    assert window_at(schedule(every), earliest - 1 - ago % DAY).end <= instant
    assert window_at(schedule(every), earliest - 1 - ago).end <= instant
    assert earliest <= instant


@given(st.sampled_from(["PT5H", "day", "month"]), st.lists(TIMES | st.integers(0, 90 * DAY), min_size=1, max_size=30))
def test_windows_opened_in_any_order_never_overlap_and_each_holds_its_first_use(
    every: str, times: list[Instant]
) -> None:
    """What is known is where windows begin: each ends after its period, or where the next one begins."""
    used, begins = schedule(every), set[Instant]()
    counted: dict[Instant, Instant] = {}
    for time in times:
        window = window_holding(used, begins, time) or opened_at(used, begins, time)
        assert time in window
        begins.add(window.start)
        assert counted.setdefault(window.start, window.end) == window.end, "a window stays what it was"
    windows = [opened_at(used, begins, start) for start in sorted(begins)]
    assert all(one.end <= other.start for one, other in pairwise(windows))
    assert {window.start: window.end for window in windows} == counted


def test_a_minute_is_the_shortest_window() -> None:
    assert window_at(schedule("minute"), 7 * SECOND).end == MINUTE + 7 * SECOND
