"""When a delivery is attempted again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.domain.base.instants import HOUR, MINUTE, SECOND
from tallygate.domain.delivery import timetable

NAMES = st.text(min_size=1, max_size=40)
LATER_ATTEMPTS = st.integers(2, timetable.ATTEMPTS_MAX)


@pytest.mark.parametrize(
    ("attempt", "delay"),
    [
        (2, 5 * SECOND),
        (3, 5 * MINUTE),
        (4, 30 * MINUTE),
        (5, 2 * HOUR),
        (6, 5 * HOUR),
        (7, 10 * HOUR),
        (8, 14 * HOUR),
        (9, 20 * HOUR),
        (10, 24 * HOUR),
    ],
)
def test_the_timetable_is_that_of_standard_webhooks_with_a_tenth_of_jitter(attempt: int, delay: int) -> None:
    found = {timetable.delay_before(attempt, f"fact-{n}#endpoint") for n in range(200)}
    assert delay <= min(found)
    assert max(found) <= delay + delay // 10
    assert len(found) > 100


def test_the_tenth_attempt_is_the_last() -> None:
    assert timetable.ATTEMPTS_MAX == 10
    with pytest.raises(AssertionError):
        timetable.delay_before(11, "f#e")


@given(LATER_ATTEMPTS, NAMES, st.integers(0, 100 * HOUR))
def test_retry_after_only_postpones_and_only_by_a_day(attempt: int, name: str, asked: int) -> None:
    plain = timetable.delay_before(attempt, name)
    postponed = timetable.delay_before(attempt, name, asked)
    assert postponed == max(plain, min(asked, 24 * HOUR))


@given(LATER_ATTEMPTS, NAMES)
def test_whoever_computes_a_delay_finds_the_same(attempt: int, name: str) -> None:
    assert timetable.delay_before(attempt, name) == timetable.delay_before(attempt, name)


@given(LATER_ATTEMPTS, NAMES)
def test_what_the_queue_brings_is_never_early_and_fits_a_message(attempt: int, name: str) -> None:
    delay = timetable.delay_before(attempt, name)
    assert timetable.by_queue(delay) == (attempt <= 3)
    if timetable.by_queue(delay):
        assert delay <= timetable.queue_seconds(delay) * SECOND < delay + SECOND
        assert timetable.queue_seconds(delay) <= 900


@given(st.integers(0, 10**13), LATER_ATTEMPTS, NAMES)
def test_the_sweep_looks_after_what_the_queue_should_have_brought(now: int, attempt: int, name: str) -> None:
    delay = timetable.delay_before(attempt, name)
    late = timetable.net_at(now + delay, delay) - (now + delay)
    assert late == (MINUTE if attempt <= 3 else 0)
