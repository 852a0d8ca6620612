"""The journal: records are appended where their number is free, and read from the cursor on.

    JOURNAL#<owner>   <n, 20 digits>   body (zlib JSON: limits, entries, at, applied), marks, at, expires_at
                      START            n: the record that began the journal; at: when

`owner` is the customer's id in the form used in keys. Put-if-absent is the only concurrency control. A record's marks
continue those of the record before it, so they are right exactly if the put succeeds. That is why a container may cache
the head that it wrote itself: a stale cache only loses the put, and then the head is read.

A record that begins the journal is put in one transaction with START, which must be as it was seen. So callers that
disagree about the number of the next record after a long idle time never both succeed.

    marks   minute of the newest mark (4 bytes), highest sequence number (length, bytes),
            per shard: name (8 bytes), minutes before the newest (2), highest − its sequence number (length, bytes)
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from tallygate.domain.base.instants import MINUTE, SECOND, Instant
from tallygate.domain.journal.records import (
    BEGINS_AFTER,
    RECORD_KEPT,
    SHARD_BYTES,
    Beginning,
    Head,
    Mark,
    Marks,
    Record,
    next_beginning,
)
from tallygate.errors import Contended, InvariantBroken
from tallygate.operations.journal.ports import Appended
from tallygate.storage.base import items, keys
from tallygate.storage.base.documents import compact, read_document
from tallygate.storage.base.engine import Cancelled, Engine, Put, Refused, Update, each_item
from tallygate.storage.base.expressions import Absent, Compare, Item, Set
from tallygate.storage.entries.entries import ENTRIES

BODY_BYTES_MAX = 300_000
REMEMBERED_MAX = 4_096
TABLES_LEVEL = 5
"""zlib's memory level, 1 to 9. A body becomes less than 1 % longer than with the default of 8."""


class Remembered(NamedTuple):
    """A head that this container put, and when, by the clock of its expiry."""

    head: Head
    put_at: Instant


@dataclass(slots=True)
class Journal:
    """Every method is one request, unless it says otherwise."""

    engine: Engine
    _heads: dict[str, Remembered] = field(default_factory=dict)

    def head(self, owner: str, *, now: Instant, fresh: bool) -> Head:
        remembered = self._heads.get(owner)
        # After a long idle time, another container may have begun the journal anew. The next number would be free then.
        if remembered is not None and not fresh and now - remembered.put_at < BEGINS_AFTER:
            return remembered.head
        began, kept = self._end(owner)
        seen = None if began is None else items.integer(began, "n")
        if kept is None:
            if began is not None and now - items.integer(began, "at") < BEGINS_AFTER:
                raise Contended(f"the journal of {owner} began a moment ago")
            return Head(begins=next_beginning(0, None, seen, now))
        newest = record_of(kept)
        begins = next_beginning(newest.number, now - _put_at(kept), seen, now)
        return Head(number=newest.number, applied=newest.applied, marks=newest.marks, newest=newest, begins=begins)

    def newest(self, owner: str) -> Record | None:
        """Return the newest record, read consistently; None: there is none, or all have expired."""
        _, kept = self._end(owner)
        return None if kept is None else record_of(kept)

    def _end(self, owner: str) -> tuple[Item | None, Item | None]:
        """Return START and the newest record."""
        start = keys.journal_start(owner).sk
        page = self.engine.query(keys.journal_of(owner), newest_first=True, limit=2, consistent=True)
        began = next((item for item in page.items if item["sk"] == start), None)
        return began, next((item for item in page.items if item["sk"] != start), None)

    def append(self, owner: str, record: Record, *, begins: Beginning | None, now: Instant) -> Appended:
        """Append the record if its number is free. Safe to repeat: a record that meets its own stored copy is appended.

        begins: the beginning that the record is
        now: the clock by which the record expires
        """
        item = item_of(record)
        body = item["body"]
        assert isinstance(body, bytes)
        if len(body) > BODY_BYTES_MAX:
            return Appended.TOO_LARGE
        item["expires_at"] = (now + RECORD_KEPT) // SECOND
        put = Put(key=keys.journal_record(owner, record.number), item=item, condition=Absent("pk"))
        if begins is None:
            outcome = self.engine.write(put, repeatable=True)
            lost = isinstance(outcome, Refused) and not _is_same(outcome.image, item)
        else:
            as_seen = Absent("n") if begins.seen is None else Compare("n", "=", begins.seen)
            changes = (Set("n", begins.number), Set("at", now))
            start = Update(key=keys.journal_start(owner), changes=changes, condition=as_seen)
            begun = self.engine.transact((put, start), repeatable=True)
            lost = isinstance(begun, Cancelled) and not _is_same(begun.images[0], item)
        if lost:
            self._heads.pop(owner, None)
            return Appended.LOST
        if len(self._heads) >= REMEMBERED_MAX:
            # Several customers are appended at a time, and another thread may remove the same.
            self._heads.pop(next(iter(list(self._heads)), owner), None)
        head = Head(number=record.number, applied=record.applied, marks=record.marks, remembered=True)
        self._heads[owner] = Remembered(head, now)
        return Appended.DONE

    def records(self, owner: str, after: int, until: int, *, expiring: bool = False) -> tuple[Record, ...]:
        first, last = (keys.journal_record(owner, number).sk for number in (after, until))
        held = each_item(self.engine, keys.journal_of(owner), after=first, until=last, consistent=True)
        found = [record_of(item) for item in held]
        if not expiring and [record.number for record in found] != list(range(after + 1, until + 1)):
            raise InvariantBroken(f"the journal of {owner} has a gap between {after} and {until}")
        return tuple(found)

    def applied(self, owner: str, number: int) -> None:
        remembered = self._heads.get(owner)
        if remembered is not None and remembered.head.number == number:
            self._heads[owner] = remembered._replace(head=replace(remembered.head, applied=number))


