"""Features in the form that decisions need: the display unit, and the dimensions of requests.

    CATALOG            FEATURE#<feature>              form (JSON): unit, meter, require
                       METER#<meter>                  form (JSON): dimensions
    TOTAL#<customer>   <feature>#<ordinal>#<start>    unit (JSON), kept by a closed window

Reads are eventually consistent. They are consistent only before a request is refused by them. A unit decides nothing,
so its reads are always eventually consistent.
"""

from __future__ import annotations

import json
from typing import Any

from tallygate.domain.catalog.units import Unit, unit_form, unit_of
from tallygate.domain.metering.dimensions import DeclaredDimensions
from tallygate.operations.admission.ports import SoldFeature
from tallygate.storage.base import items, keys
from tallygate.storage.base.documents import compact, read_document
from tallygate.storage.base.engine import Engine, Key


def sold_feature_at(engine: Engine, feature: str, *, fresh: bool) -> SoldFeature | None:
    """Return the feature as the catalog has it; None: no such feature. Two requests for a metered feature, else one.

    A meter is written before its features. If a feature's meter is missing, it was read too early, so both are read
    again consistently.
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
    """Return the dimensions that a meter declares; None: no such meter. One request."""
    form = _form(engine, keys.catalog_meter(meter), consistent=False)
    return None if form is None else frozenset(form.get("dimensions", ()))


def _form(engine: Engine, key: Key, *, consistent: bool) -> dict[str, Any] | None:
    item = engine.get(key, consistent=consistent)
    if item is None:
        return None
    found: dict[str, Any] = json.loads(items.text(item, "form"))
    return found


def unit_at(engine: Engine, feature: str) -> Unit | None:
    """Return the feature's unit by the catalog; None: it has none, or there is no such feature. One request."""
    item = engine.get(keys.catalog_feature(feature), consistent=False)
    unit = None if item is None else read_document(items.text(item, "form")).get("unit")
    return None if unit is None else unit_of(unit)


def unit_text(unit: Unit) -> str:
    return compact(unit_form(unit))


def unit_from(text: str) -> Unit:
    return unit_of(read_document(text))
