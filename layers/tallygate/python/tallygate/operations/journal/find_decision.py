"""Find a decision that was made: the journal entry that a decision id stands for.

    journal, the newest first ──┬─ found
                                ├─ appended before the decision's minute: there is none
                                └─ all since then: halve the journal by when its records were appended, to the first
                                   since the decision's minute, and read on from there, page by page
                                       ├─ found
                                       ├─ what was written later is journaled: there is none
                                       └─ PAGES_MAX read: keep the position, ask the caller to come back

The id names its minute, and records are numbered in the order in which they were appended. So a decision of weeks ago
costs a few reads more than one of a second ago, however busy the customer is. Reads grow with the records appended
around the decision's minute: PAGE_FIRST of them are one request, beyond that each megabyte is one.

What was decided is journaled about a second later. Until then the cell may still say it itself; where it has gone on
already, the decision cannot be told from one that was never made, and the caller is asked to come back.
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
"""So many of the newest records are read before the search begins: most decisions are looked up soon."""
PAGE_FIRST = 200
"""So many records are read from the decision's minute on before whole pages of a megabyte are."""
PAGES_MAX = 8
"""So many pages one call reads after the first; the next call goes on from there. About 4 seconds of check's 10."""
FIRST = 1
"""The number that a journal begins with."""
CLOCKS_APART = MINUTE
"""How far the clocks of two containers may be apart."""
STREAM_KEPT = DAY
"""What has not been journaled after this long never will be: the stream has forgotten it."""


@dataclass(frozen=True, slots=True)
class FoundDecision:
    """A granted consume, and the journal record that it is in."""

    use: UseEntry
    kept: KeptRecord


def decision_named(decision_id: str, secret: Secret, *, now: Instant) -> DecisionId:
    """The parts of an id that was answered, and may still be known. Raises NotFound; no decision is looked for."""
    wanted = granted_decision(decision_id, secret)
    if wanted is None or not now - SETTLED_WITHIN <= wanted.minute * MINUTE <= now + CLOCKS_APART:
        raise not_found()
    return wanted


def not_found() -> NotFound:
    """What an id leads to that no decision of the last weeks has. A denial has none: it has changed nothing."""
    detail = "there is no such granted decision of the last 35 days; denials are not kept, ask with explain instead"
    return NotFound(detail, code="decision_not_found")


def said_by(seen: SeenCell, wanted: DecisionId) -> UseEntry | None:
    """The decision, if the cell's newest write is the one that made it."""
    return seen.last if isinstance(seen.last, UseEntry) and _is(seen.last, wanted) else None


def told_by(seen: SeenCell, wanted: DecisionId) -> UseEntry | None:
    """The decision, if the cell's newest write made it, or settled it: that says all of it but its trace."""
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
    """The decision in its customer's journal; `seen` is its cell, read before.

    Raises NotFound once every record that may hold it was read; StoreUnavailable `decision_not_folded` where it may be
    on its way, `decision_search_unfinished` where there is more to read than one call may.
    """
    reading = search(store, wanted, now=now)
    if reading.found is not None:
        return reading.found
    unfolded = not reading.past and seen.cell.revision > reading.journaled
    if unfolded and now - wanted.minute * MINUTE <= STREAM_KEPT:
        raise StoreUnavailable("the decision is not folded yet; ask again in a second", code="decision_not_folded")
    raise not_found()


@dataclass(slots=True)
class Reading:
    """What the records that were read say of a decision.

    `journaled` is the newest revision of its feature's cell among them (0: none), `past` whether one of them can only
    have come after every record that may hold the decision.
    """

    wanted: DecisionId
    found: FoundDecision | None = None
    journaled: int = 0
    past: bool = False

    @property
    def since(self) -> Instant:
        """No record appended before this holds the decision, nor follows one in the journal that does.

        One CLOCKS_APART is between who decided and who appended, one between those who appended.
        """
        return self.wanted.minute * MINUTE - 2 * CLOCKS_APART

    def take(self, records: Sequence[KeptRecord]) -> None:
        """Look for the decision in these records."""
        self.found = self.found or among(records, self.wanted)
        self.journaled = max(self.journaled, _journaled(records, self.wanted.feature))

    def follow(self, records: Sequence[KeptRecord]) -> bool:
        """Look for the decision in the records that come next; whether the search goes on behind them.

        The writes of one cell are journaled in their order. So no record after one that holds a later write of its
        cell holds the decision; what was appended a day later, the stream had forgotten by then.
        """
        self.take(records)
        after, feature = (self.wanted.minute + 1) * MINUTE + CLOCKS_APART, self.wanted.feature
        self.past = any(
            kept.at > after + STREAM_KEPT or any(_written_at(entry, feature) > after for entry in kept.record.entries)
            for kept in records
        )
        return self.found is None and not self.past


def search(store: DecisionStore, wanted: DecisionId, *, now: Instant) -> Reading:
    """Read the journal until the decision is found or is in no record. Raises StoreUnavailable
    `decision_search_unfinished` after PAGES_MAX; the next call goes on where this one stopped, in any container."""
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
            "the journal around the decision is long; ask again, and the search goes on from where it is",
            code="decision_search_unfinished",
        )
    return reading


def _first_since(store: DecisionStore, customer: str, since: Instant, *, before: int) -> int:
    """The number of the first record appended since then, by halving: log2 of the journal's length in reads."""
    low, high = 1, before
    while low < high:
        middle = (low + high) // 2
        probed = store.newest(customer, before=middle + 1, limit=1)
        if not probed or probed[0].at < since:
            low = middle + 1
        else:
            high = middle
    return low


def among(kept: Iterable[KeptRecord], wanted: DecisionId) -> FoundDecision | None:
    """The decision in these records; None: in none of them."""
    for each in kept:
        for entry in each.record.entries:
            if isinstance(entry, UseEntry) and _is(entry, wanted):
                return FoundDecision(entry, each)
    return None


def _is(use: UseEntry | SettleEntry, wanted: DecisionId) -> bool:
    return use.feature == wanted.feature and use.id == f"{wanted.minute}.{wanted.digest.hex()}"


def _written_at(entry: Entry, feature: str) -> Instant:
    """When the feature's cell was written, by the clock of who wrote; 0: another item was."""
    return entry.written_at if isinstance(entry, CellKind) and entry.feature == feature else 0


def _journaled(records: Iterable[KeptRecord], feature: str) -> int:
    """The newest revision of the feature's cell that these records hold; 0: none of them does.

    The writes of one cell are journaled in their order, so with one of them all before it are.
    """
    return max((_revision(each.record, feature) for each in records), default=0)


def _revision(record: Record, feature: str) -> int:
    return max((e.revision for e in record.entries if isinstance(e, CellKind) and e.feature == feature), default=0)
