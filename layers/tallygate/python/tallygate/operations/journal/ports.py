"""Ports: the storage interface of this room's operations, and the values that storage returns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Protocol

from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.decision_ids import DecisionId
from tallygate.domain.admission.openings import Opening
from tallygate.domain.base.instants import Instant
from tallygate.domain.corrections.settlements import Settlement
from tallygate.domain.entries.entry import CellEntry
from tallygate.domain.entries.notices import OpenEntry
from tallygate.domain.entries.reset_marks import ResetMark
from tallygate.domain.entries.total import Total
from tallygate.domain.entries.usage import SettleEntry, UseEntry
from tallygate.domain.entries.windows import CarryEntry
from tallygate.domain.facts.consequences import SuspendingTier
from tallygate.domain.facts.revisions import Revision
from tallygate.domain.journal.fold import TotalChange, UsageChange
from tallygate.domain.journal.records import Beginning, Head, Record
from tallygate.domain.limits.counters import CellName, CountedWindow, CounterName
from tallygate.domain.limits.limits import Effective
from tallygate.domain.metering.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldLag:
    """The result of a probe.

    lag_ms: milliseconds from a write to the stream's reader; None: more than the wait allows
    as_of: when the probe was sent
    """

    lag_ms: int | None
    as_of: Instant


class ProbeStore(Protocol):
    """Probes, which are items that the stream's reader marks, and the newest result."""

    def send(self, probe: str, now: Instant) -> None:
        """Write a probe, so that it appears in the stream. One request."""

    def seen(self, probe: str) -> bool:
        """Return whether the stream's reader has marked the probe, read consistently. One request."""

    def drop(self, probe: str) -> None:
        """Remove a probe. One request."""

    def result(self) -> FoldLag | None:
        """Return the newest result, read consistently; None: there is none yet. One request."""

    def claim_result(self, wall: Instant, *, over: Instant) -> bool:
        """Claim the measurement for the caller. False: another one began after `over`. One request."""

    def keep_result(self, found: FoldLag) -> None:
        """Store the result for the next callers. One request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenCell:
    """A cell as it was read.

    last: the granted consume or the settlement that wrote it last; None: another write did
    """

    cell: Cell
    last: UseEntry | SettleEntry | None


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """A journal record.

    at: when it was appended
    """

    record: Record
    at: Instant


@dataclass(frozen=True, slots=True)
class JournalPage:
    """Journal records in order.

    next_after: the number after which there may be more records; None: there are none
    """

    records: tuple[KeptRecord, ...]
    next_after: int | None


class DecisionStore(Protocol):
    """Granted decisions. Every method is one request; reads are consistent."""

    def look(self, cell: CellName) -> SeenCell:
        """Return the root cell with its newest write."""

    def settlement(self, customer: str, decision_id: str) -> Settlement | None:
        """Return the decision's settlement; None: it is not settled."""

    def settle(
        self,
        customer: str,
        use: UseEntry,
        settlement: Settlement,
        held: Mapping[CountedWindow, ResetMark | None],
        entry: SettleEntry,
        *,
        followed: Collection[CountedWindow] = (),
        followings: int = 0,
    ) -> Settlement | None:
        """Correct the decision's windows in the cell and store the settlement, both or neither. Repeatable.

        held: windows that still count the decision, with their reset marks as seen
        followed: windows into which its usage followed, also in `held`
        followings: how many followings the cell had applied when it was read

        Returns the stored settlement: the given one, or an earlier one. None: the cell no longer has one of the
        windows, its resets differ from those seen, or more usage has followed.
        """

    def newest(self, customer: str, *, before: int | None, limit: int) -> tuple[KeptRecord, ...]:
        """Return the newest journal records (numbered less than `before`), newest first."""

    def following(self, customer: str, after: int, *, limit: int | None) -> JournalPage:
        """Return the journal records after a number, in order: at most `limit`, and at most a megabyte."""

    def searched(self, wanted: DecisionId) -> int | None:
        """Return the journal number up to which an unfinished search for the decision has read; None: there is none."""

    def keep_searched(self, wanted: DecisionId, number: int, *, now: Instant) -> None:
        """Store the journal number up to which a search for the decision has read. It only moves forward."""

    def effective(self, customer: str) -> Effective | None:
        """Return the customer's limits in force; None: no such customer."""


class Appended(Enum):
    """The result of appending a record.

    LOST: its number was taken
    TOO_LARGE: it must be split
    """

    DONE = "done"
    LOST = "lost"
    TOO_LARGE = "too_large"


