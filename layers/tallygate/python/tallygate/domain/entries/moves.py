"""Moves: what an entry moves in its cell, adds to usage and totals, and makes known as facts.

Proofs, totals and facts are derived from these values.
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
"""The level of a fact that does not state the feature's level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellMoves:
    """What a write moves in its cell's counters. Quota counters are named; amounts are units of the meter.

    used: added to each window's own usage
    adjusted: added to each window's adjustments
    followed: added to each window's followed usage
    carried: each window's opening balance after the write
    follows: each window's followed usage after the write: an amount, plus the value before the write of a counter
        (None: no counter)
    rated: the most by which each rate counter may have grown
    """

    used: Mapping[CounterName, Decimal] = field(default_factory=dict)
    carried: Mapping[CounterName, Decimal] = field(default_factory=dict)
    adjusted: Mapping[CounterName, Decimal] = field(default_factory=dict)
    followed: Mapping[CounterName, Decimal] = field(default_factory=dict)
    follows: Mapping[CounterName, tuple[Decimal, CounterName | None]] = field(default_factory=dict)
    rated: Decimal = ZERO


class Usage(NamedTuple):
    """What an entry adds to the usage of a meter.

    time: of the usage
    """

    meter: str
    time: Instant
    dimensions: Mapping[str, str]
    contribution: Contribution


class SettledLate(NamedTuple):
    """A settlement in a window that the cell had removed.

    The total's mark decides whether a reset excludes the decision. If it does, the difference is billed and not
    enforced.

    revision, time: of the decision
    by: difference in units
    """

    revision: int
    time: Instant
    by: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalMove:
    """What one entry, or several entries of one record, add to the total of one window.

    value: usage added
    by_event: the part of it that the cell gets from the total: what came by events, or all usage that does not add up
    carried: the new opening balance; None: unchanged
    into: the layers of the new opening balance; None: not known
    adjusted: added to the adjustments of the limit
    excluded: added to the usage that resets exclude from the limit
    reset: the new mark of excluded decisions; None: unchanged
    settled_late: settlements of decisions that the mark may exclude
    follows: the new amount of followed usage; None: unchanged
    followed: added to the followed usage
    shown: for each use, the window's state after it and the amount it used
    uses: whether it includes a use, so that the window is open and its opening balance known
    """

    window: CountedWindow
    value: Contribution = NOTHING
    by_event: Contribution = NOTHING
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
        """Combine both moves into one, this one first."""
        carried, into = self.carried, self.into
        if later.carried is not None:
            carried, into = later.carried, later.into
            if into is not None and into.after is None and self.into is not None:
                # A revised opening balance does not name the earlier window. The name from the opening is kept.
                into = replace(into, after=self.into.after)
        follows, followed = self.follows, EXACT.add(self.followed, later.followed)
        if later.follows is not None:
            follows, followed = later.follows, later.followed
        return TotalMove(
            window=later.window,
            value=combined(self.value, later.value),
            by_event=combined(self.by_event, later.by_event),
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
        """All usage that is excluded, if the total has this mark."""
        found = self.excluded
        for late in self.settled_late:
            found = EXACT.add(found, late.by if mark.covers(late.revision, late.time) else ZERO)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFact:
    """A fact that a write to a cell makes.

    level: of the feature; UNCHANGED: not stated
    limit_name, window: the limit and window concerned; None: none
    scope: the scope concerned; None: the scope of the limit in force
    data: further fields, in their wire form
    offers_upgrade: whether the fact states what the next plan allows
    """

    type: str
    level: str = UNCHANGED
    limit_name: str | None = None
    window: CountedWindow | None = None
    scope: Scope | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    offers_upgrade: bool = False


class NotCounted(NamedTuple):
    """Why an accepted event counts nothing.

    journaled: whether the journal holds the event itself
    """

    code: str
    detail: str
    journaled: bool


class CellImage(Protocol):
    """What entries read from an image of their cell."""

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
    """The opening balances of the windows that a write opened, by ordinal; only of limits with carryover."""
    return {w.ordinal: into for w in windows if (into := opened(w, before, after)) is not None}


def opened(window: CountedWindow, before: CellImage, after: CellImage) -> CarriedIn | None:
    """The window's opening balance; None: it was open before the write, or its limit has no carryover."""
    counter = window.counter
    if counter in before.used or counter not in after.used or after.newest.get(window.ordinal) != window.start:
        return None
    earlier = [start for ordinal, start in before.used if ordinal == window.ordinal and start < window.start]
    return CarriedIn(layers=after.window_state(counter).layers, after=max(earlier, default=None))
