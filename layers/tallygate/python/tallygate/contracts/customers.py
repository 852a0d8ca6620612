"""Customers and subscriptions on the wire. A field that is left out stays as it is; null clears it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field, StringConstraints, WithJsonSchema

from tallygate.contracts.fields import Id, Name, NotAvailable, Text, Time, Zone, one_of
from tallygate.contracts.reading import Contract, invalid_fields
from tallygate.contracts.suspensions import suspension_answer, tier_suspension_answer
from tallygate.domain.customers import (
    KEEP,
    CustomerRecord,
    ProfileChange,
    Subscription,
    SubscriptionChange,
    When,
    taken,
)
from tallygate.domain.effective import PeriodChange, period_changes
from tallygate.domain.instants import Instant, format_instant
from tallygate.domain.subscriptions import pending_form
from tallygate.domain.suspensions import Waiver, waiver_form
from tallygate.domain.tier_suspensions import TierStop
from tallygate.errors import FieldError

SUBJECT_KEYS_MAX = 40
"""Claiming this many and giving up as many others still fits one transaction."""
METADATA_MAX = 50
PLAN_VERSION_MAX = 999_999

MetadataValue = Annotated[str, StringConstraints(max_length=500)]
NextPeriodOrNow = Annotated[str, one_of(("next_period", "now")), WithJsonSchema({"enum": ["next_period", "now"]})]
KeepOrReset = Annotated[str, one_of(("keep", "reset")), WithJsonSchema({"enum": ["keep", "reset"]})]
FullOrProrated = Annotated[str, one_of(("full", "prorated")), WithJsonSchema({"enum": ["full", "prorated"]})]


class CustomerBody(Contract):
    """What a request says of a customer.

    `plan` subscribes it to the newest version of that plan, unless it has some version of it already. A change of the
    timezone acts from the end of each period that has begun (`effective`: next_period), or from the new zone's own next
    boundary where that comes sooner (now); either way the answer states the period that results, and nothing is
    refilled. `effective` concerns the plan as well; where it is left out, the plan changes now.
    """

    name: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    plan: Name | None = None
    timezone: Zone | None = None
    subject_keys: list[Id] | None = Field(default=None, max_length=SUBJECT_KEYS_MAX)
    stripe_customer_id: Text | None = None
    metadata: dict[Text, MetadataValue] | None = Field(default=None, max_length=METADATA_MAX)
    effective: NextPeriodOrNow = "next_period"

    def change(self) -> ProfileChange:
        """What the request changes. Raises InvalidRequest where plan is null: a subscription is ended by DELETE."""
        given = self.model_fields_set
        if "plan" in given and self.plan is None:
            detail = "must be a plan's key; DELETE the customer's subscription to end it"
            raise invalid_fields((FieldError(pointer="/plan", code="type", detail=detail),))
        subjects = None if self.subject_keys is None else frozenset(self.subject_keys)
        return ProfileChange(
            name=self.name if "name" in given else KEEP,
            timezone=self.timezone if "timezone" in given else KEEP,
            subject_keys=subjects if "subject_keys" in given else KEEP,
            stripe_customer_id=self.stripe_customer_id if "stripe_customer_id" in given else KEEP,
            metadata=self.metadata if "metadata" in given else KEEP,
            plan=self.plan if self.plan is not None else KEEP,
            plan_when=_when(self.effective) if "effective" in given else None,
            at_once=self.effective == "now",
        )


class SubscriptionBody(Contract):
    """A plan from now on, or from the end of the longest running period. Without a version: the one that the customer
    has of this plan, or is to have, else the newest.

    Another `started_at` moves the boundaries that are counted from it after the running periods, or, where `effective`
    says now, from the first of the new ones on. What was used stays used, or (`usage` reset) counts against no limit of
    the plan that begins, and is billed all the same. `base` says what the limits of the running periods are under a
    plan from now on: those of the plan (full), or what was granted for the time that is over and the plan's part for
    the rest (prorated).
    """

    plan: Name
    version: Annotated[int, Field(ge=1, le=PLAN_VERSION_MAX)] | None = None
    started_at: Time | None = None
    effective: NextPeriodOrNow = "now"
    usage: KeepOrReset = "keep"
    base: FullOrProrated = "full"
    billing_anchor: NotAvailable = None

    def change(self) -> SubscriptionChange:
        """The change that is asked for. Raises InvalidRequest for what only a plan from now on can say."""
        if self.usage == "reset" and self.effective == "next_period":
            detail = "is for a plan from now on: the next period begins with nothing used"
            raise invalid_fields((FieldError(pointer="/usage", code="not_allowed", detail=detail),))
        if self.base == "prorated" and self.effective == "next_period":
            detail = "is for a plan from now on: from the next period on its limits are whole"
            raise invalid_fields((FieldError(pointer="/base", code="not_allowed", detail=detail),))
        return SubscriptionChange(
            plan=self.plan,
            version=self.version,
            started_at=self.started_at,
            when=_when(self.effective),
            base="prorated" if self.base == "prorated" else "full",
            usage="reset" if self.usage == "reset" else "keep",
            at_once="effective" in self.model_fields_set and self.effective == "now",
        )


def _when(effective: str) -> When:
    return "next_period" if effective == "next_period" else "now"


def customer_answer(
    record: CustomerRecord, *, now: Instant, stops: Sequence[TierStop] = (), waivers: Sequence[Waiver] = ()
) -> dict[str, Any]:
    """A customer as JSON, with subscription, suspensions and the periods that a change of zone or anchor results in:
    as of now, whatever plan was in force when it was last changed.

    `stops` are its suspensions by tiers, `waivers` what somebody has waived of tiers since.
    """
    record = taken(record, now)
    customer, subscription = record.customer, record.subscription
    return {
        "id": customer.id,
        "name": customer.name,
        "plan": record.active_plan[0] if record.active_plan is not None else None,
        "plan_version": record.active_plan[1] if record.active_plan is not None else None,
        "timezone": customer.timezone,
        "subject_keys": sorted(customer.subject_keys),
        "stripe_customer_id": customer.stripe_customer_id,
        "metadata": dict(customer.metadata),
        "subscription": subscription_answer(subscription) if subscription is not None else None,
        "suspensions": [
            *(suspension_answer(suspension) for suspension in record.effective.suspensions),
            *(tier_suspension_answer(stop) for stop in stops),
        ],
        "waived": [waiver_form(waiver) for waiver in waivers],
        "period_changes": period_changes_answer(record, now=now),
        "created_at": format_instant(customer.created_at),
        "changed_at": format_instant(customer.changed_at),
    }


def period_changes_answer(record: CustomerRecord, *, now: Instant) -> list[dict[str, Any]]:
    """The periods that a change of zone or anchor results in: those to come, and those that it has begun."""
    return [_period_change(change) for change in period_changes(record.effective.in_force(now), now)]


def _period_change(change: PeriodChange) -> dict[str, Any]:
    return {
        "feature": change.feature,
        "limit_name": change.limit,
        "effective_at": format_instant(change.window.start),
        "partial": change.partial,
        "period": {
            "start": format_instant(change.window.start),
            "end": format_instant(change.window.end),
            "every": change.segment.every,
            "anchor": change.segment.anchor_named,
            "timezone": change.segment.zone,
        },
    }


def subscription_answer(subscription: Subscription) -> dict[str, Any]:
    """A subscription as JSON."""
    ended_at = subscription.ended_at
    return {
        "plan": subscription.plan[0],
        "version": subscription.plan[1],
        "status": "active" if subscription.active else "ended",
        "started_at": format_instant(subscription.started_at),
        "ended_at": format_instant(ended_at) if ended_at is not None else None,
        "pending": pending_form(subscription.pending) if subscription.pending is not None else None,
    }
