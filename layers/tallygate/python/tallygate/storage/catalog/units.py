"""The unit of a feature: a part of its item in the catalog, and a text of its own where a closed window keeps it.

    CATALOG            FEATURE#<feature>              form (JSON), with its unit
    TOTAL#<customer>   <feature>#<ordinal>#<start>    unit (JSON)

A unit only shows, so it is read without waiting for the newest.
"""

from __future__ import annotations

from tallygate.domain.catalog.unit_forms import unit_form, unit_of
from tallygate.domain.catalog.units import Unit
from tallygate.storage.base import items, keys
from tallygate.storage.base.documents import compact, read_document
from tallygate.storage.base.engine import Engine


def unit_at(engine: Engine, feature: str) -> Unit | None:
    """The unit that the catalog gives the feature; None: it has none, or there is no such feature. One request."""
    item = engine.get(keys.catalog_feature(feature), consistent=False)
    unit = None if item is None else read_document(items.text(item, "form")).get("unit")
    return None if unit is None else unit_of(unit)


def unit_text(unit: Unit) -> str:
    return compact(unit_form(unit))


def unit_from(text: str) -> Unit:
    return unit_of(read_document(text))
