"""Causes of suspensions by tiers: which tier, in which window, and when. A cell stores one with each suspension.

sb, sb.<ordinal>   <ordinal>.<window start ms>.<since ms>.<level>
"""

from __future__ import annotations

from dataclasses import dataclass

from tallygate.domain.base.instants import Instant


@dataclass(frozen=True, slots=True)
class TierCause:
    """What suspended usage.

    ordinal: of the quota
    start: of the quota's window
    since: when usage was suspended
    level: of the tier
    """

    ordinal: int
    start: Instant
    since: Instant
    level: str


def cause_text(cause: TierCause) -> str:
    """The stored form; `cause_of` reads it back."""
    return f"{cause.ordinal}.{cause.start}.{cause.since}.{cause.level}"


def cause_of(text: str) -> TierCause:
    """Parse the stored form that `cause_text` writes."""
    ordinal, start, since, level = text.split(".", 3)
    return TierCause(int(ordinal), int(start), int(since), level)
