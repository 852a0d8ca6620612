"""Customers and subscriptions on the wire. A field that is left out stays unchanged; null clears it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from tallygate.contracts.base.answers import JSON, recurrence_answer
from tallygate.contracts.base.bodies import AnswerBody, Recurring, TimeOut
from tallygate.contracts.base.fields import Id, Name, NotAvailable, Text, Time, Zone, one_of
from tallygate.contracts.base.reading import Contract, refused
from tallygate.contracts.facts.statements import PendingPlan
from tallygate.contracts.limits.suspensions import (
    SuspensionAnswer,
    WaiverAnswer,
    suspension_answer,
    tier_suspension_answer,
)
from tallygate.domain.admission.tier_suspensions import TierStop
from tallygate.domain.base.instants import Instant
from tallygate.domain.customers.customers import (
    CustomerRecord,
    ProfileChange,
    Subscription,
    SubscriptionChange,
    When,
    taken,
)
from tallygate.domain.customers.subscriptions import pending_form
from tallygate.domain.limits.compiled import PeriodChange, period_changes
from tallygate.domain.limits.suspensions import Waiver, waiver_form

SUBJECT_KEYS_MAX = 40
"""The most subject keys. Adding this many and removing as many others still fits one transaction."""
METADATA_MAX = 50
PLAN_VERSION_MAX = 999_999

_ONLY_NOW = (
    ("usage", "reset", "the next period begins without usage anyway"),
    ("base", "prorated", "the next period has the full limits anyway"),
)
MetadataValue = Annotated[str, StringConstraints(max_length=500)]
NextPeriodOrNow = Annotated[When, one_of(("next_period", "now"))]


class CustomerBody(Contract):
    """Fields of a customer.

    `plan` subscribes the customer to the newest version of that plan, unless the customer has a version of it already.
    A change of the timezone takes effect at the end of each running period (`effective` next_period). With `effective`
    now, it takes effect at the new zone's next boundary if that is sooner. The answer states the resulting periods. No
    quota is refilled. `effective` applies to the plan as well; without it, the plan changes now.
    """

    patches = True
    name: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    plan: Name | None = None
    timezone: Zone | None = None
    subject_keys: list[Id] | None = Field(default=None, max_length=SUBJECT_KEYS_MAX)
    stripe_customer_id: Text | None = None
    metadata: dict[Text, MetadataValue] | None = Field(default=None, max_length=METADATA_MAX)
    effective: NextPeriodOrNow = "next_period"

    def change(self) -> ProfileChange:
        """Return the requested change. Raises InvalidRequest if plan is null: DELETE ends a subscription."""
        given: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set - {"effective"}}
        if "plan" in given and self.plan is None:
            raise refused("type", "must be a plan's key; DELETE the customer's subscription to end it", "plan")
        if self.subject_keys is not None:
            given["subject_keys"] = frozenset(self.subject_keys)
        return ProfileChange(
            plan_when=self.effective if "effective" in self.model_fields_set else None,
            at_once=self.effective == "now",
            **given,
        )


class SubscriptionBody(Contract):
    """A change of plan, now or at the end of the longest running period.

    Without `version`: the customer's current or pending version of this plan, else the newest. `started_at` moves the
    boundaries that are counted from the start of the subscription. They move after the running periods; with
    `effective` now, at the first new boundary. Usage so far still counts. With `usage` reset, it no longer counts
    against the limits of the new plan; billing is unaffected. `base` determines the limits of the running periods when
    the plan changes now: the new plan's full limits (full), or a pro-rata share of the old and the new limit by time
    (prorated).
    """

    plan: Name
    version: Annotated[int, Field(ge=1, le=PLAN_VERSION_MAX)] | None = None
    started_at: Time | None = None
    effective: NextPeriodOrNow = "now"
    usage: Annotated[Literal["keep", "reset"], one_of(("keep", "reset"))] = "keep"
    base: Annotated[Literal["full", "prorated"], one_of(("full", "prorated"))] = "full"
    billing_anchor: NotAvailable = None

    def change(self) -> SubscriptionChange:
        """Return the requested change. Raises InvalidRequest for fields that only a change now allows."""
        for field, word, why in _ONLY_NOW if self.effective == "next_period" else ():
            if getattr(self, field) == word:
                raise refused("not_allowed", f"is only allowed if the plan changes now: {why}", field)
        return SubscriptionChange(
            plan=self.plan,
            version=self.version,
            started_at=self.started_at,
            when=self.effective,
            base=self.base,
            usage=self.usage,
            at_once="effective" in self.model_fields_set and self.effective == "now",
        )


class SubscriptionState(AnswerBody):
    """A subscription.

    ended_at: null: active
    pending: null: no change of plan is to come
    """

    plan: str
    version: int
    status: Literal["active", "ended"]
    started_at: TimeOut
    ended_at: TimeOut | None
    pending: PendingPlan | None


class PeriodChangeAnswer(AnswerBody):
    """A period that results from a change of zone or anchor.

    partial: whether it is shorter than its kind
    """

    feature: str
    limit_name: str
    effective_at: TimeOut
    partial: bool
    period: Recurring


class SubscriptionAnswer(SubscriptionState):
    """A customer's subscription, with the periods that result from a change of it."""

    customer: str
    period_changes: list[PeriodChangeAnswer]


