"""The journal: everything that happened to one customer, in densely numbered records that never change.

    shard A ─ 1 2 3 ─┐                        ┌ number 7 ┐┌ number 8 ┐
    shard B ─ 9 10 ──┴─ keep new records ──>  │ marks    ││ marks    │ ──> totals, usage
    zombie A ─ 1 2 ───  dropped by the marks  │ entries  ││ entries  │
                                              └──────────┘└──────────┘

Each record carries the *marks* of all shards: the last sequence number read of each. A stream record is new if it lies
beyond the mark of its shard. A journal record is put only if its number is free. A writer that loses this race reads
the newer marks before it tries again. So a stream record enters the journal once, however often it is delivered. The
marks of *all* shards are needed, because a split shard may be delivered again after its children have written records.

Entries are *resolved*: an entry states what an event adds to which meters and windows, and the record states the
limits. So the changes are a pure function of the record (`domain.journal.fold`), independent of when it runs.

A record also says up to which number the journal was applied when it was put. There is no other cursor: whoever does
not remember the head compares the records after that number with the numbers of their targets.

    number 7 ─ applied: 6     number 8 ─ applied: 7     8 may be applied or not; its targets tell

After a long idle time all records may have expired. The next record then begins the journal anew, with a number above
every earlier one, so that no target takes it for one that was applied before.

    number 8 ─── BEGINS_AFTER ──> 9, as a beginning ─── LOST_AFTER ──> the time in ms, as a beginning
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tallygate.domain.base.instants import DAY, HOUR, MINUTE, Instant
from tallygate.domain.entries.entry import Entry
from tallygate.domain.limits.governing import Governed
from tallygate.errors import InvariantBroken

MARK_KEPT = 48 * HOUR
"""Twice the retention of a stream, so a shard that could still deliver keeps its mark."""
RECORD_KEPT = 40 * DAY
"""Longer than the longest calendar month, and than an event may be late."""
BEGINS_AFTER, LOST_AFTER = RECORD_KEPT // 2, RECORD_KEPT * 3 // 4
"""Idle times after which a record is a beginning, and after which newer records may have expired before older ones.

They are ten days apart from each other and from RECORD_KEPT, much more than the clocks of two callers differ.
"""
SHARD_BYTES = 8


def shard_name(shard_id: str) -> str:
    """Return the name of a shard in marks: 16 hexadecimal digits of the digest of its id.

    Two shards of one name would share a mark, and records of one could be dropped. A table of 1,000 partitions has
    12,000 shards in 48 hours. Any two of them have one name with a probability of 4e-12.
    """
    return hashlib.sha256(shard_id.encode()).hexdigest()[: 2 * SHARD_BYTES]


@dataclass(frozen=True, slots=True)
class Position:
    """The position of a stream record.

    shard: its name in marks
    seen_at: when it was written, by DynamoDB's clock
    """

    shard: str
    sequence: int
    seen_at: Instant


class Mark(NamedTuple):
    """The last sequence number read of a shard, and the minute by which its record was written."""

    sequence: int
    seen_at: Instant


Marks = Mapping[str, Mark]


def is_new(marks: Marks, position: Position) -> bool:
    """Return whether a stream record lies beyond the mark of its shard."""
    mark = marks.get(position.shard)
    return mark is None or position.sequence > mark.sequence


def advanced(marks: Marks, positions: Iterable[Position]) -> Marks:
    """Return the marks after these records. Marks more than MARK_KEPT older than the newest are dropped."""
    after = dict(marks)
    for position in positions:
        if is_new(after, position):
            after[position.shard] = Mark(position.sequence, position.seen_at + -position.seen_at % MINUTE)
    newest = max((mark.seen_at for mark in after.values()), default=0)
    return {shard: mark for shard, mark in after.items() if mark.seen_at > newest - MARK_KEPT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of a customer's journal.

    number: position in the journal, without gaps
    customer: None only if nothing is counted and the key has only a digest of the customer's id
    marks: positions of all shards after the record
    limits: the limits in force for the ordinals that the entries name
    at: when the record was made; 0: unknown
    applied: the records up to this number had been applied when this one was put
    """

    number: int
    customer: str | None
    entries: tuple[Entry, ...]
    marks: Marks = field(default_factory=dict)
    limits: Mapping[int, Governed] = field(default_factory=dict)
    at: Instant = 0
    applied: int = 0

    @property
    def named(self) -> str:
        """The customer, of a record that counts something. Raises InvariantBroken."""
        if self.customer is None:
            raise InvariantBroken(f"journal record {self.number} changes totals but names no customer")
        return self.customer


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """A record that begins the journal, for the first time or after a long idle time.

    number: of the record
    seen: number of the previous beginning; None: there was none
    """

    number: int
    seen: int | None


def next_beginning(newest: int, idle: Instant | None, seen: int | None, now: Instant) -> Beginning | None:
    """Return the beginning that the next record is; None: it continues the journal.

    newest: number of the newest record; 0: there is none
    idle: how long ago it was put; None: there is none
    seen: number of the newest beginning; None: there was none
    """
    if idle is not None and idle < BEGINS_AFTER:
        return None
    expired = seen is not None if idle is None else idle >= LOST_AFTER
    # A customer has less than one record a millisecond, so the time lies above all earlier numbers.
    return Beginning(number=max(newest + 1, now) if expired else newest + 1, seen=seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of a journal.

    number: number of the newest record; 0: there is none
    applied: number of the last record that is known to be applied to totals and usage
    marks: marks of the newest record
    newest: the newest record, if it was read
    remembered: whether this container knows the head from its own writes. Another container may have appended since;
        the next append would detect that.
    begins: the beginning that the next record is; None: it continues the journal
    """

    number: int = 0
    applied: int = 0
    marks: Marks = field(default_factory=dict)
    newest: Record | None = None
    remembered: bool = False
    begins: Beginning | None = None

    @property
    def next(self) -> int:
        """The number of the next record."""
        return self.number + 1 if self.begins is None else self.begins.number
