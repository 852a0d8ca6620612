"""Base classes of entries: the defaults that each kind overrides where it differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from tallygate.domain.base.instants import Instant
from tallygate.domain.entries.moves import CellFact, CellImage, CellMoves, NotCounted, TotalMove, Usage
from tallygate.domain.limits.counters import CountedWindow
from tallygate.domain.limits.governing import Governed


class JournalKind:
    """An entry of a journal. By default it adds nothing to totals and usage.

    time: instant of the usage or of the write; 0: unknown
    windows: the quota windows in which its usage counts; empty: it states no usage
    traceparent: of the entry's request; None: there is none
    counts: whether the kind states usage, even if the amount is 0
    """

    __slots__ = ()
    time: Instant
    windows: tuple[CountedWindow, ...] = ()
    traceparent: str | None = None
    counts: ClassVar[bool] = False

    @property
    def windows_moved(self) -> tuple[CountedWindow, ...]:
        """The quota windows whose totals the entry moves."""
        return self.windows

    @property
    def windows_counted(self) -> tuple[CountedWindow, ...]:
        """The quota windows in which the entry's usage counts against the limit."""
        return self.windows

    def governed(self, name: str | None) -> Governed | None:
        """The limit of a moved window that is no longer in force; None: the entry does not know it.

        name: of that limit; None: the entry's own limit or feature
        """
        return None

    @property
    def usage(self) -> tuple[Usage, ...]:
        """The usage that the entry adds, per meter."""
        return ()

    def totals(self, limits: Mapping[int, Governed]) -> tuple[TotalMove, ...]:
        """The moves of totals, in the order of `windows_moved`.

        limits: the limits under which the entry counts, by ordinal
        """
        return ()

    @property
    def unreadable(self) -> int:
        """The number of meters that could not read their value from the entry."""
        return 0

    @property
    def not_counted(self) -> NotCounted | None:
        """Why the entry's event counts nothing; None: the event counts, or the entry is not from an event."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class CellKind(JournalKind):
    """A write to a cell. By default it moves no counter and makes no fact.

    time: instant of the usage or of the write; a settlement keeps the decision's
    revision: of the cell after the write; 0: not written yet
    """

    feature: str
    time: Instant
    revision: int = 0

    @property
    def written_at(self) -> Instant:
        """When the entry was written, by the clock of its writer."""
        return self.time

    @property
    def moves(self) -> CellMoves:
        """What the write moves in its cell."""
        return CellMoves()

    @property
    def facts(self) -> tuple[CellFact, ...]:
        """The facts that the write makes, in order."""
        return ()

    def shown_by(self, before: CellImage, after: CellImage) -> Self:
        """The entry completed from the cell's images before and after its write."""
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteredKind(CellKind):
    """A write that concerns limits over a meter."""

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
