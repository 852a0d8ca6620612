"""Look-up of a customer that must exist."""

from __future__ import annotations

from typing import Protocol

from tallygate.domain.customers.customers import CustomerRecord
from tallygate.errors import NotFound


class KnownCustomers(Protocol):
    """A store that looks up customers."""

    def customer(self, customer: str) -> CustomerRecord | None:
        """Return the customer, read consistently; None: there is no such customer."""


def customer(store: KnownCustomers, customer_id: str) -> CustomerRecord:
    """Return the customer. Raises NotFound."""
    found = store.customer(customer_id)
    if found is None:
        raise NotFound(f"there is no customer {customer_id}", code="customer_not_found")
    return found
