"""audits: lists the changes of the control plane with their authors, newest first."""

from __future__ import annotations

from tallygate.domain.facts.audits import Audit
from tallygate.operations.base.known_customers import customer
from tallygate.operations.customers.ports import CustomerStore
from tallygate.operations.facts.ports import AuditStore


def list_audits(
    store: AuditStore, customers: CustomerStore, customer_id: str | None, *, after: str | None, limit: int
) -> tuple[tuple[Audit, ...], str | None]:
    """Return a page of audit entries and the next page's cursor; without a customer, the stack's own entries.

    Raises NotFound for an unknown customer, which has no trail.
    """
    trail = None if customer_id is None else customer(customers, customer_id).customer.id
    return store.page(trail, after=after, limit=limit)
