"""Finds the journal entry of a decision by its id.

    journal, newest first ──┬─ found
                            ├─ appended before the decision's minute: there is none
                            └─ all since then: halve the journal by append time down to the first record
                               since the decision's minute, and read on from there, page by page
                                   ├─ found
                                   ├─ a later write of the cell is journaled: there is none
                                   └─ PAGES_MAX read: store the position, ask the caller to retry

The id names its minute, and records are numbered in the order of their appending. So a decision of some weeks ago costs
only a few more reads than a recent one, however busy the customer is. The reads grow with the number of records
appended around the decision's minute: the first PAGE_FIRST records take one request, then each megabyte takes one.

A decision is journaled about a second after it was made. Until then, the cell's newest write may still hold it. If the
cell has been written since, a decision on its way cannot be told from one never made, and the caller is asked to retry.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tallygate.domain.admission.decision_ids import DecisionId, Secret, granted_decision
from tallygate.domain.base.instants import DAY, MINUTE, Instant
from tallygate.domain.corrections.settlements import SETTLED_WITHIN
from tallygate.domain.entries.entry import Entry
from tallygate.domain.entries.kind import CellKind
from tallygate.domain.entries.usage import SettleEntry, UseEntry
from tallygate.domain.journal.records import Record
from tallygate.errors import NotFound, StoreUnavailable
from tallygate.operations.journal.ports import DecisionStore, KeptRecord, SeenCell

RECENT_MAX = 25
"""The number of newest records that are read first, because most decisions are looked up soon."""
PAGE_FIRST = 200
"""The number of records read from the decision's minute on, before whole pages of a megabyte are read."""
PAGES_MAX = 8
"""The number of pages that one call reads after the first, about 4 of check's 10 seconds. The next call continues."""
FIRST = 1
"""The number of a journal's first record."""
CLOCKS_APART = MINUTE
"""How far the clocks of two containers may be apart."""
STREAM_KEPT = DAY
"""A write not journaled after this time never will be: the stream keeps records for this long."""


@dataclass(frozen=True, slots=True)
class FoundDecision:
    """A granted consume and its journal record."""

    use: UseEntry
    kept: KeptRecord


def decision_named(decision_id: str, secret: Secret, *, now: Instant) -> DecisionId:
    """Return the parts of a genuine decision id whose decision may still be known.

    Raises NotFound. Reads no decision.
    """
    wanted = granted_decision(decision_id, secret)
    if wanted is None or not now - SETTLED_WITHIN <= wanted.minute * MINUTE <= now + CLOCKS_APART:
        raise not_found()
    return wanted


def not_found() -> NotFound:
    """Return the error of an id without a granted decision in the last weeks.

    Denials have none: they change nothing.
    """
    detail = "no granted decision of the last 35 days has this id; denials are not stored: ask with explain instead"
    return NotFound(detail, code="decision_not_found")


def said_by(seen: SeenCell, wanted: DecisionId) -> UseEntry | None:
    """Return the decision if the cell's newest write made it."""
    return seen.last if isinstance(seen.last, UseEntry) and _is(seen.last, wanted) else None


def told_by(seen: SeenCell, wanted: DecisionId) -> UseEntry | None:
    """Return the decision if the cell's newest write made or settled it.

    A settlement holds everything of the decision but its trace.
    """
    last = seen.last
    if not isinstance(last, SettleEntry) or not _is(last, wanted):
        return said_by(seen, wanted)
    return UseEntry(
        id=last.id,
        feature=last.feature,
        meter=last.meter,
        revision=last.revision,
        time=last.time,
        amount=last.amount - last.by,
        dimensions=last.dimensions,
        windows=last.windows,
    )


def find_decision(store: DecisionStore, wanted: DecisionId, seen: SeenCell, *, now: Instant) -> FoundDecision:
    """Find the decision in its customer's journal.

    seen: its cell, read before the journal

    Raises:
    NotFound: after all records that may hold it were read
    StoreUnavailable `decision_not_folded`: it may be on its way
    StoreUnavailable `decision_search_unfinished`: more must be read than one call may
    """
    reading = search(store, wanted, now=now)
    if reading.found is not None:
        return reading.found
    unfolded = not reading.past and seen.cell.revision > reading.journaled
    if unfolded and now - wanted.minute * MINUTE <= STREAM_KEPT:
        raise StoreUnavailable("the decision is not recorded yet; retry in a second", code="decision_not_folded")
    raise not_found()


