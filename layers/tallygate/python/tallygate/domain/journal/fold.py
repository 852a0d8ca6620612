"""The fold: from what happened to what it adds up to. Pure, so that whoever repeats it gets the same.

    event ──resolve (meters, limits in force)──> entry ──┐
    use, settle ──as the cell's entry states it─> entry ──┴─ record ──changes──> per total: + value, + by_event
                                                                                 per usage item: + quarter hours

An event counts in the windows of its own time, in every limit of every feature whose meter it feeds. One that names the
decision which already counted the same work feeds the other meters and adds nothing to the meter of that decision. A
settled decision moves its own windows, time and dimension values by the difference; it comes after the decision in the
same cell, and so in the journal: no sum ever shows less than nothing.

What raises a window's limit is in the journal too: what was carried into it is stated as it is now, an adjustment as
the difference. So a total has both exactly once, like its usage. A reset takes nothing from what was used: a total
knows beside it how much of that is excluded from what its limit is held against.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from tallygate.domain.base.instants import DAY, MINUTE, Instant, format_instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.catalog.scopes import governs
from tallygate.domain.entries.entry import Entry
from tallygate.domain.entries.moves import TotalMove
from tallygate.domain.entries.usage import EventEntry
from tallygate.domain.facts.impact import would_deny
from tallygate.domain.journal.records import Record
from tallygate.domain.limits.counters import CountedWindow, CounterName
from tallygate.domain.limits.governing import Governed
from tallygate.domain.limits.limits import Effective, Quota
from tallygate.domain.metering.contributions import NOTHING, Contribution, combined
from tallygate.domain.metering.events import Event, data_of
from tallygate.domain.metering.judgement import EventJudgement, EventWarning, Granted, judge, nothing_granted
from tallygate.domain.metering.meters import Meters
from tallygate.domain.periods.recurrence import Window, window_at

QUARTER = 15 * MINUTE
"""Every zone's days and hours are made of whole quarter hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalChange:
    """What one record adds under one limit in one window.

    would_decisions, would_amount: the uses that an observing limit would have denied (`domain.facts.impact`), and
    their sum
    """

    governed: Governed
    move: TotalMove
    would_decisions: int = 0
    would_amount: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageChange:
    """What one record adds to one meter on one UTC day under one combination of dimension values."""

    meter: str
    day: str
    dimensions: str
    quarters: Mapping[int, Contribution]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """All that follows from a record; each change has a target of its own."""

    totals: tuple[TotalChange, ...]
    usage: tuple[UsageChange, ...]


WindowOf = Callable[[str, Quota, Instant], Window]
"""The window in which a feature's quota counts usage of a time."""


def by_time(_feature: str, quota: Quota, time: Instant) -> Window:
    """The window as time alone tells it: for every quota but those from their first use, of which the cell is asked."""
    return window_at(quota.schedule, time)


def resolve_event(
    event: Event,
    meters: Meters,
    effective: Effective | None,
    first_use: WindowOf = by_time,
    granted: Granted = nothing_granted,
) -> EventEntry:
    """What an event adds to which meters and windows, of quotas from their first use in those that are told.

    `granted` says which names of decisions in events are believed. Raises ValueError where its data cannot be read.
    """
    judged = judgement_of(event, meters, effective, granted)
    refusal = judged.refusal
    warnings = judged.warnings
    if refusal is not None and not warnings:
        warnings = (EventWarning(meter=None, code=refusal.code, detail=refusal.detail),)
    measured = judged.measured
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
    """What a stored event counts. A feature is counted by the meter that the customer's limits in force name, so that a
    feature which left the catalog still does. Raises ValueError where its data cannot be read."""

    def meter_of(feature: str) -> str | None:
        entitlement = effective.entitlements.get(feature) if effective is not None else None
        return entitlement.meter if entitlement is not None else meters.of_feature.get(feature)

    data = data_of(event.data)
    return judge(event.type, data, customer=event.customer, meters=meters, granted=granted, meter_of=meter_of)


def _windows(
    fed: Mapping[str, Mapping[str, str]], time: Instant, effective: Effective | None, first_use: WindowOf
) -> tuple[CountedWindow, ...]:
    """The windows that an event counts in, by the meters that it feeds and its dimensions on each of them."""
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
    """The limits that entries name, as a record keeps them; of one that is no longer in force only the names.

    `names` are those of limits that have left force; one that is not even there was the feature's own.
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
    """What follows from a record, and nothing but the record."""
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
    """The UTC day of an instant (`2026-01-31`) and the number of its quarter hour in it, from 0."""
    return format_instant(time - time % DAY)[:10], time % DAY // QUARTER


def dimensions_text(dimensions: Mapping[str, str]) -> str:
    """Dimension values in the one form that names their usage item."""
    return json.dumps(dict(dimensions), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
