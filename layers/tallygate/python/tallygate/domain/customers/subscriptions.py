"""Subscriptions: the effect of requesting a plan, and the audit entry of the change.

    effective now           the plan changes now; a pending plan is dropped
    effective next_period   the plan changes at the end of the longest running period in force
    the current plan        nothing changes, except that a pending plan is dropped

Each change has one entry in the audit trail, and so one fact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tallygate.domain.base.closest import did_you_mean
from tallygate.domain.base.instants import Instant, format_instant
from tallygate.domain.catalog.catalog import Catalog, Plan, PlanId
from tallygate.domain.customers.customers import CustomerRecord, Pending, Subscription, SubscriptionChange
from tallygate.domain.facts.audits import SUBSCRIPTION_CHANGED, Audit
from tallygate.domain.limits.bases import Rebase
from tallygate.domain.limits.compiled import next_period
from tallygate.errors import invalid


def subscribed(held: CustomerRecord | None, change: SubscriptionChange, catalog: Catalog, now: Instant) -> Subscription:
    """Return the subscription after the change. Raises InvalidRequest with a pointer to the invalid field."""
    before = held.subscription if held is not None else None
    going_on = before if before is not None and before.active else None
    plan = _plan(change, going_on, catalog)
    if change.started_at is not None and change.started_at > now:
        raise invalid(
            "/started_at", "not_available", "a subscription that starts in the future is not available in this version"
        )
    if change.when == "now":
        started_at = change.started_at
        if started_at is None:
            started_at = going_on.started_at if going_on is not None else now
        return Subscription(plan=plan.id, started_at=started_at)
    if held is None or going_on is None:
        raise invalid("/effective", "not_allowed", "must be now: the customer has no active subscription")
    if change.started_at not in (None, going_on.started_at):
        raise invalid("/started_at", "not_allowed", "is only allowed if the plan changes now")
    if plan.id == going_on.plan:
        return replace(going_on, pending=None)
    at = next_period(held.effective, now)
    if at is None:
        raise invalid("/effective", "not_allowed", "must be now: none of the customer's periods ends")
    return replace(going_on, pending=Pending(plan=plan.id, at=at))


def rebase(held: CustomerRecord | None, after: Subscription | None, change: SubscriptionChange) -> Rebase:
    """Return how the change affects the base of running windows. Requesting the current plan again keeps the base."""
    if held is None or after is None or held.active_plan == after.plan:
        return Rebase.KEEP
    return Rebase(change.base)


def begins(before: CustomerRecord | None, after: CustomerRecord) -> bool:
    """Return whether a plan begins with the change: a first plan, a different plan, or the same with a new start."""
    old, new = before.subscription if before is not None else None, after.subscription
    if new is None or not new.active:
        return False
    return old is None or not old.active or (old.plan, old.started_at) != (new.plan, new.started_at)


def audit_of_change(
    before: CustomerRecord | None,
    after: CustomerRecord,
    *,
    audit_id: str,
    actor: str,
    base: str,
    now: Instant,
    usage: str = "keep",
) -> Audit | None:
    """Return the audit entry of a change of subscription; None: it has not changed.

    usage: `keep` or `reset`: the effect on usage if a plan begins
    """
    old = before.subscription if before is not None else None
    new = after.subscription
    if old == new:
        return None
    was = old.pending if old is not None else None
    to_come = new.pending if new is not None and new.pending != was else None
    at = now if to_come is None else to_come.at
    plan = after.active_plan if to_come is None else to_come.plan
    return Audit(
        id=audit_id,
        customer=after.customer.id,
        at=now,
        action=SUBSCRIPTION_CHANGED,
        actor=actor,
        key_id=actor,
        reason="",
        about={
            "effective": "now" if to_come is None else "next_period",
            "effective_at": format_instant(at),
            "usage": usage if begins(before, after) else "keep",
            "base": base,
            "replaces": pending_form(was) if was is not None and (new is None or new.pending != was) else None,
        },
        before=_form(before.active_plan if before is not None else None),
        after=_form(plan),
    )


def pending_form(pending: Pending) -> dict[str, Any]:
    """Return the pending plan as JSON."""
    return {"plan": pending.plan[0], "version": pending.plan[1], "at": format_instant(pending.at)}


def _form(plan: PlanId | None) -> Mapping[str, Any] | None:
    return None if plan is None else {"plan": plan[0], "version": plan[1]}


def _plan(change: SubscriptionChange, going_on: Subscription | None, catalog: Catalog) -> Plan:
    version = change.version
    known = [] if going_on is None else [going_on.plan]
    if change.when == "next_period" and going_on is not None and going_on.pending is not None:
        known.append(going_on.pending.plan)
    if version is None:
        version = next((number for key, number in known if key == change.plan), None)
    plan = catalog.plan(change.plan, version)
    if plan is None:
        exists = catalog.plan(change.plan) is not None
        raise invalid(
            "/version" if exists else "/plan",
            "plan_not_found",
            f"plan {change.plan} has no version {version}"
            if exists
            else f"there is no plan {change.plan}{did_you_mean(change.plan, (each.key for each in catalog.plans))}",
        )
    return plan
