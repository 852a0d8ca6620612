"""Granted decisions: found in the cell or the journal, and settled once.

    CELL#<customer>#<feature>   u.<ordinal>.<start> grows by the difference; st; last, n as with every write
    RECEIPT#<customer>          settle#<decision id>   granted, amount, settled_at, expires_at
                                search#<decision>      n: the journal up to it does not hold the decision; expires_at

The receipt is put if absent, in the transaction that corrects the cell. So the first settlement is final, and a
repetition is answered by the stored receipt that refused it.

The journal never changes, so a part searched without success need not be read again. The position of a search is stored
where every container finds it, for as long as callers may come back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.decision_ids import DecisionId
from tallygate.domain.base.instants import DAY, SECOND, Instant
from tallygate.domain.corrections.settlements import Settlement
from tallygate.domain.entries.entry import CellEntry
from tallygate.domain.entries.reset_marks import ResetMark, mark_text
from tallygate.domain.entries.usage import SettleEntry, UseEntry
from tallygate.domain.journal.records import RECORD_KEPT
from tallygate.domain.limits.counters import CellName, CountedWindow
from tallygate.domain.limits.limits import Effective
from tallygate.operations.journal.ports import JournalPage, KeptRecord, SeenCell
from tallygate.storage.admission import cell_image
from tallygate.storage.admission.cells import Cells
from tallygate.storage.admission.openings import as_seen
from tallygate.storage.base import items, keys
from tallygate.storage.base.attributes import Attributes
from tallygate.storage.base.engine import Cancelled, Engine, Key, Put, Update
from tallygate.storage.base.expressions import (
    Absent,
    All,
    Change,
    Compare,
    Condition,
    Copy,
    Increase,
    Item,
    Present,
    Set,
    absent_or,
)
from tallygate.storage.entries.entries import entry_of
from tallygate.storage.entries.writes import LAST, CellWrite
from tallygate.storage.journal.records import record_of

SEARCH_KEPT = DAY
"""How long the position of an unfinished search is kept. A later search starts again."""
_SETTLEMENTS = Attributes(Settlement, apart=("decision_id",))
_START = 1
"""The journal's beginning counts as one item: it sorts after the newest record."""


class Decisions:
    """Reads and writes of settle and explain. Every method is one request."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def look(self, cell: CellName) -> SeenCell:
        """Return the cell, read consistently, and the decision that its newest write made or settled."""
        seen, last = newest_entry(self._engine.get(keys.cell(cell)))
        return SeenCell(cell=seen, last=last if isinstance(last, UseEntry | SettleEntry) else None)

    def settlement(self, customer: str, decision_id: str) -> Settlement | None:
        item = self._engine.get(_receipt(customer, decision_id))
        return None if item is None else _SETTLEMENTS.value(item, decision_id=decision_id)

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
        receipt = Put(
            key=_receipt(customer, settlement.decision_id),
            item={**_SETTLEMENTS.item(settlement), "expires_at": (settlement.settled_at + RECORD_KEPT) // SECOND},
            condition=Absent("pk"),
        )
        correction = _correction(customer, use, settlement, held, entry, followed, followings)
        outcome = self._engine.transact((correction, receipt), repeatable=True)
        if not isinstance(outcome, Cancelled):
            return settlement
        _, kept = outcome.images
        return None if kept is None else _SETTLEMENTS.value(kept, decision_id=settlement.decision_id)

    def newest(self, customer: str, *, before: int | None, limit: int) -> tuple[KeptRecord, ...]:
        owner = keys.escaped(customer)
        page = self._engine.query(
            keys.journal_of(owner),
            after=None if before is None else keys.journal_record(owner, before).sk,
            newest_first=True,
            limit=limit + (_START if before is None else 0),
            consistent=True,
        )
        return tuple(_kept_record(item) for item in page.items if item["sk"] != keys.journal_start(owner).sk)[:limit]

    def following(self, customer: str, after: int, *, limit: int | None) -> JournalPage:
        owner = keys.escaped(customer)
        page = self._engine.query(
            keys.journal_of(owner), after=keys.journal_record(owner, after).sk, limit=limit, consistent=True
        )
        records = tuple(_kept_record(item) for item in page.items if item["sk"] != keys.journal_start(owner).sk)
        more = page.next_after is not None and page.next_after != keys.journal_start(owner).sk
        return JournalPage(records, records[-1].record.number if more and records else None)

    def searched(self, wanted: DecisionId) -> int | None:
        item = self._engine.get(_search(wanted))
        return None if item is None else items.integer(item, "n")

    def keep_searched(self, wanted: DecisionId, number: int, *, now: Instant) -> None:
        changes = (Set("n", number), Set("expires_at", (now + SEARCH_KEPT) // SECOND))
        moves = absent_or(Compare("n", "<", number))
        self._engine.write(Update(key=_search(wanted), changes=changes, condition=moves), repeatable=True)

    def effective(self, customer: str) -> Effective | None:
        return Cells(self._engine).effective(customer)


def newest_entry(item: Item | None) -> tuple[Cell, CellEntry | None]:
    """Return the cell, and the entry of its newest write as far as the image shows it; None: it has no entry."""
    seen = cell_image.cell_of(item)
    if item is None or LAST not in item:
        return seen, None
    _, last = entry_of(items.text(item, LAST))
    last = replace(last, revision=seen.revision)
    if isinstance(last, UseEntry) and any(window.counter in seen.brought for window in last.windows):
        # Usage by event is added without an entry. So the image may show more than the entry's own write left.
        return seen, last
    return seen, last.shown_by(seen, seen)


def _correction(
    customer: str,
    use: UseEntry,
    settlement: Settlement,
    held: Mapping[CountedWindow, ResetMark | None],
    entry: SettleEntry,
    followed: Collection[CountedWindow],
    followings: int,
) -> Update:
    """Return the write that corrects the windows.

    It requires no room, only that the windows are still in the cell and were not reset since. A removed counter must
    not return, and a counter from which a reset excluded the decision must not fall below zero.
    """
    by, changes, conditions = settlement.amount - settlement.granted, list[Change](), list[Condition]()
    for window, mark in held.items():
        used, reset = (
            (window.ordinal, window.start),
            cell_image.window_name(cell_image.RESET, (window.ordinal, window.start)),
        )
        changes.append(Increase(cell_image.used_name(used), by))
        conditions.append(Present(cell_image.used_name(used)))
        conditions.append(Absent(reset) if mark is None else Compare(reset, "=", mark_text(mark)))
        if window in followed:
            changes.append(Increase(cell_image.window_name(cell_image.FOLLOWED, used), by))
    # Usage follows in a single write of its own. The correction must come before that write, or be based on the cell
    # after it.
    conditions.append(as_seen(cell_image.FOLLOWINGS, followings or None))
    if held:
        changes.append(Copy(cell_image.CORRECTED, items.REVISION))
    return CellWrite(CellName(customer, use.feature), changes, entry, All(tuple(conditions))).update


def _receipt(customer: str, decision_id: str) -> Key:
    return keys.receipt(customer, "settle", decision_id)


def _search(wanted: DecisionId) -> Key:
    return keys.receipt(wanted.customer, "search", f"{wanted.feature}#{wanted.minute}.{wanted.digest.hex()}")


def _kept_record(item: Item) -> KeptRecord:
    return KeptRecord(record_of(item), items.integer(item, "at"))
