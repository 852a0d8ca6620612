"""The fold (aggregation): from journal entries to totals and usage. Pure, so repeating it gives the same result.

    event ──resolve (meters, limits in force)──> entry ──┐
    use, settle ──copied from the cell's entry─> entry ──┴─ record ──changes──> per total: + value, + by_event
                                                                                per usage item: + quarter hours

An event counts in the windows of its own time, in every limit of every feature whose meter counts the event. If a
decision already counted the same work and the event names it, the decision's meter does not count the event again.
Other meters still count it.

A settlement changes the decision's windows, time and dimension values by the difference. Its entry follows the decision
in the same cell and therefore in the journal. So no sum is ever negative.

The journal also has the parts that raise a window's limit: the opening balance as its current value, an adjustment as
a difference. So a total includes both exactly once, like its usage. A reset does not reduce usage. The total records
separately how much of its usage is excluded from enforcement.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from tallygate.domain.base.instants import DAY, MINUTE, Instant, format_instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.catalog.scopes import governs
from tallygate.domain.entries.entry import Entry
from tallygate.domain.entries.events import EventEntry
from tallygate.domain.entries.moves import TotalMove
from tallygate.domain.facts.impact import would_deny
from tallygate.domain.journal.records import Record
from tallygate.domain.limits.counters import CountedWindow, CounterName
from tallygate.domain.limits.governing import Governed
from tallygate.domain.limits.limits import Effective, Quota
from tallygate.domain.metering.contributions import NOTHING, Contribution, combined, dated
from tallygate.domain.metering.events import Event, data_of
from tallygate.domain.metering.judgement import EventJudgement, EventWarning, Granted, judge, nothing_granted
from tallygate.domain.metering.meters import Meters
from tallygate.domain.periods.recurrence import Window, window_at

QUARTER = 15 * MINUTE
"""In every zone, days and hours consist of whole quarter hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalChange:
    """The change by one record of the total of one limit in one window.

    would_decisions: number of uses that an observing limit would have denied (`domain.facts.impact`)
    would_amount: units of these uses
    """

    governed: Governed
    move: TotalMove
    would_decisions: int = 0
    would_amount: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageChange:
    """The change by one record of a meter's usage on one UTC day, for one combination of dimension values."""

    meter: str
    day: str
    dimensions: str
    quarters: Mapping[int, Contribution]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """All changes that follow from a record. No two changes have the same target."""

    totals: tuple[TotalChange, ...]
    usage: tuple[UsageChange, ...]

    @property
    def every(self) -> tuple[TotalChange | UsageChange, ...]:
        return (*self.totals, *self.usage)


WindowOf = Callable[[str, Quota, Instant], Window]
"""Return the window in which a feature's quota counts usage of a given time."""


def by_time(_feature: str, quota: Quota, time: Instant) -> Window:
    """Return the window by time alone. First_use quotas need the cell instead, which records their windows."""
    return window_at(quota.schedule, time)


def resolve_event(
    event: Event,
    meters: Meters,
    effective: Effective | None,
    first_use: WindowOf = by_time,
    granted: Granted = nothing_granted,
) -> EventEntry:
    """Resolve an event into the entry that states what it adds to which meters and windows.

    first_use: returns the window of a first_use quota
    granted: looks up the decision that an event names

    Raises ValueError if the event's data cannot be read.
    """
    judged = judgement_of(event, meters, effective, granted)
    refusal = judged.refusal
    warnings = judged.warnings
    if refusal is not None and not warnings:
        warnings = (EventWarning(meter=None, code=refusal.code, detail=refusal.detail),)
    # An id is unique within its source.
    name = f"{event.id}\n{event.source}"
    measured = tuple(
        replace(found, contribution=dated(found.contribution, event.time, name)) for found in judged.measured
    )
    return EventEntry(
        source=event.source,
        id=event.id,
        type=event.type,
        time=event.time,
        received_at=event.received_at,
        measured=measured,
        warnings=warnings,
        rejected=None if refusal is None else refusal.code,
        windows=_windows({found.meter: found.dimensions for found in measured}, event.time, effective, first_use),
        traceparent=event.traceparent,
    )


