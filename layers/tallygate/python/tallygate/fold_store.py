"""What the fold asks of storage: the journal, the totals that follow from it, and the cells that learn of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from enum import Enum
from typing import Protocol

from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.openings import Opening
from tallygate.domain.base.instants import Instant
from tallygate.domain.entries.notices import OpenEntry
from tallygate.domain.entries.total import Total
from tallygate.domain.entries.windows import CarryEntry
from tallygate.domain.facts.consequences import Suspending
from tallygate.domain.journal.fold import TotalChange, UsageChange
from tallygate.domain.journal.records import Head, Record
from tallygate.domain.journal.revisions import Revision
from tallygate.domain.limits.counters import CellName, CounterName
from tallygate.domain.limits.limits import Effective
from tallygate.domain.metering.meters import Meters
from tallygate.domain.metering.rejections import Rejection


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


class RulesStore(Protocol):
    """What the fold resolves events by, consistent."""

    def effective(self, customer: str) -> Effective | None:
        """The customer's limits in force; None: no such customer. One request."""

    def former_limits(self, customer: str, before: Instant) -> Iterator[Effective]:
        """Versions of them that came into force before an instant, the newest first. Nothing is read until the first is
        asked for; a request for every few."""

    def decision_secret(self) -> bytes | None:
        """The secret under which decision ids are signed; None: none was made yet. One request until it is known."""

    def meters(self) -> Meters:
        """The catalog's meters. One request while its version has not changed."""


class RejectionStore(Protocol):
    """Rejections of events, one a minute, customer and code."""

    def keep(self, rejection: Rejection) -> None:
        """Keep the rejection, unless one of its customer, minute and code is kept. One request at most; repeatable."""


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

    def suspend(self, total: Total, by: Suspending, now: Instant) -> None:
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