@dataclass(slots=True)
class Reading:
    """The state of a search.

    journaled: the newest revision of the feature's cell in the records read; 0: none
    past: whether a record was read that can only follow every record that may hold the decision
    """

    wanted: DecisionId
    found: FoundDecision | None = None
    journaled: int = 0
    past: bool = False

    @property
    def since(self) -> Instant:
        """The earliest append time of a record that matters.

        Earlier ones neither hold the decision nor follow its record.

        One CLOCKS_APART separates the clocks of decider and appender, another the clocks of two appenders.
        """
        return self.wanted.minute * MINUTE - 2 * CLOCKS_APART

    def take(self, records: Sequence[KeptRecord]) -> None:
        """Search these records for the decision."""
        self.found = self.found or among(records, self.wanted)
        self.journaled = max(self.journaled, _journaled(records, self.wanted.feature))

    def follow(self, records: Sequence[KeptRecord]) -> bool:
        """Search the next records for the decision. Return whether the search continues.

        The writes of one cell are journaled in order. So no record after a later write of the cell holds the decision.
        Nor does a record appended a day later, because the stream had dropped the write by then.
        """
        self.take(records)
        after, feature = (self.wanted.minute + 1) * MINUTE + CLOCKS_APART, self.wanted.feature
        self.past = any(
            kept.at > after + STREAM_KEPT or any(_written_at(entry, feature) > after for entry in kept.record.entries)
            for kept in records
        )
        return self.found is None and not self.past


def search(store: DecisionStore, wanted: DecisionId, *, now: Instant) -> Reading:
    """Read the journal until the decision is found or no record can hold it.

    Raises StoreUnavailable `decision_search_unfinished` after PAGES_MAX. The next call, in any container, continues
    where this one stopped.
    """
    reading = Reading(wanted)
    recent = store.newest(wanted.customer, before=None, limit=RECENT_MAX)
    reading.take(recent)
    if reading.found is not None or not recent or recent[-1].at < reading.since or recent[-1].record.number == FIRST:
        return reading
    first = _first_since(store, wanted.customer, reading.since, before=recent[-1].record.number)
    page = store.following(wanted.customer, first - 1, limit=PAGE_FIRST)
    position = page.next_after if reading.follow(page.records) else None
    if position is not None:
        position = max(position, store.searched(wanted) or 0)
    for _ in range(PAGES_MAX):
        if position is None:
            return reading
        page = store.following(wanted.customer, position, limit=None)
        position = page.next_after if reading.follow(page.records) else None
    if position is not None:
        store.keep_searched(wanted, position, now=now)
        raise StoreUnavailable(
            "the journal around the decision is long; retry, and the search continues where it stopped",
            code="decision_search_unfinished",
        )
    return reading


def _first_since(store: DecisionStore, customer: str, since: Instant, *, before: int) -> int:
    """Return the number of the first record appended since then, by bisection.

    Needs log2 of the journal's length in reads.
    """
    oldest = store.following(customer, 0, limit=1).records
    low, high = oldest[0].record.number if oldest else FIRST, before
    while low < high:
        middle = (low + high) // 2
        probed = store.newest(customer, before=middle + 1, limit=1)
        if not probed or probed[0].at < since:
            low = middle + 1
        else:
            high = middle
    return low


def among(kept: Iterable[KeptRecord], wanted: DecisionId) -> FoundDecision | None:
    """Return the decision if one of these records holds it."""
    for each in kept:
        for entry in each.record.entries:
            if isinstance(entry, UseEntry) and _is(entry, wanted):
                return FoundDecision(entry, each)
    return None


def _is(use: UseEntry | SettleEntry, wanted: DecisionId) -> bool:
    return use.feature == wanted.feature and use.id == f"{wanted.minute}.{wanted.digest.hex()}"


def _written_at(entry: Entry, feature: str) -> Instant:
    """Return when the entry's write of the feature's cell was made, by the writer's clock; 0: it wrote another item."""
    return entry.written_at if isinstance(entry, CellKind) and entry.feature == feature else 0


def _journaled(records: Iterable[KeptRecord], feature: str) -> int:
    """Return the newest revision of the feature's cell in these records; 0: none.

    The writes of one cell are journaled in order, so all earlier revisions are journaled too.
    """
    return max((_revision(each.record, feature) for each in records), default=0)


def _revision(record: Record, feature: str) -> int:
    return max((e.revision for e in record.entries if isinstance(e, CellKind) and e.feature == feature), default=0)
