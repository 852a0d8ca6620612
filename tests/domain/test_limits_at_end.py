"""Limits at a window's end: the last that were in force of a quota, found among the versions that a customer had."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tallygate.domain.base.instants import DAY, HOUR, MINUTE, Instant
from tallygate.domain.limits.counters import CountedWindow
from tallygate.domain.limits.governing import (
    CLOSE_GRACE_MAX,
    KEPT,
    governed_in,
    kept_until,
    last_in_force,
)
from tallygate.domain.limits.limits import Effective, Next
from tallygate.domain.limits.rollover import Stretch
from tallygate.domain.metering.lateness import LATENESS_MAX
from tallygate.domain.periods.recurrence import Window, window_at
from tests.given import effective, quota

END = 20
"""Instants in small timelines; in those of `kept_until` they are tens of minutes."""


def limits(limit: int | None, version: int = 1) -> Effective:
    """Limits with the quota (None: without it)."""
    known = effective(quota(limit, every="hour") if limit is not None else quota(1), version=version)
    return known if limit is not None else replace(known, entitlements={})


@st.composite
def timelines(draw: st.DrawFn) -> list[Effective]:
    """Versions in order of time; some hold what follows them, and some of these never came into force."""
    starts = sorted(draw(st.sets(st.integers(0, END), min_size=1, max_size=6)))
    found: list[Effective] = []
    for number, since in enumerate(starts, 1):
        version = replace(limits(draw(st.sampled_from([None, 10 * number, 10 * number + 1])), number), since=since)
        if draw(st.booleans()):
            follows = limits(draw(st.sampled_from([None, 10 * number + 5])), number)
            version = replace(version, next=Next(at=draw(st.integers(since, END)), effective=follows))
        found.append(version)
    return found


def stated(found: Effective | None) -> Decimal | None:
    return None if found is None else next(iter(found.entitlements.values())).quota.limit


def in_force(versions: Sequence[Effective], instant: Instant) -> Effective | None:
    """What was in force at an instant, by going through all versions."""
    known = [version for version in versions if version.since <= instant]
    return known[-1].in_force(instant) if known else None


@given(versions=timelines(), start=st.integers(0, END), length=st.integers(1, END))
def test_the_limits_are_those_of_the_last_instant_at_which_the_quota_was_in_force(
    versions: list[Effective], start: int, length: int
) -> None:
    by_instant = [in_force(versions, instant) for instant in range(start, start + length)]
    having = [each for each in by_instant if each is not None and each.entitlements]
    expected = stated(having[-1]) if having else None
    assert stated(last_in_force(reversed(versions), 1, start, start + length)) == expected


@given(versions=timelines(), start=st.integers(0, END), length=st.integers(1, END))
def test_no_version_is_asked_for_that_cannot_be_the_one(versions: list[Effective], start: int, length: int) -> None:
    asked: list[int] = []

    def newest_first() -> Iterator[Effective]:
        for version in reversed(versions):
            asked.append(version.since)
            yield version

    last_in_force(newest_first(), 1, start, start + length)
    assert all(since > start for since in asked[:-1]), "one that begins before the window is the last to be asked for"


@given(versions=timelines(), start=st.integers(0, 5))
def test_a_version_is_kept_until_every_window_that_it_states_can_be_closed_and_restated(
    versions: list[Effective], start: int
) -> None:
    ticks = 10 * MINUTE
    versions = [
        replace(
            version,
            since=version.since * ticks,
            next=None if version.next is None else replace(version.next, at=version.next.at * ticks),
        )
        for version in versions
    ]
    window = Window(start * HOUR, (start + 1) * HOUR)
    found = last_in_force(reversed(versions), 1, window.start, window.end)
    if found is None:
        return
    index = next(index for index, version in enumerate(versions) if version.version == found.version)
    if index + 1 == len(versions):
        return
    by = versions[index + 1]
    assert kept_until(versions[index], by, by.since) >= window.end + LATENESS_MAX + CLOSE_GRACE_MAX


def test_a_version_whose_quotas_all_stay_is_kept_no_longer_than_it_takes() -> None:
    now = 100 * DAY
    for by in (limits(7), replace(limits(7), next=Next(at=now + DAY, effective=limits(None)))):
        assert kept_until(limits(5), by, now) == now + KEPT
    yearly = effective(quota(5, every="year"))
    year = window_at(quota(5, every="year").schedule, now)
    assert kept_until(yearly, limits(None), now) == year.end + KEPT
    assert kept_until(effective(quota(5, every="never")), limits(None), now) == now + KEPT


def test_what_is_stated_is_the_base_that_the_window_ended_with() -> None:
    prorated = replace(quota(200), bases=(Stretch(0, Decimal(100)), Stretch(15 * DAY, Decimal(150))))
    ended = CountedWindow(1, 0, 31 * DAY)
    assert governed_in(effective(prorated), ended, {}).limit == 150
    assert governed_in(effective(quota(200)), ended, {}).limit == 200
