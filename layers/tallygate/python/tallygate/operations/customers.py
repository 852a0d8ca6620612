"""customers: who is billed, and what each may consume.

    read ──> wanted (pure) ──> save: one transaction, conditional on what was read ──> announce to the cells ──> answer
              └── nothing differs: announce all the same, because an earlier call may have died before it could

A change acts at the next decision on a root cell. What a request leaves out stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tallygate.control_store import CatalogStore, CustomerMoved, CustomerStore, Saved, SubjectsTaken, VersionStore
from tallygate.domain.catalog import Catalog, Plan
from tallygate.domain.customers import (
    Customer,
    CustomerRecord,
    Keep,
    ProfileChange,
    Subscription,
    SubscriptionChange,
    changed_profile,
)
from tallygate.domain.effective import Dates, compile_effective
from tallygate.domain.instants import Instant
from tallygate.domain.overrides import OwnLimit, too_crowded, with_own
from tallygate.domain.periods import segment_at
from tallygate.domain.versions import Expected, require
from tallygate.errors import Conflict, Contended, FieldError, NotFound, invalid
from tallygate.operations.limits_in_force import announce_limits

TRIES_MAX = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """What a change of a customer reads and writes."""

    catalog: CatalogStore
    customers: CustomerStore
    cells: VersionStore


def customer(store: CustomerStore, customer_id: str) -> CustomerRecord:
    """The customer. Raises NotFound."""
    found = store.customer(customer_id)
    if found is None:
        raise NotFound(f"there is no customer {customer_id}", code="customer_not_found")
    return found


def put_customer(
    stores: Stores, customer_id: str, change: ProfileChange, *, expected: Expected | None, now: Instant
) -> tuple[CustomerRecord, bool]:
    """Create or change a customer; whether it was created.

    Raises PreconditionFailed, InvalidRequest for an unknown plan, Conflict `subject_taken` naming the keys, Contended.
    """

    def wanted(seen: CustomerRecord | None, catalog: Catalog) -> CustomerRecord:
        before = seen.customer if seen is not None else Customer(id=customer_id, created_at=now, changed_at=now)
        after = changed_profile(before, change)
        subscription = seen.subscription if seen is not None else None
        moved = seen
        if seen is not None and change.at_once and _changes_zone(seen, after.timezone, now):
            moved = record_of(seen, after, subscription, catalog, now, at_once=True)
        if not isinstance(change.plan, Keep):
            subscription = _subscribed(subscription, SubscriptionChange(plan=change.plan), catalog, now)
        record = record_of(moved, after, subscription, catalog, now)
        return record if seen is None or record == seen else replace(record, version=seen.version + 1)

    return change_customer(stores, customer_id, wanted, expected=expected, now=now)


def _changes_zone(seen: CustomerRecord, zone: str, now: Instant) -> bool:
    """Whether periods are not counted in this zone yet. A change of plan cuts none of them, else it would refill."""
    quotas = [q for e in seen.effective.entitlements.values() for limit in e.limits for q in limit.quotas]
    to_come = any(segment_at(q.schedule, now).zone != q.schedule.current.zone == zone for q in quotas)
    return to_come or seen.customer.timezone != zone


def put_subscription(
    stores: Stores, customer_id: str, change: SubscriptionChange, *, expected: Expected | None, now: Instant
) -> CustomerRecord:
    """Subscribe the customer to a version of a plan, or change over to it; what was used stays used.

    Raises NotFound for an unknown customer, InvalidRequest `plan_not_found`, PreconditionFailed, Contended.
    """

    def wanted(seen: CustomerRecord | None, catalog: Catalog) -> CustomerRecord:
        held = known(seen, customer_id)
        return record_of(held, held.customer, _subscribed(held.subscription, change, catalog, now), catalog, now)

    return change_customer(stores, customer_id, wanted, expected=expected, now=now)[0]


def end_subscription(stores: Stores, customer_id: str, *, expected: Expected | None, now: Instant) -> CustomerRecord:
    """End the subscription now; ending it again changes nothing. Raises NotFound where there never was one."""

    def wanted(seen: CustomerRecord | None, catalog: Catalog) -> CustomerRecord:
        held = known(seen, customer_id)
        if held.subscription is None:
            raise NotFound(f"customer {customer_id} has no subscription", code="no_active_subscription")
        ended = held.subscription if not held.subscription.active else replace(held.subscription, ended_at=now)
        return record_of(held, held.customer, ended, catalog, now)

    return change_customer(stores, customer_id, wanted, expected=expected, now=now)[0]


def known(seen: CustomerRecord | None, customer_id: str) -> CustomerRecord:
    """The customer that was seen. Raises NotFound where there is none."""
    if seen is None:
        raise NotFound(f"there is no customer {customer_id}", code="customer_not_found")
    return seen


def change_customer(
    stores: Stores,
    customer_id: str,
    wanted: Callable[[CustomerRecord | None, Catalog], CustomerRecord],
    *,
    expected: Expected | None,
    now: Instant,
) -> tuple[CustomerRecord, bool]:
    """Make the customer what is `wanted` of it, and let its cells know; whether it was created. Repeating is harmless.

    Raises PreconditionFailed, Conflict `subject_taken`, Contended, and whatever `wanted` raises.
    """
    attempted: CustomerRecord | None = None
    created = False
    for _ in range(TRIES_MAX):
        seen = stores.customers.customer(customer_id)
        if attempted is not None and seen == attempted:
            # Its answer was lost and it was sent again: the second was refused by what the first had written.
            announce_limits(stores.cells, attempted.effective, now)
            return attempted, created
        require(expected, seen.version if seen is not None else 0)
        stored = stores.catalog.read()
        record = wanted(seen, stored.catalog)
        if record == seen:
            announce_limits(stores.cells, record.effective, now)
            return record, False
        plan = record.active_plan
        mark = plan if plan is not None and plan not in stored.in_use else None
        outcome = stores.customers.save(seen, record, mark, catalog=stored.version)
        match outcome:
            case Saved():
                announce_limits(stores.cells, record.effective, now)
                return record, seen is None
            case SubjectsTaken(subject_keys):
                raise _taken(customer_id, subject_keys)
            case CustomerMoved():
                attempted, created = record, seen is None
    raise Contended("the customer was changed by others at every try")


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


def _subscribed(
    before: Subscription | None, change: SubscriptionChange, catalog: Catalog, now: Instant
) -> Subscription:
    going_on = before if before is not None and before.active else None
    version = change.version
    if version is None and going_on is not None and going_on.plan[0] == change.plan:
        version = going_on.plan[1]
    plan = catalog.plan(change.plan, version)
    if plan is None:
        exists = catalog.plan(change.plan) is not None
        raise invalid(
            "/version" if exists else "/plan",
            "plan_not_found",
            f"plan {change.plan} has no version {version}" if exists else f"there is no plan {change.plan}",
        )
    if change.started_at is not None and change.started_at > now:
        raise invalid(
            "/started_at", "not_available", "a subscription that starts later is not available in this version"
        )
    started_at = change.started_at
    if started_at is None:
        started_at = going_on.started_at if going_on is not None else now
    return Subscription(plan=plan.id, started_at=started_at)


def record_of(
    seen: CustomerRecord | None,
    after: Customer,
    subscription: Subscription | None,
    catalog: Catalog,
    now: Instant,
    *,
    limits: tuple[OwnLimit, ...] | None = None,
    at_once: bool = False,
) -> CustomerRecord:
    """What the customer becomes: `seen` itself where nothing differs. `at_once` cuts the windows that run.

    Without `limits` its own stay. Raises InvalidRequest `too_many` where they and the plan's do not fit together.
    """
    own = limits if limits is not None else seen.limits if seen is not None else ()
    plan = plan_in_force(subscription, catalog)
    if plan is not None and own:
        plan = with_own(plan, own)
        if crowd := too_crowded(plan):
            raise invalid("", "too_many", f"with the customer's own limits, {crowd}")
    before = seen.subscription if seen is not None else None
    effective = compile_effective(
        customer=after.id,
        previous=seen.effective if seen is not None else None,
        dates=Dates(
            zone=after.timezone,
            now=now,
            started_at=subscription.started_at if subscription is not None else None,
            lapsed_at=before.ended_at if before is not None else None,
            at_once=at_once,
        ),
        plan=plan,
        catalog=catalog,
        stripe_customer_id=after.stripe_customer_id,
    )
    if seen is None:
        return CustomerRecord(version=1, customer=after, subscription=subscription, effective=effective)
    record = replace(seen, customer=after, subscription=subscription, effective=effective, limits=own)
    if record == seen:
        return seen
    return replace(record, version=seen.version + 1, customer=replace(after, changed_at=now))


def plan_in_force(subscription: Subscription | None, catalog: Catalog) -> Plan | None:
    """The plan version of an active subscription, as the catalog has it."""
    if subscription is None or not subscription.active:
        return None
    plan = catalog.plan(*subscription.plan)
    assert plan is not None, "a plan that customers have cannot be removed"
    return plan