def _put_at(item: Item) -> Instant:
    """Return when a record was put, by the clock of its expiry."""
    return items.integer(item, "expires_at") * SECOND - RECORD_KEPT


def item_of(record: Record) -> Item:
    """Return the item of a record, without its expiry. Equal records have equal items."""
    body = _compressed(compact(ENTRIES.write(replace(record, marks={}), Record)))
    return {"body": body, "marks": marks_bytes(record.marks), "at": record.at}


def _compressed(text: str) -> bytes:
    """Compress with small tables. Making zlib's default tables costs more than to compress a usual body."""
    compressing = zlib.compressobj(memLevel=TABLES_LEVEL)
    return compressing.compress(text.encode()) + compressing.flush()


def _is_same(image: Item | None, item: Item) -> bool:
    return image is not None and (image.get("body"), image.get("marks")) == (item["body"], item["marks"])


def record_of(item: Item) -> Record:
    """Return the record of an item."""
    body, marks = item.get("body"), item.get("marks")
    if not isinstance(body, bytes) or not isinstance(marks, bytes):
        raise InvariantBroken("a journal record must have a body and marks")
    record: Record = ENTRIES.read(read_document(zlib.decompress(body)), Record)
    return replace(record, marks=marks_of(marks))


def marks_bytes(marks: Marks) -> bytes:
    """Return the stored form of marks, about 22 bytes for each shard. `marks_of` reads it."""
    if not marks:
        return b""
    newest = max(mark.seen_at for mark in marks.values()) // MINUTE
    highest = max(mark.sequence for mark in marks.values())
    parts = [newest.to_bytes(4), _whole(highest)]
    for shard, mark in sorted(marks.items()):
        parts += [bytes.fromhex(shard), (newest - mark.seen_at // MINUTE).to_bytes(2), _whole(highest - mark.sequence)]
    return b"".join(parts)


def marks_of(stored: bytes) -> Mapping[str, Mark]:
    found: dict[str, Mark] = {}
    if stored:
        newest, (highest, at) = int.from_bytes(stored[:4]), _number_at(stored, 4)
        while at < len(stored):
            shard, ago = stored[at : at + SHARD_BYTES].hex(), int.from_bytes(stored[at + SHARD_BYTES :][:2])
            below, at = _number_at(stored, at + SHARD_BYTES + 2)
            found[shard] = Mark(highest - below, (newest - ago) * MINUTE)
    return found


def _whole(number: int) -> bytes:
    """A whole number of any size, behind the number of its bytes."""
    length = (number.bit_length() + 7) // 8
    return bytes((length,)) + number.to_bytes(length)


def _number_at(stored: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins there, and where the next value begins."""
    begin, end = at + 1, at + 1 + stored[at]
    return int.from_bytes(stored[begin:end]), end
