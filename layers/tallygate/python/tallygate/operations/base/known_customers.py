"""A customer that must exist, for whatever is asked of it."""

from __future__ import annotations

from typing import Protocol

from tallygate.domain.customers.customers import CustomerRecord
from tallygate.errors import NotFound


class KnownCustomers(Protocol):
    """Customers, as far as they are looked up."""

    def customer(self, customer: str) -> CustomerRecord | None:
        """The customer, consistent; None: there is none."""


def customer(store: KnownCustomers, customer_id: str) -> CustomerRecord:
    """The customer. Raises NotFound."""
    found = store.customer(customer_id)
    if found is None:
        raise NotFound(f"there is no customer {customer_id}", code="customer_not_found")
    return found
