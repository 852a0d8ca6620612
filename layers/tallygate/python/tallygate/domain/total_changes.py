"""What one journal record adds to one total: usage, what raises the limit, and what resets exclude. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from tallygate.domain.exact import EXACT
from tallygate.domain.instants import Instant
from tallygate.domain.journal import CarriedIn, Governed
from tallygate.domain.quantities import ZERO
from tallygate.domain.reset_marks import ResetMark


class SettledLate(NamedTuple):
    """A settlement in a window that the cell had removed: the decision's revision and time, and what changed by it.

    Where a reset excludes the decision, which the total's mark tells, it changes what is billed alone.
    """

    revision: int
    time: Instant
    by: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalChange:
    """What one record adds under one limit in one window: usage, and what raises the limit.

    `carried` replaces what was carried into the window (None: it stays), and `into` says it in layers (None with a new
    `carried`: they are not known); `adjusted` comes to what it was adjusted by,
    `excluded` to what resets have taken out of what the limit is held against, `reset` replaces the mark of which
    decisions that are, and `settled_late` may be among them. `follows` replaces what has followed from other windows
    (None: it stays), `followed` comes to it.
    `would_…` are the uses that the limit only observed and would have denied (`domain.impact`), and their sum.
    `uses`: some of it was consumed, so that the window is open and what was carried into it is known.
    """

    ordinal: int
    start: Instant
    end: Instant
    value: Decimal
    by_event: Decimal
    governed: Governed
    carried: Decimal | None = None
    into: CarriedIn | None = None
    adjusted: Decimal = ZERO
    excluded: Decimal = ZERO
    reset: ResetMark | None = None
    settled_late: tuple[SettledLate, ...] = ()
    follows: Decimal | None = None
    followed: Decimal = ZERO
    would_decisions: int = 0
    would_amount: Decimal = ZERO
    traceparent: str | None = None
    uses: bool = False

    def excluded_by(self, mark: ResetMark) -> Decimal:
        """All that is excluded, where the total has this mark."""
        found = self.excluded
        for late in self.settled_late:
            found = EXACT.add(found, late.by if mark.covers(late.revision, late.time) else ZERO)
        return found
