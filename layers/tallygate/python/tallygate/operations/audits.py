"""audits: what operators did to a customer, the newest first."""

from __future__ import annotations

from tallygate.control_store import AuditStore, CustomerStore
from tallygate.domain.audits import Audit
from tallygate.operations.customers import customer


def list_audits(
    store: AuditStore, customers: CustomerStore, customer_id: str, *, after: str | None, limit: int
) -> tuple[tuple[Audit, ...], str | None]:
    """Some entries, and where to go on. Raises NotFound for an unknown customer, which has no trail."""
    return store.page(customer(customers, customer_id).customer.id, after=after, limit=limit)
