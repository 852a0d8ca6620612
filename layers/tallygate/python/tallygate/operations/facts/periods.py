"""periods: a customer's closed periods, as they are stated now.

Each is the newest statement of its period: at revision 1 what usage.period_closed said, beyond that what the last
usage.restated said, with `closed_raw`, the usage that was stated first, beside it. Of another limit they are those of
limit.period_closed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tallygate.domain.base.instants import format_instant
from tallygate.domain.base.quantities import format_quantity
from tallygate.domain.entries.total import Total
from tallygate.domain.facts.closing import FIRST_REVISION, billed_to, closing_id, period_of, statement
from tallygate.domain.limits.governing import limit_names
from tallygate.domain.limits.limits import Effective
from tallygate.errors import NotFound
from tallygate.operations.facts.ports import ClosedTotal, ClosingStore


def list_periods(
    store: ClosingStore,
    customer: str,
    feature: str | None,
    *,
    after: str | None,
    limit: int,
    named: str | None = None,
    size_of: Callable[[str], int] = int,
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of statements in order of feature, limit and time, and where to go on: those of the entitlements' own
    quotas, or those of the limits that are `named` so.

    In other lists `limit` is how many to answer. So a number that no limit of the customer is called is that here too;
    `size_of` reads it. Raises NotFound, InvalidRequest.
    """
    effective = store.effective(customer)
    if effective is None:
        raise NotFound(f"there is no customer {customer[:100]}", code="customer_not_found")
    if named is not None and named not in limit_names(effective).values():
        if not (named.isascii() and named.isdigit()):
            detail = f"customer {customer[:100]} never had a limit {named[:100]}; page_size says how many to answer"
            raise NotFound(detail, code="limit_not_found")
        limit, named = size_of(named), None

    def wanted(total: Total) -> bool:
        return total.governed.own if named is None else total.governed.name == named

    found, next_after = store.closed(customer, feature, wanted=wanted, after=after, limit=limit)
    return [_stated(closed, effective) for closed in found], next_after


def _stated(closed: ClosedTotal, effective: Effective) -> dict[str, Any]:
    total = closed.total
    return {
        "id": closing_id(total),
        **statement(
            total,
            period=period_of(total, effective),
            stripe_customer_id=billed_to(total, effective),
            revision=max(FIRST_REVISION, total.revision),
        ),
        "closed_at": format_instant(closed.closed_at),
        "closed_raw": format_quantity(closed.closed_value),
    }
