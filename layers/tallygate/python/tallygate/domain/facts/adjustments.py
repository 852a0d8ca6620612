"""Adjustments: an operator manually raises or lowers a customer's limit in the current window of a feature.

                         base   carried   adjusted   total   used   remaining
    before               1000       300          0    1300    800         500
    + 200                1000       300        200    1500    800         700
    − 900                1000       300       −700     600    800           0   every request is denied, no debt

An adjustment belongs to its window. With carryover, the unused part moves to the next window like other quota. Without
carryover, it ends with the window. If an adjustment lowers the total below usage, nothing carries over. Only carryover
with `overage: deduct` turns the difference into a debt. Only an opposite adjustment undoes an adjustment.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tallygate.domain.base.instants import Instant, format_instant
from tallygate.domain.base.quantities import ZERO, format_quantity, parse_quantity
from tallygate.domain.periods.recurrence import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitParts:
    """The parts of a window's limit, in units: total = base + carried + adjusted."""

    base: Decimal
    carried: Decimal = ZERO
    adjusted: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return self.base + self.carried + self.adjusted

    @property
    def statable(self) -> bool:
        """Whether the adjustment and the total are within the bounds of a quantity."""
        try:
            parse_quantity(self.adjusted)
            parse_quantity(self.total)
        except ValueError:
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """One adjustment, as stored and listed.

    amount: units added to the limit; negative: subtracted
    actor: who made it
    at: when it was made
    name, ordinal: the limit and its quota
    window: the adjusted window
    after: the parts of the limit after the adjustment
    resumed: whether it ended a suspension that waited for a top-up
    """

    id: str
    customer: str
    feature: str
    amount: Decimal
    reason: str
    actor: str
    category: str | None
    at: Instant
    name: str
    ordinal: int
    window: Window
    after: LimitParts
    resumed: bool = False

    def of(self, ordinal: int, start: Instant) -> bool:
        """Return whether the adjustment was made in the window of this quota that begins at `start`."""
        return (self.ordinal, self.window.start) == (ordinal, start)


def adjustment_form(adjustment: Adjustment) -> dict[str, Any]:
    """Return the JSON form for the statement of the closed window."""
    return {
        "id": adjustment.id,
        "amount": format_quantity(adjustment.amount),
        "reason": adjustment.reason,
        "actor": adjustment.actor,
        "category": adjustment.category,
        "at": format_instant(adjustment.at),
    }
