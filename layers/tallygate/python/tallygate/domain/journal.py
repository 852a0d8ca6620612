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
So what follows from a record is a pure function of it (`domain.fold`), whoever computes it and whenever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from tallygate.domain.event_judgement import EventWarning
from tallygate.domain.instants import HOUR, Instant
from tallygate.domain.limits import Enforcement
from tallygate.domain.meters import Measured
from tallygate.domain.quantities import ZERO
from tallygate.domain.reset_marks import ResetMark
from tallygate.domain.rolls import Layer
from tallygate.domain.scopes import Scope
from tallygate.domain.tiers import Tier

MARK_KEPT = 48 * HOUR
"""Twice as long as a stream keeps records: no shard that could still deliver loses its mark."""
PARKED_LENGTH_MAX = 8_000


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


class CountedWindow(NamedTuple):
    """A quota window that an entry counts in."""

    ordinal: int
    start: Instant
    end: Instant


class Shown(NamedTuple):
    """What a quota window showed after a use: all that was used in it, and what its limit was raised by."""

    used: Decimal
    raised: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedIn:
    """What was carried into a window, so that its total can be walked from when the cell has removed the window.

    layers: oldest first; empty: nothing was carried
    after: start of the newest window that the cell showed before this one when it was opened; None: not told
    """

    layers: tuple[Layer, ...]
    after: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Governed:
    """A limit as it stood when the record was written: what totals and facts say of it. `every` is its period's.

    A window of what rolls counts for `reach` after its end; its total by itself is measured against no limit. What is
    not `enforced` observes or is off: its tiers tell their levels, and their policies do nothing.
    """

    feature: str
    meter: str
    name: str
    scope: Scope = field(default_factory=dict)
    limit: Decimal | None = None
    tiers: tuple[Tier, ...] = ()
    enforcement: Enforcement = Enforcement.HARD
    plan: str | None = None
    plan_version: int | None = None
    stripe_customer_id: str | None = None
    upgrade_to: str | None = None
    upgrade_limit: Decimal | None = None
    upgrade_unlimited: bool = False
    every: str | None = None
    reach: Instant = 0
    carries: bool = False
    """Whether what is not used carries over into the next window."""
    further: bool = False
    """Of the feature's own limit: another of its windows than the one that is billed."""

    @property
    def own(self) -> bool:
        """Whether it is the entitlement's own quota, whose closed windows make the bill."""
        return self.name == self.feature and not self.scope and not self.further

    @property
    def enforced(self) -> bool:
        """Whether it decides, or says so where it would have."""
        return self.enforcement in (Enforcement.HARD, Enforcement.SOFT)

    @property
    def named_only(self) -> bool:
        """Whether nothing but names is known: the limit was not in force any more when the record was written."""
        return self == Governed(feature=self.feature, meter=self.meter, name=self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventEntry:
    """An accepted event. In each window it adds what it measured for the meter of the window's limit.

    warnings: what its sender should know, also of every meter that could not read its value
    rejected: the code of why it counts nothing after all; None: it counts, or nothing is to be said
    type, received_at: as it was stored; "" and 0 where an earlier version journaled it
    """

    source: str
    id: str
    time: Instant
    measured: tuple[Measured, ...] = ()
    warnings: tuple[EventWarning, ...] = ()
    windows: tuple[CountedWindow, ...] = ()
    traceparent: str | None = None
    type: str = ""
    received_at: Instant = 0
    rejected: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UseEntry:
    """A granted consume: it moved the feature's meter by `amount` in these windows.

    `carried`, by ordinal, is what was carried into those of the windows that it was the first to count in, `opened` the
    same in layers, where the stream record showed them; `after` is what each of the windows showed then, in their order
    (empty: not known).
    """

    id: str
    feature: str
    meter: str
    revision: int
    time: Instant
    amount: Decimal
    dimensions: Mapping[str, str] = field(default_factory=dict)
    windows: tuple[CountedWindow, ...] = ()
    carried: Mapping[int, Decimal] = field(default_factory=dict)
    opened: Mapping[int, CarriedIn] = field(default_factory=dict)
    after: tuple[Shown, ...] = ()
    traceparent: str | None = None

    def __post_init__(self) -> None:
        assert len(self.after) in (0, len(self.windows)), "what is shown is shown of each window"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleEntry:
    """A settled consume: `id`, `time`, dimensions and windows are the decision's own, which now counts `amount`.

    `by` is what that adds to what the decision had counted: more, less or nothing, and never more than all of it less.
    In the windows `excluded` a reset has taken the decision out, so that this changes nothing of what is enforced. The
    cell had removed the windows `removed`; whether a reset excludes the decision there, which the cell wrote at
    `decided_at_revision` (None: not known), the totals tell. Into those `followed` the decision has followed: there it
    changes what is enforced, and nothing that is billed.
    """

    id: str
    feature: str
    meter: str
    revision: int
    time: Instant
    settled_at: Instant
    amount: Decimal
    by: Decimal
    dimensions: Mapping[str, str] = field(default_factory=dict)
    windows: tuple[CountedWindow, ...] = ()
    excluded: tuple[CountedWindow, ...] = ()
    removed: tuple[CountedWindow, ...] = ()
    decided_at_revision: int | None = None
    followed: tuple[CountedWindow, ...] = ()
    traceparent: str | None = None

    def __post_init__(self) -> None:
        assert self.amount >= 0, "what was consumed is not negative"
        assert self.amount >= self.by, "what was granted is not negative"
        assert {*self.excluded, *self.removed} <= set(self.windows), "what a reset excludes was counted"


@dataclass(frozen=True, slots=True, kw_only=True)
class CarryEntry:
    """What is carried into a window, as it is now: whatever was carried into it before is replaced.

    `into` is the same in layers; None: not known, in records of an earlier version.
    """

    feature: str
    meter: str
    name: str
    revision: int
    time: Instant
    window: CountedWindow
    carried: Decimal
    into: CarriedIn | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustEntry:
    """An adjustment of a window by hand: `amount` more, or less. `carried` into it, as it is now; None: as it was.

    `into` is the same in layers, of a limit that carries over; None: not known, or nothing carries over.
    """

    id: str
    feature: str
    meter: str
    name: str
    revision: int
    time: Instant
    window: CountedWindow
    amount: Decimal
    carried: Decimal | None = None
    into: CarriedIn | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetEntry:
    """A reset by hand: so much of each window counts against its limit no more. It stays used, and is billed.

    `marks` say of the windows, in their order, which decisions are excluded; empty: not known.
    Of what had `followed` into a window so much follows no more; that is billed where it was used.
    """

    id: str
    feature: str
    meter: str
    revision: int
    time: Instant
    effective_at: Instant
    taken: tuple[tuple[CountedWindow, Decimal], ...]
    marks: tuple[ResetMark, ...] = ()
    followed: tuple[tuple[CountedWindow, Decimal], ...] = ()

    def __post_init__(self) -> None:
        assert len(self.marks) in (0, len(self.taken)), "a mark is one of each window"

    @property
    def windows(self) -> tuple[CountedWindow, ...]:
        return tuple(window for window, _ in self.taken)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteEntry:
    """Another write to a cell, which counts nothing. `text` is the cell's own entry."""

    kind: str
    feature: str
    revision: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedEntry:
    """A stream record that could not be folded: why, and the record itself, cut to PARKED_LENGTH_MAX characters."""

    reason: str
    raw: str

    def __post_init__(self) -> None:
        assert len(self.raw) <= PARKED_LENGTH_MAX


class Followed(NamedTuple):
    """What has followed into a window, as it is now, and (None: as it was) what is carried into it.

    `excluded` is what a reset that came after the window had counted takes out of that.
    """

    window: CountedWindow
    followed: Decimal
    carried: Decimal | None = None
    excluded: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowEntry:
    """Usage of other windows has followed into these: what followed before is replaced. `opened`, by ordinal, is what
    was carried, in layers, into those of the windows that the write opened."""

    feature: str
    meter: str
    revision: int
    time: Instant
    moved: tuple[Followed, ...]
    opened: Mapping[int, CarriedIn] = field(default_factory=dict)

    @property
    def windows(self) -> tuple[CountedWindow, ...]:
        return tuple(each.window for each in self.moved)


CellEntry = UseEntry | SettleEntry | CarryEntry | AdjustEntry | ResetEntry | FollowEntry | NoteEntry
"""What a write to a cell says of itself, at a revision of the cell."""
Entry = EventEntry | CellEntry | ParkedEntry


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
