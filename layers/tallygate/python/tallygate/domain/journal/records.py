"""The journal: everything that happened to one customer, in densely numbered records that never change.

    shard A ─ 1 2 3 ─┐                        ┌ number 7 ┐┌ number 8 ┐
    shard B ─ 9 10 ──┴─ keep what is new ──>  │ marks    ││ marks    │ ──> totals, usage
    zombie A ─ 1 2 ───  meets the marks       │ entries  ││ entries  │
                                              └──────────┘└──────────┘

Each record carries the *marks* of all shards: how far each one has been read. An entry is new when it lies beyond the
mark of its shard. Since a record is put only where its number is free, whoever loses a race reads the newer marks
before trying again, and a stream record enters the journal once, however often it is delivered. The marks of *all*
shards are needed because a shard that was split may be delivered again after its children have written records.

Entries are *resolved*: they say what an event adds to which meters and windows, and the record says under which limits.
So what follows from a record is a pure function of it (`domain.journal.fold`), whoever computes it and whenever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tallygate.domain.base.instants import HOUR, Instant
from tallygate.domain.entries.entry import Entry
from tallygate.domain.limits.governing import Governed

MARK_KEPT = 48 * HOUR
"""Twice as long as a stream keeps records: no shard that could still deliver loses its mark."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a stream record stands. `seen_at` is when it was written, by the engine's clock."""

    shard: str
    sequence: int
    seen_at: Instant


class Mark(NamedTuple):
    """The last sequence number read of a shard, and when its record was written."""

    sequence: int
    seen_at: Instant


Marks = Mapping[str, Mark]


def is_new(marks: Marks, position: Position) -> bool:
    """Whether a stream record lies beyond what its shard has contributed."""
    mark = marks.get(position.shard)
    return mark is None or position.sequence > mark.sequence


def advanced(marks: Marks, positions: Iterable[Position]) -> Marks:
    """The marks after these records; those of shards that have long been silent are dropped."""
    after = dict(marks)
    for position in positions:
        if is_new(after, position):
            after[position.shard] = Mark(position.sequence, position.seen_at)
    newest = max((mark.seen_at for mark in after.values()), default=0)
    return {shard: mark for shard, mark in after.items() if mark.seen_at > newest - MARK_KEPT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One number of a customer's journal. `limits` are those in force for the ordinals that its entries name, `at` is
    when it was made (0: not known).

    `customer` is None only where nothing is counted and the key holds but a digest of the id.
    """

    number: int
    customer: str | None
    marks: Marks
    entries: tuple[Entry, ...]
    limits: Mapping[int, Governed] = field(default_factory=dict)
    at: Instant = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """How far a journal reaches: `number` of its newest record with the marks, `applied` of the last one applied.

    `remembered` says that this container knows it from its own writes: still true unless another one has appended,
    which the next append would find out. `newest` is the newest record itself, where it was read.
    """

    number: int = 0
    applied: int = 0
    marks: Marks = field(default_factory=dict)
    newest: Record | None = None
    remembered: bool = False
