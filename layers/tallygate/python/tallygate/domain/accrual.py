"""Accrual: whether the quotas that carry over earn their base, which they do not while usage is suspended by hand.

    base   1000 ────────── None ─────────── 1000
                suspended        resumed            what was carried before is kept, and ages by no window in between
"""

from __future__ import annotations

from dataclasses import replace

from tallygate.domain.instants import Instant
from tallygate.domain.limits import Effective, Entitlement, Limit, Quota
from tallygate.domain.rolls import base_at, continued
from tallygate.domain.suspensions import Suspension


def with_suspensions(effective: Effective, suspensions: tuple[Suspension, ...], now: Instant) -> Effective:
    """The limits in force, and those to come, under other suspensions: what they stop accrues from now on no more."""
    coming = effective.next
    if coming is not None:
        ahead = _accruing(replace(coming.effective, suspensions=suspensions), coming.at)
        coming = replace(coming, effective=ahead)
    return _accruing(replace(effective, suspensions=suspensions, next=coming), now)


def _accruing(effective: Effective, now: Instant) -> Effective:
    stopped = {each.feature for each in effective.suspensions if not each.scope}
    return replace(
        effective,
        entitlements={
            feature: _entitlement(entitlement, stopped=bool(stopped & {None, feature}), now=now)
            for feature, entitlement in effective.entitlements.items()
        },
    )


def _entitlement(entitlement: Entitlement, *, stopped: bool, now: Instant) -> Entitlement:
    if not any(quota.stretches for limit in entitlement.limits for quota in limit.quotas):
        return entitlement
    return replace(entitlement, limits=tuple(_limit(limit, stopped=stopped, now=now) for limit in entitlement.limits))


def _limit(limit: Limit, *, stopped: bool, now: Instant) -> Limit:
    if limit.carryover is None:
        return limit
    return replace(limit, quotas=tuple(_quota(quota, stopped=stopped, now=now) for quota in limit.quotas))


def _quota(quota: Quota, *, stopped: bool, now: Instant) -> Quota:
    if not quota.stretches or quota.limit is None or (base_at(quota.stretches, now) is None) == stopped:
        return quota
    return replace(quota, stretches=continued(quota.stretches, None if stopped else quota.limit, now))
