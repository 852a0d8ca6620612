"""What settle, explain, impact, resets by hand and the list of events ask of storage, as `tallygate.store` says it of
the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.decision_ids import DecisionId
from tallygate.domain.base.instants import Instant
from tallygate.domain.corrections.resets import WindowReset
from tallygate.domain.corrections.settlements import Settlement
from tallygate.domain.entries.reset_marks import ResetMark
from tallygate.domain.entries.total import Total
from tallygate.domain.entries.usage import SettleEntry, UseEntry
from tallygate.domain.entries.windows import ResetEntry
from tallygate.domain.journal.records import Record
from tallygate.domain.limits.counters import CellName, CountedWindow, CounterName
from tallygate.domain.limits.limits import Effective
from tallygate.domain.metering.rejections import Rejection
from tallygate.store import Moves


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ResettableCell:
    """A cell as it was read, and by window how much of its counters came by events. `corrected` is the revision of the
    newest settlement or reset; 0: there was none."""

    cell: Cell
    brought: Mapping[CounterName, Decimal]
    corrected: int


class UsageResetStore(Protocol):
    """Cells, as far as resets by hand go. Every method is one request at most; reads are consistent."""

    def look(self, cell: CellName) -> ResettableCell:
        """The root cell."""

    def total(self, cell: CellName, counter: CounterName) -> Total | None:
        """The total of a window; None: nothing of it is folded."""

    def newest(self, customer: str, *, before: int | None, limit: int) -> tuple[KeptRecord, ...]:
        """The newest journal records (numbered less than `before`), the newest first."""

    def exclude(self, cell: CellName, found: Sequence[WindowReset], *, upto: int, entry: ResetEntry) -> Moves:
        """The write that takes it out; refused where a settlement or another reset came after the revision `upto`."""


class EventLogStore(Protocol):
    """Journals and rejections, backwards. Every method is one request at most; reads are consistent."""

    def knows_customer(self, customer: str) -> bool:
        """Whether the customer exists."""

    def records_before(self, customer: str, before: int, *, limit: int) -> tuple[KeptRecord, ...]:
        """The newest journal records numbered less than `before`, the newest first; at most so many, or a page."""

    def rejections_before(
        self, owner: str, before: str, *, limit: int
    ) -> tuple[tuple[tuple[str, Rejection], ...], bool]:
        """The newest rejections before a position, the newest first, each with its own, and whether there may be more.

        `owner` "": rejections without a known customer.
        """

    def rejections_upto(self, end: Instant) -> str:
        """The position after every rejection of the minutes up to the one that holds the instant."""


class ImpactStore(Protocol):
    """Totals of one limit. Reads may be a little old: the fold lags by more than that."""

    def effective(self, customer: str) -> Effective | None:
        """The customer's limits in force; None: no such customer. One request, consistent."""

    def totals(
        self, customer: str, feature: str, ordinal: int, first: Instant, before: Instant, *, limit: int
    ) -> tuple[Total, ...]:
        """Totals of a quota's windows that begin in [first, before), in order; at most so many."""
