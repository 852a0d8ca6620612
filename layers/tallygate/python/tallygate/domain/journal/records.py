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
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tallygate.domain.base.instants import HOUR, Instant
from tallygate.domain.entries.entry import Entry
from tallygate.domain.limits.governing import Governed

MARK_KEPT = 48 * HOUR
"""Twice the retention of a stream, so a shard that could still deliver keeps its mark."""


@dataclass(frozen=True, slots=True)
class Position:
    """The position of a stream record. `seen_at`: when it was written, by DynamoDB's clock."""

    shard: str
    sequence: int
    seen_at: Instant


class Mark(NamedTuple):
    """The last sequence number read of a shard, and the time its record was written."""

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
            after[position.shard] = Mark(position.sequence, position.seen_at)
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
    """

    number: int
    customer: str | None
    marks: Marks
    entries: tuple[Entry, ...]
    limits: Mapping[int, Governed] = field(default_factory=dict)
    at: Instant = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of a journal.

    number: number of the newest record
    applied: number of the last record applied to totals and usage
    marks: marks of the newest record
    newest: the newest record, if it was read
    remembered: whether this container knows the head from its own writes. Another container may have appended since;
        the next append would detect that.
    """

    number: int = 0
    applied: int = 0
    marks: Marks = field(default_factory=dict)
    newest: Record | None = None
    remembered: bool = False
