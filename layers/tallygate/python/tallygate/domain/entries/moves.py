"""What entries say: what a write moves in its cell, what it adds to usage and to totals, which facts it makes.

Proof, totals and facts are derived from these values.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.catalog.scopes import Scope
from tallygate.domain.entries.reset_marks import ResetMark
from tallygate.domain.limits.counters import CarriedIn, CountedWindow, CounterName, Shown
from tallygate.domain.limits.rollover import WindowState
from tallygate.domain.metering.contributions import NOTHING, Contribution, combined

UNCHANGED = ""
"""The level of a fact that says nothing of the feature's level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellMoves:
    """What a write moves in its cell's quota counters.

    used, adjusted, followed: added to the window's own usage, to its adjustments, to what followed into it
    carried: the opening balance after the write
    follows: what has followed after the write: an amount, and a counter as it was before the write
    rated: what each rate counter may have grown by
    """

    used: Mapping[CounterName, Decimal] = field(default_factory=dict)
    carried: Mapping[CounterName, Decimal] = field(default_factory=dict)
    adjusted: Mapping[CounterName, Decimal] = field(default_factory=dict)
    followed: Mapping[CounterName, Decimal] = field(default_factory=dict)
    follows: Mapping[CounterName, tuple[Decimal, CounterName | None]] = field(default_factory=dict)
    rated: Decimal = ZERO


class Usage(NamedTuple):
    """What an entry adds to the usage of a meter, at a time, under dimension values."""

    meter: str
    time: Instant
    dimensions: Mapping[str, str]
    contribution: Contribution


class SettledLate(NamedTuple):
    """A settlement in a window that the cell had removed: the decision's revision and time, and the difference.

    Where a reset excludes the decision, which the total's mark tells, the difference is billed and not enforced.
    """

    revision: int
    time: Instant
    by: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalMove:
    """What an entry, or several of one record, add to the total of one window.

    value, by_event: usage, and the part of it that came by events
    carried, into: the new opening balance and its layers (None: not known); carried None: it stays
    adjusted: added to the adjustments of the limit
    excluded: added to what resets take out of what the limit is held against
    reset: the new mark of which decisions are excluded; None: it stays
    settled_late: settlements that the mark may exclude
    follows: what has followed from other windows; None: it stays
    followed: added to what has followed
    shown: for each use, what the window showed after it, and how much it used
    uses: some of it was consumed, so the window is open and its opening balance is known
    """

    window: CountedWindow
    value: Contribution = NOTHING
    by_event: Decimal = ZERO
    carried: Decimal | None = None
    into: CarriedIn | None = None
    adjusted: Decimal = ZERO
    excluded: Decimal = ZERO
    reset: ResetMark | None = None
    settled_late: tuple[SettledLate, ...] = ()
    follows: Decimal | None = None
    followed: Decimal = ZERO
    shown: tuple[tuple[Shown, Decimal], ...] = ()
    traceparent: str | None = None
    uses: bool = False

    def then(self, later: TotalMove) -> TotalMove:
        """Both moves as one, this one first."""
        carried, into = self.carried, self.into
        if later.carried is not None:
            carried, into = later.carried, later.into
            if into is not None and into.after is None and self.into is not None:
                # A revision says nothing of the window before: that stays what the opening said.
                into = replace(into, after=self.into.after)
        follows, followed = self.follows, EXACT.add(self.followed, later.followed)
        if later.follows is not None:
            follows, followed = later.follows, later.followed
        return TotalMove(
            window=later.window,
            value=combined(self.value, later.value),
            by_event=EXACT.add(self.by_event, later.by_event),
            carried=carried,
            into=into,
            adjusted=EXACT.add(self.adjusted, later.adjusted),
            excluded=EXACT.add(self.excluded, later.excluded),
            reset=self.reset if later.reset is None else later.reset,
            settled_late=self.settled_late + later.settled_late,
            follows=follows,
            followed=followed,
            shown=self.shown + later.shown,
            traceparent=later.traceparent or self.traceparent,
            uses=self.uses or later.uses,
        )

    def excluded_by(self, mark: ResetMark) -> Decimal:
        """All that is excluded, where the total has this mark."""
        found = self.excluded
        for late in self.settled_late:
            found = EXACT.add(found, late.by if mark.covers(late.revision, late.time) else ZERO)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFact:
    """A fact that a write to a cell makes.

    level: of the feature; UNCHANGED: it says nothing of it
    limit_name, window: the limit and its window; None: it concerns none
    scope: what it concerns; None: the scope of the limit as it is in force
    data: further fields, in their wire form
    offers_upgrade: whether it says what the next plan allows
    """

    type: str
    level: str = UNCHANGED
    limit_name: str | None = None
    window: CountedWindow | None = None
    scope: Scope | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    offers_upgrade: bool = False


class NotCounted(NamedTuple):
    """Why an event that was accepted counts nothing after all. `journaled`: the journal has the event itself."""

    code: str
    detail: str
    journaled: bool


class CellImage(Protocol):
    """What entries ask of an image of their cell."""

    @property
    def used(self) -> Mapping[CounterName, Decimal]: ...
    @property
    def newest(self) -> Mapping[int, Instant]: ...
    @property
    def followed(self) -> Mapping[CounterName, Decimal]: ...
    @property
    def resets(self) -> Mapping[CounterName, ResetMark]: ...

    def raised(self, counter: CounterName) -> Decimal: ...
    def used_of(self, counter: CounterName) -> Decimal: ...
    def window_state(self, counter: CounterName) -> WindowState: ...


def opened_in(windows: Collection[CountedWindow], before: CellImage, after: CellImage) -> dict[int, CarriedIn]:
    """The opening balances of the windows that a write opened, of limits that carry over, by ordinal."""
    return {w.ordinal: into for w in windows if (into := opened(w, before, after)) is not None}


def opened(window: CountedWindow, before: CellImage, after: CellImage) -> CarriedIn | None:
    """What the window began with; None: it was open before the write, or nothing carries over into it."""
    counter = window.counter
    if counter in before.used or counter not in after.used or after.newest.get(window.ordinal) != window.start:
        return None
    earlier = [start for ordinal, start in before.used if ordinal == window.ordinal and start < window.start]
    return CarriedIn(layers=after.window_state(counter).layers, after=max(earlier, default=None))
