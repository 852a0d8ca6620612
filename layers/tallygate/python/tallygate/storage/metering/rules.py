"""What events are judged by: the catalog's meters, what its features require of them, and its settings.

    CATALOG   METER#… · FEATURE#… · SETTINGS   form (JSON)

Ingest judges an event by it before it is stored, the fold when it is counted. Ingest may be as much as a minute behind,
and reads it again before it rejects anything.
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
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.expressions import Item

KEPT_SECONDS = 60.0
"""So old the catalog may be that events are accepted by."""
READ_AGAIN_SECONDS = 1.0
"""Before a rejection the catalog is read again, at most once in so long; what a minute asks for does not count."""


@dataclass(slots=True)
class EventRules:
    """Remembers one catalog, as far as events need it. `ticks` is a monotonic clock in seconds."""

    engine: Engine
    ticks: Callable[[], float] = time.monotonic
    _version: int | None = None
    _meters: Meters = field(default_factory=Meters)
    _read_at: float = 0.0
    _read_again_at: float = -READ_AGAIN_SECONDS

    def meters(self, *, again: bool = False) -> Meters:
        """The catalog's meters, at most KEPT_SECONDS old, or (`again`) as they are now, or were READ_AGAIN_SECONDS ago.

        No request while they are remembered, one while the catalog's version is the same, else three more or a few.
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
    """The catalog's version, consistent. What is read after a version is at least that version's."""
    head = engine.query(keys.CATALOG_PARTITION, prefix=keys.CATALOG_HEAD.sk, limit=1, consistent=True)
    return items.integer(head.items[0], "version", 0) if head.items else 0


def read_meters(engine: Engine) -> Meters:
    """The meters, what features require of them, and the settings, consistent. Three requests, more beyond 1 MB."""
    features = [forms.feature_of(form) for form in catalog_entries(engine, "FEATURE#")]
    return meters_of(
        tuple(forms.meter_of(form) for form in catalog_entries(engine, "METER#")),
        {feature.key: feature.meter for feature in features if feature.meter is not None},
        required=_required(features),
        settings=next((settings_of(form) for form in catalog_entries(engine, keys.CATALOG_SETTINGS.sk)), Settings()),
    )


def _required(features: list[Feature]) -> dict[str, tuple[str, ...]]:
    """By meter, the dimensions that at least one of its features requires."""
    found: dict[str, tuple[str, ...]] = {}
    for feature in features:
        if feature.meter is not None and feature.require:
            found[feature.meter] = tuple(dict.fromkeys((*found.get(feature.meter, ()), *feature.require)))
    return found


def catalog_entries(engine: Engine, prefix: str) -> Iterator[Any]:
    """The forms of the catalog's entries whose sort key has the prefix, consistent. One request for each MB."""
    position: str | None = None
    while True:
        page = engine.query(keys.CATALOG_PARTITION, prefix=prefix, after=position, consistent=True)
        yield from (form_of(item) for item in page.items)
        position = page.next_after
        if position is None:
            return


def form_of(item: Item) -> Any:
    """An entry's form, with exact numbers."""
    return json.loads(items.text(item, "form"), parse_float=Decimal)
