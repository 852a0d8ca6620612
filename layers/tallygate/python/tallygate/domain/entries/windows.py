"""Entries that move a limit or the usage counted against it: adjustments, resets, opening balances, followed usage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple

from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO, format_quantity
from tallygate.domain.catalog.scopes import Scope
from tallygate.domain.entries.fact_types import ADJUSTED
from tallygate.domain.entries.kind import LimitKind, MeteredKind
from tallygate.domain.entries.moves import CellFact, CellImage, CellMoves, TotalMove, opened, opened_in
from tallygate.domain.entries.notices import TOP_UP, resumed
from tallygate.domain.entries.reset_marks import NO_RESET, ResetMark
from tallygate.domain.limits.counters import CarriedIn, CountedWindow, CounterName
from tallygate.domain.limits.governing import Governed
from tallygate.domain.limits.rollover import total


@dataclass(frozen=True, slots=True, kw_only=True)
class CarryEntry(LimitKind):
    """A revised opening balance of a window. It replaces the previous one.

    into: the new balance
    removed: whether the cell has removed the window, so that only its total changes
    """

    into: CarriedIn
    removed: bool = False

    @property
    def windows_moved(self) -> tuple[CountedWindow, ...]:
        return (self.window,)

    @property
    def moves(self) -> CellMoves:
        return CellMoves() if self.removed else CellMoves(carried={self.window.counter: total(self.into.layers)})

    def totals(self, limits: Mapping[int, Governed]) -> tuple[TotalMove, ...]:
        return (TotalMove(window=self.window, carried=total(self.into.layers), into=self.into),)

    def shown_by(self, before: CellImage, after: CellImage) -> CarryEntry:
        into = opened(self.window, before, after)
        return self if into is None else replace(self, into=into)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustEntry(LimitKind):
    """A manual adjustment of a window's limit.

    amount: units added to the limit; negative: taken from it
    base, carried, adjusted: the parts of the limit after the adjustment
    lifted: scope of the suspension until a top-up that the adjustment ended; None: it ended none
    into: opening balance in layers; taken from the cell's images; None: no carryover
    """

    id: str
    amount: Decimal
    base: Decimal
    carried: Decimal
    adjusted: Decimal
    reason: str
    actor: str
    category: str | None = None
    lifted: Scope | None = None
    into: CarriedIn | None = None
    traceparent: str | None = None

    @property
    def windows_moved(self) -> tuple[CountedWindow, ...]:
        return (self.window,)

    @property
    def moves(self) -> CellMoves:
        counter = self.window.counter
        return CellMoves(carried={counter: self.carried}, adjusted={counter: self.amount})

    def totals(self, limits: Mapping[int, Governed]) -> tuple[TotalMove, ...]:
        carried = self.carried if self.into is None else total(self.into.layers)
        return (TotalMove(window=self.window, carried=carried, into=self.into, adjusted=self.amount),)

    @property
    def facts(self) -> tuple[CellFact, ...]:
        data = {
            "id": self.id,
            "amount": format_quantity(self.amount),
            "reason": self.reason,
            "actor": self.actor,
            "category": self.category,
            "breakdown": {
                "base": format_quantity(self.base),
                "carried": format_quantity(self.carried),
                "adjusted": format_quantity(self.adjusted),
            },
        }
        made = CellFact(type=ADJUSTED, limit_name=self.name, window=self.window, data=data)
        return (made,) if self.lifted is None else (made, resumed(self.lifted, TOP_UP, self.actor, self.reason))

    def shown_by(self, before: CellImage, after: CellImage) -> AdjustEntry:
        into = opened(self.window, before, after)
        if into is None and self.window.ordinal in after.newest:
            into = CarriedIn(layers=after.window_state(self.window.counter).layers)
        return replace(self, into=into)


class Taken(NamedTuple):
    """The usage of one window that a reset excludes: of the window's own usage, and of its followed usage."""

    window: CountedWindow
    own: Decimal
    followed: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetEntry(MeteredKind):
    """A manual reset: usage of each window is excluded from its limit. Billing is unaffected.

    effective_at: decisions made before this instant are excluded
    taken: the usage excluded, per window
    marks: which decisions of each window are excluded, in the order of `taken`; taken from the cell's images
    """

    id: str
    effective_at: Instant
    taken: tuple[Taken, ...]
    actor: str
    reason: str
    marks: tuple[ResetMark, ...] = ()

    def __post_init__(self) -> None:
        if any(each.own < 0 or each.followed < 0 or each.own + each.followed == 0 for each in self.taken):
            raise ValueError("a reset takes something out of each window")
        assert len(self.marks) in (0, len(self.taken)), "a mark is one of each window"

    @property
    def windows_moved(self) -> tuple[CountedWindow, ...]:
        return tuple(each.window for each in self.taken)

    @property
    def moves(self) -> CellMoves:
        return CellMoves(
            used={each.window.counter: -each.own for each in self.taken},
            followed={each.window.counter: -each.followed for each in self.taken},
        )

    def totals(self, limits: Mapping[int, Governed]) -> tuple[TotalMove, ...]:
        marks = self.marks or (None,) * len(self.taken)
        return tuple(
            TotalMove(window=each.window, excluded=each.own, followed=-each.followed, reset=mark)
            for each, mark in zip(self.taken, marks, strict=True)
        )

    def shown_by(self, before: CellImage, after: CellImage) -> ResetEntry:
        return replace(self, marks=tuple(after.resets.get(each.window.counter, NO_RESET) for each in self.taken))