class CustomerAnswer(AnswerBody):
    """A customer with its subscription.

    plan: plan in force; null: no active subscription
    timezone: null: UTC
    suspensions: all in force, also those of scopes
    period_changes: periods that result from a change of zone or anchor, to come and begun
    """

    id: str
    name: str | None
    timezone: str | None
    stripe_customer_id: str | None
    metadata: dict[str, str]
    plan: str | None
    plan_version: int | None
    subject_keys: list[str]
    subscription: SubscriptionState | None
    suspensions: list[SuspensionAnswer]
    waived: list[WaiverAnswer]
    period_changes: list[PeriodChangeAnswer]
    created_at: TimeOut
    changed_at: TimeOut


def customer_answer(
    record: CustomerRecord, *, now: Instant, stops: Sequence[TierStop] = (), waivers: Sequence[Waiver] = ()
) -> JSON:
    """Return a customer as JSON, as of now: a pending plan that has become due is applied.

    stops: suspensions by tiers
    waivers: tiers that a resume has waived
    """
    record = taken(record, now)
    customer, subscription = record.customer, record.subscription
    plan, version = record.active_plan or (None, None)
    return CustomerAnswer.of(
        customer,
        plan=plan,
        plan_version=version,
        subject_keys=sorted(customer.subject_keys),
        subscription=SubscriptionState.of(_state(subscription)) if subscription is not None else None,
        suspensions=[
            *(suspension_answer(suspension) for suspension in record.effective.suspensions),
            *(tier_suspension_answer(stop) for stop in stops),
        ],
        waived=[waiver_form(waiver) for waiver in waivers],
        period_changes=_period_changes(record, now),
    )


def subscription_answer(record: CustomerRecord, *, now: Instant) -> JSON:
    """Return a customer's subscription as JSON."""
    assert record.subscription is not None
    return SubscriptionAnswer.of(
        _state(record.subscription), customer=record.customer.id, period_changes=_period_changes(record, now)
    )


def _period_changes(record: CustomerRecord, now: Instant) -> list[JSON]:
    """Return the periods that result from a change of zone or anchor: future ones, and those already begun."""
    return [_period_change(change) for change in period_changes(record.effective.in_force(now), now)]


def _period_change(change: PeriodChange) -> JSON:
    return PeriodChangeAnswer.of(
        change,
        limit_name=change.limit,
        effective_at=change.window.start,
        period=Recurring.of(change.window, **recurrence_answer(change.segment)),
    )


def _state(subscription: Subscription) -> JSON:
    return {
        "plan": subscription.plan[0],
        "version": subscription.plan[1],
        "status": "active" if subscription.active else "ended",
        "started_at": subscription.started_at,
        "ended_at": subscription.ended_at,
        "pending": pending_form(subscription.pending) if subscription.pending is not None else None,
    }
