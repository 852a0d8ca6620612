"""Deliveries: what is handed over, to whom, and what an attempt means for it. Pure.

    pending ──attempt──> delivered            a 2xx answer
       │   └──attempt──> pending, later       anything else, while the timetable has attempts left
       │   └──attempt──> failed               the last attempt failed; or 410, which also disables the endpoint
       └──no attempt───> failed               the endpoint is gone or disabled, or the fact has expired

Delivery is at least once: an attempt whose outcome was not recorded (a crash) counts as interrupted and another is
made. The fact's id is the same in every attempt and is the receiver's idempotency key.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from tallygate.domain.base.instants import MINUTE, Instant

BUS = "BUS"
"""The endpoint that stands for the event bus; it has no item, no secret and cannot be disabled."""

STANDARD = "standard"
STRIPE = "stripe"
SCHEMES = (STANDARD, STRIPE)
"""How an endpoint wants its webhooks signed: as Standard Webhooks, or as Stripe signs its own."""

FACT_TYPES = (
    "usage.threshold_crossed",
    "usage.threshold_recovered",
    "usage.limit_reached",
    "usage.overage_started",
    "usage.denied",
    "usage.period_closed",
    "limit.period_closed",
    "usage.restated",
    "usage.rejected",
    "entitlement.suspended",
    "entitlement.resumed",
    "quota.adjusted",
    "subscription.changed",
)
"""Every type of fact that is stated."""
FACT_TYPES_LATER = (
    "usage.updated",
    "usage.late",
    "usage.anomaly",
    "credits.granted",
    "credits.low",
    "credits.exhausted",
    "credits.expired",
    "credits.top_up_requested",
    "reservation.expired",
    "stripe.export_failed",
)
"""Types that the wire contract names and that nothing states yet: asking for one of them alone would wait for ever."""

QUEUE_GRACE = MINUTE
"""How long after its time the sweep hands an attempt over that the queue should have brought."""
REMARK = 0
HISTORY_MAX = 24
DETAIL_LENGTH_MAX = 200


class EndpointStatus(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"


SLOTS = ("a", "b")
"""An endpoint has two places for secrets, so that one can be replaced while receivers still hold the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningSecret:
    """Where one secret of an endpoint is kept; never what it is.

    slot: one of SLOTS
    version: of what the slot holds; a version never changes
    until: when it is valid no longer; None: it is the newest, and valid until it is replaced
    """

    slot: str
    version: int
    until: Instant | None = None

    def valid(self, now: Instant) -> bool:
        return self.until is None or self.until > now


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A receiver of webhooks. `events` are patterns: a type, `prefix.*`, or `*`. `secrets` are the newest and, where it
    was replaced, the one before."""

    id: str
    url: str
    events: tuple[str, ...]
    scheme: str
    secrets: tuple[SigningSecret, ...]
    status: EndpointStatus
    created_at: Instant
    disabled_reason: str | None = None

    def wants(self, fact_type: str) -> bool:
        """Whether facts of this type go to this endpoint."""
        return self.status is EndpointStatus.ACTIVE and any(matches(p, fact_type) for p in self.events)

    def valid_secrets(self, now: Instant) -> tuple[SigningSecret, ...]:
        """The secrets that a webhook is signed with now, the newest first; one or two."""
        return tuple(secret for secret in self.secrets if secret.valid(now))

    @property
    def spare_slot(self) -> str:
        """The slot that the newest secret is not in."""
        return next(slot for slot in SLOTS if slot != self.secrets[0].slot)

    def rotated(self, version: int, *, now: Instant, overlap: Instant) -> tuple[SigningSecret, ...]:
        """The secrets once `version` of the spare slot is the newest: the one that was stays valid for the overlap. One
        that was replaced before ends now."""
        newest = SigningSecret(slot=self.spare_slot, version=version)
        return (newest, replace(self.secrets[0], until=now + overlap)) if overlap else (newest,)


def matches(pattern: str, fact_type: str) -> bool:
    """Whether a pattern (exact, `prefix.*`, `*`) covers a type."""
    if pattern.endswith("*"):
        return fact_type.startswith(pattern[:-1])
    return pattern == fact_type


class Verdict(StrEnum):
    """What one attempt came to. `gone` is a refusal for good (410): the receiver wants nothing more."""

    DELIVERED = "delivered"
    FAILED = "failed"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptOutcome:
    """One attempt as its sender saw it. `retry_after` is how long the receiver asked to be left alone."""

    verdict: Verdict
    status: int | None = None
    detail: str = ""
    retry_after: Instant | None = None
    took: Instant = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttempt:
    """A line of a delivery's history. Attempts are numbered from 1; REMARK is a line about the delivery itself."""

    number: int
    at: Instant
    result: str
    status: int | None = None
    detail: str = ""
    took: Instant = 0


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One fact on its way to one endpoint. `attempts` counts those begun; `due_at` is when the sweep looks after it."""

    fact_id: str
    endpoint: str
    status: DeliveryStatus
    attempts: int
    created_at: Instant
    due_at: Instant | None = None
    claimed_by: str | None = None
    history: tuple[DeliveryAttempt, ...] = ()

    @property
    def name(self) -> str:
        """What tells this delivery from every other."""
        return f"{self.fact_id}#{self.endpoint}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What the queue carries: which delivery, and which of its attempts is asked for."""

    fact: str
    endpoint: str
    attempt: int = 1


def extended(history: tuple[DeliveryAttempt, ...], line: DeliveryAttempt, *, begun: int) -> tuple[DeliveryAttempt, ...]:
    """The history with one more line, bounded. Of the `begun` attempts before it, those that were never recorded are
    named as interrupted."""
    last = max((entry.number for entry in history), default=0)
    lost = tuple(
        DeliveryAttempt(
            number=number, at=line.at, result="interrupted", detail="begun, but its outcome was never recorded"
        )
        for number in range(last + 1, begun + 1)
    )
    return (*history, *lost, line)[-HISTORY_MAX:]
