"""A feature as decisions need it: what its quantities are shown in, and which dimensions its requests may give.

    CATALOG   FEATURE#<feature>   form (JSON): unit, meter, require
              METER#<meter>       form (JSON): dimensions

Both are read without waiting for the newest, unless a request is about to be refused by them.
"""

from __future__ import annotations

import json
from typing import Any

from tallygate.domain.catalog.unit_forms import unit_of
from tallygate.domain.metering.dimensions import DeclaredDimensions
from tallygate.operations.admission.ports import SoldFeature
from tallygate.storage.base import items, keys
from tallygate.storage.base.engine import Engine, Key


def sold_feature_at(engine: Engine, feature: str, *, fresh: bool) -> SoldFeature | None:
    """The feature as the catalog has it; None: no such feature. Two requests for a metered feature, else one.

    A meter is written before its features. So a feature whose meter is not there yet was read too early, and both are
    read again consistently.
    """
    form = _form(engine, keys.catalog_feature(feature), consistent=fresh)
    if form is None:
        return None
    unit, names = form.get("unit"), None
    if form.get("meter") is not None:
        meter = _form(engine, keys.catalog_meter(form["meter"]), consistent=fresh)
        if meter is None and not fresh:
            return sold_feature_at(engine, feature, fresh=True)
        names = frozenset((meter or {}).get("dimensions", ()))
    return SoldFeature(
        unit=None if unit is None else unit_of(unit),
        dimensions=DeclaredDimensions(names=names, required=tuple(form.get("require", ()))),
    )


def declared_by(engine: Engine, meter: str) -> frozenset[str] | None:
    """The dimensions that a meter declares; None: there is no such meter. One request."""
    form = _form(engine, keys.catalog_meter(meter), consistent=False)
    return None if form is None else frozenset(form.get("dimensions", ()))


def _form(engine: Engine, key: Key, *, consistent: bool) -> dict[str, Any] | None:
    item = engine.get(key, consistent=consistent)
    if item is None:
        return None
    found: dict[str, Any] = json.loads(items.text(item, "form"))
    return found
