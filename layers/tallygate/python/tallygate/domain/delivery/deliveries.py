"""Deliveries: facts to send to endpoints, and the effect of each attempt. Pure.

    pending ──attempt──> delivered            a 2xx answer
       │   └──attempt──> pending, later       any other answer, while attempts are left
       │   └──attempt──> failed               the last attempt failed; or 410, which also disables the endpoint
       └──no attempt───> failed               the endpoint was deleted or disabled, or the fact has expired

Delivery is at least once. An attempt whose outcome was not recorded (a crash) counts as interrupted, and another
attempt is made. The fact's id is equal in all attempts, so receivers can use it as idempotency key.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from tallygate.domain.base.instants import MINUTE, Instant

BUS = "BUS"
"""The endpoint id of the event bus, which has no item and no secret and cannot be disabled."""

STANDARD = "standard"
STRIPE = "stripe"
SCHEMES = (STANDARD, STRIPE)
"""The signature schemes: Standard Webhooks, or the scheme of Stripe's webhooks."""

QUEUE_GRACE = MINUTE
"""How long after its due time the sweep takes over an attempt that the queue should have delivered."""
REMARK = 0
HISTORY_MAX = 24
DETAIL_LENGTH_MAX = 200


class EndpointStatus(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"


SLOTS = ("a", "b")
"""The two slots for secrets of an endpoint: one secret can be replaced while receivers still use the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningSecret:
    """The place of an endpoint's secret, without the secret itself.

    slot: one of SLOTS
    version: version of the slot's content; the content of a version never changes
    until: end of validity; None: the newest secret, valid until it is replaced
    """

    slot: str
    version: int
    until: Instant | None = None

    def valid(self, now: Instant) -> bool:
        return self.until is None or self.until > now


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A receiver of webhooks.

    events: patterns: a type, `prefix.*`, or `*`
    scheme: one of SCHEMES
    secrets: the newest secret and, after a rotation, the previous one
    """

    id: str
    url: str
    events: tuple[str, ...]
    scheme: str
    secrets: tuple[SigningSecret, ...]
    status: EndpointStatus
    created_at: Instant
    disabled_reason: str | None = None

    def wants(self, fact_type: str) -> bool:
        """Return whether facts of this type are sent to the endpoint."""
        return self.status is EndpointStatus.ACTIVE and any(matches(p, fact_type) for p in self.events)

    def valid_secrets(self, now: Instant) -> tuple[SigningSecret, ...]:
        """Return the one or two secrets that sign a webhook now, newest first."""
        return tuple(secret for secret in self.secrets if secret.valid(now))

    @property
    def spare_slot(self) -> str:
        """The slot without the newest secret."""
        return next(slot for slot in SLOTS if slot != self.secrets[0].slot)

    def rotated(self, version: int, *, now: Instant, overlap: Instant) -> tuple[SigningSecret, ...]:
        """Return the secrets after `version` of the spare slot becomes the newest.

        overlap: how long the previous secret stays valid, in ms. A secret that was replaced before ends now.
        """
        newest = SigningSecret(slot=self.spare_slot, version=version)
        return (newest, replace(self.secrets[0], until=now + overlap)) if overlap else (newest,)


def matches(pattern: str, fact_type: str) -> bool:
    """Return whether a pattern (exact, `prefix.*`, `*`) matches a type."""
    if pattern.endswith("*"):
        return fact_type.startswith(pattern[:-1])
    return pattern == fact_type


class Verdict(StrEnum):
    """The result of one attempt. `gone`: the receiver answered 410 and wants no more webhooks."""

    DELIVERED = "delivered"
    FAILED = "failed"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptOutcome:
    """The outcome of one attempt.

    status: HTTP status; None: no answer
    retry_after: the wait that the receiver asked for, in ms
    took: duration in ms
    """

    verdict: Verdict
    status: int | None = None
    detail: str = ""
    retry_after: Instant | None = None
    took: Instant = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttempt:
    """A line of a delivery's history.

    number: number of the attempt, from 1; REMARK: a remark about the delivery
    took: duration in ms
    """

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
    """The delivery of one fact to one endpoint.

    attempts: number of attempts begun
    due_at: when the sweep takes over; None: not pending
    claimed_by: the worker that began the newest attempt
    """

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
        """The unique name of the delivery."""
        return f"{self.fact_id}#{self.endpoint}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message of the queue: the delivery, and the number of the attempt to make."""

    fact: str
    endpoint: str
    attempt: int = 1


def extended(history: tuple[DeliveryAttempt, ...], line: DeliveryAttempt, *, begun: int) -> tuple[DeliveryAttempt, ...]:
    """Return the history with one more line, at most HISTORY_MAX lines.

    begun: number of attempts begun before; those without a recorded outcome are added as interrupted
    """
    last = max((entry.number for entry in history), default=0)
    lost = tuple(
        DeliveryAttempt(
            number=number, at=line.at, result="interrupted", detail="begun, but its outcome was never recorded"
        )
        for number in range(last + 1, begun + 1)
    )
    return (*history, *lost, line)[-HISTORY_MAX:]
