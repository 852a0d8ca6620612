"""impact: what a limit counted in a time range, and what it would have denied. It reads totals and decides nothing.

Totals lag behind decisions by about a second. `as_of` is the time at which the totals were read.
"""

from __future__ import annotations

from tallygate.domain.base.instants import Instant
from tallygate.domain.entries.total import Total
from tallygate.domain.facts.impact import ROWS_MAX, Impact, ImpactQuery, counted_as
from tallygate.domain.periods.recurrence import earliest_reaching
from tallygate.errors import InvalidRequest, NotFound
from tallygate.operations.facts.ports import ImpactStore

EARLIER_MAX = 5
"""The most first-use windows that may be read although they end before the range: four, for windows of a day."""


def impact(store: ImpactStore, query: ImpactQuery, *, now: Instant) -> Impact:
    """Return the limit's windows in the range.

    Raises NotFound for an unknown customer, or a limit that it never had. Raises InvalidRequest for more windows than
    one answer holds.
    """
    effective = store.effective(query.customer)
    if effective is None:
        raise NotFound("there is no such customer", code="customer_not_found")
    quotas = counted_as(effective.in_force(now), query.name)
    if quotas is None:
        raise NotFound(f"the customer has never had a limit {query.name[:100]}", code="limit_not_found")
    found: list[Total] = []
    for quota in quotas:
        first = earliest_reaching(quota.schedule, query.start)
        listed = store.totals(
            query.customer,
            quota.feature,
            quota.ordinal,
            first,
            query.end,
            limit=ROWS_MAX + 1 + EARLIER_MAX - len(found),
        )
        found += [total for total in listed if total.end > query.start]
        if len(found) > ROWS_MAX:
            raise InvalidRequest(
                f"the limit has more than {ROWS_MAX} windows with usage in that time range; ask for a shorter range",
                code="too_many_rows",
            )
    return Impact(query=query, totals=tuple(found), as_of=now)
