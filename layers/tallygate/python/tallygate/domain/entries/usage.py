"""Entries of usage: a granted consume, its settlement, and an event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.entries.kind import JournalKind, MeteredKind
from tallygate.domain.entries.moves import CellImage, CellMoves, NotCounted, SettledLate, TotalMove, Usage, opened_in
from tallygate.domain.limits.counters import CarriedIn, CountedWindow, Shown
from tallygate.domain.limits.governing import Governed
from tallygate.domain.limits.rollover import total
from tallygate.domain.metering.contributions import Add, added
from tallygate.domain.metering.judgement import DETAIL_LENGTH_MAX, UNREADABLE, EventWarning
from tallygate.domain.metering.meters import Measured

PARKED_LENGTH_MAX = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class UseEntry(MeteredKind):
    """A granted consume. It is the durable usage event.

    amount: units of the feature's meter, counted in each of the windows
    carried: opening balance of each window that this consume opened, by ordinal; a missing ordinal: 0
    opened: the same in layers; taken from the cell's images
    after: state of each window after the consume, in the order of `windows`; taken from the cell's images
    """

    id: str
    amount: Decimal
    dimensions: Mapping[str, str] = field(default_factory=dict)
    windows: tuple[CountedWindow, ...] = ()
    carried: Mapping[int, Decimal] = field(default_factory=dict)
    opened: Mapping[int, CarriedIn] = field(default_factory=dict)
    after: tuple[Shown, ...] = ()
    traceparent: str | None = None

    def __post_init__(self) -> None:
        assert len(self.after) in (0, len(self.windows)), "what is shown is shown of each window"

    @property
    def windows_moved(self) -> tuple[CountedWindow, ...]:
        return self.windows

    @property
    def windows_counted(self) -> tuple[CountedWindow, ...]:
        return self.windows

    @property
    def moves(self) -> CellMoves:
        return CellMoves(
            used={window.counter: self.amount for window in self.windows},
            carried={w.counter: self.carried[w.ordinal] for w in self.windows if w.ordinal in self.carried},
            rated=self.amount,
        )

    @property
    def counts(self) -> bool:
        return True

    @property
    def usage(self) -> tuple[Usage, ...]:
        return (Usage(self.meter, self.time, self.dimensions, Add(self.amount)),)

    def totals(self, limits: Mapping[int, Governed]) -> tuple[TotalMove, ...]:
        shown = self.after or (None,) * len(self.windows)
        return tuple(
            self._total(window, each, limits[window.ordinal]) for window, each in zip(self.windows, shown, strict=True)
        )

    def _total(self, window: CountedWindow, shown: Shown | None, governed: Governed) -> TotalMove:
        into = self.opened.get(window.ordinal) if governed.carries else None
        return TotalMove(
            window=window,
            value=Add(self.amount),
            carried=self.carried.get(window.ordinal) if into is None else total(into.layers),
            into=into,
            shown=() if shown is None else ((shown, self.amount),),
            traceparent=self.traceparent,
            uses=True,
        )

    @property
    def traced(self) -> str | None:
        return self.traceparent

    def shown_by(self, before: CellImage, after: CellImage) -> UseEntry:
        shown = tuple(Shown(after.used_of(w.counter), after.raised(w.counter)) for w in self.windows)
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
    def counts(self) -> bool:
        return True

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

    @property
    def traced(self) -> str | None:
        return self.traceparent


@dataclass(frozen=True, slots=True, kw_only=True)
class EventEntry(JournalKind):
    """An accepted event. In each window it adds what it measured for the meter of the window's limit.

    measured: one value per meter
    warnings: for the sender; they include each meter that could not read its value
    rejected: code of the reason why the event counts nothing; None: it counts, or there is no reason to state
    type, received_at: as stored
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

    @property
    def windows_moved(self) -> tuple[CountedWindow, ...]:
        return self.windows

    @property
    def windows_counted(self) -> tuple[CountedWindow, ...]:
        return self.windows

    @property
    def counts(self) -> bool:
        return True

    @property
    def usage(self) -> tuple[Usage, ...]:
        return tuple(Usage(each.meter, self.time, each.dimensions, each.contribution) for each in self.measured)

    def totals(self, limits: Mapping[int, Governed]) -> tuple[TotalMove, ...]:
        made = {each.meter: each.contribution for each in self.measured}
        counted = ((window, made[limits[window.ordinal].meter]) for window in self.windows)
        return tuple(
            TotalMove(window=window, value=each, by_event=added(each), traceparent=self.traceparent)
            for window, each in counted
        )

    @property
    def unreadable(self) -> int:
        return sum(warning.code in UNREADABLE for warning in self.warnings)

    @property
    def not_counted(self) -> NotCounted | None:
        if self.rejected is None:
            return None
        detail = "; ".join(warning.detail for warning in self.warnings if warning.detail)
        return NotCounted(self.rejected, detail[:DETAIL_LENGTH_MAX], journaled=True)

    @property
    def traced(self) -> str | None:
        return self.traceparent


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedEntry(JournalKind):
    """A stream record that could not be read.

    reason: why; a code, possibly followed by a colon and details
    raw: the record, cut to PARKED_LENGTH_MAX characters
    """

    reason: str
    raw: str
    time: Instant = 0

    def __post_init__(self) -> None:
        assert len(self.raw) <= PARKED_LENGTH_MAX

    @property
    def not_counted(self) -> NotCounted | None:
        """The reason, for a record that was an event."""
        code = self.reason.partition(":")[0]
        return NotCounted(code, "the event was stored, and could not be counted", journaled=False)
