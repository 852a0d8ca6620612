"""Consequences: effects of a total's change on its cell, besides counting the usage. Pure.

    used   ──────────── 100 % ────────── + grace_amount ──────────
                          │ the first unit beyond: the grace's time begins, or usage is suspended
                                               │ usage is suspended, if the grace's `then` policy suspends

A consume that crosses such a threshold starts the grace or suspension in its own write, or is denied. Events and upward
settlements are counted without a decision, so the fold starts the grace or suspension for them.

A limit that is lowered below usage has no consequences here; the next request handles it. Nor do events have
consequences while the opening balance of their window is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tallygate.domain.admission.entries import suspend_entry
from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.catalog.tiers import NEXT_PERIOD, AllowWithGrace, SuspendUsage, Tier
from tallygate.domain.entries.notices import SuspendEntry
from tallygate.domain.entries.total import Total
from tallygate.domain.facts.facts import opened, used_before
from tallygate.domain.limits.counters import CountedWindow
from tallygate.domain.limits.rungs import suspended_until, within


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendingTier:
    """A tier that suspends usage beyond its threshold plus its grace amount.

    grace: units beyond the threshold; 0: no grace
    """

    tier: Tier
    policy: SuspendUsage
    grace: Decimal = ZERO

    def above(self, limit: Decimal) -> Decimal:
        """Return the largest usage that does not suspend yet. `limit`: total limit, with carried and adjusted parts."""
        return EXACT.add(self.tier.at.of(limit), self.grace)

    def until(self, total: Total, now: Instant) -> Instant | None:
        """Return when a suspension that begins now ends; None: it would end with a period that has already ended."""
        if self.policy.until == NEXT_PERIOD and total.end <= now:
            return None
        return suspended_until(self.policy, window_end=total.end, now=now)


def suspensions(old: Total | None, new: Total) -> tuple[SuspendingTier, ...]:
    """Return the tiers that suspend usage because of this change of the total."""
    if not _decides(new):
        return ()
    found = (_suspending(tier) for tier in new.governed.tiers)
    return tuple(each for each in found if each is not None and _passes(old, new, each.above(_limit(new))))


def begins_grace(old: Total | None, new: Total) -> bool:
    """Return whether a grace with a duration begins with this change of the total."""
    if not _decides(new):
        return False
    lasting = (t for t in new.governed.tiers if isinstance(t.policy, AllowWithGrace) and t.policy.lasts is not None)
    return any(_passes(old, new, tier.at.of(_limit(new))) for tier in lasting)


def _suspending(tier: Tier) -> SuspendingTier | None:
    policy = tier.policy
    if isinstance(policy, SuspendUsage):
        return SuspendingTier(tier=tier, policy=policy)
    if isinstance(policy, AllowWithGrace) and isinstance(policy.then, SuspendUsage) and policy.amount is not None:
        return SuspendingTier(tier=tier, policy=policy.then, grace=policy.amount)
    return None


def _decides(total: Total) -> bool:
    return total.limit is not None and total.governed.enforced and not (total.closed or total.unopened)


def _limit(total: Total) -> Decimal:
    assert total.limit is not None
    return total.limit


def _passes(old: Total | None, new: Total, above: Decimal) -> bool:
    return within(used_before(opened(old), new), above) and not within(new.used, above)


def suspension_entry(total: Total, tier: Tier, until: Instant, now: Instant) -> SuspendEntry:
    """Return the journal entry of a suspension by aggregation, equal to that of a request with the same usage."""
    governed = total.governed
    return suspend_entry(
        feature=governed.feature,
        meter=governed.meter,
        window=CountedWindow(total.ordinal, total.start, total.end),
        name=governed.name,
        scope=governed.scope,
        level=tier.level,
        used=total.used,
        limit=max(ZERO, _limit(total)),
        until=until,
        now=now,
    )
