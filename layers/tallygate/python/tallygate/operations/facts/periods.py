"""periods: a customer's closed periods, with their newest statements.

Revision 1 is what usage.period_closed said. A later revision is what the last usage.restated said; `closed_raw` is the
usage that was stated first. For other limits than the entitlement's own quota, the fact is limit.period_closed.
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
    """Return a page of statements in order of feature, limit and time, and the next page's cursor.

    They are those of the entitlements' own quotas or, with `named`, those of the limits of that name. In other lists
    the parameter `limit` is the page size. So if `named` is a number and no limit of the customer has that name, it is
    the page size here too, read by `size_of`.

    Raises NotFound, InvalidRequest.
    """
    effective = store.effective(customer)
    if effective is None:
        raise NotFound(f"there is no customer {customer[:100]}", code="customer_not_found")
    if named is not None and named not in limit_names(effective).values():
        if not (named.isascii() and named.isdigit()):
            detail = f"customer {customer[:100]} never had a limit {named[:100]}; use page_size for the page size"
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
