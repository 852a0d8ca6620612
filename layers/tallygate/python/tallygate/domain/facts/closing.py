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
"""

from __future__ import annotations

from tallygate.domain.base.instants import HOUR, Instant
from tallygate.domain.entries.total import Total
from tallygate.domain.facts.facts import LIMIT_CLOSED, fact_id
from tallygate.domain.limits.governing import Governed
from tallygate.domain.periods.boundaries import NEVER_ENDS
from tallygate.domain.periods.recurrence import closes

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
