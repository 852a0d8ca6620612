"""`retry_at` of a denial is the first instant at which the request is granted, if nothing else is consumed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tallygate.domain.admission import decide
from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.decision import Decision, Reason
from tallygate.domain.admission.terms import look
from tallygate.domain.base.instants import DAY, HOUR, MINUTE, SECOND, Instant
from tallygate.domain.catalog.tiers import tier_of
from tallygate.domain.limits.limits import Effective, Entitlement, Limit
from tallygate.domain.limits.rungs import UNTIL_RESUMED
from tallygate.domain.periods.recurrence import window_at
from tests.given import FEATURE, NOW, effective, quota, rate

Form = dict[str, Any]
SLOW: Form = {"policy": "rate_limit", "limit": 2, "per": "hour", "burst": 4, "ordinal": 40}
POLICIES: tuple[Form, ...] = (
    SLOW,
    {"policy": "allow_with_overage", "max_overage": 3},
    {"policy": "allow_with_grace", "grace_for": "PT30M"},
    {"policy": "allow_with_grace", "grace_amount": 2, "then": {"rate_limit": {**SLOW, "ordinal": 41}}},
    {"policy": "deny"},
)
FORMS = st.lists(
    st.tuples(st.sampled_from(["50%", "80%", "100%", 4]), st.sampled_from(POLICIES)),
    max_size=2,
    unique_by=lambda tier: tier[0],
)
EVERY = st.sampled_from(["hour", "day"])


def limits(forms: list[tuple[str | int, Form]], every: str, *, daily: int | None, paced: bool) -> Effective:
    tiers = tuple(tier_of({"at": at, "level": f"level_{n}", **form}) for n, (at, form) in enumerate(forms))
    found = effective(quota(10, every=every))
    right = found.entitlements[FEATURE]
    own = replace(right.limits[0], tiers=tiers, rates=(rate(6, per=MINUTE, burst=6, ordinal=9),) if paced else ())
    further = () if daily is None else (Limit(name="daily", quotas=(quota(daily, ordinal=2, every="day"),)),)
    return replace(found, entitlements={FEATURE: replace(right, limits=(own, *further))})


def decided(limited: Effective, cell: Cell, amount: int, at: Instant) -> Decision | None:
    """What is answered at an instant; None: granted."""
    right: Entitlement = limited.entitlements[FEATURE]
    asked = look(right, version=1, now=at, seen=cell, amount=Decimal(amount))
    why = decide.refusal(cell, asked)
    return None if why is None else decide.denied(limited, right, asked, cell, why=why)


def cell_of(limited: Effective, used: int, daily: int, rated: list[int], ago: Instant | None) -> Cell:
    own, *further = (limit.quotas[0] for limit in limited.entitlements[FEATURE].limits)
    counter = (own.ordinal, window_at(own.schedule, NOW).start)
    counters = {counter: Decimal(used)}
    counters |= {(q.ordinal, window_at(q.schedule, NOW).start): Decimal(daily) for q in further}
    paces = [each for limit in limited.entitlements[FEATURE].limits for each in limit.every_rate]
    rates = {(r.ordinal, NOW // r.width - n): Decimal(value) for r in paces for n, value in enumerate(rated)}
    return Cell(used=counters, rated=rates, grace={} if ago is None else {counter: NOW - ago})


@settings(max_examples=300, deadline=None)
@given(
    FORMS,
    EVERY,
    st.one_of(st.none(), st.integers(1, 20)),
    st.booleans(),
    st.integers(0, 14),
    st.integers(0, 20),
    st.lists(st.integers(0, 6), min_size=2, max_size=2),
    st.sampled_from([None, 0, 20 * MINUTE, 2 * HOUR]),
    st.integers(1, 12),
    st.lists(st.integers(1, 3 * DAY), max_size=40),
)
@example([("80%", SLOW)], "hour", None, False, 8, 0, [4, 4], None, 3, [])
@example([("80%", SLOW)], "hour", None, False, 8, 0, [4, 4], None, 6, [])
@example([("50%", SLOW), ("80%", POLICIES[2])], "day", None, False, 9, 0, [4, 0], 20 * MINUTE, 2, [])
def test_a_request_is_granted_at_retry_at_and_at_no_instant_before(
    forms: list[tuple[str | int, Form]],
    every: str,
    daily: int | None,
    paced: bool,
    used: int,
    used_daily: int,
    rated: list[int],
    ago: Instant | None,
    amount: int,
    later: list[Instant],
) -> None:
    limited = limits(forms, every, daily=daily, paced=paced)
    cell = cell_of(limited, used, used_daily, rated, ago)
    denial = decided(limited, cell, amount, NOW)
    if denial is None:
        return
    instants = {NOW + time for time in later} | {NOW + n * HOUR for n in range(72)}
    if denial.retry_at is None:
        assert all(decided(limited, cell, amount, at) is not None for at in instants)
        return
    assert denial.retry_at > NOW
    assert decided(limited, cell, amount, denial.retry_at) is None
    before = {at for at in instants if at < denial.retry_at} | {denial.retry_at - 1}
    assert all(decided(limited, cell, amount, at) is not None for at in before)


def test_the_rate_of_a_tier_ends_with_its_period() -> None:
    """Two an hour from 80 % on, 40 minutes before the hour ends: the hour that follows has no rate yet."""
    limited = limits([("80%", {**SLOW, "limit": 1, "burst": 1, "per": "hour"})], "hour", daily=None, paced=False)
    now = NOW + 20 * MINUTE
    cell = replace(cell_of(limited, 9, 0, [], None), rated={(40, now // HOUR): Decimal(1)})
    denial = decided(limited, cell, 1, now)
    assert denial is not None
    assert (denial.reason, denial.retry_at) == (Reason.RATE_LIMITED, NOW + HOUR)
    pace = denial.limits[1]
    assert (pace.kind, pace.retry_at, pace.resets_at) == ("rate", NOW + HOUR, NOW + HOUR)


def test_what_is_more_than_a_burst_waits_for_the_period_to_end() -> None:
    limited = limits([("80%", SLOW)], "hour", daily=None, paced=False)
    denial = decided(limited, cell_of(limited, 4, 0, [], None), 5, NOW + SECOND)
    assert denial is not None
    assert (denial.reason, denial.retry_at) == (Reason.RATE_LIMITED, NOW + HOUR)


def test_a_time_is_one_at_which_every_limit_grants() -> None:
    """The quota of the hour grants 8 now by what it was raised by, and in no hour that follows."""
    limited = limits([], "hour", daily=10, paced=False)
    cell = cell_of(limited, 0, 5, [], None)
    counter = next(iter(cell.used))
    raised = replace(cell, used={**cell.used, counter: Decimal(-5)}, adjusted={counter: Decimal(5)})
    assert decided(limited, raised, 12, NOW) is not None
    lowered = replace(limited, entitlements=limits([], "hour", daily=13, paced=False).entitlements)
    denial = decided(lowered, raised, 12, NOW)
    assert denial is not None
    assert denial.retry_at is None, "tomorrow the day has room, but no hour of it"


def test_a_suspension_waits_for_its_end_alone() -> None:
    limited = limits([("80%", {"policy": "suspend_usage", "until": "resumed"})], "hour", daily=None, paced=False)
    denial = decided(limited, replace(cell_of(limited, 9, 0, [], None), suspended={0: UNTIL_RESUMED}), 1, NOW)
    assert denial is not None
    assert (denial.reason, denial.retry_at) == (Reason.SUSPENDED, None)
