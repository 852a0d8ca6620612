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
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import assert_never

from tallygate.domain.event_judgement import EventJudgement, EventWarning, Granted, judge, nothing_granted
from tallygate.domain.events import Event, data_of
from tallygate.domain.exact import EXACT
from tallygate.domain.impact import would_deny
from tallygate.domain.instants import DAY, MINUTE, Instant, format_instant
from tallygate.domain.journal import (
    AdjustEntry,
    CarriedIn,
    CarryEntry,
    CountedWindow,
    Entry,
    EventEntry,
    FollowEntry,
    Governed,
    NoteEntry,
    ParkedEntry,
    Record,
    ResetEntry,
    SettleEntry,
    UseEntry,
)
from tallygate.domain.limits import Effective, Quota
from tallygate.domain.meters import Meters
from tallygate.domain.periods import Window, window_at
from tallygate.domain.quantities import ZERO
from tallygate.domain.reset_marks import ResetMark
from tallygate.domain.rolls import total
from tallygate.domain.scopes import governs
from tallygate.domain.total_changes import SettledLate, TotalChange

QUARTER = 15 * MINUTE
QUARTERS = DAY // QUARTER
"""Quarter hours in a UTC day: every zone's days and hours are made of whole ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageChange:
    """What one record adds to one meter on one UTC day under one combination of dimension values."""

    meter: str
    day: str
    dimensions: str
    quarters: Mapping[int, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """All that follows from a record; each change has a target of its own."""

    totals: tuple[TotalChange, ...]
    usage: tuple[UsageChange, ...]


def governed_of(
    effective: Effective | None, upgrades: Mapping[str, Decimal | None] | None = None
) -> Mapping[int, Governed]:
    """What totals and facts say of each quota in force, by ordinal; by `upgrades`, what the next plan would allow."""
    offered = upgrades or {}
    if effective is None:
        return {}
    return {
        quota.ordinal: Governed(
            feature=entitlement.feature,
            meter=entitlement.meter,
            name=limit.name,
            scope=limit.scope,
            limit=None if quota.schedule.reach else quota.limit,
            tiers=() if quota.schedule.reach else limit.tiers,
            enforcement=limit.enforcement,
            plan=effective.plan,
            plan_version=effective.plan_version,
            stripe_customer_id=effective.stripe_customer_id,
            upgrade_to=entitlement.upgrade_to,
            upgrade_limit=offered.get(entitlement.feature),
            upgrade_unlimited=entitlement.feature in offered and offered[entitlement.feature] is None,
            every=quota.schedule.current.every,
            reach=quota.schedule.reach,
            carries=limit.carryover is not None and bool(quota.stretches),
            further=limit is entitlement.limits[0] and entitlement.billed is not None and quota != entitlement.billed,
        )
        for entitlement in effective.entitlements.values()
        for limit in entitlement.limits
        for quota in limit.quotas
    }


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


def limit_names(effective: Effective | None) -> Mapping[int, str]:
    """The names of all limits that the customer has ever had, by ordinal."""
    if effective is None:
        return {}
    # A window is named by its feature, its limit and its length, one to a line.
    return {ordinal: window.split("\n")[1] for window, ordinal in effective.ordinals.items()}


def limits_named(
    entries: tuple[Entry, ...], governed: Mapping[int, Governed], names: Mapping[int, str] | None = None
) -> dict[int, Governed]:
    """The limits that entries name, as a record keeps them; of one that is no longer in force only the names.

    `names` are those of limits that have left force; one that is not even there was the feature's own.
    """
    known = names or {}
    named: dict[int, Governed] = {}
    for entry in entries:
        for window in windows_of(entry):
            ordinal = window.ordinal
            if ordinal in named:
                continue
            if ordinal in governed:
                named[ordinal] = governed[ordinal]
            elif isinstance(entry, CarryEntry | AdjustEntry):
                named[ordinal] = Governed(feature=entry.feature, meter=entry.meter, name=entry.name)
            elif isinstance(entry, UseEntry | SettleEntry | ResetEntry | FollowEntry):
                name = known.get(ordinal, entry.feature)
                named[ordinal] = Governed(feature=entry.feature, meter=entry.meter, name=name)
    return named


def windows_of(entry: Entry) -> tuple[CountedWindow, ...]:
    """The quota windows whose totals an entry moves."""
    match entry:
        case SettleEntry():
            return (*entry.windows, *entry.followed)
        case EventEntry() | UseEntry() | ResetEntry() | FollowEntry():
            return entry.windows
        case CarryEntry() | AdjustEntry():
            return (entry.window,)
    return ()


def changes_of(record: Record) -> Changes:
    """What follows from a record, and nothing but the record."""
    totals = _Totals(record.limits)
    usage = _Usage()
    for entry in record.entries:
        match entry:
            case EventEntry():
                amounts = {found.meter: found.amount for found in entry.measured}
                for found in entry.measured:
                    usage.add(found.meter, entry.time, found.dimensions, found.amount)
                for window in entry.windows:
                    amount = amounts[record.limits[window.ordinal].meter]
                    totals.add(window, amount, amount, entry.traceparent)
            case UseEntry():
                usage.add(entry.meter, entry.time, entry.dimensions, entry.amount)
                totals.use(entry)
            case SettleEntry():
                if entry.by == 0:
                    continue
                usage.add(entry.meter, entry.time, entry.dimensions, entry.by)
                totals.settle(entry)
            case ResetEntry():
                totals.exclude(*entry.taken)
                totals.mark(entry)
                totals.follow(*((window, -amount) for window, amount in entry.followed))
            case FollowEntry():
                for window, followed, carried, excluded in entry.moved:
                    totals.carry(window, carried, entry.opened.get(window.ordinal))
                    totals.follows(window, followed)
                    totals.exclude((window, excluded))
            case CarryEntry():
                totals.carry(entry.window, entry.carried, entry.into)
            case AdjustEntry():
                totals.carry(entry.window, entry.carried, entry.into)
                totals.adjust(entry.window, entry.amount)
            case NoteEntry() | ParkedEntry():
                continue
            case _:
                assert_never(entry)
    return Changes(totals=totals.changes(), usage=usage.changes())


@dataclass(slots=True)
class _Sum:
    """What the entries so far add in one window."""

    end: Instant
    value: Decimal = ZERO
    by_event: Decimal = ZERO
    carried: Decimal | None = None
    into: CarriedIn | None = None
    adjusted: Decimal = ZERO
    excluded: Decimal = ZERO
    reset: ResetMark | None = None
    settled_late: list[SettledLate] = field(default_factory=list)
    follows: Decimal | None = None
    followed: Decimal = ZERO
    would_decisions: int = 0
    would_amount: Decimal = ZERO
    traceparent: str | None = None
    uses: bool = False


@dataclass(slots=True)
class _Totals:
    """Sums per limit and window."""

    limits: Mapping[int, Governed]
    sums: dict[tuple[int, Instant], _Sum] = field(default_factory=dict)

    def add(self, window: CountedWindow, amount: Decimal, by_event: Decimal, traceparent: str | None) -> None:
        found = self._sum(window)
        found.value = EXACT.add(found.value, amount)
        found.by_event = EXACT.add(found.by_event, by_event)
        found.traceparent = traceparent or found.traceparent

    def carry(self, window: CountedWindow, carried: Decimal | None, into: CarriedIn | None) -> None:
        """So much is carried into the window from here on; by None nothing is said of it."""
        if carried is None and into is None:
            return
        found = self._sum(window)
        if into is not None and into.after is None and found.into is not None:
            # A revision says nothing of the window before: that stays what the opening said.
            into = replace(into, after=found.into.after)
        found.carried, found.into = carried if into is None else total(into.layers), into

    def adjust(self, window: CountedWindow, amount: Decimal) -> None:
        found = self._sum(window)
        found.adjusted = EXACT.add(found.adjusted, amount)

    def settle(self, settled: SettleEntry) -> None:
        for window in settled.windows:
            self.add(window, settled.by, ZERO, settled.traceparent)
        self.exclude(*((window, settled.by) for window in settled.excluded))
        if settled.decided_at_revision is not None:
            late = SettledLate(settled.decided_at_revision, settled.time, settled.by)
            for window in settled.removed:
                self._sum(window).settled_late.append(late)
        self.follow(*((window, settled.by) for window in settled.followed))

    def mark(self, reset: ResetEntry) -> None:
        for window, mark in zip(reset.windows, reset.marks, strict=False):
            self._sum(window).reset = mark

    def follows(self, window: CountedWindow, followed: Decimal) -> None:
        found = self._sum(window)
        found.follows, found.followed = followed, ZERO

    def follow(self, *more: tuple[CountedWindow, Decimal]) -> None:
        for window, amount in more:
            found = self._sum(window)
            found.followed = EXACT.add(found.followed, amount)

    def exclude(self, *taken: tuple[CountedWindow, Decimal]) -> None:
        for window, amount in taken:
            found = self._sum(window)
            found.excluded = EXACT.add(found.excluded, amount)

    def use(self, use: UseEntry) -> None:
        for window in use.windows:
            self.add(window, use.amount, ZERO, use.traceparent)
            opened = use.opened.get(window.ordinal) if self.limits[window.ordinal].carries else None
            self.carry(window, use.carried.get(window.ordinal), opened)
            self._sum(window).uses = True
        # What each window showed is not known of a use that an earlier version has journaled.
        for window, shown in zip(use.windows, use.after, strict=False):
            if would_deny(self.limits[window.ordinal], shown):
                found = self._sum(window)
                found.would_decisions += 1
                found.would_amount = EXACT.add(found.would_amount, use.amount)

    def _sum(self, window: CountedWindow) -> _Sum:
        found = self.sums.setdefault((window.ordinal, window.start), _Sum(window.end))
        found.end = window.end
        return found

    def changes(self) -> tuple[TotalChange, ...]:
        return tuple(
            TotalChange(
                ordinal=ordinal,
                start=start,
                end=found.end,
                value=found.value,
                by_event=found.by_event,
                governed=self.limits[ordinal],
                carried=found.carried,
                into=found.into,
                adjusted=found.adjusted,
                excluded=found.excluded,
                reset=found.reset,
                settled_late=tuple(found.settled_late),
                follows=found.follows,
                followed=found.followed,
                would_decisions=found.would_decisions,
                would_amount=found.would_amount,
                traceparent=found.traceparent,
                uses=found.uses,
            )
            for (ordinal, start), found in sorted(self.sums.items(), key=lambda item: item[0])
        )


class _Usage:
    """Sums per meter, day and dimension values, by quarter hour."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str, str], dict[int, Decimal]] = {}

    def add(self, meter: str, time: Instant, dimensions: Mapping[str, str], amount: Decimal) -> None:
        day, quarter = day_and_quarter(time)
        quarters = self._sums.setdefault((meter, day, dimensions_text(dimensions)), {})
        quarters[quarter] = EXACT.add(quarters.get(quarter, ZERO), amount)

    def changes(self) -> tuple[UsageChange, ...]:
        return tuple(
            UsageChange(meter=meter, day=day, dimensions=dimensions, quarters=quarters)
            for (meter, day, dimensions), quarters in sorted(self._sums.items())
        )


def day_and_quarter(time: Instant) -> tuple[str, int]:
    """The UTC day of an instant (`2026-01-31`) and the number of its quarter hour in it, from 0."""
    return format_instant(time - time % DAY)[:10], time % DAY // QUARTER


def dimensions_text(dimensions: Mapping[str, str]) -> str:
    """Dimension values in the one form that names their usage item."""
    return json.dumps(dict(dimensions), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
