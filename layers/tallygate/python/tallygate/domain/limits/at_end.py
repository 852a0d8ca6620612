"""Limits at a window's end: what a closed window states, whatever was used or changed afterwards. Pure.

    versions   ──────── v1 ────────┤── v2 ──┤──────── v3 ────────>     each in force until the next one
    window             |<──────────────────────>|                      its last instant is v3's
    a quota    ──── in force ──────┤ absent                            v1: the last version that has the quota
    a quota    ──── in force ──────┤ absent ┤── in force ─────>        v3: it came back before the end

A version may hold the limits that follow it at an instant (`Effective.next`): then it is two versions in one, and time
alone tells which.

A version that has been replaced is needed until every window that it may have to be stated for is closed. Most windows
go on under the version that replaces it. Windows of quotas that leave with it are stated by it, at their own end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

from tallygate.domain.base.instants import DAY, Instant
from tallygate.domain.limits.counters import CountedWindow
from tallygate.domain.limits.governing import Governed, governed_of, in_windows
from tallygate.domain.limits.limits import Effective, Quota
from tallygate.domain.metering.events import LATENESS_MAX
from tallygate.domain.periods.recurrence import window_at

CLOSE_GRACE_MAX = 7 * DAY
"""The longest close_grace that a stack can be deployed with."""
MARGIN = 8 * DAY
"""For closings that are late themselves."""
KEPT = LATENESS_MAX + CLOSE_GRACE_MAX + MARGIN


def last_in_force(versions: Iterable[Effective], ordinal: int, since: Instant, until: Instant) -> Effective | None:
    """The limits at the last instant of [since, until) at which a quota of this ordinal was in force; None: at none.

    `versions` are the customer's, the newest first. No more of them are asked for than it takes.
    """
    for version in versions:
        begins = max(version.since, since)
        for last in _last_instants(version, begins, until):
            limits = version.in_force(last)
            if _quota(limits, ordinal) is not None:
                return limits
        if version.since <= since:
            return None
        until = min(until, version.since)
    return None


def counting_at(versions: Iterable[Effective], instant: Instant) -> Effective | None:
    """The limits that usage of an instant counts under: the present ones, and of features that have left since those
    that were in force then. `versions` are the customer's, the newest first; None: there are none.
    """
    present: Effective | None = None
    for version in versions:
        present = present or version.in_force(instant)
        if version.since <= instant:
            then = version.in_force(instant)
            return replace(present, entitlements={**then.entitlements, **present.entitlements})
    return present


def governed_in(limits: Effective, window: CountedWindow, upgrades: Mapping[str, Decimal | None]) -> Governed:
    """What these limits say of a window of a quota that they have: its own base, where the window has one."""
    return in_windows(governed_of(limits, upgrades), limits, (window,))[window.ordinal]


def kept_until(replaced: Effective, by: Effective, now: Instant) -> Instant:
    """How long a version that is replaced now must be kept."""
    stays = {quota.ordinal for quota in _quotas(by.in_force(now))}
    ends = [
        window_at(quota.schedule, last).end
        for last in _last_instants(replaced, min(replaced.since, now - 1), now)
        for quota in _quotas(replaced.in_force(last))
        if quota.closes and quota.ordinal not in stays
    ]
    return max([now, *ends]) + KEPT


def _last_instants(version: Effective, since: Instant, until: Instant) -> Iterator[Instant]:
    """The last instants in [since, until) of the limits that follow in a version, and of those before them."""
    if since < until:
        yield until - 1
        if version.next is not None and since < version.next.at < until:
            yield version.next.at - 1


def _quota(limits: Effective, ordinal: int) -> Quota | None:
    return next((quota for quota in _quotas(limits) if quota.ordinal == ordinal), None)


def _quotas(limits: Effective) -> Iterator[Quota]:
    for entitlement in limits.entitlements.values():
        for limit in entitlement.limits:
            yield from limit.quotas
