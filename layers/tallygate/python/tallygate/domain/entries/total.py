"""Totals: the sums of a journal's entries, each under one limit in one window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.catalog.tiers import level_at
from tallygate.domain.catalog.units import Unit
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.governing import Governed
from tallygate.domain.limits.rollover import Layer
from tallygate.domain.metering.contributions import used_in_all


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What was consumed under one limit in one window. Amounts are units of the meter.

    value: usage counted in the window; this is billed
    by_event: the part of the value that the cell gets from here: what came by events, or all usage that does not add up
    upto: last journal number that was applied
    governed: the limit as of the newest applied record
    carried: opening balance, which raises the limit
    adjusted: sum of manual adjustments, which raise or lower the limit
    excluded: the part of the value that manual resets exclude from the limit
    followed: usage that was counted, and is billed, in other windows, and also counts against this limit
    unopened: whether the opening balance is still unknown
    would_decisions, would_amount: number and sum of the uses that a limit in mode observe would have denied
        (`domain.facts.impact`)
    closed: whether the window is closed; from then on a change of the value is a restatement
    revision: number of statements about the closed window, the closing included
    unit: unit in which the closed window is stated, even if the feature's unit changes later
    layers: opening balance in layers; None: not known, or no carryover
    opened_after: start of the newest earlier window that the cell showed when this one was opened; None: not known
    carried_out: what the closed window carried out, as last stated; None: not closed, or no carryover
    adjustments: manual adjustments in the closed window, as stated (`domain.facts.adjustments`)
    traceparent: of the newest applied entry that had one
    """

    customer: str
    ordinal: int
    start: Instant
    end: Instant
    value: Decimal
    by_event: Decimal
    upto: int
    governed: Governed
    carried: Decimal = ZERO
    adjusted: Decimal = ZERO
    excluded: Decimal = ZERO
    followed: Decimal = ZERO
    unopened: bool = False
    would_decisions: int = 0
    would_amount: Decimal = ZERO
    closed: bool = False
    revision: int = 0
    unit: Unit | None = None
    layers: tuple[Layer, ...] | None = None
    opened_after: Instant | None = None
    carried_out: Decimal | None = None
    adjustments: tuple[Mapping[str, Any], ...] = ()
    traceparent: str | None = None

    @property
    def cell(self) -> CellName:
        """The feature's root cell."""
        return CellName(self.customer, self.feature)

    @property
    def feature(self) -> str:
        return self.governed.feature

    @property
    def limit(self) -> Decimal | None:
        """The limit with carryover and adjustments; None: unlimited."""
        base = self.governed.limit
        return None if base is None else EXACT.add(base, EXACT.add(self.carried, self.adjusted))

    @property
    def used(self) -> Decimal:
        """The usage that counts against the limit: value − excluded + followed, at least 0. `value` is what is billed.

        A maximum is that of value and followed usage.

        The sum can be negative after the cell has removed the window: a settlement may then take back usage that a
        reset had excluded.
        """
        return max(ZERO, used_in_all(self.governed.merge, EXACT.subtract(self.value, self.excluded), self.followed))

    @property
    def followed_only(self) -> bool:
        """Whether the window has followed usage and nothing else. Followed usage is billed where it was counted."""
        own = (self.value, self.by_event, self.adjusted, self.excluded, self.carried)
        return bool(self.followed) and not any(own)

    @property
    def level(self) -> str:
        return level_at(self.governed.tiers, self.limit, self.used)

    @property
    def over(self) -> Instant:
        """When the window stops counting for admission."""
        return self.end + self.governed.reach
