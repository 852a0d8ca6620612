"""Customers and subscriptions: the billable parties, and the plan version of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Literal

from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog.catalog import PlanId
from tallygate.domain.limits.limits import Effective
from tallygate.domain.limits.overrides import OwnLimit

DEFAULT_ZONE = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """The plan version that takes effect at an instant, without any job."""

    plan: PlanId
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A customer's right to one version of a plan, from `started_at` until it ends or the pending plan takes effect."""

    plan: PlanId
    started_at: Instant
    ended_at: Instant | None = None
    pending: Pending | None = None

    def __post_init__(self) -> None:
        assert self.pending is None or self.ended_at is None, "an ended subscription has no pending plan"

    @property
    def active(self) -> bool:
        return self.ended_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A billable party.

    timezone: IANA name, the default zone of the customer's periods
    subject_keys: the subjects, besides the id, that events may use for the customer; unique across customers
    """

    id: str
    name: str | None = None
    timezone: str = DEFAULT_ZONE
    subject_keys: frozenset[str] = frozenset()
    stripe_customer_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    created_at: Instant
    changed_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerRecord:
    """Everything of a customer that one transaction writes.

    version: grows by one with every change of any part
    effective: the limits in force
    limits: the customer's own limits, sorted by name
    """

    version: int
    customer: Customer
    subscription: Subscription | None
    effective: Effective
    limits: tuple[OwnLimit, ...] = ()

    def __post_init__(self) -> None:
        assert self.customer.id == self.effective.customer
        active = self.subscription is not None and self.subscription.active
        assert self.effective.subscribed == active, "the limits in force follow the subscription"
        pending = self.subscription.pending if self.subscription is not None else None
        to_come = self.effective.next
        assert (None if pending is None else pending.at) == (None if to_come is None else to_come.at)

    @property
    def active_plan(self) -> PlanId | None:
        """The customer's plan as of the last change; None: no active subscription."""
        return self.subscription.plan if self.subscription is not None and self.subscription.active else None


class Keep(Enum):
    """The value of a field that a request leaves out."""

    KEEP = "keep"


KEEP = Keep.KEEP
When = Literal["now", "next_period"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileChange:
    """A requested change of a customer. None clears a field; KEEP leaves it unchanged.

    plan: subscribe to the newest version of this plan
    plan_when: when the plan takes effect; None: at once, without effect on a customer who has the plan already
    at_once: a new timezone applies from the next boundary in that zone, instead of from the end of each running window
    """

    name: str | Keep | None = KEEP
    timezone: str | Keep | None = KEEP
    subject_keys: frozenset[str] | Keep | None = KEEP
    stripe_customer_id: str | Keep | None = KEEP
    metadata: Mapping[str, str] | Keep | None = KEEP
    plan: str | Keep = KEEP
    plan_when: When | None = None
    at_once: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionChange:
    """A requested change of subscription.

    version: None: the customer's current version of this plan, else its pending one, else the newest
    started_at: start of the subscription; None: unchanged, or now for a new subscription
    when: when the plan takes effect
    base: whether the running windows get the new limit in full or pro rata
    usage: whether enforcement keeps the usage or resets it
    """

    plan: str
    version: int | None = None
    started_at: Instant | None = None
    when: When = "now"
    base: Literal["full", "prorated"] = "full"
    usage: Literal["keep", "reset"] = "keep"
    at_once: bool = False
    """Whether a new `started_at` changes the running windows; default: it applies from their ends."""


def taken(record: CustomerRecord, now: Instant) -> CustomerRecord:
    """Return the customer with a pending plan that has become due.

    Every reader applies this. The stored subscription is updated with the next change.
    """
    subscription = record.subscription
    if subscription is None or subscription.pending is None or now < subscription.pending.at:
        return record
    changed = replace(subscription, plan=subscription.pending.plan, pending=None)
    return replace(record, subscription=changed, effective=record.effective.in_force(now))


def profile_form(customer: Customer) -> dict[str, Any]:
    """Return the fields of a customer that a request may set, except the plan, as JSON."""
    return {
        "name": customer.name,
        "timezone": customer.timezone,
        "subject_keys": sorted(customer.subject_keys),
        "stripe_customer_id": customer.stripe_customer_id,
        "metadata": dict(customer.metadata),
    }


def changed_profile(before: Customer, change: ProfileChange) -> Customer:
    """Return the customer with the change applied.

    The id always identifies the customer in events, so it is never stored as a subject key.
    """

    def field_of(given: Any, held: Any, cleared: Any) -> Any:
        return held if given is KEEP else cleared if given is None else given

    return replace(
        before,
        name=field_of(change.name, before.name, None),
        timezone=field_of(change.timezone, before.timezone, DEFAULT_ZONE),
        subject_keys=field_of(change.subject_keys, before.subject_keys, frozenset()) - {before.id},
        stripe_customer_id=field_of(change.stripe_customer_id, before.stripe_customer_id, None),
        metadata=dict(field_of(change.metadata, before.metadata, {})),
    )
