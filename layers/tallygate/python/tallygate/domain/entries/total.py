"""Totals: what the entries of a journal add up to under one limit in one window."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What was consumed under one limit in one window. `by_event` is the part that came by events, `unit` what the
    closed window is stated in, whatever becomes of the feature's.

    `upto` is the last journal number that was applied, `traceparent` that of the newest entry in it that had one. Once
    `closed`, a change of the value is a restatement; `revision` counts what was stated about the closed window, the
    closing itself included. `carried` into the window and `adjusted` in it is what its limit was raised by,
    `excluded` the part of the value that resets by hand have taken out of what the limit is held against, `followed`
    what was used in other windows and is held against this limit: it is billed there. `unopened`:
    what is carried into it is not known yet.
    `would_…` are the uses in it that the limit only observed and would have denied, and their sum
    (`domain.facts.impact`).
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
    """What was carried into it, in layers; None: not known, or nothing carries over."""
    opened_after: Instant | None = None
    """Start of the newest window that the cell showed before this one when it was opened; None: not told."""
    carried_out: Decimal | None = None
    """Of a closed window that carries over: what it left, as it was last stated."""
    adjustments: tuple[Mapping[str, Any], ...] = ()
    """Of a closed window: those made by hand in it, as they are stated (`domain.facts.adjustments`)."""
    traceparent: str | None = None

    @property
    def cell(self) -> CellName:
        """The cell that counts it."""
        return CellName(self.customer, self.feature)

    @property
    def feature(self) -> str:
        return self.governed.feature

    @property
    def limit(self) -> Decimal | None:
        """The limit with all that it was raised by; None: unlimited."""
        base = self.governed.limit
        return None if base is None else EXACT.add(base, EXACT.add(self.carried, self.adjusted))

    @property
    def used(self) -> Decimal:
        """What the limit is held against; the value, of which nothing is excluded and to which nothing followed, is
        what is billed.

        Of a window that its cell has no more, a settlement may take back what a reset had excluded: it leaves nothing.
        """
        return max(ZERO, EXACT.add(EXACT.subtract(self.value, self.excluded), self.followed))

    @property
    def followed_only(self) -> bool:
        """Whether nothing happened in the window itself; what followed is billed where it was used."""
        own = (self.value, self.by_event, self.adjusted, self.excluded, self.carried)
        return bool(self.followed) and not any(own)

    @property
    def level(self) -> str:
        return level_at(self.governed.tiers, self.limit, self.used)

    @property
    def over(self) -> Instant:
        """When what it counts counts no more for admission."""
        return self.end + self.governed.reach
