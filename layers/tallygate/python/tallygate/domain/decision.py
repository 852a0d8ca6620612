"""Decisions: the value that check and consume answer. A denial is one of them, never an error."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from tallygate.domain.features import Fixed
from tallygate.domain.instants import Instant
from tallygate.domain.limits import Enforcement
from tallygate.domain.periods import Segment
from tallygate.domain.quantities import ZERO
from tallygate.domain.scopes import Scope


class Reason(StrEnum):
    """The closed list of reasons in order of precedence: of those that hold, an answer names the first (API.md)."""

    CUSTOMER_NOT_FOUND = "customer_not_found"
    FEATURE_NOT_FOUND = "feature_not_found"
    SUSPENDED = "suspended"
    NO_ACTIVE_SUBSCRIPTION = "no_active_subscription"
    NOT_ENTITLED = "not_entitled"
    RATE_LIMITED = "rate_limited"
    QUOTA_EXCEEDED = "quota_exceeded"
    UNLIMITED = "unlimited"
    OK = "ok"
    SOFT_LIMIT_EXCEEDED = "soft_limit_exceeded"
    OBSERVED = "observed"


GRANTING = frozenset((Reason.UNLIMITED, Reason.OK, Reason.SOFT_LIMIT_EXCEEDED, Reason.OBSERVED))

MESSAGES = {
    Reason.CUSTOMER_NOT_FOUND: "There is no such customer.",
    Reason.FEATURE_NOT_FOUND: "There is no such feature.",
    Reason.SUSPENDED: "Usage is suspended.",
    Reason.NO_ACTIVE_SUBSCRIPTION: "The customer has no active subscription.",
    Reason.NOT_ENTITLED: "The plan does not include this feature.",
    Reason.RATE_LIMITED: "Too fast: the rate allows no more at the moment.",
    Reason.QUOTA_EXCEEDED: "The request does not fit what is left of the quota.",
    Reason.UNLIMITED: "Granted without a limit.",
    Reason.OK: "Granted.",
    Reason.SOFT_LIMIT_EXCEEDED: "Granted beyond a soft limit.",
    Reason.OBSERVED: "Granted; a limit that only observes would have denied it.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One window of one limit as it stands: after a consume that was granted, before one that was not.

    `fits` says whether the request fits the limit, `granted` whether the limit let it through: one that is not hard
    always does.
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

    @property
    def granted(self) -> bool:
        return self.fits or self.enforcement is not Enforcement.HARD


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided, with the numbers it was decided on. Quantities are raw units of the feature's meter.

    `fixed` is what the plan says of a boolean or config feature, which has no numbers.
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
    fixed: Fixed | None = None

    def __post_init__(self) -> None:
        assert self.granted == (self.reason in GRANTING)
        assert self.granted or self.granted_amount == ZERO

    @property
    def quota(self) -> Node | None:
        """The entitlement's own quota, first among the nodes; None where nothing was evaluated."""
        return self.nodes[0] if self.nodes else None

    @property
    def would_reason(self) -> Reason | None:
        """Why a limit that only observes would have denied; None: none would."""
        missed = {n.kind for n in self.nodes if n.enforcement is Enforcement.OBSERVE and not n.fits}
        if not missed:
            return None
        return Reason.RATE_LIMITED if "rate" in missed else Reason.QUOTA_EXCEEDED
