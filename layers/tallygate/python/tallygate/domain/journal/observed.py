"""Observed changes: the records of the table's stream as the fold reads them. A relevant record gives one value or two.

    EVENT, CELL  ──> ToJournal      enters the customer's journal, once
    CELL         ──> CellNoted      becomes a fact: a first denial, a suspension, an adjustment
    AUDIT        ──> AuditSeen      becomes a fact, if the entry announces one
    REJECTED     ──> EventRejected  becomes a fact
    TOTAL        ──> TotalChanged   updates the cells and becomes facts
    OUTBOX       ──> FactMade       becomes deliveries
    EFFECTIVE    ──> LimitsChanged  raises the version in the cells, in case the change itself did not do so
    PROBE        ──> ProbePassed    shows that the fold has processed the stream up to the probe

A stage writes only kinds that come later in this list, so there are no loops. One exception is harmless: a total's
update of its cell comes back, but it counts nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallygate.domain.base.instants import Instant
from tallygate.domain.entries.entry import CellEntry
from tallygate.domain.entries.events import ParkedEntry
from tallygate.domain.entries.total import Total
from tallygate.domain.facts.cell_facts import Note
from tallygate.domain.facts.facts import Announcement, Fact
from tallygate.domain.journal.records import Position
from tallygate.domain.limits.limits import Effective
from tallygate.domain.metering.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ToJournal:
    """An event or entry to append to a journal. `owner`: the customer as written in keys."""

    position: Position
    owner: str
    customer: str | None
    what: Event | CellEntry | ParkedEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class CellNoted:
    """A fact of a write to a cell. The same write is also journaled."""

    note: Note


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSeen:
    """An entry of the audit trail that announces a fact."""

    announcement: Announcement


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRejected:
    """The first rejection of its customer, minute and code."""

    announcement: Announcement


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalChanged:
    """A total before and after one journal record was applied to it, or before and after it was closed."""

    old: Total | None
    new: Total


@dataclass(frozen=True, slots=True, kw_only=True)
class FactMade:
    """A new fact to deliver."""

    fact: Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsChanged:
    """A change of a customer's limits in force.

    version: version of the new limits
    features: the features that the customer has now or had before
    effective: the new limits
    """

    customer: str
    version: int
    features: tuple[str, ...]
    effective: Effective


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbePassed:
    """A health probe that has passed through the stream."""

    id: str


Observed = ToJournal | CellNoted | AuditSeen | EventRejected | TotalChanged | FactMade | LimitsChanged | ProbePassed


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One invocation of the fold.

    observed: the observed changes, in the order of the stream
    records: number of stream records
    oldest: when the oldest record was written
    """

    shard: str
    observed: tuple[Observed, ...]
    records: int
    oldest: Instant | None
