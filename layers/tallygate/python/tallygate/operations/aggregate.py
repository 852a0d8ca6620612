"""aggregate: processes one batch of the table's stream.

    EVENT, CELL         ──> append: journal, totals, usage        (per customer)
    TOTAL               ──> cells: usage by event, and its consequences
    TOTAL, CELL, AUDIT, REJECTED  ──> announce: facts
    OUTBOX              ──> dispatch: deliveries
    EFFECTIVE           ──> cells: the version of the limits, in case the change itself did not raise it
    PROBE               ──> marked as seen, last of all

Every step may be repeated, and no step depends on another step of the same batch. So a failure in one place stops
nothing else, and the whole batch is then delivered again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import UnionType
from typing import Any, assert_never

from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.entries.total import Total
from tallygate.domain.facts.consequences import begins_grace, suspensions
from tallygate.domain.journal.observed import (
    AuditSeen,
    Batch,
    CellNoted,
    EventRejected,
    FactMade,
    LimitsChanged,
    ProbePassed,
    ToJournal,
    TotalChanged,
)
from tallygate.domain.metering.events import Event
from tallygate.domain.metering.meters import Meters
from tallygate.errors import TallygateError
from tallygate.operations.base.each import Each, attempt, in_turn
from tallygate.operations.delivery.dispatch import dispatch
from tallygate.operations.delivery.ports import AttemptQueue
from tallygate.operations.facts.announce import announce
from tallygate.operations.facts.ports import OutboxStore
from tallygate.operations.journal.append import AppendSummary, JournalParts, append, read_first
from tallygate.operations.journal.carry import moved, open_window, revise
from tallygate.operations.journal.ports import CarriedCells, FoldedCells
from tallygate.operations.limits.in_force import announce_to


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts that aggregate works with.

    each: may process several customers, or several facts, at a time
    """

    journal: JournalParts
    cells: FoldedCells
    carried: CarriedCells
    outbox: OutboxStore
    queue: AttemptQueue
    each: Each = in_turn


@dataclass(slots=True, kw_only=True)
class Summary:
    """The results of a batch, for metrics and the log."""

    records: int = 0
    customers: int = 0
    counted: int = 0
    noted: int = 0
    parked: int = 0
    unmeasured: int = 0
    rejected: int = 0
    repeated: int = 0
    brought_in: int = 0
    facts: list[str] = field(default_factory=list)
    deliveries: int = 0
    traces: set[str] = field(default_factory=set)


def aggregate(parts: Parts, batch: Batch, *, now: Instant) -> Summary:
    """Process a batch.

    Raises the first TallygateError after all other steps; the whole batch must then be delivered again.
    """
    summary = Summary(records=batch.records)
    failures: list[TallygateError] = []
    for step in (_journal, _totals, _announced, _limits, _facts):
        failures += step(parts, batch, summary, now)
    if failures:
        raise failures[0]
    for probe in _of(batch, ProbePassed):
        parts.outbox.passed(probe.id, now)
    return summary


def _journal(parts: Parts, batch: Batch, summary: Summary, now: Instant) -> list[TallygateError]:
    owners: dict[str, list[ToJournal]] = {}
    for journaled in _of(batch, ToJournal):
        owners.setdefault(journaled.owner, []).append(journaled)
    if not owners:
        return []
    events = any(isinstance(journaled.what, Event) for journaled in _of(batch, ToJournal))
    try:
        meters = parts.journal.rules.meters() if events else Meters()
    except TallygateError as error:
        return [error]
    # Several customers are processed at a time. For a single customer, several targets are written at a time instead.
    outer, inner = (in_turn, parts.each) if len(owners) == 1 else (parts.each, in_turn)
    try:
        first, unread = read_first(parts.journal, owners, now=now, each=outer)
    except TallygateError as error:
        return [error]
    outcomes, failures = attempt(
        outer,
        lambda owner: append(parts.journal, owner, owners[owner], meters, first, now=now, each=inner),
        list(first.heads),
    )
    failures += unread
    summary.customers = len(owners)
    for folded in outcomes:
        assert isinstance(folded, AppendSummary)
        summary.counted += folded.counted
        summary.noted += folded.noted
        summary.parked += folded.parked
        summary.unmeasured += folded.unmeasured
        summary.rejected += folded.rejected
        summary.repeated += folded.repeated
        summary.traces |= folded.traces
    return failures


