"""Customers: profile, subscription and limits in force, written together.

    CUSTOMER#c   PROFILE       version, name, timezone, subject_keys (JSON), stripe_customer_id, metadata (JSON),
                               created_at, changed_at, limits (how many LIMIT# there are)
                 SUBSCRIPTION  plan (JSON: key, version), started_at, ended_at, pending (JSON)
                 EFFECTIVE     version, doc (JSON), since; EFFECTIVE#since, the same of versions before
                               (`storage.limits.versions`)
                 LIMIT#name    name, form (JSON): a limit of the customer's own
    SUBJECT#key  SUBJECT       customer

PROFILE's version counts the changes of all these items, and every save is conditional on it. This single condition
keeps the items consistent. A customer's id is also one of its subject keys, so that no other customer can take it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tallygate.domain.catalog.catalog import PlanId
from tallygate.domain.customers.customers import Customer, CustomerRecord, Subscription
from tallygate.domain.limits.overrides import OwnLimit
from tallygate.errors import Contended
from tallygate.operations.base.ports import Moves
from tallygate.operations.customers.ports import CustomerMoved, Saved, SubjectsTaken
from tallygate.storage.base import items, keys
from tallygate.storage.base.attributes import Attributes
from tallygate.storage.base.documents import compact, read_document
from tallygate.storage.base.engine import Committed, Delete, Engine, Put, Require, Write, each_item
from tallygate.storage.base.expressions import Absent, Compare, Condition, Item, absent_or
from tallygate.storage.base.receipts import writes_of
from tallygate.storage.catalog.catalog import count_customer, mark_in_use
from tallygate.storage.limits.versions import effective_item, effective_of, put_former

VERSION, CUSTOMER = "version", "customer"
READS_MAX = 6
_CUSTOMERS = Attributes(Customer, apart=("id",))
_SUBSCRIPTIONS = Attributes(Subscription)


class Customers:
    """Reads and writes whole customers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def customer(self, customer: str) -> CustomerRecord | None:
        """Return the customer at one version, read consistently. It is read again if it changed meanwhile.

        Raises Contended after READS_MAX. Four requests; one more if the customer has limits of its own.
        """
        profile = self._engine.get(keys.profile(customer))
        for _ in range(READS_MAX):
            if profile is None:
                return None
            subscription = self._engine.get(keys.subscription(customer))
            effective = self._engine.get(keys.effective(customer)) or {}
            limits = self._limits(customer) if profile.get("limits") else ()
            before, profile = profile, self._engine.get(keys.profile(customer))
            if profile is not None and profile[VERSION] == before[VERSION]:
                return CustomerRecord(
                    version=items.integer(profile, VERSION),
                    customer=_CUSTOMERS.value(profile, id=customer),
                    subscription=_SUBSCRIPTIONS.value(subscription) if subscription is not None else None,
                    effective=effective_of(effective),
                    limits=limits,
                )
        raise Contended("the customer changed while it was read")

    def _limits(self, customer: str) -> tuple[OwnLimit, ...]:
        held = each_item(self._engine, keys.customer_partition(customer), prefix=keys.OWN_LIMIT, consistent=True)
        found = [OwnLimit(name=items.text(i, "name"), form=read_document(items.text(i, "form"))) for i in held]
        return tuple(sorted(found, key=lambda own: own.name))

    def save(
        self,
        seen: CustomerRecord | None,
        wanted: CustomerRecord,
        marks: Sequence[PlanId],
        *,
        catalog: int,
        beside: Moves = (),
    ) -> Saved | CustomerMoved | SubjectsTaken:
        """Write the differences in one transaction, all or nothing.

        It claims and releases subject keys, marks the plans in use, and makes the moves `beside`. The limits in force
        were compiled from the catalog's version `catalog`, so a plan replaced since then is refused.
        """
        assert seen is None or wanted.version == seen.version + 1
        claimed = sorted(_subjects(wanted) - _subjects(seen))
        writes: list[Write | Require] = [_claim(subject, wanted.customer.id) for subject in claimed]
        writes += [_give_up(subject, wanted.customer.id) for subject in sorted(_subjects(seen) - _subjects(wanted))]
        writes += _parts(seen, wanted)
        writes += _own_limits(seen, wanted)
        writes += _counts(seen, wanted)
        writes += [mark_in_use(plan, catalog) for plan in marks]
        writes += writes_of(beside)
        outcome = self._engine.transact(writes, repeatable=True)
        if isinstance(outcome, Committed):
            return Saved()
        taken = [
            subject
            for subject, refused, held in zip(claimed, outcome.refused, outcome.images, strict=False)
            if refused and held is not None and held.get(CUSTOMER) != wanted.customer.id
        ]
        return SubjectsTaken(tuple(taken)) if taken else CustomerMoved()

    def change(self, seen: CustomerRecord, wanted: CustomerRecord) -> Moves:
        assert wanted.version == seen.version + 1
        assert _subjects(seen) == _subjects(wanted)
        return (*_parts(seen, wanted), *_own_limits(seen, wanted), *_counts(seen, wanted))


