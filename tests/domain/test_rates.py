"""A rate admits at most burst + limit × T ÷ per in any interval T, and denies nothing that fits."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from fractions import Fraction

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tallygate.domain.base.instants import MINUTE, SECOND
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.catalog import rates
from tallygate.domain.catalog.rates import Rate, rate_width
from tests.given import NOW, rate

RATES = st.builds(
    lambda limit, per, extra: Rate(
        ordinal=1,
        limit=Decimal(limit),
        per=per,
        burst=max(Decimal(1), Decimal(limit) * SECOND / per).to_integral_value() + extra,
    ),
    st.integers(1, 500),
    st.sampled_from([SECOND, MINUTE, 60 * MINUTE]),
    st.integers(1, 500),
)
STEPS = st.lists(st.tuples(st.integers(0, 90_000), st.integers(1, 200)), min_size=1, max_size=60)


@settings(max_examples=300, deadline=None)
@given(RATES, STEPS)
def test_no_interval_admits_more_than_the_burst_and_the_refill(limit: Rate, steps: list[tuple[int, int]]) -> None:
    counters: dict[int, Decimal] = defaultdict(lambda: ZERO)
    granted: list[tuple[int, int]] = []
    now = NOW
    for wait, amount in steps:
        now += wait
        at = rates.sub_window(limit, now)
        if rates.admits(limit, Decimal(amount), counters[at.index - 1], counters[at.index], at):
            counters[at.index] += amount
            granted.append((now, amount))
    for first, (start, _) in enumerate(granted):
        total = 0
        for end, amount in granted[first:]:
            total += amount
            allowed = Fraction(limit.burst) + Fraction(limit.limit) * (end - start) / limit.per
            assert total <= allowed


COUNTS = st.decimals(0, 30, places=2)


@given(RATES, COUNTS, COUNTS, COUNTS, COUNTS.filter(bool), st.integers(0, 10**6))
def test_the_alternatives_never_admit_what_the_rule_refuses(
    limit: Rate, previous: Decimal, current: Decimal, seen: Decimal, amount: Decimal, offset: int
) -> None:
    at = rates.sub_window(limit, NOW + offset)
    found = rates.alternatives(limit, amount, seen, at)
    if any(_holds(alternative, previous, current) for alternative in found):
        assert rates.admits(limit, amount, previous, current, at)


@given(RATES, COUNTS, COUNTS, COUNTS.filter(bool), st.integers(0, 10**6))
def test_the_alternatives_made_from_the_image_are_the_rule(
    limit: Rate, previous: Decimal, current: Decimal, amount: Decimal, offset: int
) -> None:
    at = rates.sub_window(limit, NOW + offset)
    found = rates.alternatives(limit, amount, previous, at)
    held = any(_holds(alternative, previous, current) for alternative in found)
    assert held == rates.admits(limit, amount, previous, current, at)


def _holds(alternative: rates.Alternative, previous: Decimal, current: Decimal) -> bool:
    if previous > alternative.previous_max:
        return False
    return current == 0 if alternative.current_max is None else current <= alternative.current_max


@given(RATES, COUNTS, COUNTS, COUNTS.filter(bool), st.integers(0, 10**6))
def test_the_promised_time_to_retry_is_true_and_the_first(
    limit: Rate, previous: Decimal, current: Decimal, amount: Decimal, offset: int
) -> None:
    now = NOW + offset
    retry = rates.admitted_at(limit, amount, previous, current, now)
    if retry is None:
        assert amount > limit.burst
        return
    assert _admits_at(limit, amount, previous, current, now, retry)
    if retry > now:
        assert not _admits_at(limit, amount, previous, current, now, retry - 1)


def _admits_at(limit: Rate, amount: Decimal, previous: Decimal, current: Decimal, now: int, then: int) -> bool:
    """Whether the counters of `now`, with nothing more consumed, admit the amount at `then`."""
    elapsed = then // limit.width - now // limit.width
    counters = {0: (previous, current), 1: (current, ZERO)}.get(elapsed, (ZERO, ZERO))
    return rates.admits(limit, amount, *counters, rates.sub_window(limit, then))


QUANTITIES = st.decimals(Decimal("1e-9"), 10**18 - 1, places=9)


@given(QUANTITIES, st.sampled_from([SECOND, MINUTE, 24 * 60 * MINUTE]), QUANTITIES)
@example(Decimal(7), SECOND, Decimal(9))
@example(Decimal("1e-9"), 24 * 60 * MINUTE, Decimal(10**18 - 1))
def test_a_sub_window_is_the_refill_of_a_burst_rounded_up(limit: Decimal, per: int, burst: Decimal) -> None:
    """Rounded down, a steady caller would be admitted burst ÷ width, which is more than limit ÷ per."""
    exact = Fraction(per) * Fraction(burst) / Fraction(limit)
    width = rate_width(limit=limit, per=per, burst=burst)
    assert exact <= width < exact + 1


def test_a_full_burst_is_free_again_after_one_refill() -> None:
    limit = rate(60, per=MINUTE, burst=30)
    assert limit.width == 30 * SECOND
    at = rates.sub_window(limit, NOW)
    assert not rates.admits(limit, Decimal(1), ZERO, Decimal(30), at)
    assert rates.admitted_at(limit, Decimal(15), ZERO, Decimal(30), NOW) == NOW + 45 * SECOND
