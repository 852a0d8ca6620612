"""Customers and their subscriptions: the billable parties, and which version of a plan each of them has."""

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
    """The plan version that follows at an instant. No job changes it over: it is in force from then on."""

    plan: PlanId
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A customer's right to one version of a plan, from `started_at` until it is ended, or another one follows."""

    plan: PlanId
    started_at: Instant
    ended_at: Instant | None = None
    pending: Pending | None = None

    def __post_init__(self) -> None:
        assert self.pending is None or self.ended_at is None, "nothing follows what has ended"

    @property
    def active(self) -> bool:
        return self.ended_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """Who is billed. `subject_keys` are what events may call it beside its id; no two customers share one."""

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
    """All of a customer that one transaction writes. `version` grows by one with every change of any part of it.

    `limits` are the customer's own, in order of their names.
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
        """The plan that the customer has, as of the last change."""
        return self.subscription.plan if self.subscription is not None and self.subscription.active else None


class Keep(Enum):
    """A field that a request leaves out."""

    KEEP = "keep"


KEEP = Keep.KEEP
When = Literal["now", "next_period"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileChange:
    """What a request says of a customer; None clears a field, KEEP leaves it. `plan` is the newest version of one.

    A new timezone acts from the end of each window that runs, or, `at_once`, from its own next boundary. `plan_when`:
    None leaves a customer who has the plan as he is.
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
    """A plan from now on, or from the next period. Without a version: the one that the customer has of this plan, or
    is to have, else the newest."""

    plan: str
    version: int | None = None
    started_at: Instant | None = None
    when: When = "now"
    base: Literal["full", "prorated"] = "full"
    usage: Literal["keep", "reset"] = "keep"
    at_once: bool = False
    """Whether another `started_at` acts on the windows that run, or (by default) from their ends."""


def taken(record: CustomerRecord, now: Instant) -> CustomerRecord:
    """The customer with the plan that has become due, as every reader sees it; what is stored follows with the next
    change."""
    subscription = record.subscription
    if subscription is None or subscription.pending is None or now < subscription.pending.at:
        return record
    changed = replace(subscription, plan=subscription.pending.plan, pending=None)
    return replace(record, subscription=changed, effective=record.effective.in_force(now))


def profile_form(customer: Customer) -> dict[str, Any]:
    """What a request may say of a customer, beside its plan, as JSON."""
    return {
        "name": customer.name,
        "timezone": customer.timezone,
        "subject_keys": sorted(customer.subject_keys),
        "stripe_customer_id": customer.stripe_customer_id,
        "metadata": dict(customer.metadata),
    }


def changed_profile(before: Customer, change: ProfileChange) -> Customer:
    """The customer with what the request says of it; its own id is no subject key that it could give up."""

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
