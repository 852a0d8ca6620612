"""Statements: what is said of a closed window, in one form for its closing and for every restatement. Pure.

`raw` is what was used; `billable` is what a bill counts (the same, until units round it); of that, `included` is
covered by the plan's limit and `overage` is beyond it. Without a limit everything is included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tallygate.domain.instants import format_instant
from tallygate.domain.limits import Effective
from tallygate.domain.quantities import ZERO, format_quantity

if TYPE_CHECKING:
    from tallygate.domain.facts import Total


def zone_of(total: Total, effective: Effective | None) -> str:
    """The zone in which the window was cut. A plan that no longer has the limit leaves the customer's own zone, a
    customer that is gone leaves UTC."""
    if effective is None:
        return "UTC"
    for entitlement in effective.entitlements.values():
        for quota in (quota for limit in entitlement.limits for quota in limit.quotas):
            if quota.ordinal == total.ordinal:
                segments = quota.schedule.segments
                return [s.zone for s in segments if s.since is None or s.since <= total.start][-1]
    return effective.timezone


def billed_to(total: Total, effective: Effective | None) -> str | None:
    """The customer's id at the billing provider: as the total knows it, else as it has become known since."""
    known = total.governed.stripe_customer_id
    return known if known is not None or effective is None else effective.stripe_customer_id


def statement(total: Total, *, timezone: str, stripe_customer_id: str | None, revision: int) -> dict[str, Any]:
    """The statement as JSON, the feature's sequence aside; quantities in their wire form."""
    governed = total.governed
    limit = governed.limit
    included = total.value if limit is None else min(total.value, limit)
    plan = None if governed.plan is None else f"{governed.plan}@{governed.plan_version}"
    return {
        "customer": total.customer,
        "stripe_customer_id": stripe_customer_id,
        "plan": plan,
        "feature": governed.feature,
        "meter": governed.meter,
        "limit_name": governed.name,
        "period": {
            "start": format_instant(total.start),
            "end": format_instant(total.end),
            "timezone": timezone,
        },
        "raw": format_quantity(total.value),
        "presented": None,
        "billable": format_quantity(total.value),
        "included": format_quantity(included),
        "overage": format_quantity(max(ZERO, total.value - included)),
        "breakdown": {"base": None if limit is None else format_quantity(limit), "carried": 0, "adjusted": 0},
        "carried_out": 0,
        "amount": None,
        "unit": None,
        "adjustments": [],
        "revision": revision,
    }
