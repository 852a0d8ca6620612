"""customers: changes customers' profiles and subscriptions, and with them their limits in force.

    read ──> wanted (pure) ──> save: one transaction, conditional on what was read ──> announce to the cells
              └── nothing differs: announce all the same, because an earlier call may have died before it could

A change acts at the next decision on a root cell. A field missing in a request keeps its value. A pending plan that has
become due is applied first (`domain.customers.customers.taken`): a request changes the customer as it is now, not as it
was stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog.catalog import Catalog, ExpectedVersion, Plan, PlanId, require
from tallygate.domain.customers.customers import (
    Customer,
    CustomerRecord,
    Keep,
    ProfileChange,
    Subscription,
    SubscriptionChange,
    changed_profile,
    profile_form,
    taken,
)
from tallygate.domain.customers.subscriptions import audit_of_change, rebase, subscribed
from tallygate.domain.facts.audits import CUSTOMER_CHANGED, CUSTOMER_CREATED, Author
from tallygate.domain.limits.bases import Rebase
from tallygate.domain.limits.compiled import Dates, compile_effective, followed_by, versioned
from tallygate.domain.limits.limits import Effective
from tallygate.domain.limits.overrides import OwnLimit, too_crowded, with_own
from tallygate.domain.periods.recurrence import segment_at
from tallygate.errors import Conflict, Contended, FieldError, NotFound, invalid
from tallygate.operations.base.ports import Moves
from tallygate.operations.catalog.ports import CatalogStore
from tallygate.operations.corrections.resets import Beside
from tallygate.operations.customers.ports import (
    CustomerMoved,
    CustomerStore,
    Saved,
    SubjectsTaken,
)
from tallygate.operations.facts.ports import AuditStore
from tallygate.operations.limits.follow_usage import with_followed
from tallygate.operations.limits.in_force import announce_limits
from tallygate.operations.limits.ports import VersionStore

TRIES_MAX = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The stores that a change of a customer reads and writes.

    wait: sleeps for seconds, to wait for the aggregation; None: do not wait
    """

    catalog: CatalogStore
    customers: CustomerStore
    cells: VersionStore
    wait: Callable[[float], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedBy:
    """The author of a change of a customer.

    id: the id of the audit entry
    actor: the id of the API key, because the request names no other actor
    """

    audits: AuditStore
    id: str
    actor: str

    def author(self, now: Instant) -> Author:
        """Return the author of a change other than the subscription's. The subscription's entry has the plain id."""
        return Author(id=f"{self.id}.customer", key_id=self.actor, at=now)


def put_customer(
    stores: Stores,
    customer_id: str,
    change: ProfileChange,
    *,
    expected: ExpectedVersion | None,
    now: Instant,
    by: ChangedBy | None = None,
) -> tuple[CustomerRecord, bool]:
    """Create or change a customer; also return whether it was created.

    Raises PreconditionFailed, InvalidRequest for an unknown plan, Conflict `subject_taken` naming the keys, Contended.
    """

    def wanted(seen: CustomerRecord | None, catalog: Catalog) -> CustomerRecord:
        before = seen.customer if seen is not None else Customer(id=customer_id, created_at=now, changed_at=now)
        after = changed_profile(before, change)
        subscription, how = seen.subscription if seen is not None else None, Rebase.KEEP
        moved = seen
        if seen is not None and change.at_once and _changes_zone(seen, after.timezone, now):
            moved = record_of(seen, after, subscription, catalog, now, at_once=True)
        if not isinstance(change.plan, Keep) and not _has(seen, change):
            plan = SubscriptionChange(plan=change.plan, when=change.plan_when or "now")
            subscription = subscribed(seen, plan, catalog, now)
            how = rebase(seen, subscription, plan)
        record = record_of(moved, after, subscription, catalog, now, how=how)
        return record if seen is None or record == seen else replace(record, version=seen.version + 1)

    audited = _both(_subscription_audit(by, "full", now), _profile_audit(by, now))
    return change_customer(stores, customer_id, wanted, expected=expected, now=now, beside=audited)


def _profile_audit(by: ChangedBy | None, now: Instant) -> Beside:
    """Return the audit writes of a new customer, or of a changed profile."""

    def audited(before: CustomerRecord | None, after: CustomerRecord) -> Moves:
        was, new = profile_form(before.customer) if before is not None else None, profile_form(after.customer)
        if by is None or was == new:
            return ()
        action = CUSTOMER_CREATED if was is None else CUSTOMER_CHANGED
        return by.audits.record(by.author(now).entry(action, {}, customer=after.customer.id, before=was, after=new))

    return audited


def _has(seen: CustomerRecord | None, change: ProfileChange) -> bool:
    """Return whether the customer already has a version of the plan and the request names no time for the change."""
    has = seen is not None and seen.active_plan is not None and seen.active_plan[0] == change.plan
    return has and change.plan_when is None


def _changes_zone(seen: CustomerRecord, zone: str, now: Instant) -> bool:
    """Return whether the zone would change some period. A change of plan ends no such period sooner."""
    schedules = [quota.schedule for _, _, quota in seen.effective.quotas]
    to_come = any(segment_at(each, now).zone != each.current.zone == zone for each in schedules)
    return to_come or seen.customer.timezone != zone


def put_subscription(
    stores: Stores,
    customer_id: str,
    change: SubscriptionChange,
    *,
    expected: ExpectedVersion | None,
    now: Instant,
    by: ChangedBy | None = None,
    resets: Beside | None = None,
) -> CustomerRecord:
    """Subscribe the customer to a plan version, or change to it. Usage is kept unless the change says `usage: reset`.

    resets: the writes that reset usage; required for `usage: reset`

    Raises NotFound for an unknown customer, InvalidRequest, PreconditionFailed, Contended.
    """

    def wanted(seen: CustomerRecord | None, catalog: Catalog) -> CustomerRecord:
        held = known(seen, customer_id)
        after = subscribed(held, change, catalog, now)
        moved = _anchored(held, change, catalog, now)
        how, afresh = rebase(held, after, change), change.usage == "reset"
        record = record_of(moved, held.customer, after, catalog, now, how=how, afresh=afresh)
        return record if record == held else replace(record, version=held.version + 1)

    beside = _subscription_audit(by, change.base, now, usage=change.usage)
    if change.usage == "reset":
        assert resets is not None, "a change that resets usage needs the writes of the reset"
        beside = _both(beside, resets)
    return change_customer(stores, customer_id, wanted, expected=expected, now=now, beside=beside)[0]


def _anchored(held: CustomerRecord, change: SubscriptionChange, catalog: Catalog, now: Instant) -> CustomerRecord:
    """Return the customer with its boundaries computed from the new start at once, if the change asks for that."""
    running = held.subscription
    if running is None or not running.active or not change.at_once or change.started_at in (None, running.started_at):
        return held
    assert change.started_at is not None
    return record_of(held, held.customer, replace(running, started_at=change.started_at), catalog, now, at_once=True)


def _both(first: Beside | None, second: Beside) -> Beside:
    return lambda before, after: (*(first(before, after) if first is not None else ()), *second(before, after))


def end_subscription(
    stores: Stores, customer_id: str, *, expected: ExpectedVersion | None, now: Instant, by: ChangedBy | None = None
) -> CustomerRecord:
    """End the subscription now. A second call changes nothing. Raises NotFound where there never was a subscription."""

    def wanted(seen: CustomerRecord | None, catalog: Catalog) -> CustomerRecord:
        held = known(seen, customer_id)
        if held.subscription is None:
            raise NotFound(f"customer {customer_id} has no subscription", code="no_active_subscription")
        ended = held.subscription
        if ended.active:
            ended = replace(ended, ended_at=now, pending=None)
        return record_of(held, held.customer, ended, catalog, now)

    audited = _subscription_audit(by, "full", now)
    return change_customer(stores, customer_id, wanted, expected=expected, now=now, beside=audited)[0]


def _subscription_audit(by: ChangedBy | None, base: str, now: Instant, *, usage: str = "keep") -> Beside | None:
    """Return the audit writes of a change of the subscription; None without an author."""
    if by is None:
        return None

    def audited(before: CustomerRecord | None, after: CustomerRecord) -> Moves:
        entry = audit_of_change(before, after, audit_id=by.id, actor=by.actor, base=base, now=now, usage=usage)
        return () if entry is None else by.audits.record(entry)

    return audited


def known(seen: CustomerRecord | None, customer_id: str) -> CustomerRecord:
    """Return the customer that was seen. Raises NotFound where there is none."""
    if seen is None:
        raise NotFound(f"there is no customer {customer_id}", code="customer_not_found")
    return seen


def change_customer(
    stores: Stores,
    customer_id: str,
    wanted: Callable[[CustomerRecord | None, Catalog], CustomerRecord],
    *,
    expected: ExpectedVersion | None,
    now: Instant,
    beside: Beside | None = None,
) -> tuple[CustomerRecord, bool]:
    """Save the customer that `wanted` computes, and announce its limits to its cells.

    Also return whether it was created.

    Repeating is harmless. Raises PreconditionFailed, Conflict `subject_taken`, Contended, and every error of `wanted`.
    """
    attempted: CustomerRecord | None = None
    created = False
    for _ in range(TRIES_MAX):
        seen = stores.customers.customer(customer_id)
        if attempted is not None and seen == attempted:
            # The answer of the write was lost and the write was sent again. The second was refused by what the first
            # had written.
            announce_limits(stores.cells, attempted.effective, now)
            return attempted, created
        require(expected, seen.version if seen is not None else 0)
        stored = stores.catalog.read()
        before = None if seen is None else taken(seen, now)
        record = wanted(before, stored.catalog)
        if record == before:
            announce_limits(stores.cells, record.effective, now)
            return record, False
        if seen is not None:
            record = _with_followed(stores, seen, before, record, stored.catalog, now)
            record = replace(record, effective=versioned(record.effective, seen.effective))
        marks = [plan for plan in plans_of(record) if plan not in stored.in_use]
        moves = beside(before, record) if beside is not None else ()
        outcome = stores.customers.save(seen, record, marks, catalog=stored.version, beside=moves)
        match outcome:
            case Saved():
                announce_limits(stores.cells, record.effective, now)
                return record, seen is None
            case SubjectsTaken(subject_keys):
                raise _taken(customer_id, subject_keys)
            case CustomerMoved():
                attempted, created = record, seen is None
    raise Contended("other writers changed the customer during every try")


def _with_followed(
    stores: Stores,
    seen: CustomerRecord,
    before: CustomerRecord | None,
    wanted: CustomerRecord,
    catalog: Catalog,
    now: Instant,
) -> CustomerRecord:
    """Return the customer with the usage that follows into its new windows. Reads only where some usage may follow."""
    effective = with_followed(
        stores.cells.past,
        None if before is None else before.effective,
        wanted.effective,
        created_at=seen.customer.created_at,
        now=now,
        shared=lambda meter: sum(feature.meter == meter for feature in catalog.features) > 1,
        wait=stores.wait,
    )
    return replace(wanted, effective=effective)


def _taken(customer_id: str, subject_keys: tuple[str, ...]) -> Conflict:
    errors = tuple(
        FieldError(
            pointer="" if key == customer_id else "/subject_keys",
            code="subject_taken",
            detail=f"{key} is a subject key of another customer, or its id",
        )
        for key in subject_keys
    )
    return Conflict(errors[0].detail, code="subject_taken", errors=errors)


def record_of(
    seen: CustomerRecord | None,
    after: Customer,
    subscription: Subscription | None,
    catalog: Catalog,
    now: Instant,
    *,
    limits: tuple[OwnLimit, ...] | None = None,
    at_once: bool = False,
    how: Rebase = Rebase.KEEP,
    afresh: bool = False,
) -> CustomerRecord:
    """Return the customer after a change; `seen` itself where nothing differs.

    limits: its own limits; None: keep them
    at_once: a new zone changes the current windows at once
    how: the effect on the bases of current windows
    afresh: no usage follows into windows of other kinds

    Raises InvalidRequest `too_many` where its own limits and the plan's do not fit together.
    """
    own = limits if limits is not None else seen.limits if seen is not None else ()
    before = seen.subscription if seen is not None else None
    started_at = subscription.started_at if subscription is not None else None
    dates = Dates(
        zone=after.timezone,
        now=now,
        started_at=started_at,
        lapsed_at=before.ended_at if before is not None else None,
        at_once=at_once,
        afresh=afresh,
    )

    def compiled(plan: Plan | None, previous: Effective | None, dates: Dates, how: Rebase) -> Effective:
        return compile_effective(
            customer=after.id,
            previous=previous,
            dates=dates,
            plan=_with_own(plan, own),
            catalog=catalog,
            stripe_customer_id=after.stripe_customer_id,
            how=how,
        )

    held = seen.effective if seen is not None else None
    effective = compiled(plan_in_force(subscription, catalog), held, dates, how)
    if subscription is not None and subscription.pending is not None:
        # The pending plan is compiled again with every change. It continues the ordinals and schedules in force then.
        at = subscription.pending.at
        later = Dates(zone=after.timezone, now=at, started_at=started_at, boundary=True)
        plan = _plan(subscription.pending.plan, catalog)
        effective = followed_by(effective, compiled(plan, effective, later, Rebase.FULL), at)
    if held is not None:
        effective = versioned(effective, held)
    if seen is None:
        return CustomerRecord(version=1, customer=after, subscription=subscription, effective=effective)
    record = replace(seen, customer=after, subscription=subscription, effective=effective, limits=own)
    if record == seen:
        return seen
    return replace(record, version=seen.version + 1, customer=replace(after, changed_at=now))


def _with_own(plan: Plan | None, own: tuple[OwnLimit, ...]) -> Plan | None:
    if plan is None or not own:
        return plan
    plan = with_own(plan, own)
    if crowd := too_crowded(plan):
        raise invalid("", "too_many", f"with the customer's own limits, {crowd}")
    return plan


def plans_of(record: CustomerRecord) -> tuple[PlanId, ...]:
    """Return the customer's current and pending plan versions. They are in use and can no longer change."""
    pending = record.subscription.pending if record.subscription is not None else None
    to_come = () if pending is None else (pending.plan,)
    return to_come if record.active_plan is None else (record.active_plan, *to_come)


def plan_in_force(subscription: Subscription | None, catalog: Catalog) -> Plan | None:
    """Return the plan version of an active subscription, as the catalog has it."""
    if subscription is None or not subscription.active:
        return None
    return _plan(subscription.plan, catalog)


def _plan(plan_id: PlanId, catalog: Catalog) -> Plan:
    plan = catalog.plan(*plan_id)
    assert plan is not None, "a plan that customers have cannot be removed"
    return plan
