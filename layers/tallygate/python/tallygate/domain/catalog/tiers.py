"""Tiers: the thresholds of a quota, the level that begins at each, and the policy for what is used beyond it.

    used   0 ─────────── 80 % ──────────── 100 % ─────────── 120 %
    level        normal    │    warning      │     critical     │   over_usage
    policy                 │  notify_only    │  allow_with_…    │     deny

A level begins where usage reaches the threshold, `used ≥ at`; a policy governs only the units beyond it, so that deny
at 100 % grants exactly the limit. A request takes the strictest policy of any tier that its last unit lies beyond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import plain
from tallygate.domain.catalog.rates import Rate

NORMAL = "normal"
WHOLE = Decimal(100)
"""The percentage that is the limit itself."""


class Enforcement(StrEnum):
    """What a limit does about usage beyond it. It is changed by the control plane alone; every mode counts.

    hard denies; soft grants and says so; observe grants and says what hard would have done; off only counts.
    """

    HARD = "hard"
    SOFT = "soft"
    OBSERVE = "observe"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A share of the limit in percent, or an amount of its own. Exactly one of them is given."""

    percent: Decimal | None = None
    amount: Decimal | None = None

    def __post_init__(self) -> None:
        assert (self.percent is None) != (self.amount is None), "a threshold is a share or an amount"

    def of(self, limit: Decimal) -> Decimal:
        """The usage that it stands for under a limit, all that the limit was raised by included."""
        if self.amount is not None:
            return self.amount
        assert self.percent is not None
        return EXACT.divide(EXACT.multiply(limit, self.percent), Decimal(100))

    def __str__(self) -> str:
        return plain(self.amount) if self.amount is not None else f"{plain(self.percent or Decimal(0))}%"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyOnly:
    """Grants; the crossing is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowWithOverage:
    """Grants, up to `max_overage` units beyond the limit (None: without end)."""

    max_overage: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """Grants no faster than the rate. In a catalog the rate has the ordinal 0; in force it has one of its own."""

    rate: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Deny:
    """Grants nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendUsage:
    """Grants nothing, and suspends all usage of the feature in the limit's scope.

    `until` says what ends it: somebody resumes it, the next period begins, a top-up (an upward adjustment), or, with
    `lasts`, so much time.
    """

    until: str
    lasts: Instant | None = None

    def __post_init__(self) -> None:
        assert (self.until == AFTER) == (self.lasts is not None)
        assert self.until in UNTIL


RESUMED, NEXT_PERIOD, TOP_UP, AFTER = "resumed", "next_period", "top_up", "after"
UNTIL = (RESUMED, NEXT_PERIOD, TOP_UP, AFTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowWithGrace:
    """Grants up to `amount` units beyond the threshold, and for as long as it `lasts` from the first crossing in a
    period; what is beyond either takes the policy `then`."""

    amount: Decimal | None = None
    lasts: Instant | None = None
    then: Deny | SuspendUsage | RateLimit | AllowWithOverage = Deny()

    def __post_init__(self) -> None:
        assert self.amount is not None or self.lasts is not None, "a grace ends"


Policy = NotifyOnly | AllowWithOverage | AllowWithGrace | RateLimit | Deny | SuspendUsage
STRICTNESS: tuple[type[Policy], ...] = (NotifyOnly, AllowWithOverage, AllowWithGrace, RateLimit, Deny, SuspendUsage)
"""From the most lenient to the strictest."""
POLICY_NAMES: dict[type[Policy], str] = {
    NotifyOnly: "notify_only",
    AllowWithOverage: "allow_with_overage",
    AllowWithGrace: "allow_with_grace",
    RateLimit: "rate_limit",
    Deny: "deny",
    SuspendUsage: "suspend_usage",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A threshold of a quota. `level` begins where usage reaches `at`, `policy` governs what is used beyond it.

    By its `hysteresis` usage must fall that far below the threshold before the level counts as left, and may be
    reached anew.
    """

    level: str
    at: Threshold
    policy: Policy = NotifyOnly()
    hysteresis: Threshold | None = None

    def rearms_below(self, limit: Decimal) -> Decimal:
        """The usage below which the level is left for good."""
        margin = Decimal(0) if self.hysteresis is None else self.hysteresis.of(limit)
        return EXACT.subtract(self.at.of(limit), margin)


def may_suspend(tiers: Sequence[Tier]) -> bool:
    """Whether one of the tiers' policies suspends."""
    return any(isinstance(getattr(tier.policy, "then", tier.policy), SuspendUsage) for tier in tiers)


def tier_rates(tiers: Sequence[Tier]) -> tuple[Rate, ...]:
    """The rates that tiers slow usage down to, also where a grace is over."""
    policies = (tier.policy.then if isinstance(tier.policy, AllowWithGrace) else tier.policy for tier in tiers)
    return tuple(policy.rate for policy in policies if isinstance(policy, RateLimit))


def percent(at: Decimal | int | str) -> Threshold:
    """So many percent of the limit."""
    return Threshold(percent=Decimal(at))


def level_at(tiers: tuple[Tier, ...], limit: Decimal | None, used: Decimal) -> str:
    """The level of the highest tier that usage has reached; `normal` below all of them and without a limit.

    Of a limit of nothing, or of less where something is owed, all shares are nothing: the last tier is the highest.
    """
    if limit is None or not tiers:
        return NORMAL
    places = [tier.at.of(max(limit, Decimal(0))) for tier in tiers]
    reached = [(at, index) for index, at in enumerate(places) if used >= at]
    return tiers[max(reached)[1]].level if reached else NORMAL
