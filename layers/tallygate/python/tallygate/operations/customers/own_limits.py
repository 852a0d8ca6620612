"""own_limits: a customer's own limits, which override its plan's limits or add to them.

As with every change of a customer, one transaction stores the limits in force, then the cells get the new version, then
the call answers. So an override acts at the very next decision. It stays through every change of plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog.catalog import Catalog, ExpectedVersion, Plan
from tallygate.domain.catalog.forms import as_json
from tallygate.domain.customers.customers import CustomerRecord
from tallygate.domain.facts.audits import LIMIT_REMOVED, LIMIT_SET
from tallygate.domain.limits.overrides import OWN_LIMITS_MAX, OwnLimit
from tallygate.errors import NotFound, invalid
from tallygate.operations.base.ports import Moves
from tallygate.operations.corrections.resets import Beside
from tallygate.operations.customers.customers import (
    ChangedBy,
    Stores,
    change_customer,
    known,
    plan_in_force,
    record_of,
)
from tallygate.operations.limits.in_force import announce_limits

Judge = Callable[[Plan | None, Catalog, OwnLimit], None]
"""Raises InvalidRequest where a limit is not valid under a plan (None: without a plan)."""


def put_limit(
    stores: Stores,
    customer_id: str,
    own: OwnLimit,
    judge: Judge,
    *,
    expected: ExpectedVersion | None,
    now: Instant,
    by: ChangedBy | None = None,
) -> tuple[CustomerRecord, bool]:
    """Set the customer's limit of this name; also return whether it is new. Repeating changes nothing.

    Raises NotFound, InvalidRequest, PreconditionFailed, Contended.
    """
    new = True

    def wanted(seen: CustomerRecord | None, catalog: Catalog) -> CustomerRecord:
        nonlocal new
        held = known(seen, customer_id)
        others = tuple(limit for limit in held.limits if limit.name != own.name)
        new = len(others) == len(held.limits)
        judge(plan_in_force(held.subscription, catalog), catalog, own)
        if len(others) >= OWN_LIMITS_MAX:
            raise invalid("", "too_many", f"a customer has at most {OWN_LIMITS_MAX} limits of its own")
        return record_of(held, held.customer, held.subscription, catalog, now, limits=_sorted((*others, own)))

    audited = _limit_audit(by, own.name, now)
    return change_customer(stores, customer_id, wanted, expected=expected, now=now, beside=audited)[0], new


def delete_limit(
    stores: Stores,
    customer_id: str,
    name: str,
    *,
    expected: ExpectedVersion | None,
    now: Instant,
    by: ChangedBy | None = None,
) -> CustomerRecord:
    """Remove the limit; the plan's limit is in force again. Raises NotFound, PreconditionFailed, Contended."""

    def wanted(seen: CustomerRecord | None, catalog: Catalog) -> CustomerRecord:
        held = known(seen, customer_id)
        others = tuple(limit for limit in held.limits if limit.name != name)
        if len(others) == len(held.limits):
            # An earlier call may have removed the limit and died before it announced that to the cells.
            announce_limits(stores.cells, held.effective, now)
            raise _not_found(customer_id, name)
        return record_of(held, held.customer, held.subscription, catalog, now, limits=others)

    audited = _limit_audit(by, name, now)
    return change_customer(stores, customer_id, wanted, expected=expected, now=now, beside=audited)[0]


def _limit_audit(by: ChangedBy | None, name: str, now: Instant) -> Beside:
    """Return the audit writes of the limit of this name, before and after."""

    def audited(before: CustomerRecord | None, after: CustomerRecord) -> Moves:
        was, new = _form(before, name), _form(after, name)
        if by is None or was == new:
            return ()
        action = LIMIT_REMOVED if new is None else LIMIT_SET
        about = {"limit": name}
        entry = by.author(now).entry(action, about, customer=after.customer.id, before=was, after=new)
        return by.audits.record(entry)

    return audited


def _form(record: CustomerRecord | None, name: str) -> Mapping[str, Any] | None:
    limits = record.limits if record is not None else ()
    return next((as_json(own.form) for own in limits if own.name == name), None)


def own_limit(record: CustomerRecord, name: str) -> OwnLimit:
    """Return the customer's own limit of this name. Raises NotFound."""
    for limit in record.limits:
        if limit.name == name:
            return limit
    raise _not_found(record.customer.id, name)


def list_limits(record: CustomerRecord, *, after: str | None, limit: int) -> tuple[tuple[OwnLimit, ...], str | None]:
    """Return a page of the customer's own limits in order of their names, and the next page's cursor."""
    rest = [own for own in record.limits if after is None or own.name > after]
    page = tuple(rest[:limit])
    return page, page[-1].name if len(rest) > limit else None


def _sorted(limits: Sequence[OwnLimit]) -> tuple[OwnLimit, ...]:
    return tuple(sorted(limits, key=lambda own: own.name))


def _not_found(customer_id: str, name: str) -> NotFound:
    return NotFound(f"customer {customer_id} has no limit {name} of its own", code="limit_not_found")
