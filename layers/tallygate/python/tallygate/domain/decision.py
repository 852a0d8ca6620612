"""Decisions: the value that check and consume answer. A denial is one of them, never an error."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from tallygate.domain.cells import Cell
from tallygate.domain.features import Fixed
from tallygate.domain.instants import Instant
from tallygate.domain.limits import Effective, Enforcement, Entitlement
from tallygate.domain.periods import Segment
from tallygate.domain.quantities import ZERO
from tallygate.domain.rates import Rate
from tallygate.domain.scopes import Scope
from tallygate.domain.suspensions import Suspension
from tallygate.domain.terms import Terms
from tallygate.domain.tier_suspensions import TierStop
from tallygate.domain.tiers import Policy, Tier


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
LIMITING = frozenset({Reason.RATE_LIMITED, Reason.QUOTA_EXCEEDED, Reason.BUDGET_EXCEEDED, Reason.INSUFFICIENT_CREDITS})
"""Denials by a limit's window: a part of the amount, or the same amount later, might be granted."""
GRANTING = frozenset(reason for reason in Reason if list(Reason).index(reason) >= list(Reason).index(Reason.UNLIMITED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One window of one limit as it stands: after a consume that was granted, before one that was not.

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
    kind: str
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

    @property
    def granted(self) -> bool:
        return self.fits or not self.decides


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
    def quota(self) -> Node | None:
        """The entitlement's own quota, first among the nodes; None where nothing was evaluated."""
        return self.nodes[0] if self.nodes else None

    @property
    def would_reason(self) -> Reason | None:
        """Why a limit that only observes would have denied; None: none would."""
        missed = [node for node in self.nodes if node.enforcement is Enforcement.OBSERVE and not node.fits]
        if not missed:
            return None
        if all(node.suspends for node in missed):
            return Reason.SUSPENDED
        return Reason.RATE_LIMITED if any(node.kind == "rate" for node in missed) else Reason.QUOTA_EXCEEDED
