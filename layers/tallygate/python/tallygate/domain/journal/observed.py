"""What the table's stream shows, as the fold understands it: one value or two per record that means something to it.

    EVENT, CELL  ──> Journaled      enters the customer's journal, once
    CELL         ──> CellNoted      becomes a fact: a first denial, a suspension, an adjustment
    AUDIT        ──> Audited        becomes a fact, where the entry makes something known
    REJECTED     ──> EventRejected  becomes a fact
    TOTAL        ──> TotalChanged   reaches the cells and becomes facts
    OUTBOX       ──> FactMade       becomes deliveries
    EFFECTIVE    ──> LimitsChanged  raises the version in the cells, in case the change itself did not get to it
    PROBE        ──> ProbePassed    tells that the fold has come this far

Stages write only kinds that come later in this list (a total's way into its cell is journaled, and counts nothing), so
nothing goes round in circles.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallygate.domain.base.instants import Instant
from tallygate.domain.entries.entry import CellEntry
from tallygate.domain.entries.total import Total
from tallygate.domain.entries.usage import ParkedEntry
from tallygate.domain.facts.cell_facts import Note
from tallygate.domain.facts.facts import Announcement, Fact
from tallygate.domain.journal.records import Position
from tallygate.domain.limits.limits import Effective
from tallygate.domain.metering.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ToJournal:
    """Something that belongs into a journal. `owner` is the customer as it stands in keys."""

    position: Position
    owner: str
    customer: str | None
    what: Event | CellEntry | ParkedEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class CellNoted:
    """What a write to a cell did that is known nowhere else; the same write is journaled beside it."""

    note: Note


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSeen:
    """An entry of the audit trail that makes something known."""

    announcement: Announcement


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRejected:
    """The first rejection of a customer, minute and code."""

    announcement: Announcement


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalChanged:
    """A total before and after one journal record was applied to it (or it was closed)."""

    old: Total | None
    new: Total


@dataclass(frozen=True, slots=True, kw_only=True)
class FactMade:
    fact: Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsChanged:
    """A customer's limits in force changed to these; `features` are those that it had or has."""

    customer: str
    version: int
    features: tuple[str, ...]
    effective: Effective


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbePassed:
    id: str


Observed = ToJournal | CellNoted | AuditSeen | EventRejected | TotalChanged | FactMade | LimitsChanged | ProbePassed


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One call of aggregate: what its records show, in order; when the oldest of them was written."""

    shard: str
    observed: tuple[Observed, ...]
    records: int
    oldest: Instant | None
