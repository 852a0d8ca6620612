"""Bases: what a limit is worth of a window, to the millisecond and to its own decimal place."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.domain.base.instants import DAY, HOUR, Instant, parse_instant
from tallygate.domain.limits.bases import Rebase, bases, earned_of, worth
from tallygate.domain.limits.compiled import followed_by
from tallygate.domain.limits.limits import Quota
from tallygate.domain.limits.rollover import Stretch
from tallygate.domain.periods.recurrence import Schedule, Segment, calendar, changed, window_at
from tallygate.storage.base.expressions import Item
from tallygate.storage.limits.versions import effective_document, effective_of
from tests.domain.compiled_plans import BASIC, CATALOG, NOW, PRO, compiled

APRIL = parse_instant("2026-04-01T00:00:00Z")
MAY = parse_instant("2026-05-01T00:00:00Z")
MONTH = calendar("month", "UTC")


@pytest.mark.parametrize(
    ("limit", "instant", "amount"),
    [
        ("100", APRIL, "100"),
        ("100", APRIL + 15 * DAY, "50"),
        ("100", APRIL + 10 * DAY, "66"),
        ("100.00", APRIL + 10 * DAY, "66"),
        ("100.25", APRIL + 10 * DAY, "66.83"),
        ("1E+3", APRIL + 15 * DAY + 1, "499"),
        ("100", MAY - 1, "0"),
        ("0", APRIL, "0"),
    ],
)
def test_a_limit_is_worth_its_part_of_what_is_left_rounded_down(limit: str, instant: Instant, amount: str) -> None:
    assert worth(Decimal(limit), MONTH, instant) == Decimal(amount)


def test_a_partial_window_is_worth_the_time_that_was_not_granted_before() -> None:
    moved = changed(calendar("month", "Asia/Tokyo"), Segment("month", "UTC"), APRIL + DAY)
    partial = window_at(moved, window_at(moved, APRIL + DAY).end)
    assert (partial.end - partial.start, worth(Decimal(1000), moved, partial.start)) == (9 * HOUR, 12)
    sooner = changed(MONTH, Segment("month", "Asia/Tokyo"), APRIL + DAY, at_once=True)
    running = window_at(sooner, APRIL + DAY)
    assert (running.start, running.end) == (APRIL, MAY - 9 * HOUR)
    assert worth(Decimal(1000), sooner, APRIL) == 1000, "what was granted stays granted"
    assert worth(Decimal(1000), sooner, running.end) == 987
    assert worth(Decimal(1000), sooner, window_at(sooner, running.end).end) == 1000


LIMITS = st.one_of(st.none(), st.decimals("0", "1000", places=2), st.integers(0, 1000).map(Decimal))
INSTANTS = st.integers(APRIL, MAY - 1)


@given(st.lists(st.none() | st.integers(0, 500).map(Decimal), max_size=6), st.integers(1, 500), INSTANTS)
def test_a_round_trip_at_one_instant_ends_with_the_base_that_it_began_with(
    others: list[Decimal | None], limit: int, now: Instant
) -> None:
    """None is a plan without the quota."""
    first = Quota(ordinal=1, limit=Decimal(limit), schedule=MONTH)
    held: Quota | None = first
    earned = None
    for wanted in [*others, Decimal(limit)]:
        if wanted is None:
            earned, held = earned_of(held, now) if held is not None else earned, None
            continue
        found = bases(wanted, MONTH, now, Rebase.PRORATED, before=held, earned=earned)
        assert found.now is not None and found.now >= worth(wanted, MONTH, now)
        held, earned = Quota(ordinal=1, limit=wanted, schedule=MONTH, bases=(Stretch(APRIL, found.now),)), None
    assert held is not None and held.limit_at(now) == limit


@given(LIMITS, LIMITS, INSTANTS, st.sampled_from(Rebase))
def test_from_the_end_of_the_window_on_the_limit_is_whole(
    old: Decimal | None, new: Decimal | None, now: Instant, how: Rebase
) -> None:
    found = bases(new, MONTH, now, how, before=Quota(ordinal=1, limit=old, schedule=MONTH))
    assert (found.to_come[-1].base if found.to_come else found.now) == new
    assert new is None or found.now is not None
    if None in (old, new) or how is Rebase.FULL:
        assert found.now == new
    elif found.now is not None and old is not None and new is not None:
        assert min(old, new) - 1 < found.now < max(old, new) + 1


def test_what_follows_and_what_was_earned_are_stored_and_read_back() -> None:
    first = compiled(PRO)
    cut = compiled(PRO, first, zone="Asia/Tokyo", at_once=True)
    left = compiled(BASIC, cut, zone="Asia/Tokyo", now=NOW + HOUR)
    assert {earned.base for earned in left.earned.values()} == {Decimal(5)}, "of nine a day, at one in the afternoon"
    following = compiled(PRO, left, zone="Asia/Tokyo", now=NOW + 2 * DAY, catalog=CATALOG)
    both = followed_by(left, following, NOW + 2 * DAY)
    item: Item = {"version": both.version, "doc": effective_document(both)}
    assert effective_of(item) == both
    assert both.in_force(NOW + 2 * DAY - 1) is both
    later = both.in_force(NOW + 2 * DAY)
    assert (later.plan, later.version, later.next) == ("pro", both.version, None)
    assert later == replace(following, version=both.version)


def test_a_schedule_that_was_never_cut_grants_every_window_whole() -> None:
    schedule = Schedule((Segment("day", "America/New_York"),))
    at = parse_instant("2026-03-07T00:00:00Z")
    for _ in range(4):
        window = window_at(schedule, at)
        assert worth(Decimal(24), schedule, window.start) == 24, "also a day of 23 hours"
        at = window.end