class JournalStore(Protocol):
    """Journals. Every method is one request, unless it says otherwise.

    owner: the customer's id in the form used in keys
    """

    def head(self, owner: str, *, now: Instant, fresh: bool) -> Head:
        """Return the journal's head: remembered from this container's own append, or (always, if `fresh`) read.

        now: the clock by which records expire

        Raises Contended if the journal began at this moment.
        """

    def append(self, owner: str, record: Record, *, begins: Beginning | None, now: Instant) -> Appended:
        """Append the record if its number is free. A beginning takes its place in the same transaction.

        begins: the beginning that the record is
        now: the clock by which the record expires
        """

    def records(self, owner: str, after: int, until: int, *, expiring: bool = False) -> tuple[Record, ...]:
        """Return the records numbered (after, until], read consistently. One request for each page.

        expiring: some may have expired, and are left out; else InvariantBroken is raised for a missing record
        """

    def applied(self, owner: str, number: int) -> None:
        """Remember that every record up to the number has been applied. No request."""


TargetChange = TotalChange | UsageChange


class TotalStore(Protocol):
    """The targets of the journal.

    A write applies only if the target's journal number is lower, so repeating changes nothing.
    """

    def lagging(self, records: Sequence[Record]) -> Sequence[Sequence[TargetChange]]:
        """Return, for each record, the changes that its targets do not have yet, read consistently.

        One request for each 100 targets.
        """

    def add_to_total(self, customer: str, change: TotalChange, number: int) -> None:
        """Add one record's part to a total, once. One request; two for a new window."""

    def add_to_usage(self, customer: str, change: UsageChange, number: int) -> None:
        """Add one record's part to a usage item, once. One request."""


class RefoldStore(Protocol):
    """Everything of a customer that its journal is compared with. Reads are consistent."""

    def owner(self, customer: str) -> str:
        """Return the customer's id in the form used in keys. No request."""

    def journal(self, customer: str, *, until: int) -> Iterator[Record]:
        """Yield the journal's records up to a number, in order. One request for each megabyte."""

    def events(self, customer: str) -> Iterator[Event]:
        """Yield the customer's stored events. One request for each partition and megabyte."""

    def features(self, customer: str) -> tuple[str, ...]:
        """Return the features that the customer has. One request."""

    def cell(self, cell: CellName) -> tuple[Cell, CellEntry | None]:
        """Return the root cell, and its newest entry as the stream would show it; None: it has none. One request."""


class FirstUseCells(Protocol):
    """Windows of periods that begin with their first use. One request per method, unless it says otherwise."""

    def look(self, cell: CellName) -> Cell:
        """Return the cell, read consistently."""

    def begins_beside(self, cell: CellName, ordinal: int, time: Instant) -> tuple[Instant, ...]:
        """Return the starts of the nearest windows before and after a time, by their totals. Two requests."""

    def open(self, cell: CellName, seen: Cell, entry: OpenEntry) -> Cell:
        """Open the entry's window if the cell is as it was seen.

        Returns the cell after the write, or the current cell if another writer opened a window.
        """


class FoldedCells(Protocol):
    """The updates that cells receive from the aggregation. Repeating them changes nothing."""

    def bring_in(self, total: Total, *, seen: Decimal, now: Instant) -> bool:
        """Add the total's usage by event to the cell. False: the cell does not count in the window.

        One request if the cell shows the `seen` amount.
        """

    def begin_grace(self, total: Total, now: Instant) -> None:
        """Begin the window's grace, unless it has begun. One request."""

    def suspend(self, total: Total, by: SuspendingTier, now: Instant) -> None:
        """Suspend usage if the cell too shows more than the tier allows, once for each change of the total.

        One request, or two.
        """

    def raise_version(self, cell: CellName, version: int, now: Instant) -> None:
        """Let the cell refuse writers with older limits. One request."""

    def follow(self, effective: Effective, feature: str, now: Instant) -> Cell:
        """Let usage follow as the limits say, unless it has followed. Return the cell after it. Two requests."""


class CarriedCells(Protocol):
    """Cells and totals of limits that carry over. Every method is one request, unless it says otherwise."""

    def read(self, cell: CellName) -> Cell:
        """Return the cell, read consistently."""

    def totals(self, cell: CellName, ordinal: int, *, until: Callable[[Total], bool]) -> Mapping[Instant, Total]:
        """Return the newest totals of a quota by window start, back to the first for which `until` holds, else all.

        The newest is read first. One request, or a few.
        """

    def open_window(
        self, cell: CellName, counter: CounterName, opens: Opening, entry: CarryEntry, *, floor: Instant | None
    ) -> bool:
        """Open a window without usage. False: it is open already, or its opening balance has changed."""

    def revise(self, cell: CellName, found: Revision, entry: CarryEntry) -> bool:
        """Replace the amount carried into the window. False: the values that it was computed from have changed.

        For a window that the cell has removed, this changes its total instead.
        """
