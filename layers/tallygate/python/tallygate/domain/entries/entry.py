"""The unions of all kinds of entries."""

from __future__ import annotations

from tallygate.domain.entries.notices import (
    BumpEntry,
    DeniedEntry,
    GraceEntry,
    OpenEntry,
    ResumeEntry,
    SuspendEntry,
    TidyEntry,
)
from tallygate.domain.entries.usage import EventEntry, ParkedEntry, SettleEntry, UseEntry
from tallygate.domain.entries.windows import AdjustEntry, CarryEntry, FollowEntry, PassOnEntry, ResetEntry

CellEntry = (
    UseEntry
    | SettleEntry
    | AdjustEntry
    | ResetEntry
    | CarryEntry
    | FollowEntry
    | PassOnEntry
    | DeniedEntry
    | SuspendEntry
    | ResumeEntry
    | GraceEntry
    | OpenEntry
    | BumpEntry
    | TidyEntry
)
"""The entry of a write to a cell."""

CountedEntry = EventEntry | CellEntry
"""An entry that adds to totals or usage."""

Entry = CountedEntry | ParkedEntry
