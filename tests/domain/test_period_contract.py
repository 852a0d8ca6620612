"""The contract about periods, as a customer may read it: what the plan says, when it is asked, which period that is.

Each row is a period as the catalog declares it, read by the catalog's own contract and compiled for a customer who
subscribed at 10:30 on 31 January 2026, Berlin time, and lives in the zone that the row names.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from tallygate.contracts.catalog.catalog import read_catalog
from tallygate.domain.admission.cells import Cell, RequestMark
from tallygate.domain.admission.decide import granted
from tallygate.domain.admission.decision import LimitState
from tallygate.domain.admission.terms import terms
from tallygate.domain.base.instants import DAY, HOUR, format_instant, parse_instant
from tallygate.domain.limits.compiled import Dates, compile_effective, period_changes
from tallygate.domain.limits.limits import Effective
from tallygate.errors import InvalidRequest

SUBSCRIBED = parse_instant("2026-01-31T10:30:00+01:00")
BERLIN, NEW_YORK, KOLKATA, TOKYO = "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Tokyo"
KATHMANDU, LORD_HOWE, APIA = "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia"


def limits(
    period: dict[str, Any],
    zone: str,
    *,
    previous: Effective | None = None,
    now: str = "2026-01-31T09:30:00Z",
    **how: Any,
) -> Effective:
    """The limits in force of a customer whose plan has one limit with this period."""
    entitlement = {"feature": "calls", "limit": 100, "period": period}
    catalog = read_catalog(
        {
            "meters": [{"key": "m", "event_type": "call", "aggregation": "count"}],
            "features": [{"key": "calls", "type": "metered", "meter": "m"}],
            "plans": [{"key": "pro", "entitlements": [entitlement]}],
        }
    )
    dates = Dates(zone=zone, now=parse_instant(now), started_at=SUBSCRIBED, **how)
    return compile_effective(customer="acme", previous=previous, dates=dates, plan=catalog.plans[0], catalog=catalog)


def asked(effective: Effective, at: str) -> LimitState:
    """What an answer at this time says of the limit."""
    now, right = parse_instant(at), effective.entitlements["calls"]
    mark = RequestMark(0, bytes(6))
    wanted = terms(right, amount=Decimal(0), version=1, mark=mark, remembered=False, now=now, seen=Cell())
    return granted(effective, right, wanted, Cell(), decision_id=None).limits[0]


def period(state: LimitState) -> tuple[str, str | None]:
    return format_instant(state.start), None if state.resets_at is None else format_instant(state.resets_at)


CALENDAR = [
    ("minute", BERLIN, "2026-05-05T12:34:56Z", "2026-05-05T12:34:00Z", "2026-05-05T12:35:00Z"),
    ("hour", BERLIN, "2026-05-05T12:34:56Z", "2026-05-05T12:00:00Z", "2026-05-05T13:00:00Z"),
    ("hour", KOLKATA, "2026-05-05T12:34:56Z", "2026-05-05T12:30:00Z", "2026-05-05T13:30:00Z"),
    ("hour", KATHMANDU, "2026-05-05T12:34:56Z", "2026-05-05T12:15:00Z", "2026-05-05T13:15:00Z"),
    ("day", BERLIN, "2026-05-05T22:00:00Z", "2026-05-05T22:00:00Z", "2026-05-06T22:00:00Z"),
    ("week", BERLIN, "2026-05-05T12:00:00Z", "2026-05-03T22:00:00Z", "2026-05-10T22:00:00Z"),
    ("month", BERLIN, "2026-05-05T12:00:00Z", "2026-04-30T22:00:00Z", "2026-05-31T22:00:00Z"),
    ("quarter", BERLIN, "2026-05-05T12:00:00Z", "2026-03-31T22:00:00Z", "2026-06-30T22:00:00Z"),
    ("year", BERLIN, "2026-05-05T12:00:00Z", "2025-12-31T23:00:00Z", "2026-12-31T23:00:00Z"),
    ("never", BERLIN, "2026-05-05T12:00:00Z", "1970-01-01T00:00:00Z", None),
    ("P1M", BERLIN, "2026-05-05T12:00:00Z", "2026-04-30T22:00:00Z", "2026-05-31T22:00:00Z"),
    ("P3M", BERLIN, "2026-05-05T12:00:00Z", "2026-03-31T22:00:00Z", "2026-06-30T22:00:00Z"),
    ("PT6H", BERLIN, "2026-05-05T12:34:56Z", "2026-05-05T10:00:00Z", "2026-05-05T16:00:00Z"),
    ("PT15M", KATHMANDU, "2026-05-05T12:34:56Z", "2026-05-05T12:30:00Z", "2026-05-05T12:45:00Z"),
    # An instant at the very end belongs to the next period.
    ("month", "UTC", "2026-05-31T23:59:59.999Z", "2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z"),
    ("month", "UTC", "2026-06-01T00:00:00Z", "2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z"),
    # A day has 23 hours when clocks go forward, 25 when they go back; on Lord Howe 23.5 and 24.5.
    ("day", NEW_YORK, "2026-03-08T12:00:00Z", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"),
    ("day", NEW_YORK, "2026-11-01T12:00:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"),
    ("day", LORD_HOWE, "2026-10-03T20:00:00Z", "2026-10-03T13:30:00Z", "2026-10-04T13:00:00Z"),
    ("day", LORD_HOWE, "2026-04-04T20:00:00Z", "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z"),
    # Where a clock shows an hour twice, each of the two is an hour.
    ("hour", NEW_YORK, "2026-11-01T05:59:59Z", "2026-11-01T05:00:00Z", "2026-11-01T06:00:00Z"),
    ("hour", NEW_YORK, "2026-11-01T06:00:00Z", "2026-11-01T06:00:00Z", "2026-11-01T07:00:00Z"),
    # Apia had no 30 December 2011: the 31st follows the 29th.
    ("day", APIA, "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"),
    ("month", APIA, "2011-12-30T10:00:00Z", "2011-12-01T10:00:00Z", "2011-12-31T10:00:00Z"),
]


@pytest.mark.parametrize(("every", "zone", "at", "start", "end"), CALENDAR)
def test_calendar_periods_are_those_of_the_customers_wall_clock(
    every: str, zone: str, at: str, start: str, end: str | None
) -> None:
    state = asked(limits({"every": every}, zone), at)
    assert period(state) == (start, end)
    assert state.period is not None
    assert (state.period.anchor_named, state.period.zone) == ("calendar", zone)


@pytest.mark.parametrize(
    ("week_starts", "start"),
    [
        ("monday", "2026-05-04"),
        ("tuesday", "2026-05-05"),
        ("wednesday", "2026-04-29"),
        ("thursday", "2026-04-30"),
        ("friday", "2026-05-01"),
        ("saturday", "2026-05-02"),
        ("sunday", "2026-05-03"),
    ],
)
def test_a_week_starts_on_any_day(week_starts: str, start: str) -> None:
    state = asked(limits({"every": "week", "week_starts": week_starts}, "UTC"), "2026-05-05T12:00:00Z")
    assert format_instant(state.start)[:10] == start


ANCHORED = [
    # Subscribed on the 31st: the last day of shorter months, and the 31st again after them.
    ("month", "subscription_start", "2026-02-10T00:00:00Z", "2026-01-31T09:30:00Z", "2026-02-28T09:30:00Z"),
    ("month", "subscription_start", "2026-03-10T00:00:00Z", "2026-02-28T09:30:00Z", "2026-03-31T08:30:00Z"),
    ("month", "subscription_start", "2026-04-10T00:00:00Z", "2026-03-31T08:30:00Z", "2026-04-30T08:30:00Z"),
    ("month", "subscription_start", "2026-05-10T00:00:00Z", "2026-04-30T08:30:00Z", "2026-05-31T08:30:00Z"),
    ("month", "subscription_start", "2028-02-10T00:00:00Z", "2028-01-31T09:30:00Z", "2028-02-29T09:30:00Z"),
    ("quarter", "subscription_start", "2026-05-10T00:00:00Z", "2026-04-30T08:30:00Z", "2026-07-31T08:30:00Z"),
    ("year", "subscription_start", "2026-05-10T00:00:00Z", "2026-01-31T09:30:00Z", "2027-01-31T09:30:00Z"),
    ("week", "subscription_start", "2026-02-10T00:00:00Z", "2026-02-07T09:30:00Z", "2026-02-14T09:30:00Z"),
    ("P30D", "subscription_start", "2026-03-30T00:00:00Z", "2026-03-02T09:30:00Z", "2026-04-01T08:30:00Z"),
    # Hours from an anchor are elapsed time, whatever clocks do.
    ("PT5H", "subscription_start", "2026-01-31T14:30:00Z", "2026-01-31T14:30:00Z", "2026-01-31T19:30:00Z"),
    ("hour", "subscription_start", "2026-03-29T01:00:00Z", "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"),
    # The billing period is a month from the subscription's start, and needs no anchor.
    ("billing_period", None, "2026-03-10T00:00:00Z", "2026-02-28T09:30:00Z", "2026-03-31T08:30:00Z"),
    # What happened before the anchor has its period too.
    ("month", "subscription_start", "2025-12-24T00:00:00Z", "2025-11-30T09:30:00Z", "2025-12-31T09:30:00Z"),
    # A time of one's own; 29 February comes back in leap years.
    ("year", "2024-02-29T00:00:00+01:00", "2026-05-05T00:00:00Z", "2026-02-27T23:00:00Z", "2027-02-27T23:00:00Z"),
    ("year", "2024-02-29T00:00:00+01:00", "2028-05-05T00:00:00Z", "2028-02-28T23:00:00Z", "2029-02-27T23:00:00Z"),
    ("month", "2026-01-15T12:00:00Z", "2026-07-20T00:00:00Z", "2026-07-15T11:00:00Z", "2026-08-15T11:00:00Z"),
    ("P2W", "2026-01-01T00:00:00+01:00", "2026-01-20T00:00:00Z", "2026-01-14T23:00:00Z", "2026-01-28T23:00:00Z"),
    # 02:30 does not exist on 29 March 2026 in Berlin: the first instant after the gap. It exists twice on 25 October.
    ("month", "2026-01-29T02:30:00+01:00", "2026-03-29T12:00:00Z", "2026-03-29T01:00:00Z", "2026-04-29T00:30:00Z"),
    ("month", "2026-01-25T02:30:00+01:00", "2026-10-25T12:00:00Z", "2026-10-25T00:30:00Z", "2026-11-25T01:30:00Z"),
]


@pytest.mark.parametrize(("every", "anchor", "at", "start", "end"), ANCHORED)
def test_every_boundary_is_counted_from_the_anchor(
    every: str, anchor: str | None, at: str, start: str, end: str
) -> None:
    declared = {"every": every} if anchor is None else {"every": every, "anchor": anchor}
    state = asked(limits(declared, BERLIN), at)
    assert period(state) == (start, end)
    assert state.period is not None
    if anchor is None or anchor == "subscription_start":
        assert state.period.anchor_named == "subscription_start"
    else:
        assert parse_instant(state.period.anchor_named) == parse_instant(anchor)


MOVED = [
    # every, to, how, [periods from 5 May 2026 on]: from Berlin to another zone at noon (UTC) on 5 May.
    (
        "month",
        NEW_YORK,
        "next_period",
        ["2026-04-30T22:00:00Z", "2026-05-31T22:00:00Z", "2026-06-01T04:00:00Z", "2026-07-01T04:00:00Z"],
    ),
    (
        "day",
        NEW_YORK,
        "next_period",
        ["2026-05-04T22:00:00Z", "2026-05-05T22:00:00Z", "2026-05-06T04:00:00Z", "2026-05-07T04:00:00Z"],
    ),
    (
        "month",
        TOKYO,
        "next_period",
        ["2026-04-30T22:00:00Z", "2026-05-31T22:00:00Z", "2026-06-30T15:00:00Z", "2026-07-31T15:00:00Z"],
    ),
    # Now is the other zone's own next boundary, where that comes first; else there is no difference.
    (
        "day",
        NEW_YORK,
        "now",
        ["2026-05-04T22:00:00Z", "2026-05-05T22:00:00Z", "2026-05-06T04:00:00Z", "2026-05-07T04:00:00Z"],
    ),
    ("month", TOKYO, "now", ["2026-04-30T22:00:00Z", "2026-05-31T15:00:00Z", "2026-06-30T15:00:00Z"]),
    ("day", TOKYO, "now", ["2026-05-04T22:00:00Z", "2026-05-05T15:00:00Z", "2026-05-06T15:00:00Z"]),
]


@pytest.mark.parametrize(("every", "zone", "how", "boundaries"), MOVED)
def test_a_change_of_zone_waits_for_the_periods_end_or_for_its_own_boundary(
    every: str, zone: str, how: str, boundaries: list[str]
) -> None:
    moved_at = "2026-05-05T12:00:00Z"
    before = limits({"every": every}, BERLIN)
    after = limits({"every": every}, zone, previous=before, now=moved_at, at_once=how == "now")
    for start, end in pairwise(boundaries):
        assert period(asked(after, max(start, moved_at))) == (start, end)
    (change,) = period_changes(after, parse_instant(moved_at))
    assert change.partial == (how == "next_period" or zone == NEW_YORK)
    assert (format_instant(change.window.start), format_instant(change.window.end)) == tuple(boundaries[1:3])
    assert before.entitlements["calls"].quota.ordinal == after.entitlements["calls"].quota.ordinal


def test_what_rolls_counts_the_last_days_in_twelfths() -> None:
    """The last 30 days, in parts of 60 hours since 1970: those that are over count for 30 days more."""
    effective = limits({"every": "P30D", "anchor": "rolling"}, BERLIN)
    state = asked(effective, "2026-05-05T12:00:00Z")
    part_end = parse_instant("2026-05-07T00:00:00Z")
    assert (state.start, state.end) == (part_end - 30 * DAY - 60 * HOUR, part_end)
    assert state.resets_at == part_end + 30 * DAY, "when nothing that is used now counts any more"
    assert state.period is not None
    assert (state.period.every, state.period.anchor_named) == ("P30D", "rolling")
    assert list(effective.ordinals) == ["calls\ncalls\nquota/P30D/rolling"]


def test_what_never_ends_has_one_zone_for_ever() -> None:
    before = limits({"every": "never"}, BERLIN)
    after = limits({"every": "never"}, NEW_YORK, previous=before, at_once=True)
    assert after.entitlements == before.entitlements


@pytest.mark.parametrize(
    ("declared", "pointer", "code"),
    [
        ({"every": "fortnight"}, "every", "not_allowed"),
        ({"every": 30}, "every", "type"),
        ({"every": "P1M15D"}, "every", "not_allowed"),
        ({"every": "PT59S"}, "every", "not_allowed"),
        ({"every": "P101Y"}, "every", "not_allowed"),
        ({"every": "month", "anchor": "birthday"}, "anchor", "not_allowed"),
        ({"every": "month", "anchor": "2026-02-30T00:00:00Z"}, "anchor", "invalid"),
        ({"every": "month", "anchor": "2026-02-03T00:00:00"}, "anchor", "invalid"),
        ({"every": "never", "anchor": "2026-02-03T00:00:00Z"}, "anchor", "not_allowed"),
        ({"every": "billing_period", "anchor": "calendar"}, "anchor", "not_allowed"),
        ({"every": "month", "week_starts": "sunday"}, "week_starts", "not_allowed"),
        ({"every": "week", "week_starts": "sun"}, "week_starts", "not_allowed"),
        ({"every": "week", "anchor": "subscription_start", "week_starts": "sunday"}, "week_starts", "not_allowed"),
        ({"every": "month", "timezone": "Europe/Atlantis"}, "timezone", "invalid"),
        ({"every": "month", "anchor": "rolling"}, "every", "not_allowed"),
        ({"every": "PT59M", "anchor": "rolling"}, "every", "not_allowed"),
        ({"every": "never", "anchor": "first_use"}, "anchor", "not_allowed"),
        ({"every": "billing_period", "anchor": "first_use"}, "anchor", "not_allowed"),
        ({"every": "week", "anchor": "first_use", "week_starts": "sunday"}, "week_starts", "not_allowed"),
    ],
)
def test_a_period_without_one_meaning_is_refused_where_it_stands(
    declared: dict[str, Any], pointer: str, code: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        limits(declared, "UTC")
    found = [(error.pointer, error.code) for error in refused.value.errors]
    assert found == [(f"/plans/0/entitlements/0/period/{pointer}", code)]
