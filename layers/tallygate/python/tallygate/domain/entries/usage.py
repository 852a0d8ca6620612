"""Entries of decisions: a granted consume, and its settlement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import ClassVar

from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.entries.kind import MeteredKind
from tallygate.domain.entries.moves import CellImage, CellMoves, SettledLate, TotalMove, Usage, opened_in
from tallygate.domain.limits.counters import CarriedIn, CountedWindow, Shown
from tallygate.domain.limits.governing import Governed
from tallygate.domain.limits.rollover import total
from tallygate.domain.metering.contributions import NOTHING, Add, Contribution, Merge, asked


@dataclass(frozen=True, slots=True, kw_only=True)
class UseEntry(MeteredKind):
    """A granted consume. It is the durable usage event.

    amount: units of the feature's meter, counted in each of the windows
    merge: what the amount does to the usage of the windows. Only amounts that add move the cell's counters
    carried: opening balance of each window that this consume opened, by ordinal; a missing ordinal: 0
    opened: the same in layers; taken from the cell's images
    after: state of each window after the consume, in the order of `windows`; taken from the cell's images
    """

    counts: ClassVar[bool] = True
    id: str
    amount: Decimal
    merge: Merge = Merge.ADD
    dimensions: Mapping[str, str] = field(default_factory=dict)
    windows: tuple[CountedWindow, ...] = ()
    carried: Mapping[int, Decimal] = field(default_factory=dict)
    opened: Mapping[int, CarriedIn] = field(default_factory=dict)
    after: tuple[Shown, ...] = ()
    traceparent: str | None = None

    def __post_init__(self) -> None:
        assert len(self.after) in (0, len(self.windows)), "what is shown is shown of each window"

    @property
    def contribution(self) -> Contribution:
        return asked(self.merge, self.amount)

    @property
    def moves(self) -> CellMoves:
        if self.merge is not Merge.ADD:
            # The cell gets the usage from the total, as it gets usage by event.
            return CellMoves()
        return CellMoves(
            used={window.counter: self.amount for window in self.windows},
            carried={w.counter: self.carried[w.ordinal] for w in self.windows if w.ordinal in self.carried},
            rated=self.amount,
        )

    @property
    def usage(self) -> tuple[Usage, ...]:
        return (Usage(self.meter, self.time, self.dimensions, self.contribution),)

    def totals(self, limits: Mapping[int, Governed]) -> tuple[TotalMove, ...]:
        shown = self.after or (None,) * len(self.windows)
        return tuple(
            self._total(window, each, limits[window.ordinal]) for window, each in zip(self.windows, shown, strict=True)
        )

    def _total(self, window: CountedWindow, shown: Shown | None, governed: Governed) -> TotalMove:
        into = self.opened.get(window.ordinal) if governed.carries else None
        return TotalMove(
            window=window,
            value=self.contribution,
            by_event=NOTHING if self.merge is Merge.ADD else self.contribution,
            carried=self.carried.get(window.ordinal) if into is None else total(into.layers),
            into=into,
            shown=() if shown is None else ((shown, self.amount),),
            traceparent=self.traceparent,
            uses=True,
        )

    def shown_by(self, before: CellImage, after: CellImage) -> UseEntry:
        shown = tuple(
            Shown(after.used_of(w.counter) if self.merge is Merge.ADD else self.amount, after.raised(w.counter))
            for w in self.windows
        )
        return replace(self, opened=opened_in(self.windows, before, after), after=shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleEntry(MeteredKind):
    """A settled consume: the decision with this id now counts another amount.

    id, time, dimensions, windows: the decision's own
    settled_at: when it was settled
    amount: units that the decision now counts
    by: difference to the units that it counted before
    excluded: windows in which a reset excludes the decision; there the difference is billed and not enforced
    removed: windows that the cell had removed; there the total's mark decides whether a reset excludes the decision
    decided_at_revision: the cell's revision at the decision; None: `removed` is empty
    followed: windows into which the decision has followed; there the difference is enforced and not billed
    """

    counts: ClassVar[bool] = True
    id: str
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
        if self.amount < 0 or self.amount < self.by:
            raise ValueError("a decision counts no less than nothing")
        assert {*self.excluded, *self.removed} <= set(self.windows), "what a reset excludes was counted"

    @property
    def written_at(self) -> Instant:
        return self.settled_at

    @property
    def windows_moved(self) -> tuple[CountedWindow, ...]:
        return (*self.windows, *self.followed)

    @property
    def windows_counted(self) -> tuple[CountedWindow, ...]:
        return tuple(window for window in self.windows if window not in self.excluded)

    @property
    def moves(self) -> CellMoves:
        held = [window for window in self.windows if window not in (*self.excluded, *self.removed)]
        # Followed usage moves the window's counter, but not the window's own usage.
        return CellMoves(
            used={window.counter: self.by for window in held},
            followed={window.counter: self.by for window in self.followed},
        )

    @property
    def usage(self) -> tuple[Usage, ...]:
        return (Usage(self.meter, self.time, self.dimensions, Add(self.by)),) if self.by else ()

    def totals(self, limits: Mapping[int, Governed]) -> tuple[TotalMove, ...]:
        if not self.by:
            return ()
        late: tuple[SettledLate, ...] = ()
        if self.decided_at_revision is not None:
            late = (SettledLate(self.decided_at_revision, self.time, self.by),)
        counted = tuple(
            TotalMove(
                window=window,
                value=Add(self.by),
                excluded=self.by if window in self.excluded else ZERO,
                settled_late=late if window in self.removed else (),
                traceparent=self.traceparent,
            )
            for window in self.windows
        )
        return (*counted, *(TotalMove(window=window, followed=self.by) for window in self.followed))