class Followed(NamedTuple):
    """The usage that has followed into one window.

    followed: units; the write adds the value of the counter `live` before the write (None: no counter)
    carried: opening balance, if the write opened the window; None: the window was open
    excluded: the window's own usage that a later manual reset excludes
    """

    window: CountedWindow
    followed: Decimal
    live: CounterName | None = None
    carried: Decimal | None = None
    excluded: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowEntry(MeteredKind):
    """Usage of other windows has followed into these, and the cell has received a version of the limits.

    version: of the limits
    moved: per window, replaces the usage that had followed before. After `shown_by`, `followed` is the amount in the
        cell's image and `live` is None
    opened: opening balances in layers of the windows that the write opened, by ordinal; taken from the cell's images
    """

    version: int
    moved: tuple[Followed, ...]
    opened: Mapping[int, CarriedIn] = field(default_factory=dict)

    @property
    def windows_moved(self) -> tuple[CountedWindow, ...]:
        return tuple(each.window for each in self.moved)

    @property
    def moves(self) -> CellMoves:
        return CellMoves(
            used={each.window.counter: -each.excluded for each in self.moved},
            carried={each.window.counter: each.carried for each in self.moved if each.carried is not None},
            follows={each.window.counter: (each.followed, each.live) for each in self.moved},
        )

    def totals(self, limits: Mapping[int, Governed]) -> tuple[TotalMove, ...]:
        return tuple(self._total(each, self.opened.get(each.window.ordinal)) for each in self.moved)

    def _total(self, each: Followed, into: CarriedIn | None) -> TotalMove:
        carried = each.carried if into is None else total(into.layers)
        return TotalMove(window=each.window, carried=carried, into=into, excluded=each.excluded, follows=each.followed)

    def shown_by(self, before: CellImage, after: CellImage) -> FollowEntry:
        shown = (
            each._replace(followed=after.followed.get(each.window.counter, ZERO), live=None) for each in self.moved
        )
        return replace(self, moved=tuple(shown), opened=opened_in(self.windows_moved, before, after))


class Passed(NamedTuple):
    """An addition to the usage that has followed into one window.

    by: units added
    follows: all usage that has followed, after the addition; taken from the cell's image, None before `shown_by`
    """

    window: CountedWindow
    by: Decimal
    follows: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PassOnEntry(MeteredKind):
    """Usage by event was added to a counter whose usage had followed into these windows. The addition follows too.

    passed: the addition to each window; empty: the write ends the following into some window
    """

    passed: tuple[Passed, ...] = ()

    @property
    def windows_moved(self) -> tuple[CountedWindow, ...]:
        return tuple(each.window for each in self.passed)

    @property
    def moves(self) -> CellMoves:
        return CellMoves(followed={each.window.counter: each.by for each in self.passed})

    def totals(self, limits: Mapping[int, Governed]) -> tuple[TotalMove, ...]:
        # The amount after the addition, so that a total is right again after a record that was not applied.
        return tuple(
            TotalMove(window=each.window, followed=each.by)
            if each.follows is None
            else TotalMove(window=each.window, follows=each.follows)
            for each in self.passed
        )

    def shown_by(self, before: CellImage, after: CellImage) -> PassOnEntry:
        shown = (each._replace(follows=after.followed.get(each.window.counter, ZERO)) for each in self.passed)
        return replace(self, passed=tuple(shown))
