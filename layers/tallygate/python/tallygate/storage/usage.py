"""The usage family, read: the rollup's items, and the names that a query may use.

    USAGE#<customer>#<meter>  <day>#<dimensions>   day, dims (JSON), q00 … q95 (quarter hours), upto
    AUDIT#<customer>          <at, ms>#<id>        resets among what operators did

The fold writes them (`storage.totals`). Reads are eventually consistent: the fold lags by more than that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from tallygate.domain.audits import SUBSCRIPTION_CHANGED
from tallygate.domain.catalog import Feature
from tallygate.domain.counters import CellName
from tallygate.domain.instants import Instant, parse_instant
from tallygate.domain.usage import MANUAL, PLAN_CHANGE, UsageItem
from tallygate.domain.usage_resets import RESET
from tallygate.storage import items, keys
from tallygate.storage.audits import audit_of
from tallygate.storage.engine import Engine
from tallygate.storage.expressions import Item
from tallygate.storage.features import declared_by
from tallygate.storage.rules import Rules

_AFTER_ALL_DIMENSIONS = "~"


@dataclass(slots=True)
class Usage:
    """What GET /v1/usage reads."""

    engine: Engine

    def usage(self, customer: str, meter: str, first_day: str, last_day: str) -> Iterator[UsageItem]:
        """A meter's usage on these UTC days, in order of the days. As many requests as there are pages of 1 MB."""
        partition, until = keys.usage_partition(customer, meter), f"{last_day}#{_AFTER_ALL_DIMENSIONS}"
        position: str | None = first_day
        while position is not None:
            page = self.engine.query(partition, after=position, until=until)
            yield from (usage_item_of(item) for item in page.items)
            position = page.next_after

    def feature(self, feature: str) -> Feature | None:
        """The feature as the catalog has it; None: no such feature. One request."""
        return Rules(self.engine).feature(feature)

    def resets(self, cell: CellName, since: Instant, until: Instant) -> dict[Instant, str]:
        """The feature's resets that were made in (since, until], by when they were effective, and what by."""
        found: dict[Instant, str] = {}
        position: str | None = keys.audit(cell.customer, since, "").sk
        last = keys.audit(cell.customer, until, _AFTER_ALL_DIMENSIONS).sk
        while position is not None:
            page = self.engine.query(keys.audit_partition(cell.customer), after=position, until=last)
            for audit in map(audit_of, page.items):
                if audit.action == RESET and audit.feature == cell.feature:
                    found[parse_instant(audit.about["effective_at"])] = MANUAL
                elif audit.action == SUBSCRIPTION_CHANGED and audit.about.get("usage") == "reset":
                    found[parse_instant(audit.about["effective_at"])] = PLAN_CHANGE
            position = page.next_after
        return found

    def dimensions(self, meter: str) -> frozenset[str] | None:
        """The dimensions that the meter declares; None: there is no such meter. One request."""
        return declared_by(self.engine, meter)

    def knows_customer(self, customer: str) -> bool:
        """Whether the customer exists. One request."""
        return self.engine.get(keys.profile(customer), consistent=False) is not None


def usage_item_of(item: Item) -> UsageItem:
    """The usage that an item shows."""
    quarters = {
        int(name[1:]): value
        for name, value in item.items()
        if isinstance(value, Decimal) and name[0] == "q" and name[1:].isdigit()
    }
    dimensions: Mapping[str, str] = json.loads(items.text(item, "dims"))
    return UsageItem(day=items.text(item, "day"), dimensions=dimensions, quarters=quarters)
