"""Causes: which tier of which window suspended usage, and when. A cell keeps one beside each suspension.

sb, sb.<ordinal>   <ordinal>.<window start ms>.<since ms>.<level>
"""

from __future__ import annotations

from dataclasses import dataclass

from tallygate.domain.base.instants import Instant


@dataclass(frozen=True, slots=True)
class TierCause:
    """The quota's ordinal, the start of its window, since when usage is suspended, and the tier's level."""

    ordinal: int
    start: Instant
    since: Instant
    level: str


def cause_text(cause: TierCause) -> str:
    """The stored form; `cause_of` reads it back."""
    return f"{cause.ordinal}.{cause.start}.{cause.since}.{cause.level}"


def cause_of(text: str) -> TierCause:
    ordinal, start, since, level = text.split(".", 3)
    return TierCause(int(ordinal), int(start), int(since), level)
