"""The declarative form of carryover: what a catalog states, and what is stored of it.

    {"max": null, "expires_after": null, "overage": "forgive"}      everything, for ever
    {"max": "50%", "expires_after": 2, "overage": "deduct"}
    {"max": {"periods": 3}, "expires_after": null, "overage": "forgive"}

Whatever is left out is as in the first line. Reading a form that was written here gives an equal value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tallygate.domain.base.quantities import ZERO, Wire, format_quantity, parse_quantity, plain
from tallygate.domain.catalog.carryover import FORGIVE, Cap, Carryover

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
