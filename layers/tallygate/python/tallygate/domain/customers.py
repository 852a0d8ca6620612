"""Customers and their subscriptions: the billable parties, and which version of a plan each of them has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from tallygate.domain.catalog import PlanId
from tallygate.domain.instants import Instant
from tallygate.domain.limits import Effective
from tallygate.domain.overrides import OwnLimit

DEFAULT_ZONE = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A customer's right to one version of a plan, from `started_at` until it is ended."""

    plan: PlanId
    started_at: Instant
    ended_at: Instant | None = None

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

    @property
    def active_plan(self) -> PlanId | None:
        """The plan that the customer has now."""
        return self.subscription.plan if self.subscription is not None and self.subscription.active else None


class Keep(Enum):
    """A field that a request leaves out."""

    KEEP = "keep"


KEEP = Keep.KEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileChange:
    """What a request says of a customer; None clears a field, KEEP leaves it. `plan` is the newest version of one.

    A new timezone acts from the end of each window that runs, or, `at_once`, cuts them.
    """

    name: str | Keep | None = KEEP
    timezone: str | Keep | None = KEEP
    subject_keys: frozenset[str] | Keep | None = KEEP
    stripe_customer_id: str | Keep | None = KEEP
    metadata: Mapping[str, str] | Keep | None = KEEP
    plan: str | Keep = KEEP
    at_once: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionChange:
    """A plan from now on. Without a version: the one that the customer has of this plan, else the newest."""

    plan: str
    version: int | None = None
    started_at: Instant | None = None


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
