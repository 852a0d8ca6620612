"""The declarative form of units: what a catalog states, and what is stored of them; and quantities as they show them.

    {"name": "byte", "display": "GB", "divide_by": 1000000000, "precision": 2, "rounding": "half_up",
     "billing": {"increment": 1, "rounding": "up"}}

A factor of one, a plural and a bill's rounding stand there only where they say something, a precision and an increment
only where something is rounded to them. Reading a form that was written here gives an equal unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tallygate.domain.base.quantities import ONE, Wire, format_quantity, parse_quantity
from tallygate.domain.catalog.units import Billing, Rounding, Unit

Form = dict[str, Any]


def unit_form(unit: Unit) -> Form:
    form: Form = {"name": unit.name, "display": unit.display}
    if unit.plural is not None:
        form["plural"] = unit.plural
    if unit.divide_by != ONE:
        form["divide_by"] = format_quantity(unit.divide_by)
    if unit.multiply_by != ONE:
        form["multiply_by"] = format_quantity(unit.multiply_by)
    if unit.rounding is not Rounding.NONE:
        form["precision"] = unit.precision
    form["rounding"] = unit.rounding.value
    if unit.billing is not None:
        form["billing"] = _billing_form(unit.billing)
    return form


def unit_of(form: Mapping[str, Any]) -> Unit:
    billing = form.get("billing")
    return Unit(
        name=form["name"],
        display=form.get("display") or form["name"],
        plural=form.get("plural"),
        divide_by=parse_quantity(_or(form.get("divide_by"), ONE)),
        multiply_by=parse_quantity(_or(form.get("multiply_by"), ONE)),
        precision=_or(form.get("precision"), 0),
        rounding=Rounding(form.get("rounding", Rounding.HALF_UP)),
        billing=None if billing is None else _billing_of(billing),
    )


def presented(unit: Unit | None, quantities: Mapping[str, Decimal | None]) -> Form | None:
    """Raw quantities as people read them, each under its name, beside the unit; None without one.

    The plural stands there only where the catalog has one.
    """
    if unit is None:
        return None
    called = {"unit": unit.display} if unit.plural is None else {"unit": unit.display, "plural": unit.plural}
    return {**called, **{name: None if q is None else _shown(unit, q) for name, q in quantities.items()}}


def _shown(unit: Unit, quantity: Decimal) -> Wire:
    return format_quantity(Decimal(unit.present(quantity)))


def _billing_form(billing: Billing) -> Form:
    rounding = {"rounding": billing.rounding.value}
    return (
        rounding if billing.rounding is Rounding.NONE else {"increment": format_quantity(billing.increment), **rounding}
    )


def _billing_of(form: Mapping[str, Any]) -> Billing:
    return Billing(
        increment=parse_quantity(_or(form.get("increment"), ONE)),
        rounding=Rounding(form.get("rounding", Rounding.UP)),
    )


def _or(stated: Any, default: Any) -> Any:
    return default if stated is None else stated
