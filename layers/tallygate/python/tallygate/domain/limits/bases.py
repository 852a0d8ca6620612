"""Bases: what a quota's limit comes to in the window that runs and in those to come, where that is not the limit.

    month of 30 days          1 ────────────── 16 ──────────────> 1 (next month)
    100, from the 16th 200    base 100         prorated: 150      200
                                               full: 200          200
    a partial window of 10 of 30 days: 33 of 100

What a limit is *worth* at an instant is its part for the rest of the window: limit × rest ÷ length, rounded down to the
limit's own decimal places. A prorated change takes the worth of the old limit from the base in force and adds that of
the new one; so however often it is repeated at one instant, who returns has what he had. A quota that leaves keeps what
it had earned, which is its base less the worth of its limit, and adds to that when it comes back in the same window.

A window that a change of zone or anchor leaves shorter than its kind has the part of the limit that the time makes
which no window before it was granted for. So windows, however they are cut, never grant more than the time that they
cover. What never ends or rolls has no length to be prorated by: its base is its limit.

Accrual: whether the quotas that carry over earn their base, which they do not while usage is suspended by hand.

    base   1000 ────────── None ─────────── 1000
                suspended        resumed            what was carried before is kept, and ages by no window in between

What accrues again is the base in force, and after it those that are to come: of a window that is prorated or partial
less than the limit. The limits of a plan that follows remember of the time before it what those in force do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum

from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.limits.limits import Earned, Effective, Entitlement, Limit, Quota
from tallygate.domain.limits.rollover import Stretch, continued
from tallygate.domain.limits.suspensions import Suspension
from tallygate.domain.periods.boundaries import TimeUnit, step_of
from tallygate.domain.periods.recurrence import (
    CALENDAR,
    SUBSCRIPTION_START,
    TIMESTAMP,
    Schedule,
    segment_at,
    whole_window,
    window_at,
)

PARTIAL_MAX = 4
"""So many windows after one another may be granted less than the limit: what was granted ahead is at most a few."""


class Rebase(Enum):
    """What a change makes of the base of a window that goes on: full where the limit is another, or in any case, or
    prorated."""

    KEEP = "keep"
    FULL = "full"
    PRORATED = "prorated"


@dataclass(frozen=True, slots=True)
class Bases:
    """The base from now on, and those that follow in later windows."""

    now: Decimal | None
    to_come: tuple[Stretch, ...] = ()


def worth(limit: Decimal, schedule: Schedule, instant: Instant) -> Decimal:
    """The limit's part for the rest of the window that holds the instant, rounded down to its own decimal places.

    A window that ends sooner than its kind was granted for the whole of it all the same; that part is not granted
    again (`Segment.covered`).
    """
    window = window_at(schedule, instant)
    whole, segment = whole_window(schedule, window), segment_at(schedule, window.start)
    since = max(instant, segment.covered if segment.covered is not None else instant)
    rest, length = max(0, whole.end - since), whole.end - whole.start
    places = max(0, -int(limit.normalize().as_tuple().exponent))
    return Decimal(int(limit.scaleb(places)) * min(rest, length) // length).scaleb(-places)


def earned_of(quota: Quota, now: Instant) -> Earned | None:
    """What a quota that leaves has earned of the window that runs; None: nothing, or nothing that could be told."""
    if quota.limit is None or not has_length(quota.schedule):
        return None
    base = quota.limit_at(now)
    assert base is not None
    left = base - worth(quota.limit, quota.schedule, now)
    return Earned(until=window_at(quota.schedule, now).end, base=left) if left > 0 else None


def bases(
    limit: Decimal | None,
    schedule: Schedule,
    now: Instant,
    how: Rebase,
    *,
    before: Quota | None = None,
    earned: Earned | None = None,
) -> Bases:
    """The bases of a quota with this limit and schedule. `before` is what was in force of it until now, if anything
    was, else `earned` what it had when it left."""
    if limit is None or not has_length(schedule):
        return Bases(limit)
    window = window_at(schedule, now)
    base = worth(limit, schedule, window.start)
    if before is not None and window_at(before.schedule, now).start == window.start:
        base = _goes_on(base, limit, schedule, now, how, before)
    elif how is Rebase.PRORATED and before is None:
        had = earned.base if earned is not None and earned.until == window.end else ZERO
        base = had + worth(limit, schedule, now)
    return Bases(base, _to_come(limit, schedule, window.end, base))


def remembered_bases(
    held: Sequence[Stretch], limit: Decimal | None, found: Bases, start: Instant, now: Instant
) -> tuple[Stretch, ...]:
    """The bases as a quota keeps them; nothing where they are, and were, the limit. `start` is that of the window."""
    if limit is None or (not held and found == Bases(limit)):
        return ()
    # A clock that lags behind sees the base as well, and not the limit.
    past = continued(held, found.now, now) if held else (Stretch(start, found.now),)
    return (*past, *found.to_come)


def has_length(schedule: Schedule) -> bool:
    """Whether windows have a length to be prorated by, and boundaries that time alone tells."""
    current = schedule.current
    anchored = current.anchor in (CALENDAR, SUBSCRIPTION_START, TIMESTAMP)
    return anchored and step_of(current.every).unit is not TimeUnit.NEVER


def _goes_on(full: Decimal, limit: Decimal, schedule: Schedule, now: Instant, how: Rebase, before: Quota) -> Decimal:
    held = before.limit_at(now)
    if before.limit is None or held is None or how is Rebase.FULL:
        return full
    if how is Rebase.KEEP:
        return held if before.limit == limit else full
    return max(ZERO, held - worth(before.limit, before.schedule, now)) + worth(limit, schedule, now)


def _to_come(limit: Decimal, schedule: Schedule, end: Instant, base: Decimal) -> tuple[Stretch, ...]:
    found: list[Stretch] = []
    for _ in range(PARTIAL_MAX):
        granted = worth(limit, schedule, end)
        if granted != base:
            found.append(Stretch(end, granted))
        if granted == limit:
            break
        base, end = granted, window_at(schedule, end).end
    return tuple(found)


def with_suspensions(effective: Effective, suspensions: tuple[Suspension, ...], now: Instant) -> Effective:
    """The limits in force, and those to come, under other suspensions: what they stop accrues from now on no more.

    What has become due is in force already (`domain.customers.customers.taken`).
    """
    present = _accruing(replace(effective, suspensions=suspensions, next=None), now, {})
    coming = effective.next
    if coming is None:
        return present
    assert now < coming.at, "what is due is in force"
    ahead = _accruing(replace(coming.effective, suspensions=suspensions), coming.at, _past(present))
    return replace(present, next=replace(coming, effective=replace(ahead, suspensions=())))


def _past(effective: Effective) -> Mapping[int, tuple[Stretch, ...]]:
    """The stretches of every quota that carries over, or did, by its ordinal."""
    quotas = [q for e in effective.entitlements.values() for limit in e.limits for q in limit.quotas]
    return {**effective.frozen, **{quota.ordinal: quota.stretches for quota in quotas}}


def _accruing(effective: Effective, now: Instant, past: Mapping[int, tuple[Stretch, ...]]) -> Effective:
    """The limits as they accrue from now on; what each quota did before is in the `past`, or in itself."""
    stopped = {each.feature for each in effective.suspensions if not each.scope}
    return replace(
        effective,
        entitlements={
            feature: _entitlement(entitlement, past, stopped=bool(stopped & {None, feature}), now=now)
            for feature, entitlement in effective.entitlements.items()
        },
        frozen={
            ordinal: continued(past.get(ordinal, stretches), None, now)
            for ordinal, stretches in effective.frozen.items()
        },
    )


def _entitlement(
    entitlement: Entitlement, past: Mapping[int, tuple[Stretch, ...]], *, stopped: bool, now: Instant
) -> Entitlement:
    if not any(quota.stretches for limit in entitlement.limits for quota in limit.quotas):
        return entitlement
    return replace(
        entitlement, limits=tuple(_limit(limit, past, stopped=stopped, now=now) for limit in entitlement.limits)
    )


def _limit(limit: Limit, past: Mapping[int, tuple[Stretch, ...]], *, stopped: bool, now: Instant) -> Limit:
    stopped = stopped or limit.carryover is None
    quotas = [_quota(each, past.get(each.ordinal, each.stretches), stopped=stopped, now=now) for each in limit.quotas]
    return replace(limit, quotas=tuple(quotas))


def _quota(quota: Quota, past: Sequence[Stretch], *, stopped: bool, now: Instant) -> Quota:
    if not quota.stretches:
        return quota
    base = None if stopped else quota.limit_at(now)
    to_come = () if base is None else tuple(each for each in quota.bases if each.since > now)
    return replace(quota, stretches=(*continued(past, base, now), *to_come))
