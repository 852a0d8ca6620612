"""Carryover (rollover): how unused quota of one period moves to the next.

    base 1000, carried 300, used 800      carried out = 1300 − 800 = 500      next: base 1000 + carried 500

The unused part of the total (base + carried) moves on, so quota that was carried in can be carried again. A cap limits
the amount. With `expires_after`, quota expires that many periods after the period that granted it. Usage beyond the
total is forgiven, or deducted from the next period's total.

The declarative form, as stated in a catalog and as stored:

    {"max": null, "expires_after": null, "overage": "forgive"}      no cap, no expiry
    {"max": "50%", "expires_after": 2, "overage": "deduct"}
    {"max": {"periods": 3}, "expires_after": null, "overage": "forgive"}

The first line shows the defaults. Reading a form that this module wrote gives an equal value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.instants import HOUR
from tallygate.domain.base.quantities import ZERO, Wire, format_quantity, parse_quantity, plain
from tallygate.domain.periods.boundaries import TimeUnit, step_of
from tallygate.domain.periods.recurrence import FIRST_USE, ROLLING

FORGIVE, DEDUCT = "forgive", "deduct"
OVERAGE = (FORGIVE, DEDUCT)
PERIOD_MIN = HOUR
"""The shortest period that may carry over. Shorter periods end too soon to save up quota."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """The maximum that is carried over. Exactly one field is set.

    amount: units
    percent: share of the base
    periods: multiple of the base
    """

    amount: Decimal | None = None
    percent: Decimal | None = None
    periods: int | None = None

    def __post_init__(self) -> None:
        given = [part for part in (self.amount, self.percent, self.periods) if part is not None]
        assert len(given) == 1, "a cap has exactly one form"

    def of(self, base: Decimal) -> Decimal:
        """Return the cap for a base, in units."""
        if self.amount is not None:
            return self.amount
        if self.percent is not None:
            return EXACT.divide(EXACT.multiply(base, self.percent), Decimal(100))
        return EXACT.multiply(base, Decimal(self.periods or 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Carryover:
    """How unused quota carries over.

    most: the cap; None: no cap
    expires_after: number of periods until carried quota expires; None: never
    overage: FORGIVE, or DEDUCT from the next period
    """

    most: Cap | None = None
    expires_after: int | None = None
    overage: str = FORGIVE

    def __post_init__(self) -> None:
        assert self.overage in OVERAGE
        assert self.expires_after is None or self.expires_after >= 1


def nothing_carried(every: str, anchor: str) -> str | None:
    """Return why a period with this length and anchor cannot carry over; None if it can."""
    step = step_of(every)
    if step.unit is TimeUnit.NEVER:
        return "is not allowed with a period that never ends: there is no next period"
    if anchor == ROLLING:
        return "is not allowed with a rolling period: it has no end at which quota is left"
    if anchor == FIRST_USE:
        return "is not allowed with a first_use period: when it ends, no next period is open"
    if step.unit is TimeUnit.ELAPSED and step.count < PERIOD_MIN:
        return "is not allowed with periods shorter than an hour"
    return None


Form = dict[str, Any]
_PERCENT = "%"
_PERIODS = "periods"


def carryover_form(carryover: Carryover) -> Form:
    return {
        "max": None if carryover.most is None else _cap_form(carryover.most),
        "expires_after": carryover.expires_after,
        "overage": carryover.overage,
    }


def carryover_of(form: Mapping[str, Any]) -> Carryover:
    most = form.get("max")
    return Carryover(
        most=None if most is None else _cap_of(most),
        expires_after=form.get("expires_after"),
        overage=form.get("overage", FORGIVE),
    )


def _cap_form(cap: Cap) -> Wire | Form:
    if cap.amount is not None:
        return format_quantity(cap.amount)
    if cap.periods is not None:
        return {_PERIODS: cap.periods}
    return plain(cap.percent or ZERO) + _PERCENT


def _cap_of(form: object) -> Cap:
    if isinstance(form, Mapping):
        return Cap(periods=form[_PERIODS])
    if isinstance(form, str) and form.endswith(_PERCENT):
        return Cap(percent=parse_quantity(form.removesuffix(_PERCENT)))
    return Cap(amount=parse_quantity(form))
