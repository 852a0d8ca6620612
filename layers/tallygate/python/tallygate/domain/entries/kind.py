"""What every kind of entry says unless it says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from tallygate.domain.base.instants import Instant
from tallygate.domain.entries.moves import CellFact, CellImage, CellMoves, NotCounted, TotalMove, Usage
from tallygate.domain.limits.counters import CountedWindow
from tallygate.domain.limits.governing import Governed


class JournalKind:
    """What an entry of a journal adds to totals and usage: nothing, unless its kind says otherwise."""

    __slots__ = ()

    @property
    def windows_moved(self) -> tuple[CountedWindow, ...]:
        """The quota windows whose totals it moves."""
        return ()

    @property
    def windows_counted(self) -> tuple[CountedWindow, ...]:
        """The quota windows in which its usage is held against the limit."""
        return ()

    def governed(self, name: str | None) -> Governed | None:
        """What is said of such a window whose limit, by this name or the entry's own, is no longer in force."""
        return None

    @property
    def usage(self) -> tuple[Usage, ...]:
        """What it adds to usage."""
        return ()

    def totals(self, limits: Mapping[int, Governed]) -> tuple[TotalMove, ...]:
        """What it adds to the totals of `windows_moved`, in order, under these limits by ordinal."""
        return ()

    @property
    def counts(self) -> bool:
        """Whether it states usage, be it nothing."""
        return False

    @property
    def unreadable(self) -> int:
        """How many meters could not read their value from it."""
        return 0

    @property
    def not_counted(self) -> NotCounted | None:
        """Why the event that it is made from counts nothing; None: it counts, or is no event."""
        return None

    @property
    def traced(self) -> str | None:
        """The traceparent of the request that it comes from; None: it has none."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class CellKind(JournalKind):
    """A write to a cell. It moves nothing and makes no fact, unless its kind says otherwise.

    revision: the cell's after the write; 0: it is not written yet
    """

    feature: str
    time: Instant
    revision: int = 0

    @property
    def written_at(self) -> Instant:
        """When it was written, by the clock of its writer."""
        return self.time

    @property
    def moves(self) -> CellMoves:
        """What it moves in its cell."""
        return CellMoves()

    @property
    def facts(self) -> tuple[CellFact, ...]:
        """The facts that it makes, in order."""
        return ()

    def shown_by(self, before: CellImage, after: CellImage) -> Self:
        """The entry with what the images of its write show."""
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteredKind(CellKind):
    """A write that concerns the limits over a meter."""

    meter: str

    def governed(self, name: str | None) -> Governed | None:
        return Governed(feature=self.feature, meter=self.meter, name=name or self.feature)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitKind(MeteredKind):
    """A write that concerns one limit in one window."""

    name: str
    window: CountedWindow

    def governed(self, name: str | None) -> Governed | None:
        return Governed(feature=self.feature, meter=self.meter, name=self.name)
