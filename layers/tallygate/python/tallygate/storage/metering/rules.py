"""The rules by which events are judged: the catalog's meters, the requirements of its features, and its settings.

    CATALOG   METER#… · FEATURE#… · SETTINGS   form (JSON)

Ingest judges an event before it is stored, and aggregate judges it again when it is counted. The rules of ingest may be
up to a minute old, and are read again before a rejection.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tallygate.domain.catalog import forms
from tallygate.domain.catalog.catalog import Feature
from tallygate.domain.metering.meters import Meters, meters_of
from tallygate.domain.metering.settings import Settings, settings_of
from tallygate.storage.base import items, keys
from tallygate.storage.base.engine import Engine, each_item
from tallygate.storage.base.expressions import Item

KEPT_SECONDS = 60.0
"""The maximum age of the catalog by which events are accepted."""
READ_AGAIN_SECONDS = 1.0
"""Before a rejection the catalog is read again, at most once in this time. Reads of KEPT_SECONDS do not count."""


@dataclass(slots=True)
class EventRules:
    """Caches one catalog, as far as events need it.

    ticks: a monotonic clock in seconds
    """

    engine: Engine
    ticks: Callable[[], float] = time.monotonic
    _version: int | None = None
    _meters: Meters = field(default_factory=Meters)
    _read_at: float = 0.0
    _read_again_at: float = -READ_AGAIN_SECONDS

    def meters(self, *, again: bool = False) -> Meters:
        """Return the catalog's meters, at most KEPT_SECONDS old, or (`again`) READ_AGAIN_SECONDS old.

        No request while they are cached; one while the catalog's version is the same; else three more or a few.
        """
        now = self.ticks()
        since = now - (self._read_again_at if again else self._read_at)
        if self._version is not None and since < (READ_AGAIN_SECONDS if again else KEPT_SECONDS):
            return self._meters
        read_at, version = now, catalog_version(self.engine)
        if version != self._version:
            self._meters, self._version = read_meters(self.engine), version
        self._read_at = read_at
        if again:
            self._read_again_at = read_at
        return self._meters


def catalog_version(engine: Engine) -> int:
    """Return the catalog's version, read consistently. Entries read after a version are at least of that version."""
    head = engine.query(keys.CATALOG_PARTITION, prefix=keys.CATALOG_HEAD.sk, limit=1, consistent=True)
    return items.integer(head.items[0], "version", 0) if head.items else 0


def read_meters(engine: Engine) -> Meters:
    """Return the meters, the features' requirements and the settings, read consistently.

    Three requests, more beyond 1 MB.
    """
    features = [forms.feature_of(form) for form in catalog_entries(engine, "FEATURE#")]
    return meters_of(
        tuple(forms.meter_of(form) for form in catalog_entries(engine, "METER#")),
        {feature.key: feature.meter for feature in features if feature.meter is not None},
        required=_required(features),
        settings=next((settings_of(form) for form in catalog_entries(engine, keys.CATALOG_SETTINGS.sk)), Settings()),
    )


def _required(features: list[Feature]) -> dict[str, tuple[str, ...]]:
    """Return, by meter, the dimensions that at least one of its features requires."""
    found: dict[str, tuple[str, ...]] = {}
    for feature in features:
        if feature.meter is not None and feature.require:
            found[feature.meter] = tuple(dict.fromkeys((*found.get(feature.meter, ()), *feature.require)))
    return found


def catalog_entries(engine: Engine, prefix: str) -> Iterator[Any]:
    """Yield the forms of the catalog's entries whose sort keys have the prefix, read consistently.

    One request for each MB.
    """
    return map(form_of, each_item(engine, keys.CATALOG_PARTITION, prefix=prefix, consistent=True))


def form_of(item: Item) -> Any:
    """Return an entry's form, with exact numbers."""
    return json.loads(items.text(item, "form"), parse_float=Decimal)
