"""Customers and their subscriptions: the billable parties, and which version of a plan each of them has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tallygate.domain.catalog import PlanId
from tallygate.domain.instants import Instant
from tallygate.domain.limits import Effective

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
    """All of a customer that one transaction writes. `version` grows by one with every change of any part of it."""

    version: int
    customer: Customer
    subscription: Subscription | None
    effective: Effective

    def __post_init__(self) -> None:
        assert self.customer.id == self.effective.customer
        active = self.subscription is not None and self.subscription.active
        assert self.effective.subscribed == active, "the limits in force follow the subscription"

    @property
    def active_plan(self) -> PlanId | None:
        """The plan that the customer has now."""
        return self.subscription.plan if self.subscription is not None and self.subscription.active else None