def _totals(parts: Parts, batch: Batch, summary: Summary, now: Instant) -> list[TallygateError]:
    changes = _of(batch, TotalChanged)
    newest = _newest_by_event(changes)
    summary.brought_in = len(newest)
    _, failures = attempt(parts.each, lambda change: _bring_in(parts, change[0], change[1], now), newest)
    _, failed = attempt(parts.each, lambda change: _follow(parts.cells, change, now), changes)
    _, unrevised = attempt(
        parts.each, lambda since: revise(parts.carried, parts.journal.rules, since, now), moved(changes, now)
    )
    return failures + failed + unrevised


def _bring_in(parts: Parts, total: Total, seen: Decimal, now: Instant) -> None:
    brought = parts.cells.bring_in(total, seen=seen, now=now)
    if not brought and open_window(parts.carried, parts.journal.rules, total, now):
        parts.cells.bring_in(total, seen=seen, now=now)


def _follow(cells: FoldedCells, change: TotalChanged, now: Instant) -> None:
    """Begin the grace or the suspensions that the change causes, in the cell.

    Most changes cause none, or the cell has them already.
    """
    if begins_grace(change.old, change.new):
        cells.begin_grace(change.new, now)
    for suspending in suspensions(change.old, change.new):
        cells.suspend(change.new, suspending, now)


def _announced(parts: Parts, batch: Batch, summary: Summary, now: Instant) -> list[TallygateError]:
    failures: list[TallygateError] = []
    # A feature's facts keep the order of its records. After a failed announcement, the feature's other records wait for
    # the retry.
    waiting: set[tuple[str, str]] = set()
    for seen in _of(batch, TotalChanged | CellNoted | AuditSeen | EventRejected):
        feed = _feed(seen)
        if feed in waiting:
            continue
        made, failed = attempt(in_turn, lambda seen: announce(parts.outbox, parts.journal.rules, seen, now=now), [seen])
        summary.facts += [fact for facts in made for fact in facts]
        failures += failed
        if failed:
            waiting.add(feed)
    return failures


def _feed(seen: TotalChanged | CellNoted | AuditSeen | EventRejected) -> tuple[str, str]:
    match seen:
        case (
            TotalChanged(new=about)
            | CellNoted(note=about)
            | AuditSeen(announcement=about)
            | EventRejected(announcement=about)
        ):
            return about.customer, about.feature
    assert_never(seen)


def _newest_by_event(changes: Sequence[TotalChanged]) -> list[tuple[Total, Any]]:
    """Return each total whose usage by event changed: its newest state, and the usage by event before the batch."""
    newest: dict[tuple[str, int, Instant], tuple[Total, Any]] = {}
    for change in changes:
        before = change.old.by_event if change.old is not None else ZERO
        name = (change.new.customer, change.new.ordinal, change.new.start)
        if name in newest:
            newest[name] = (change.new, newest[name][1])
        elif change.new.by_event != before:
            newest[name] = (change.new, before)
    return list(newest.values())


def _limits(parts: Parts, batch: Batch, _summary: Summary, now: Instant) -> list[TallygateError]:
    changes = [(change, feature) for change in _of(batch, LimitsChanged) for feature in change.features]
    _, failures = attempt(
        parts.each,
        lambda change: announce_to(parts.cells, change[0].effective, change[1], now),
        changes,
    )
    return failures


def _facts(parts: Parts, batch: Batch, summary: Summary, now: Instant) -> list[TallygateError]:
    made = _of(batch, FactMade)
    if not made:
        return []
    endpoints = parts.outbox.endpoints()
    asked, failures = attempt(
        # The end of a month makes hundreds of facts at once, each with a delivery for every endpoint.
        parts.each,
        lambda known: dispatch(parts.outbox, parts.queue, known.fact, endpoints, now=now),
        made,
    )
    summary.deliveries += sum(asked)
    return failures


def _of(batch: Batch, kind: type[Any] | UnionType) -> list[Any]:
    return [seen for seen in batch.observed if isinstance(seen, kind)]
