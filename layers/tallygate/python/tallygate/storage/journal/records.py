"""The journal: records are appended where their number is free, and read from the cursor on.

    JOURNAL#<owner>   <n, 20 digits>   body (zlib JSON: marks, limits, entries, at), at, expires_at
                      CURSOR           n: every record up to it has been applied

`owner` is the customer's id in the form used in keys. Put-if-absent is the only concurrency control. A record's marks
continue those of the record before it, so they are right exactly if the put succeeds. That is why a container may cache
the head that it wrote itself: a stale cache only loses the put, and then the head is read.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

from tallygate.domain.base.instants import DAY, SECOND, Instant
from tallygate.domain.journal.records import Head, Record
from tallygate.errors import InvariantBroken
from tallygate.operations.journal.ports import Appended
from tallygate.storage.base import items, keys
from tallygate.storage.base.documents import compact, read_document
from tallygate.storage.base.engine import Engine, Put, Refused, Update, each_item
from tallygate.storage.base.expressions import Absent, Compare, Item, Set, absent_or
from tallygate.storage.entries.entries import ENTRIES

BODY_BYTES_MAX = 300_000
KEPT = 40 * DAY
"""Longer than the longest calendar month, and than an event may be late."""
REMEMBERED_MAX = 4_096
FIRST = 1
_CURSOR_SK = "CURSOR"


@dataclass(slots=True)
class Journal:
    """Every method is one request, unless it says otherwise."""

    engine: Engine
    _heads: dict[str, Head] = field(default_factory=dict)

    def head(self, owner: str, *, fresh: bool) -> Head:
        remembered = self._heads.get(owner)
        if remembered is not None and not fresh:
            return remembered
        page = self.engine.query(keys.journal_of(owner), newest_first=True, limit=2, consistent=True)
        applied, newest = 0, None
        for item in page.items:
            if item["sk"] == _CURSOR_SK:
                applied = items.integer(item, "n")
            elif newest is None:
                newest = record_of(item)
        if newest is None:
            return Head(number=applied, applied=applied)
        return Head(number=newest.number, applied=applied, marks=newest.marks, newest=newest)

    def append(self, owner: str, record: Record, *, applied: int, now: Instant) -> Appended:
        """Append the record if its number is free. Safe to repeat: a record that meets its own stored copy is appended.

        applied: the number up to which the caller knows the journal to be applied
        """
        body = body_of(record)
        if len(body) > BODY_BYTES_MAX:
            return Appended.TOO_LARGE
        item: Item = {"body": body, "at": now, "expires_at": (now + KEPT) // SECOND}
        put = Put(key=keys.journal_record(owner, record.number), item=item, condition=Absent("pk"))
        outcome = self.engine.write(put, repeatable=True)
        if isinstance(outcome, Refused) and (outcome.image or {}).get("body") != body:
            self._heads.pop(owner, None)
            return Appended.LOST
        if len(self._heads) >= REMEMBERED_MAX:
            self._heads.pop(next(iter(self._heads)))
        self._heads[owner] = Head(number=record.number, applied=applied, marks=record.marks, remembered=True)
        return Appended.DONE

    def records(self, owner: str, after: int, until: int) -> tuple[Record, ...]:
        first, last = (keys.journal_record(owner, number).sk for number in (after, until))
        held = each_item(self.engine, keys.journal_of(owner), after=first, until=last, consistent=True)
        found = [record_of(item) for item in held]
        if [record.number for record in found] != list(range(after + 1, until + 1)):
            raise InvariantBroken(f"the journal of {owner} has a gap between {after} and {until}")
        return tuple(found)

    def applied(self, owner: str, number: int) -> None:
        cursor = keys.journal_cursor(owner)
        moves = absent_or(Compare("n", "<", number))
        self.engine.write(Update(key=cursor, changes=(Set("n", number),), condition=moves), repeatable=True)
        remembered = self._heads.get(owner)
        if remembered is not None and remembered.number == number:
            self._heads[owner] = Head(number=number, applied=number, marks=remembered.marks, remembered=True)


def body_of(record: Record) -> bytes:
    """Return the stored form of a record. Equal records have equal bodies."""
    return zlib.compress(compact(ENTRIES.write(record, Record)).encode())


def record_of(item: Item) -> Record:
    """Return the record of an item."""
    body = item.get("body")
    if not isinstance(body, bytes):
        raise InvariantBroken("a journal record must have a body")
    record: Record = ENTRIES.read(read_document(zlib.decompress(body)), Record)
    return record
