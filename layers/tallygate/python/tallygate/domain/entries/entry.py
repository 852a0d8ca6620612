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
from tallygate.domain.entries.usage import BringInEntry, EventEntry, ParkedEntry, SettleEntry, UseEntry
from tallygate.domain.entries.windows import AdjustEntry, CarryEntry, FollowEntry, PassOnEntry, ResetEntry

CellEntry = (
    UseEntry
    | SettleEntry
    | BringInEntry
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
"""What a write to a cell says of itself."""

CountedEntry = EventEntry | CellEntry
"""What totals and usage are made of."""

Entry = CountedEntry | ParkedEntry