def _counts(seen: CustomerRecord | None, wanted: CustomerRecord) -> Iterator[Write]:
    """Count one customer less for the plan that it leaves, and one more for the plan that it takes."""
    before, after = seen.active_plan if seen is not None else None, wanted.active_plan
    if before == after:
        return
    if before is not None:
        yield count_customer(before, wanted.customer.id, -1)
    if after is not None:
        yield count_customer(after, wanted.customer.id, 1)


def _own_limits(seen: CustomerRecord | None, wanted: CustomerRecord) -> Iterator[Write]:
    customer = wanted.customer.id
    before = {own.name: own for own in seen.limits} if seen is not None else {}
    after = {own.name: own for own in wanted.limits}
    for name in sorted(before.keys() - after.keys()):
        yield Delete(key=keys.own_limit(customer, name))
    for name, own in after.items():
        if before.get(name) != own:
            yield Put(key=keys.own_limit(customer, name), item={"name": name, "form": compact(own.form)})


def _parts(seen: CustomerRecord | None, wanted: CustomerRecord) -> Iterator[Write]:
    """Write PROFILE always, because its version guards the rest, and SUBSCRIPTION and EFFECTIVE if they differ.

    Replaced limits are kept as a former version.
    """
    customer = wanted.customer.id
    unchanged: Condition = Absent(VERSION) if seen is None else Compare(VERSION, "=", seen.version)
    yield Put(key=keys.profile(customer), item=_profile_item(wanted), condition=unchanged)
    if wanted.subscription is not None and (seen is None or seen.subscription != wanted.subscription):
        yield Put(key=keys.subscription(customer), item=_SUBSCRIPTIONS.item(wanted.subscription))
    if seen is None or seen.effective != wanted.effective:
        # Each version is in force for at least a millisecond, so the order holds for two changes in one millisecond,
        # and under a clock that lags.
        now = wanted.customer.changed_at
        since = now if seen is None else max(now, seen.effective.since + 1)
        yield Put(
            key=keys.effective(customer),
            item=effective_item(wanted.effective, since),
            condition=Absent(VERSION) if seen is None else Compare(VERSION, "=", seen.effective.version),
        )
        if seen is not None:
            yield put_former(seen.effective, wanted.effective, since)


def _subjects(record: CustomerRecord | None) -> frozenset[str]:
    return frozenset() if record is None else record.customer.subject_keys | {record.customer.id}


def _claim(subject: str, customer: str) -> Put:
    condition = absent_or(Compare(CUSTOMER, "=", customer))
    return Put(key=keys.subject(subject), item={CUSTOMER: customer}, condition=condition)


def _give_up(subject: str, customer: str) -> Delete:
    return Delete(key=keys.subject(subject), condition=absent_or(Compare(CUSTOMER, "=", customer)))


def _profile_item(record: CustomerRecord) -> Item:
    return {**_CUSTOMERS.item(record.customer), VERSION: record.version, "limits": len(record.limits)}