def judgement_of(event: Event, meters: Meters, effective: Effective | None, granted: Granted) -> EventJudgement:
    """Judge a stored event. Raises ValueError if its data cannot be read.

    The meter of a feature is the one in the customer's limits in force. So a feature that left the catalog still
    counts.
    """

    def meter_of(feature: str) -> str | None:
        entitlement = effective.entitlements.get(feature) if effective is not None else None
        return entitlement.meter if entitlement is not None else meters.of_feature.get(feature)

    data = data_of(event.data)
    return judge(event.type, data, customer=event.customer, meters=meters, granted=granted, meter_of=meter_of)


def _windows(
    fed: Mapping[str, Mapping[str, str]], time: Instant, effective: Effective | None, first_use: WindowOf
) -> tuple[CountedWindow, ...]:
    """Return the windows in which an event counts. `fed`: the event's dimension values by meter that counts it."""
    if effective is None or not fed:
        return ()
    found: list[CountedWindow] = []
    for entitlement in effective.entitlements.values():
        if entitlement.meter in fed:
            dimensions = fed[entitlement.meter]
            for limit in entitlement.limits:
                for quota in limit.quotas if governs(limit.scope, dimensions) else ():
                    window_of = first_use if quota.schedule.from_first_use else by_time
                    window = window_of(entitlement.feature, quota, time)
                    found.append(CountedWindow(quota.ordinal, window.start, window.end))
    return tuple(found)


def limits_named(
    entries: Iterable[Entry], governed: Mapping[int, Governed], names: Mapping[int, str] | None = None
) -> dict[int, Governed]:
    """Return the limits that entries refer to, by ordinal, as a record stores them.

    governed: the limits in force
    names: names of limits no longer in force; a limit that is missing here was the feature's own

    Of a limit that is no longer in force, only the names are stored.
    """
    known = names or {}
    named: dict[int, Governed] = {}
    for entry in entries:
        for window in entry.windows_moved:
            found = governed.get(window.ordinal) or entry.governed(known.get(window.ordinal))
            if found is not None:
                named.setdefault(window.ordinal, found)
    return named


def changes_of(record: Record) -> Changes:
    """Return the changes that follow from a record. They depend on the record alone."""
    totals: dict[CounterName, TotalMove] = {}
    usage: dict[tuple[str, str, str], dict[int, Contribution]] = {}
    for entry in record.entries:
        for used in entry.usage:
            day, quarter = day_and_quarter(used.time)
            quarters = usage.setdefault((used.meter, day, dimensions_text(used.dimensions)), {})
            quarters[quarter] = combined(quarters.get(quarter, NOTHING), used.contribution)
        for move in entry.totals(record.limits):
            before = totals.get(move.window.counter)
            totals[move.window.counter] = move if before is None else before.then(move)
    return Changes(
        totals=tuple(_total_change(record.limits[name[0]], move) for name, move in sorted(totals.items())),
        usage=tuple(
            UsageChange(meter=meter, day=day, dimensions=dimensions, quarters=quarters)
            for (meter, day, dimensions), quarters in sorted(usage.items())
        ),
    )


def _total_change(governed: Governed, move: TotalMove) -> TotalChange:
    denied = [amount for shown, amount in move.shown if would_deny(governed, shown)]
    return TotalChange(governed=governed, move=move, would_decisions=len(denied), would_amount=sum(denied, ZERO))


def day_and_quarter(time: Instant) -> tuple[str, int]:
    """Return the UTC day of an instant (`2026-01-31`) and the index of its quarter hour, 0 to QUARTERS − 1."""
    return format_instant(time - time % DAY)[:10], time % DAY // QUARTER


_DIMENSIONS = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def dimensions_text(dimensions: Mapping[str, str]) -> str:
    """Return the canonical text of dimension values, which identifies their usage item."""
    return _DIMENSIONS.encode(dict(dimensions))
