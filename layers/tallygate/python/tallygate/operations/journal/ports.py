"""Ports: what the operations of this room ask of storage, and the values that it answers with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Protocol

from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.decision_ids import DecisionId
from tallygate.domain.admission.openings import Opening
from tallygate.domain.base.instants import Instant
from tallygate.domain.corrections.settlements import Settlement
from tallygate.domain.entries.notices import OpenEntry
from tallygate.domain.entries.reset_marks import ResetMark
from tallygate.domain.entries.total import Total
from tallygate.domain.entries.usage import SettleEntry, UseEntry
from tallygate.domain.entries.windows import CarryEntry
from tallygate.domain.facts.consequences import SuspendingTier
from tallygate.domain.facts.revisions import Revision
from tallygate.domain.journal.fold import TotalChange, UsageChange
from tallygate.domain.journal.records import Head, Record
from tallygate.domain.limits.counters import CellName, CountedWindow, CounterName
from tallygate.domain.limits.limits import Effective


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldLag:
    """What a probe found: milliseconds from a write to the stream's reader (None: too many), and when it was sent."""

    lag_ms: int | None
    as_of: Instant


class ProbeStore(Protocol):
    """Probes: items that the stream's reader marks when it comes past them; and the newest result of one."""

    def send(self, probe: str, now: Instant) -> None:
        """Put a probe into the stream. One request."""

    def seen(self, probe: str) -> bool:
        """Whether the stream's reader has come past the probe, consistent. One request."""

    def drop(self, probe: str) -> None:
        """Remove a probe. One request."""

    def result(self) -> FoldLag | None:
        """What the newest probe found, consistent; None: there was none yet. One request."""

    def claim_result(self, wall: Instant, *, over: Instant) -> bool:
        """Whether the caller is the one who measures now: nobody has begun to after `over`. One request."""

    def keep_result(self, found: FoldLag) -> None:
        """Keep what was found, for whoever asks next. One request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenCell:
    """A cell as it was read: its image, and the granted consume or settlement that it was last written by, if any."""

    cell: Cell
    last: UseEntry | SettleEntry | None


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """A journal record, and when it was appended."""

    record: Record
    at: Instant


@dataclass(frozen=True, slots=True)
class JournalPage:
    """Journal records in order; `next_after` is the number after which there may be more (None: there are none)."""

    records: tuple[KeptRecord, ...]
    next_after: int | None


class DecisionStore(Protocol):
    """Decisions that were made. Every method is one request; reads are consistent."""

    def look(self, cell: CellName) -> SeenCell:
        """The root cell."""

    def settlement(self, customer: str, decision_id: str) -> Settlement | None:
        """What the decision was settled to; None: it was not."""

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
        """Correct the windows that the cell is known to hold, and keep the settlement, both or neither. Repeatable.

        The decision has followed into those `followed`, which are among those held, where the cell knew so many
        `followings`. The settlement that stands: the very one given, or an earlier one; None: the cell no longer holds
        one of the windows, its resets are not those that were seen, or more usage has followed.
        """

    def newest(self, customer: str, *, before: int | None, limit: int) -> tuple[KeptRecord, ...]:
        """The newest journal records (numbered less than `before`), the newest first."""

    def following(self, customer: str, after: int, *, limit: int | None) -> JournalPage:
        """The journal records after a number, in order: at most so many, and at most a megabyte of them."""

    def searched(self, wanted: DecisionId) -> int | None:
        """The journal number up to which a search for the decision has read in vain; None: none was left unfinished."""

    def keep_searched(self, wanted: DecisionId, number: int, *, now: Instant) -> None:
        """Keep up to which journal number a search for the decision has read in vain. It only moves forward."""

    def effective(self, customer: str) -> Effective | None:
        """The customer's limits in force; None: no such customer."""


class Appended(Enum):
    """What came of appending a record: `LOST` means that its number was taken, `TOO_LARGE` that it must be parted."""

    DONE = "done"
    LOST = "lost"
    TOO_LARGE = "too_large"


class JournalStore(Protocol):
    """The journals. `owner` is the customer as it stands in keys. Every method is one request, unless it says so."""

    def head(self, owner: str, *, fresh: bool) -> Head:
        """How far the journal reaches: remembered from this container's own append, or (always, if `fresh`) read."""

    def append(self, owner: str, record: Record, *, applied: int, now: Instant) -> Appended:
        """Put the record if its number is free. `applied` is how far the caller knows the journal to be applied."""

    def records(self, owner: str, after: int, until: int) -> tuple[Record, ...]:
        """The records numbered (after, until], consistent. As many requests as there are pages."""

    def applied(self, owner: str, number: int) -> None:
        """Let the cursor say that every record up to the number has been applied. It only moves forward."""


class TotalStore(Protocol):
    """What the journal adds up to. Each write holds only below its journal number, so repeating changes nothing."""

    def add_to_total(self, customer: str, change: TotalChange, number: int) -> None:
        """Add one record's part to a total, once. One request, two for a new window."""

    def add_to_usage(self, customer: str, change: UsageChange, number: int) -> None:
        """Add one record's part to a usage item, once. One request."""


class FirstUseCells(Protocol):
    """What events are resolved by where a period begins with its first use. One request each, unless it says more."""

    def look(self, cell: CellName) -> Cell:
        """The cell, consistent."""

    def begins_beside(self, cell: CellName, ordinal: int, time: Instant) -> tuple[Instant, ...]:
        """Where the windows on either side of a time begin, of those with totals. Two requests."""

    def open(self, cell: CellName, seen: Cell, entry: OpenEntry) -> Cell:
        """Open the entry's window over the cell as it was seen: the cell after it, or as it is where somebody has
        opened one."""


class FoldedCells(Protocol):
    """What the fold tells the cells. Repeating changes nothing."""

    def bring_in(self, total: Total, *, seen: Decimal, now: Instant) -> bool:
        """Count what the total says came by events; False: the cell does not count in the window. One request where
        the cell shows what was `seen`."""

    def begin_grace(self, total: Total, now: Instant) -> None:
        """Let the window's grace have begun, unless it has. One request."""

    def suspend(self, total: Total, by: SuspendingTier, now: Instant) -> None:
        """Suspend usage where the cell too shows more than the tier allows, once for each change of the total. One
        request, or two."""

    def raise_version(self, cell: CellName, version: int, now: Instant) -> None:
        """Let the cell refuse writers with older limits. One request."""

    def follow(self, effective: Effective, feature: str, now: Instant) -> Cell:
        """Let usage follow that the limits say follows, unless it has; the cell after it. Two requests."""


class CarriedCells(Protocol):
    """What the fold does where quota carries over. Every method is one request, unless it says otherwise."""

    def read(self, cell: CellName) -> Cell:
        """The cell, consistent."""

    def totals(self, cell: CellName, ordinal: int, *, until: Callable[[Total], bool]) -> Mapping[Instant, Total]:
        """The newest totals of a quota by their windows' starts, back to the first that `until` says is enough; all
        where it never does. The newest is read first; one request, or a few."""

    def open_window(
        self, cell: CellName, counter: CounterName, opens: Opening, entry: CarryEntry, *, floor: Instant | None
    ) -> bool:
        """Open a window of which nothing is used yet; False: it is open, or what it begins with has moved."""

    def revise(self, cell: CellName, found: Revision, entry: CarryEntry) -> bool:
        """Let so much be carried into the window instead; False: what it was computed from has moved.

        Of a window that the cell has removed, let the total know."""
