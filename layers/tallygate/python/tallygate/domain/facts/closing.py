"""Closing: when a window is closed for billing, and the statement about it. Pure.

    |<------- window ------->|<-- close_grace -->|
    start                   end            may be closed ──> usage.period_closed, revision 1
                                                 usage counted later ──────> usage.restated, revision 2 …

An entitlement's own quota is stated as usage.period_closed and usage.restated. Any other quota is stated as
limit.period_closed, both at its closing and in restatements. So the sum of `billable` in usage.period_closed is the
amount to bill, and usage.restated states how it changed.

Closing does not affect admission: the next window begins at `end`, whether or not any job has run. The fold lags by
about a second. Usage accepted before the end but counted after the closing is restated like any other late usage. A
vendor that bills from the closing sets close_grace.

Only quotas of an hour or longer are closed. Rates, rolling periods and periods without an end are never closed. Windows
without usage and adjustments have no total and are not closed. If a change cuts a window short after its first usage,
the window is closed at its original end; the statement shows the actual end.

Statements have one form for the closing and for every restatement:

    raw           usage in raw quantities
    presented     the same in the unit in which the feature is shown
    billable      the amount to bill, rounded once for the window, in `unit`; only for an entitlement's own quota,
                  because other limits count the same usage again
    included      the part of the usage within the limit, including carried and adjusted amounts; all of it if unlimited
    overage       the part beyond the limit
    unit          the feature's unit when the window was closed (`domain.catalog.units`); without one, raw quantities
    adjustments   the newest manual adjustments in the window; `breakdown` has the sum of all

Followed usage (counted in other windows) is billed in those windows. Here it only reduces the remaining limit. Callers
must pass a total whose limit is the one in force at the window's end (`domain.limits.governing`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tallygate.domain.base.instants import HOUR, Instant, format_instant
from tallygate.domain.base.quantities import ZERO, format_quantity
from tallygate.domain.catalog.units import line_of, presented
from tallygate.domain.entries.fact_types import LIMIT_CLOSED, PERIOD_CLOSED
from tallygate.domain.entries.total import Total
from tallygate.domain.facts.facts import about_total, breakdown, fact_id
from tallygate.domain.limits.governing import Governed
from tallygate.domain.limits.limits import Effective
from tallygate.domain.limits.rungs import left
from tallygate.domain.metering.contributions import Merge
from tallygate.domain.periods.boundaries import NEVER_ENDS
from tallygate.domain.periods.recurrence import Schedule, closes, segment_at, window_at

SHORTEST_PERIOD = HOUR
FIRST_REVISION = 1


def may_close(total: Total, *, now: Instant, grace: Instant) -> bool:
    """Return whether the window and its grace have ended and the window has not been closed yet."""
    return not total.closed and total.end + grace <= now and is_closed(total.governed, total.start, total.end)


def is_closed(governed: Governed, start: Instant, end: Instant) -> bool:
    """Return whether windows like this are closed at all.

    The length of the period decides, because a change may have cut the window itself short.
    """
    if governed.reach:
        return False
    if governed.every is not None:
        return closes(governed.every)
    return end - start >= SHORTEST_PERIOD and end < NEVER_ENDS


def closed_as(governed: Governed) -> str:
    """Return the type of the fact that closes a window of this limit."""
    return PERIOD_CLOSED if governed.own else LIMIT_CLOSED


def closing_id(total: Total) -> str:
    """Return the id of the fact that closes this total. It is the same for every closer and every attempt."""
    return fact_id(total.customer, total.feature, total.ordinal, total.start, PERIOD_CLOSED, FIRST_REVISION)


def trace_of(fact_id: str) -> str:
    """Return the W3C traceparent of a closing. A closing begins a new trace, derived from the fact's id."""
    digits = fact_id.rpartition("_")[2]
    return f"00-{digits[:32]}-{digits[:16]}-01"


FIGURES = ("raw", "presented", "billable", "included", "overage", "breakdown", "carried_out", "amount")
"""The figures that a restatement repeats with their earlier values."""


def period_of(total: Total, effective: Effective | None) -> dict[str, Any]:
    """Return the window and its recurrence, as JSON.

    A window that was cut after its last usage has the cut as its end. The limit's schedule may be unknown (the customer
    was deleted, the limit was removed long ago). Then the answer has the window as counted, in the customer's zone or
    UTC.
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
    """Return the window's end, also if the window was cut after its last usage."""
    schedule = _schedule(total.ordinal, effective.in_force(total.start))
    if schedule is None:
        return total.end
    window = window_at(schedule, total.start)
    return min(total.end, window.end) if window.start == total.start else total.end


def _schedule(ordinal: int, effective: Effective) -> Schedule | None:
    found = effective.quota(ordinal)
    return effective.retired.get(ordinal) if found is None else found[2].schedule


def billed_to(total: Total, effective: Effective | None) -> str | None:
    """Return the customer's Stripe id: from the total, else from the limits in force."""
    known = total.governed.stripe_customer_id
    return known if known is not None or effective is None else effective.stripe_customer_id


def statement(
    total: Total, *, period: Mapping[str, Any], stripe_customer_id: str | None, revision: int
) -> dict[str, Any]:
    """Return the statement as JSON, without the feed's sequence number; quantities are in their wire form."""
    governed = total.governed
    limit = total.limit
    # Followed usage takes its part of the limit here but is billed in the windows that counted it.
    taken = max(ZERO, total.followed) if governed.merge is Merge.ADD else ZERO
    included = total.value if limit is None else min(total.value, left(limit, taken))
    overage, unit = max(ZERO, total.value - included), total.unit
    line = line_of(unit, raw=total.value, overage=overage)
    return {
        **about_total(total),
        "stripe_customer_id": stripe_customer_id,
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
    """Return the figures of an earlier statement as `<figure>_before`, for a restatement."""
    return {f"{figure}_before": stated[figure] for figure in FIGURES}
