"""GET /v1/customers/{customer}/limits/{name}/impact on the wire: what a limit that observes would have denied.

data   the limit's windows that overlap [from, to) and have usage, whole ones, each as it stands
sums   one for each quota of the limit: a month's and a day's count the same uses, and are not added up
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tallygate.contracts.queries import instant_asked, parameter_error
from tallygate.domain.boundaries import NEVER_ENDS
from tallygate.domain.entries.total import Total
from tallygate.domain.impact import RANGE, RANGE_MAX, Impact, ImpactQuery, Sum
from tallygate.domain.instants import DAY, Instant, format_instant
from tallygate.domain.quantities import ZERO, format_quantity
from tallygate.errors import FieldError, InvalidRequest


def read_impact(customer: str, name: str, parameters: Mapping[str, str], *, now: Instant) -> ImpactQuery:
    """The query that the parameters state. Raises InvalidRequest with every rule that is broken."""
    errors: list[FieldError] = []
    end = instant_asked(parameters, "to", now + 1, errors)
    start = instant_asked(parameters, "from", end - RANGE, errors)
    if not errors and start >= end:
        errors.append(parameter_error("to", "out_of_range", "must be later than from"))
    elif end - start > RANGE_MAX:
        errors.append(parameter_error("from", "out_of_range", f"must be at most {RANGE_MAX // DAY} days before to"))
    if errors:
        first = errors[0]
        raise InvalidRequest(f"{first.pointer}: {first.detail}", errors=tuple(errors))
    return ImpactQuery(customer=customer, name=name, start=start, end=end)


def impact_answer(impact: Impact) -> dict[str, Any]:
    """The answer as JSON."""
    query = impact.query
    return {
        "customer": query.customer,
        "name": query.name,
        "from": format_instant(query.start),
        "to": format_instant(query.end),
        "data": [_window(total) for total in impact.totals],
        "sums": [_sum(each) for each in impact.sums],
        "as_of": format_instant(impact.as_of),
    }


def _window(total: Total) -> dict[str, Any]:
    """A window under the limit as it was when it was last counted in; `limit` with all that it was raised by."""
    governed = total.governed
    return {
        "feature": total.feature,
        "scope": dict(governed.scope),
        "every": governed.every,
        "start": format_instant(total.start),
        "end": None if total.end >= NEVER_ENDS else format_instant(total.end),
        "usage": format_quantity(total.value),
        "limit": None if total.limit is None else format_quantity(max(ZERO, total.limit)),
        "enforcement": governed.enforcement,
        "would_deny": _would_deny(total.would_decisions, total.would_amount),
    }


def _sum(each: Sum) -> dict[str, Any]:
    return {
        "feature": each.feature,
        "scope": dict(each.scope),
        "every": each.every,
        "windows": each.windows,
        "usage": format_quantity(each.usage),
        "would_deny": _would_deny(each.decisions, each.amount),
    }


def _would_deny(decisions: int, amount: Decimal) -> dict[str, Any]:
    return {"decisions": decisions, "amount": format_quantity(amount)}
