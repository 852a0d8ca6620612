"""How far the writes of one cell are journaled.

    the journal's newest records ──┬─ name a revision of the cell: the newest of them
                                   └─ name none ──> the records appended since the cell's newest write,
                                                    unless they have expired

A customer with many events may have thousands of records after the newest write of a cell, because usage by event is
added to the cell without an entry.
"""

from __future__ import annotations

from collections.abc import Iterable

from tallygate.domain.base.instants import DAY, MINUTE, Instant
from tallygate.domain.entries.entry import CellEntry
from tallygate.domain.journal.records import RECORD_KEPT
from tallygate.domain.limits.counters import CellName
from tallygate.operations.limits.ports import AppliedRevision
from tallygate.storage.base import items, keys
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.expressions import Item
from tallygate.storage.entries.entries import entry_of
from tallygate.storage.entries.writes import LAST
from tallygate.storage.journal.records import record_of

RECORDS_MAX = 100
"""The most journal records, from the newest on, that are searched for a write of the feature."""
PAGES_MAX = 10
"""The most pages of RECORDS_MAX that are read from the time of the cell's newest write on."""
CLOCKS_APART = 2 * MINUTE
STREAM_KEPT = DAY
NONE = AppliedRevision(revision=0, time=None)


def newest_journaled(engine: Engine, cell: CellName, *, now: Instant) -> AppliedRevision:
    """Return the newest journaled write to the cell. One request; a few more if the newest records name none.

    If the record of the cell's newest write may have expired, this write is the answer: nothing of it is on its way.
    """
    journal = keys.journal_of(keys.escaped(cell.customer))
    newest = engine.query(journal, newest_first=True, limit=RECORDS_MAX, consistent=True)
    records = [item for item in newest.items if item["sk"] != keys.journal_start("").sk]
    found = _newest_of(records, cell.feature)
    if found is not None:
        return found
    held = engine.get(keys.cell(cell)) or {}
    if LAST not in held:
        return NONE
    _, last = entry_of(items.text(held, LAST))
    revision = items.integer(held, items.REVISION)
    if last.written_at + RECORD_KEPT <= now:
        return AppliedRevision(revision=revision, time=last.written_at)
    if not records or newest.next_after is None:
        return NONE
    return _since(engine, journal, cell.feature, last.written_at, revision)


def _since(engine: Engine, journal: str, feature: str, written_at: Instant, revision: int) -> AppliedRevision:
    """Return the newest revision in the records that may hold this one."""
    found, position = NONE, _before(engine, journal, written_at - CLOCKS_APART)
    for _ in range(PAGES_MAX):
        page = engine.query(journal, after=position, limit=RECORDS_MAX, consistent=True)
        records = [item for item in page.items if item["sk"] != keys.journal_start("").sk]
        found = _newest_of(records, feature) or found
        late = any(items.integer(item, "at") > written_at + STREAM_KEPT + CLOCKS_APART for item in records)
        if page.next_after is None or late or found.revision >= revision:
            break
        position = page.next_after
    return found


def _before(engine: Engine, journal: str, instant: Instant) -> str:
    """Return the sort key after which all records appended since the instant lie, by bisection."""
    oldest = engine.query(journal, limit=1, consistent=True).items
    newest = engine.query(journal, newest_first=True, limit=2, consistent=True).items
    numbers = [items.text(item, "sk") for item in (*oldest, *newest)]
    low, *_, high = sorted(int(number) for number in numbers if number != keys.journal_start("").sk)
    while low < high:
        middle = (low + high) // 2
        after = f"{middle + 1:020d}"
        (item,) = engine.query(journal, after=after, limit=1, consistent=True, newest_first=True).items
        if items.integer(item, "at") < instant:
            low = middle + 1
        else:
            high = middle
    return f"{low - 1:020d}"


def _newest_of(records: Iterable[Item], feature: str) -> AppliedRevision | None:
    entries = [entry for item in records for entry in record_of(item).entries]
    found = [entry for entry in entries if isinstance(entry, CellEntry) and entry.feature == feature]
    newest = max(found, key=lambda entry: entry.revision, default=None)
    return None if newest is None else AppliedRevision(revision=newest.revision, time=newest.written_at)
