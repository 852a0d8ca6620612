"""Adjustments: an operator raises or lowers by hand what a customer may use of a feature in the window that runs.

                         base   carried   adjusted   total   used   remaining
    as it is             1000       300          0    1300    800         500
    + 200                1000       300        200    1500    800         700
    − 900                1000       300       −700     600    800           0   everything is denied, nothing is owed

It is the window's own: what is left of it carries over with the rest, where anything does, and it is gone with the
window where nothing does. What is lowered below what was used leaves nothing to carry; only a carryover that deducts
what was used too much makes a debt of it. Nothing takes an adjustment back but an opposite one.
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
    """What a window's limit is made of."""

    base: Decimal
    carried: Decimal = ZERO
    adjusted: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return self.base + self.carried + self.adjusted

    @property
    def statable(self) -> bool:
        """Whether every sum stays within the bounds of a quantity."""
        try:
            parse_quantity(self.adjusted)
            parse_quantity(self.total)
        except ValueError:
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """One adjustment, as it is kept and listed. `resumed`: it ended a suspension that waited for a top-up."""

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
        """Whether it was made in this window of this quota."""
        return (self.ordinal, self.window.start) == (ordinal, start)


def adjustment_form(adjustment: Adjustment) -> dict[str, Any]:
    """As the statement of its closed window has it, as JSON."""
    return {
        "id": adjustment.id,
        "amount": format_quantity(adjustment.amount),
        "reason": adjustment.reason,
        "actor": adjustment.actor,
        "category": adjustment.category,
        "at": format_instant(adjustment.at),
    }
