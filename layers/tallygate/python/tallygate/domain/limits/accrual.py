"""Accrual: whether the quotas that carry over earn their base, which they do not while usage is suspended by hand.

    base   1000 ────────── None ─────────── 1000
                suspended        resumed            what was carried before is kept, and ages by no window in between

What accrues again is the base in force, and after it those that are to come: of a window that is prorated or partial
less than the limit. The limits of a plan that follows remember of the time before it what those in force do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tallygate.domain.base.instants import Instant
from tallygate.domain.limits.limits import Effective, Entitlement, Limit, Quota
from tallygate.domain.limits.rollover import Stretch, continued
from tallygate.domain.limits.suspensions import Suspension


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
