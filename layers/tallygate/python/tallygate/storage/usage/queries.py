"""Reads of usage: the rollup's items, and the names that a query may use.

    USAGE#<customer>#<meter>  <day>#<dimensions>   day, dims (JSON), q00 … q95 (quarter hours), upto
    AUDIT#<customer>          <at, ms>#<id>        audit entries, resets among them

The items are written by `storage.journal.totals`. Reads are eventually consistent, because the lag of the aggregation
is longer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog.catalog import Feature
from tallygate.domain.limits.counters import CellName
from tallygate.domain.usage.queries import UsageItem
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Engine, each_item
from tallygate.storage.catalog.features import declared_by
from tallygate.storage.journal.rollup import resets_of, usage_item_of
from tallygate.storage.journal.rules import Rules

_AFTER_ALL_DIMENSIONS = "~"


@dataclass(slots=True)
class UsageReader:
    """Reads for GET /v1/usage."""

    engine: Engine

    def usage(self, customer: str, meter: str, first_day: str, last_day: str) -> Iterator[UsageItem]:
        partition, until = keys.usage_partition(customer, meter), f"{last_day}#{_AFTER_ALL_DIMENSIONS}"
        return map(usage_item_of, each_item(self.engine, partition, after=first_day, until=until))

    def feature(self, feature: str) -> Feature | None:
        return Rules(self.engine).feature(feature)

    def resets(self, cell: CellName, since: Instant, until: Instant) -> dict[Instant, str]:
        return resets_of(self.engine, cell, since, until)

    def dimensions(self, meter: str) -> frozenset[str] | None:
        return declared_by(self.engine, meter)

    def knows_customer(self, customer: str) -> bool:
        return self.engine.get(keys.profile(customer), consistent=False) is not None
