"""Closing: when a window is over for billing, and what is stated of it. Pure.

    |<------- window ------->|<-- close_grace -->|
    start                   end            may be closed ──> usage.period_closed, revision 1
                                                 usage that is counted later ──> usage.restated, revision 2 …

Every other quota than the entitlement's own is stated as limit.period_closed, in its closing and in its restatements.
So the sum of `billable` in usage.period_closed is what to bill, and usage.restated says by how much it has changed.

Closing decides nothing about admission: the next window begins at `end`, whether or not any job has run. Usage that was
accepted before the end but is counted after the closing (the fold lags by about a second) is a restatement like any
other late usage; whoever bills from the closing sets close_grace.

Only quotas of an hour or longer are closed, never rates, never what counts for ever or rolls, and only windows with
usage or an adjustment: without, there is no total. A window that a change has cut is closed when it would have ended,
with the end that it has.

Statements: what is said of a closed window, in one form for its closing and for every restatement. Pure.

`raw` is what was used, `presented` how it is shown. `billable` is what a bill counts, rounded once for the window, in
the unit that the feature had when it was closed (`domain.catalog.units`), named `unit`; raw without one. Of that,
`included` is
covered by the limit, with all that was carried over and adjusted, and `overage` is beyond it. Without a limit
everything is included. What followed from other windows is billed there: here it only leaves less of the limit.
`adjustments` are the newest of those made by hand in the window, `breakdown` has their sum.

The total's limit must be the one that is stated: that in force at the window's end (`domain.limits.governing`). Only
the entitlement's own quota is `billable`: what other limits count is the same usage once more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tallygate.domain.base.instants import HOUR, Instant, format_instant
from tallygate.domain.base.quantities import ZERO, format_quantity
from tallygate.domain.catalog.units import line_of, presented
from tallygate.domain.entries.total import Total
from tallygate.domain.facts.facts import LIMIT_CLOSED, breakdown, fact_id
from tallygate.domain.limits.governing import Governed
from tallygate.domain.limits.limits import Effective
from tallygate.domain.limits.rungs import left
from tallygate.domain.periods.boundaries import NEVER_ENDS
from tallygate.domain.periods.recurrence import Schedule, closes, segment_at, window_at

PERIOD_CLOSED = "usage.period_closed"
SHORTEST_PERIOD = HOUR
FIRST_REVISION = 1


def may_close(total: Total, *, now: Instant, grace: Instant) -> bool:
    """Whether the window is over, its grace too, and nothing has been stated of it yet."""
    return not total.closed and total.end + grace <= now and is_closed(total.governed, total.start, total.end)


def is_closed(governed: Governed, start: Instant, end: Instant) -> bool:
    """Whether a window of this limit is ever closed: by its period's length, for a change may have cut it short."""
    if governed.reach:
        return False
    if governed.every is not None:
        return closes(governed.every)
    return end - start >= SHORTEST_PERIOD and end < NEVER_ENDS


def closed_as(governed: Governed) -> str:
    """The type of the fact that closes a window of this limit."""
    return PERIOD_CLOSED if governed.own else LIMIT_CLOSED


def closing_id(total: Total) -> str:
    """The id of the fact that closes this total: the same whoever closes it, and however often it is tried."""
    return fact_id(total.customer, total.feature, total.ordinal, total.start, PERIOD_CLOSED, FIRST_REVISION)


def trace_of(fact_id: str) -> str:
    """A closing begins a trace of its own; a W3C traceparent that its fact's id decides."""
    digits = fact_id.rpartition("_")[2]
    return f"00-{digits[:32]}-{digits[:16]}-01"


FIGURES = ("raw", "presented", "billable", "included", "overage", "breakdown", "carried_out", "amount")
"""What a restatement says a second time, as it was stated before."""


def period_of(total: Total, effective: Effective | None) -> dict[str, Any]:
    """The window and the recurrence that it is an instance of, as JSON.

    A window that was cut after it was last counted ends where it was cut. Without the limit's schedule (a customer that
    is gone, limits of long ago) there is the window as it was counted, in the customer's zone or UTC.
    """
    stated = {"start": format_instant(total.start), "end": format_instant(total.end)}
    if effective is None:
        return {**stated, "timezone": "UTC"}
    schedule = _schedule(total.ordinal, effective.in_force(total.start))
    if schedule is None:
        return {**stated, "timezone": effective.timezone}
    segment = segment_at(schedule, total.start)
    stated["end"] = format_instant(end_of(total, effective))
    return {**stated, "every": segment.every, "anchor": segment.anchor_named, "timezone": segment.zone}


def end_of(total: Total, effective: Effective) -> Instant:
    """The window's end: where it was cut, if it was cut after it was last counted."""
    schedule = _schedule(total.ordinal, effective.in_force(total.start))
    if schedule is None:
        return total.end
    window = window_at(schedule, total.start)
    return min(total.end, window.end) if window.start == total.start else total.end


def _schedule(ordinal: int, effective: Effective) -> Schedule | None:
    for entitlement in effective.entitlements.values():
        for quota in (quota for limit in entitlement.limits for quota in limit.quotas):
            if quota.ordinal == ordinal:
                return quota.schedule
    return effective.retired.get(ordinal)


def billed_to(total: Total, effective: Effective | None) -> str | None:
    """The customer's id at the billing provider: as the total knows it, else as it has become known since."""
    known = total.governed.stripe_customer_id
    return known if known is not None or effective is None else effective.stripe_customer_id


def statement(
    total: Total, *, period: Mapping[str, Any], stripe_customer_id: str | None, revision: int
) -> dict[str, Any]:
    """The statement as JSON, the feature's sequence aside; quantities in their wire form."""
    governed = total.governed
    limit = total.limit
    # What followed has taken its part of the limit; it is billed in the windows that counted it.
    included = total.value if limit is None else min(total.value, left(limit, max(ZERO, total.followed)))
    overage, unit = max(ZERO, total.value - included), total.unit
    line = line_of(unit, raw=total.value, overage=overage)
    return {
        "customer": total.customer,
        "stripe_customer_id": stripe_customer_id,
        "plan": governed.plan,
        "plan_version": governed.plan_version,
        "feature": governed.feature,
        "meter": governed.meter,
        "limit_name": governed.name,
        "scope": dict(governed.scope),
        "unlimited": limit is None,
        "period": dict(period),
        "raw": format_quantity(total.value),
        "presented": presented(unit, {"quantity": total.value, "included": included, "overage": overage}),
        **({"billable": format_quantity(line.billable)} if governed.own else {}),
        "included": format_quantity(line.included),
        "overage": format_quantity(line.overage),
        "breakdown": breakdown(total),
        "carried_out": format_quantity(total.carried_out or ZERO),
        "amount": None,
        "unit": None if unit is None else unit.display,
        "adjustments": [dict(each) for each in total.adjustments],
        "revision": revision,
    }


def before(stated: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of an earlier statement, as a restatement has them beside its own: each as `<figure>_before`."""
    return {f"{figure}_before": stated[figure] for figure in FIGURES}
