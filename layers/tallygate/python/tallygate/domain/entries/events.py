"""Entries of events: an accepted event, and a record that cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from tallygate.domain.base.instants import Instant
from tallygate.domain.entries.kind import JournalKind
from tallygate.domain.entries.moves import NotCounted, TotalMove, Usage
from tallygate.domain.limits.counters import CountedWindow
from tallygate.domain.limits.governing import Governed
from tallygate.domain.metering.judgement import DETAIL_LENGTH_MAX, UNREADABLE, EventWarning
from tallygate.domain.metering.meters import Measured

PARKED_LENGTH_MAX = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EventEntry(JournalKind):
    """An accepted event. In each window it adds what it measured for the meter of the window's limit.

    measured: one value per meter
    warnings: for the sender; they include each meter that could not read its value
    rejected: code of the reason why the event counts nothing; None: it counts, or there is no reason to state
    type, received_at: as stored
    """

    counts: ClassVar[bool] = True
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
    def usage(self) -> tuple[Usage, ...]:
        return tuple(Usage(each.meter, self.time, each.dimensions, each.contribution) for each in self.measured)

    def totals(self, limits: Mapping[int, Governed]) -> tuple[TotalMove, ...]:
        made = {each.meter: each.contribution for each in self.measured}
        counted = ((window, made[limits[window.ordinal].meter]) for window in self.windows)
        return tuple(
            TotalMove(window=window, value=each, by_event=each, traceparent=self.traceparent)
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
