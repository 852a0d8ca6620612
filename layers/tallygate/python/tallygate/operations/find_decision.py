"""Find a decision that was made: the journal entry that a decision id stands for.

    journal, the newest first ──┬─ found
                                ├─ appended before the decision's minute: there is none
                                └─ all since then: halve the journal by when its records were appended, to the first
                                   since the decision's minute, and read on from there

The id names its minute, and records are numbered in the order in which they were appended. So a decision of weeks ago
costs a few reads more than one of a second ago, however busy the customer is.

What was decided is journaled about a second later. Until then the cell may still say it itself; where it has gone on
already, the decision cannot be told from one that was never made, and the caller is asked to come back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tallygate.decision_store import DecisionStore, KeptRecord, SeenCell
from tallygate.domain.decision_ids import DecisionId, parse_decision_id
from tallygate.domain.instants import DAY, MINUTE, Instant
from tallygate.domain.journal import CellEntry, Record, SettleEntry, UseEntry
from tallygate.domain.settlements import SETTLED_WITHIN
from tallygate.errors import NotFound, StoreUnavailable

RECENT_MAX = 25
"""So many of the newest records are read before the search begins: most decisions are looked up soon."""
FORWARD_MAX = 200
"""So many records are read on from the decision's minute: as far as a fold that was behind may have put it."""
CLOCKS_APART = MINUTE
"""How far the clocks of two containers may be apart."""
STREAM_KEPT = DAY
"""What has not been journaled after this long never will be: the stream has forgotten it."""


@dataclass(frozen=True, slots=True)
class FoundDecision:
    """A granted consume, and the journal record that it is in."""

    use: UseEntry
    kept: KeptRecord


def decision_named(decision_id: str, *, now: Instant) -> DecisionId:
    """The parts of an id that may still be known. Raises NotFound."""
    wanted = parse_decision_id(decision_id)
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

    Raises NotFound, and StoreUnavailable `decision_not_folded` where it may be on its way.
    """
    recent = store.newest(wanted.customer, before=None, limit=RECENT_MAX)
    found = among(recent, wanted) or _earlier(store, wanted, recent)
    if found is not None:
        return found
    unfolded = seen.cell.revision > _journaled(recent, wanted.feature)
    if unfolded and now - wanted.minute * MINUTE <= STREAM_KEPT:
        raise StoreUnavailable("the decision is not folded yet; ask again in a second", code="decision_not_folded")
    raise not_found()


def _earlier(store: DecisionStore, wanted: DecisionId, recent: Sequence[KeptRecord]) -> FoundDecision | None:
    since = wanted.minute * MINUTE - CLOCKS_APART
    if not recent or recent[-1].at < since:
        return None
    first = _first_since(store, wanted.customer, since, before=recent[-1].record.number)
    return among(store.following(wanted.customer, first - 1, limit=FORWARD_MAX), wanted)


def _first_since(store: DecisionStore, customer: str, since: Instant, *, before: int) -> int:
    """The number of the first record appended since then, by halving: log2 of the journal's length in reads.

    Clocks that are apart put a record a little out of order; the search begins as much earlier.
    """
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


def _journaled(recent: Iterable[KeptRecord], feature: str) -> int:
    """The newest revision of the feature's cell that these records hold; 0: none of them does.

    The writes of one cell are journaled in their order, so with one of them all before it are.
    """
    return max((_revision(each.record, feature) for each in recent), default=0)


def _revision(record: Record, feature: str) -> int:
    return max((e.revision for e in record.entries if isinstance(e, CellEntry) and e.feature == feature), default=0)
