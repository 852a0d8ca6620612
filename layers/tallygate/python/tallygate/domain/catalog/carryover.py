"""Carryover: what of one period's quota moves on to the next.

    base 1000, carried 300, used 800      carried out = 1300 − 800 = 500      next: base 1000 + carried 500

What is left of the whole total moves on, so carryover of carryover too, up to the cap, and by `expires_after` for so
many periods after the one that granted it. What was used beyond the total is forgiven, or taken off the next period's.

The declarative form of carryover: what a catalog states, and what is stored of it.

    {"max": null, "expires_after": null, "overage": "forgive"}      everything, for ever
    {"max": "50%", "expires_after": 2, "overage": "deduct"}
    {"max": {"periods": 3}, "expires_after": null, "overage": "forgive"}

Whatever is left out is as in the first line. Reading a form that was written here gives an equal value.
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
"""What is shorter is too soon over for anybody to save up in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """The most that is carried: an amount, a share of the base in percent, or the base of so many periods."""

    amount: Decimal | None = None
    percent: Decimal | None = None
    periods: int | None = None

    def __post_init__(self) -> None:
        given = [part for part in (self.amount, self.percent, self.periods) if part is not None]
        assert len(given) == 1, "a cap is one of them"

    def of(self, base: Decimal) -> Decimal:
        """The cap under a base, in units."""
        if self.amount is not None:
            return self.amount
        if self.percent is not None:
            return EXACT.divide(EXACT.multiply(base, self.percent), Decimal(100))
        return EXACT.multiply(base, Decimal(self.periods or 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Carryover:
    """How unused quota carries over. None: without a cap, and for ever."""

    most: Cap | None = None
    expires_after: int | None = None
    overage: str = FORGIVE

    def __post_init__(self) -> None:
        assert self.overage in OVERAGE
        assert self.expires_after is None or self.expires_after >= 1


def nothing_carried(every: str, anchor: str) -> str | None:
    """Why nothing carries over from periods like these; None: it does."""
    step = step_of(every)
    if step.unit is TimeUnit.NEVER:
        return "does not go with a period that never ends: it has no next one"
    if anchor == ROLLING:
        return "does not go with a rolling period: it has no end at which something is left"
    if anchor == FIRST_USE:
        return "does not go with a period from its first use: after it nothing is open that something could move into"
    if step.unit is TimeUnit.ELAPSED and step.count < PERIOD_MIN:
        return "does not go with periods shorter than an hour"
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
