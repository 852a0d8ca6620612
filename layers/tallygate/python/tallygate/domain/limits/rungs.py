"""Rungs: the ranges of a quota's usage between its thresholds, each with the one policy that applies there.

    limit 100, tiers 80 % rate_limit, 100 % allow_with_grace {grace_amount: 20, then: deny}

    used   ···───────────────┬────────────────────┬────────────────────┬──────────────···
           notify_only      80     rate_limit     100  rate_limit      120     deny

- Each rung applies the strictest policy of the tiers below it, so policies only tighten as usage grows. Exception:
  grace, which expires into the tier's `then` policy.
- The rung of a request's last unit decides about the whole request.
- The limit's enforcement acts like a tier at 100 %. Any tier that states what happens beyond the limit replaces it; a
  rate_limit tier below the limit does not. A plain hard limit has two rungs: it grants up to the limit, then denies.

This module alone decides what fits, what is left and on which rung a counter lands. A write's condition is rendered
from its `Bounds` and the operators that state the rule here.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import lru_cache

from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.base.values import value
from tallygate.domain.catalog.rates import Rate
from tallygate.domain.catalog.tiers import (
    AFTER,
    NEXT_PERIOD,
    STRICTNESS,
    TOP_UP,
    WHOLE,
    AllowWithGrace,
    AllowWithOverage,
    Deny,
    NotifyOnly,
    Policy,
    RateLimit,
    SuspendUsage,
    Tier,
    may_suspend,
)

UNTIL_RESUMED: Instant = 9_999_999_999_999
UNTIL_TOP_UP: Instant = UNTIL_RESUMED - 1
"""End instants of suspensions that no time ends."""
LADDERS_REMEMBERED = 4_096
_RANK = {policy: rank for rank, policy in enumerate(STRICTNESS)}
_OPEN, _OVERAGE, _DENY = NotifyOnly(), AllowWithOverage(), Deny()


@dataclass(frozen=True, slots=True)
class Rung:
    """A range of usage (above, upto] with its policy.

    above: units; None: from the lowest usage
    upto: units; None: without end
    tier: the tier that states the policy; None: the enforcement, or no policy applies
    grace: the timed grace that a grant here begins or continues, even where a stricter policy hides it
    grants: whether a request that lands here may be granted
    throttle: the rate that a request that lands here must also keep
    """

    above: Decimal | None
    upto: Decimal | None
    policy: Policy
    tier: Tier | None = None
    grace: AllowWithGrace | None = None
    grants: bool = field(init=False)
    throttle: Rate | None = field(init=False)

    def __post_init__(self) -> None:
        policy = self.policy
        object.__setattr__(self, "grants", not isinstance(policy, Deny | SuspendUsage))
        object.__setattr__(self, "throttle", policy.rate if isinstance(policy, RateLimit) else None)


Ladder = tuple[Rung, ...]
UNLIMITED: Ladder = (Rung(None, None, _OPEN),)


WITHIN, BEYOND = "<=", ">"
"""The rule of a limit: usage is granted up to a bound, equality included. Both compare usage with the bound."""
HOLDS: Mapping[str, Callable[[Decimal, Decimal], bool]] = {WITHIN: operator.le, BEYOND: operator.gt}


def within(used: Decimal, upto: Decimal | None) -> bool:
    """Whether usage of this amount fits. `upto`: None: without end."""
    return upto is None or HOLDS[WITHIN](used, upto)


@value(kw_only=False)
class Bounds:
    """The counter values before a write that lead to the expected effect: BEYOND `above` and WITHIN `upto`."""

    above: Decimal | None
    upto: Decimal | None

    def hold(self, counter: Decimal) -> bool:
        return (self.above is None or HOLDS[BEYOND](counter, self.above)) and within(counter, self.upto)


ANYWHERE = Bounds(None, None)


def deciding(tiers: Sequence[Tier]) -> tuple[Tier, ...]:
    """The tiers whose policies do more than notify."""
    return tuple(tier for tier in tiers if not isinstance(tier.policy, NotifyOnly))


def ladder(
    tiers: Sequence[Tier],
    total: Decimal | None,
    *,
    soft: bool,
    began: Instant | None,
    now: Instant,
    base: Decimal | None = None,
    waived: Collection[str] = (),
) -> Ladder:
    """The rungs of a quota, from the lowest usage.

    total: the limit with carryover and adjustments, in units; None: unlimited
    soft: whether usage beyond the limit is overage where no tier decides; otherwise it is denied
    began: when the window's grace began; None: it has not
    base: limit of a whole window, without proration, carryover and adjustments; None: the total. It decides whether a
        rate_limit tier with an absolute threshold lies below the limit. So an adjustment or a prorated base does not
        change the meaning of a tier
    waived: levels that an operator's resume has waived in this window. Their suspending tiers have no policy; the tiers
        below them decide, else the enforcement
    """
    if total is None:
        return UNLIMITED
    if not tiers:
        return _plain(total, soft)
    tiers = [tier for tier in tiers if tier.level not in waived or not may_suspend((tier,))]
    steps = [step for tier in tiers for step in _steps(tier, total, began, now)]
    if not any(_replaces_enforcement(tier, total if base is None else base) for tier in tiers):
        steps.append(_Step(total, None, _OVERAGE if soft else _DENY, None))
    edges = sorted({edge for step in steps for edge in (step.above, step.upto) if edge is not None})
    found: list[Rung] = []
    for above, upto in zip([None, *edges], [*edges, None], strict=True):
        rung = _rung(steps, above, upto)
        if found and (found[-1].policy, found[-1].grace) == (rung.policy, rung.grace):
            found[-1] = replace(found[-1], upto=upto)
        else:
            found.append(rung)
    return tuple(found)


@lru_cache(maxsize=LADDERS_REMEMBERED)
def _plain(total: Decimal, soft: bool) -> Ladder:
    """The rungs of a limit without tiers. Most limits are one of few numbers, and each decision asks for it twice."""
    return (Rung(None, total, _OPEN), Rung(total, None, _OVERAGE if soft else _DENY))


def landing(rungs: Ladder, used: Decimal) -> Rung:
    """The rung on which usage of this amount lies."""
    holds = HOLDS[WITHIN]
    for rung in rungs:
        if rung.upto is None or holds(used, rung.upto):
            return rung
    raise AssertionError("the last rung has no end")


def following(rungs: Ladder, used: Decimal) -> Rung:
    """The rung of the next unit after this usage, however small the unit."""
    for rung in rungs:
        if rung.upto is None or used < rung.upto:
            return rung
    raise AssertionError("the last rung has no end")


def expectation(rungs: Ladder, used: Decimal, amount: Decimal, *, elsewhere: Decimal) -> tuple[Rung, Bounds]:
    """The rung on which a write is expected to land, and the counter bounds within which its effect is the same.

    If the usage as last seen leaves no room, the highest rung that grants is expected, because usage may have fallen.

    used: usage as last seen
    elsewhere: part of that usage in other counters than the one that the bounds are about
    """
    landed = landing(rungs, used + amount)
    if not landed.grants:
        landed = [rung for rung in rungs if rung.grants][-1]
    low = high = next(place for place, rung in enumerate(rungs) if rung is landed)
    while low > 0 and _same_effect(rungs[low - 1], landed):
        low -= 1
    while high + 1 < len(rungs) and _same_effect(rungs[high + 1], landed):
        high += 1
    above, upto, more = rungs[low].above, rungs[high].upto, elsewhere + amount
    return landed, Bounds(None if above is None else above - more, None if upto is None else upto - more)


def remaining(limit: Decimal, used: Decimal) -> Decimal:
    """What a hard limit still grants after this usage; never below zero."""
    return max(ZERO, limit - used)


def left(total: Decimal, used: Decimal) -> Decimal:
    """The unused part of a limit; never below zero."""
    return max(ZERO, total - used)


def overage(total: Decimal | None, used: Decimal) -> Decimal:
    """The usage beyond a limit; zero without a limit. A negative limit counts as zero."""
    return ZERO if total is None else left(used, max(ZERO, total))


def room(rungs: Ladder, used: Decimal, free: Callable[[Rate], Decimal]) -> Decimal | None:
    """The largest amount that the rungs would grant now; None: any amount.

    free: what a rate would grant now
    """
    best = ZERO
    for rung in rungs:
        if not rung.grants:
            break
        most = None if rung.upto is None else rung.upto - used
        if rung.throttle is not None:
            at_once = free(rung.throttle)
            most = at_once if most is None else min(most, at_once)
            if rung.above is not None and within(used + most, rung.above):
                continue
        if most is None:
            return None
        best = max(best, most)
    return best


def ceiling(rungs: Ladder) -> Decimal | None:
    """The usage beyond which these rungs grant nothing; None: there is no such bound."""
    for rung in rungs:
        if not rung.grants:
            return rung.above
    return None


def suspended_until(policy: SuspendUsage, *, window_end: Instant, now: Instant) -> Instant:
    """When a suspension that begins now ends by itself; UNTIL_RESUMED or UNTIL_TOP_UP where it does not."""
    if policy.until == NEXT_PERIOD:
        return window_end
    if policy.until == AFTER:
        return now + (policy.lasts or 0)
    return UNTIL_TOP_UP if policy.until == TOP_UP else UNTIL_RESUMED


@dataclass(frozen=True, slots=True)
class _Step:
    """The policy that one tier, or the enforcement (tier None), states for usage in (above, upto]."""

    above: Decimal
    upto: Decimal | None
    policy: Policy
    tier: Tier | None

    def covers(self, above: Decimal) -> bool:
        """Whether its policy applies just above an edge."""
        return self.above <= above and (self.upto is None or above < self.upto)


def _steps(tier: Tier, total: Decimal, began: Instant | None, now: Instant) -> Iterator[_Step]:
    """The policies of one tier over ranges of usage. A grace has its own range; `then` applies beyond it."""
    above, policy = tier.at.of(total), tier.policy
    if isinstance(policy, AllowWithGrace):
        over = policy.lasts is not None and began is not None and now >= began + policy.lasts
        until = above if over else None if policy.amount is None else above + policy.amount
        if until != above:
            yield _Step(above, until, policy, tier)
        if until is None:
            return
        above, policy = until, policy.then
    yield _Step(above, None, policy, tier)
    if isinstance(policy, AllowWithOverage) and policy.max_overage is not None:
        yield _Step(max(above, total + policy.max_overage), None, Deny(), tier)


def _replaces_enforcement(tier: Tier, base: Decimal) -> bool:
    """Whether the tier replaces the enforcement. Only a rate_limit tier below the limit does not."""
    if not isinstance(tier.policy, RateLimit):
        return True
    # Compare the percentages, not the amounts: under a limit of 0 every percentage is 0 units.
    return tier.at.percent >= WHOLE if tier.at.percent is not None else tier.at.of(base) >= base


def _rung(steps: Sequence[_Step], above: Decimal | None, upto: Decimal | None) -> Rung:
    """The rung with the strictest policy just above an edge; among equally strict ones, the highest threshold's."""
    here = [step for step in steps if above is not None and step.covers(above)]
    if not here:
        return Rung(above, upto, _OPEN)
    found = max(here, key=lambda step: (_RANK[type(step.policy)], step.above))
    rung = Rung(above, upto, found.policy, found.tier)
    return replace(rung, grace=_soonest_over(here)) if rung.grants else rung


def _soonest_over(steps: Sequence[_Step]) -> AllowWithGrace | None:
    """The timed grace that ends first; None: none is timed. All graces of a window begin together."""
    graces = [step.policy for step in steps if isinstance(step.policy, AllowWithGrace)]
    return min((grace for grace in graces if grace.lasts is not None), key=lambda grace: grace.lasts or 0, default=None)


def _same_effect(one: Rung, other: Rung) -> bool:
    """Whether a grant on either rung writes the same: it counts the same rate and begins the same grace."""
    return one.grants and other.grants and one.throttle == other.throttle and one.grace == other.grace
