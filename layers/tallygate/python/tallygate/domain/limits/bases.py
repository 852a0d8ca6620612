"""Proration: the base of a quota in the running window and in later ones, where the base differs from the limit.

The base of a window is what it grants before carryover and adjustments. Mostly it is the limit.

    month of 30 days          1 ────────────── 16 ──────────────> 1 (next month)
    100, from the 16th 200    base 100         prorated: 150      200
                                               full: 200          200
    a partial window of 10 of 30 days: 33 of 100

The *worth* of a limit at an instant is its share for the rest of the window: limit × rest ÷ length, rounded down to the
limit's own decimal places.
- A prorated change subtracts the worth of the old limit from the base in force and adds the worth of the new one. Each
  worth is rounded by itself, so a change and its reversal at one instant restore the base exactly.
- A quota that leaves force keeps what it had earned: its base less the worth of its limit. If it comes back prorated in
  the same window, the earned amount is added to the new worth.
- A window shortened by a change of zone or anchor gets a pro-rata share of the limit. Time already granted to an
  earlier window is not granted again. So windows never grant more than the time that they cover, however they are cut.
- Windows of quotas that never end, that roll or that open at first use have no length to prorate by. Their base is the
  limit.

Accrual: a quota with carryover accrues its base, except while an operator suspends the feature or the customer.

    base   1000 ────────── None ─────────── 1000
                suspended        resumed            earlier carryover is kept; the suspended windows do not age it

After a resume the base in force accrues again, then the recorded bases of later windows. A prorated or partial window
has a base below the limit. The limits of a plan change that is still to come keep the same history as those in force.
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
"""Successive windows whose base may be below the limit. Time granted ahead reaches into a few windows at most."""


class Rebase(Enum):
    """How a change of limits treats the base of a window that goes on.

    KEEP: the base stays if the limit is unchanged; otherwise the new limit applies in full
    FULL: the new limit applies in full in any case
    PRORATED: the new limit applies to the rest of the window
    """

    KEEP = "keep"
    FULL = "full"
    PRORATED = "prorated"


@dataclass(frozen=True, slots=True)
class Bases:
    """The bases of a quota, in units.

    now: base of the running window; None: unlimited
    to_come: bases of later windows that differ from the one before; the last is the limit, unless PARTIAL_MAX cuts it
    """

    now: Decimal | None
    to_come: tuple[Stretch, ...] = ()


def worth(limit: Decimal, schedule: Schedule, instant: Instant) -> Decimal:
    """The limit's share for the rest of the window that holds the instant, rounded down to its own decimal places.

    The share is of a whole window. A window that a change ends early was still granted for its whole length. That time
    is not granted again to the window after it (`Segment.covered`).
    """
    window = window_at(schedule, instant)
    whole, segment = whole_window(schedule, window), segment_at(schedule, window.start)
    since = max(instant, segment.covered if segment.covered is not None else instant)
    rest, length = max(0, whole.end - since), whole.end - whole.start
    places = max(0, -int(limit.normalize().as_tuple().exponent))
    return Decimal(int(limit.scaleb(places)) * min(rest, length) // length).scaleb(-places)


def earned_of(quota: Quota, now: Instant) -> Earned | None:
    """The part of the running window's base that a quota has earned when it leaves force.

    None: nothing was earned, or the quota is unlimited or has no length to prorate by.
    """
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
    """The bases of a quota with this limit and schedule.

    how: treatment of a window that goes on
    before: the quota as it was in force until now; None: it was not
    earned: what the quota had earned when it last left force; used only without `before`
    """
    if limit is None or not has_length(schedule):
        return Bases(limit)
    window = window_at(schedule, now)
    base = worth(limit, schedule, window.start)
    if before is not None and window_at(before.schedule, now).start == window.start:
        base = _base_after_change(base, limit, schedule, now, how, before)
    elif how is Rebase.PRORATED and before is None:
        had = earned.base if earned is not None and earned.until == window.end else ZERO
        base = had + worth(limit, schedule, now)
    return Bases(base, _to_come(limit, schedule, window.end, base))


def remembered_bases(
    held: Sequence[Stretch], limit: Decimal | None, found: Bases, start: Instant, now: Instant
) -> tuple[Stretch, ...]:
    """The bases that the quota stores; empty where its base is, and has been, the limit.

    held: the bases stored until now
    start: start of the running window
    """
    if limit is None or (not held and found == Bases(limit)):
        return ()
    # The history starts with the window, so that a container whose clock lags also sees the base and not the limit.
    past = continued(held, found.now, now) if held else (Stretch(start, found.now),)
    return (*past, *found.to_come)


def has_length(schedule: Schedule) -> bool:
    """Whether the windows end and time alone determines their boundaries. Only such windows can be prorated."""
    current = schedule.current
    anchored = current.anchor in (CALENDAR, SUBSCRIPTION_START, TIMESTAMP)
    return anchored and step_of(current.every).unit is not TimeUnit.NEVER


def _base_after_change(
    full: Decimal, limit: Decimal, schedule: Schedule, now: Instant, how: Rebase, before: Quota
) -> Decimal:
    """The base of a window that goes on when its limit changes.

    full: base of this window under the new limit in full
    """
    held = before.limit_at(now)
    if before.limit is None or held is None or how is Rebase.FULL:
        return full
    if how is Rebase.KEEP:
        return held if before.limit == limit else full
    return max(ZERO, held - worth(before.limit, before.schedule, now)) + worth(limit, schedule, now)


def _to_come(limit: Decimal, schedule: Schedule, end: Instant, base: Decimal) -> tuple[Stretch, ...]:
    """The bases of the windows from `end` on, where they differ from the base before."""
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
    """The limits in force and those to come, with these suspensions. Suspended quotas stop accruing now.

    A change that has fallen due must already be in force (`domain.customers.customers.taken`).
    """
    present = _accruing(replace(effective, suspensions=suspensions, next=None), now, {})
    coming = effective.next
    if coming is None:
        return present
    assert now < coming.at, "what is due is in force"
    ahead = _accruing(replace(coming.effective, suspensions=suspensions), coming.at, _past(present))
    return replace(present, next=replace(coming, effective=replace(ahead, suspensions=())))


def _past(effective: Effective) -> Mapping[int, tuple[Stretch, ...]]:
    """The stretches of every quota that has carryover or had it, by ordinal."""
    return {**effective.frozen, **{quota.ordinal: quota.stretches for _, _, quota in effective.quotas}}


def _accruing(effective: Effective, now: Instant, past: Mapping[int, tuple[Stretch, ...]]) -> Effective:
    """The limits with the accrual from now on.

    past: stretches until now, by ordinal; a quota that is missing there keeps its own
    """
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
    if not entitlement.carries:
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
