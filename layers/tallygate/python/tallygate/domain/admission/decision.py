"""Decisions: the value that check and consume answer, and the nodes that it states. A denial is never an error.

A node is one window of one limit as an image of the cell shows it. What a limit allows and what it lets through are two
things: one that only observes lets through what does not fit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import partial

from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.retries import quota_grants_from
from tallygate.domain.admission.terms import QuotaTerm, RateTerm, Terms, opened_for, placed
from tallygate.domain.admission.tier_suspensions import TierStop
from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.catalog import rates
from tallygate.domain.catalog.features import Fixed
from tallygate.domain.catalog.rates import Rate
from tallygate.domain.catalog.scopes import Scope
from tallygate.domain.catalog.tiers import NORMAL, Enforcement, Policy, SuspendUsage, Tier, level_at
from tallygate.domain.limits.limits import Effective, Entitlement
from tallygate.domain.limits.rungs import ceiling, following, landing, left, overage, room
from tallygate.domain.limits.suspensions import Suspension
from tallygate.domain.periods.boundaries import NEVER_ENDS
from tallygate.domain.periods.recurrence import Segment, segment_at


class Reason(StrEnum):
    """The closed list of reasons in order of precedence: of those that hold, an answer names the first (API.md)."""

    CUSTOMER_NOT_FOUND = "customer_not_found"
    FEATURE_NOT_FOUND = "feature_not_found"
    SUSPENDED = "suspended"
    NO_ACTIVE_SUBSCRIPTION = "no_active_subscription"
    NOT_ENTITLED = "not_entitled"
    RATE_LIMITED = "rate_limited"
    QUOTA_EXCEEDED = "quota_exceeded"
    BUDGET_EXCEEDED = "budget_exceeded"
    INSUFFICIENT_CREDITS = "insufficient_credits"
    UNKNOWN_VALUE = "unknown_value"
    UNLIMITED = "unlimited"
    OK = "ok"
    GRACE = "grace"
    OVERAGE_ALLOWED = "overage_allowed"
    SOFT_LIMIT_EXCEEDED = "soft_limit_exceeded"
    OBSERVED = "observed"


NOT_YET = frozenset({Reason.BUDGET_EXCEEDED, Reason.INSUFFICIENT_CREDITS, Reason.UNKNOWN_VALUE})
"""Reasons that have their place in the order, and that nothing in this version leads to."""
PRECEDENCE = {reason: place for place, reason in enumerate(Reason)}
LIMITING = frozenset({Reason.RATE_LIMITED, Reason.QUOTA_EXCEEDED, Reason.BUDGET_EXCEEDED, Reason.INSUFFICIENT_CREDITS})
"""Denials by a limit's window: a part of the amount, or the same amount later, might be granted."""
GRANTING = frozenset(list(Reason)[list(Reason).index(Reason.UNLIMITED) :])
_KINDS = {Reason.QUOTA_EXCEEDED: "quota", Reason.RATE_LIMITED: "rate"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One window of one limit as it stands: after a consume that was granted, before one that was not.

    `cause` is the reason of a denial by it, `kind` what answers call such a window.

    `fits` says whether the request fits what the limit allows, `granted` whether the limit let it through: one that
    does not decide always does. `limit` is all of it, never below zero; `base`, `carried` and `adjusted` are its parts,
    whose sum may be. `followed` is the part of `used` that other windows counted. `over`: usage, the request included,
    lies beyond it; `policy` is that of the `tier` that the request's last unit took. `room` is the largest amount that
    it would grant; None: any, or a rate that only one of its tiers asks for. `ceiling` is the usage beyond which it
    grants nothing in the window; None: without end.

    `suspends`: usage had reached a tier that suspends before the request. `rate` is a rate's own; where a tier asks for
    it, `throttles` is the counter of the tier's quota. `carries`: what is left moves into the next window.
    """

    name: str
    scope: Scope
    cause: Reason
    start: Instant
    end: Instant
    limit: Decimal | None
    used: Decimal
    remaining: Decimal | None
    fits: bool
    level: str
    resets_at: Instant | None
    retry_at: Instant | None
    period: Segment | None = None
    enforcement: Enforcement = Enforcement.HARD
    decides: bool = True
    over: bool = False
    room: Decimal | None = None
    policy: Policy | None = None
    tier: Tier | None = None
    ceiling: Decimal | None = None
    suspends: bool = False
    base: Decimal | None = None
    carried: Decimal = ZERO
    adjusted: Decimal = ZERO
    carries: bool = False
    followed: Decimal = ZERO
    counter: tuple[int, int] = (0, 0)
    rate: Rate | None = None
    throttles: tuple[int, int] | None = None
    granted: bool = field(init=False)
    kind: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "granted", self.fits or not self.decides)
        object.__setattr__(self, "kind", _KINDS[self.cause])


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What a decision was made from, for whoever has it explained: the limits in force, and of a metered feature the
    terms and the image that the numbers are of. It holds what is there anyway and costs nothing."""

    effective: Effective
    entitlement: Entitlement | None = None
    terms: Terms | None = None
    cell: Cell | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided, with the numbers it was decided on. Quantities are raw units of the feature's meter.

    `as_of` is when it was decided. A grant that is repeated has its own windows, and numbers as of `replayed_at`.

    `quota` is the entitlement's own, whose numbers stand at the top of an answer; None where nothing was evaluated.
    `fixed` is what the plan says of a boolean or config feature, which has no numbers; `suspension` the operator's that
    denies the request, `stopped` that of a tier.
    """

    granted: bool
    reason: Reason
    customer: str
    feature: str
    requested: Decimal
    granted_amount: Decimal
    as_of: Instant
    decision_id: str | None = None
    level: str = "normal"
    timezone: str | None = None
    nodes: tuple[Node, ...] = ()
    quota: Node | None = None
    binding: Node | None = None
    overage: Decimal = ZERO
    max_grantable: Decimal | None = ZERO
    retry_at: Instant | None = None
    replayed: bool = False
    replayed_at: Instant | None = None
    fixed: Fixed | None = None
    suspension: Suspension | None = None
    stopped: TierStop | None = None
    grounds: Grounds | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        assert self.granted == (self.reason in GRANTING)
        assert self.granted or self.granted_amount == ZERO

    @property
    def numbers_as_of(self) -> Instant:
        """When the numbers were so."""
        return self.as_of if self.replayed_at is None else self.replayed_at

    @property
    def would_reason(self) -> Reason | None:
        """Why a limit that only observes would have denied; None: none would."""
        missed = [node for node in self.nodes if node.enforcement is Enforcement.OBSERVE and not node.fits]
        if not missed:
            return None
        if all(node.suspends for node in missed):
            return Reason.SUSPENDED
        return min((node.cause for node in missed), key=PRECEDENCE.__getitem__)


def evaluate(cell: Cell, terms: Terms, *, counted: bool) -> tuple[Node, ...]:
    """Every limit window as the cell shows it, and whether the terms' amount fits it; the entitlement's own is first.

    `counted`: the cell shows the amount already, so what fits is what the counters show.
    """
    terms = placed(terms, cell)
    cell = opened_for(cell, terms)
    amount = ZERO if counted else terms.amount
    nodes = [_quota_node(term, cell, amount, terms.amount) for term in terms.quotas]
    # A tier's rate is stated where this very image asks for it, whatever the terms expected of an older one.
    if any(term.tiers for term in terms.quotas):
        nodes += [_rate_node(rated, cell, amount, quota) for quota, rated in _throttles(terms, cell, amount)]
    nodes += [_rate_node(term, cell, amount, None) for term in terms.rates if term.throttles is None]
    return tuple(nodes)


def _throttles(terms: Terms, cell: Cell, amount: Decimal) -> Iterable[tuple[QuotaTerm, RateTerm]]:
    """The rates that tiers ask for of the amount, each once, with the quota that does."""
    found: dict[int, tuple[QuotaTerm, RateTerm]] = {}
    for term in terms.quotas:
        if term.tiers and term.decides:
            rate = landing(term.ladder_in(cell), term.used_in(cell) + amount).throttle
            if rate is not None:
                at = rates.sub_window(rate, term.now)
                found[rate.ordinal] = term, RateTerm(limit=term.limit, rate=rate, at=at, throttles=term.counter)
    return found.values()


def _quota_node(term: QuotaTerm, cell: Cell, amount: Decimal, asked: Decimal) -> Node:
    """`amount` is what comes to the usage that the cell shows, `asked` what was asked for, counted already or not."""
    rungs, used, total = term.ladder_in(cell), term.used_in(cell), term.total_in(cell)
    landed, most = landing(rungs, used + amount), ceiling(rungs)
    suspends = asked > 0 and isinstance(following(rungs, used + amount - asked).policy, SuspendUsage)
    return Node(
        name=term.limit.name,
        scope=term.limit.scope,
        cause=Reason.QUOTA_EXCEEDED,
        start=term.window.start - term.quota.schedule.reach,
        end=term.window.end,
        # What was lowered by more than there was leaves a limit of nothing; the parts of it are stated as they are.
        limit=None if total is None else max(ZERO, total),
        used=used,
        remaining=None if total is None else left(total, used),
        fits=landed.grants,
        level=level_at(term.limit.tiers, total, used),
        resets_at=term.over if term.window.end < NEVER_ENDS else None,
        retry_at=None if landed.grants else quota_grants_from(term, cell, amount, term.now),
        period=segment_at(term.quota.schedule, term.window.start),
        enforcement=term.limit.enforcement,
        decides=term.decides,
        over=overage(total, used + amount) > 0,
        room=room(rungs, used, partial(_free, cell=cell, now=term.now)),
        policy=landed.policy if landed.tier is not None else None,
        ceiling=None if most is None else max(ZERO, most),
        suspends=suspends,
        tier=landed.tier,
        base=term.quota.limit,
        carried=cell.carried.get(term.counter, ZERO),
        adjusted=cell.adjusted.get(term.counter, ZERO),
        carries=term.carries,
        followed=term.followed_in(cell) if cell.followed else ZERO,
        counter=term.counter,
    )


def _free(rate: Rate, *, cell: Cell, now: Instant) -> Decimal:
    """What a rate would grant now."""
    at = rates.sub_window(rate, now)
    return rates.remaining(rate, *rated_in(rate, cell, at.index), at)


def _rate_node(term: RateTerm, cell: Cell, amount: Decimal, quota: QuotaTerm | None) -> Node:
    """The rate of a tier ends with the period of the tier's `quota`, if it has no room before."""
    rate, at = term.rate, term.at
    previous, current = rated_in(rate, cell, at.index)
    start = at.index * at.width
    now, free = start + at.width - at.left, rates.remaining(rate, previous, current, at)
    fits, retry_at = rates.admits(rate, amount, previous, current, at), None
    if quota is not None:
        retry_at = quota_grants_from(quota, cell, amount, now)
    elif not fits:
        retry_at = rates.admitted_at(rate, amount, previous, current, now)
    return Node(
        name=term.limit.name,
        scope=term.limit.scope,
        cause=Reason.RATE_LIMITED,
        start=start,
        end=start + at.width,
        limit=rate.burst,
        used=rates.weighted(previous, current, at),
        remaining=free,
        fits=fits,
        level=NORMAL,
        resets_at=at.over if quota is None else min(at.over, quota.window.end),
        retry_at=retry_at,
        enforcement=term.enforcement,
        decides=term.decides,
        room=free if quota is None else None,
        tier=None if quota is None else landing(quota.ladder_in(cell), quota.used_in(cell) + amount).tier,
        rate=rate,
        throttles=term.throttles,
        counter=term.current,
    )


def rated_in(rate: Rate, cell: Cell, index: int) -> tuple[Decimal, Decimal]:
    """What was admitted in the sub-window before this one, and in this one."""
    rated, ordinal = cell.rated, rate.ordinal
    return rated.get((ordinal, index - 1), ZERO), rated.get((ordinal, index), ZERO)
