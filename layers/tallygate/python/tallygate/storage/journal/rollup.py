"""Reads of a meter's rollup, and of the resets of a feature's usage.

USAGE#<customer>#<meter>  <day>#<dimensions>   day, dims (JSON), q00 … q95 (quarter hours), upto,
                                               kind (of the quarters' contributions; absent: add),
                                               q00.of … q95.of (contribution, JSON; not for add)
AUDIT#<customer>          <at, ms>#<id>        audit entries, resets among them
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal

from tallygate.domain.base.instants import Instant, parse_instant
from tallygate.domain.corrections.resets import RESET
from tallygate.domain.facts.audits import SUBSCRIPTION_CHANGED
from tallygate.domain.limits.counters import CellName
from tallygate.domain.metering.contributions import NOTHING, Add, Contribution
from tallygate.domain.usage.queries import MANUAL, PLAN_CHANGE, UsageItem
from tallygate.storage.base import items, keys
from tallygate.storage.base.documents import compact, read_document
from tallygate.storage.base.engine import Engine, each_item
from tallygate.storage.base.expressions import Item
from tallygate.storage.entries.entries import ENTRIES
from tallygate.storage.facts.audits import audit_of

KIND = "kind"
_AFTER_ALL = "~"


def of_name(name: str) -> str:
    """Return the attribute with the contribution that a quantity is stated from."""
    return f"{name}.of"


def contribution_text(contribution: Contribution) -> str:
    return compact(ENTRIES.write(contribution))


def contribution_in(item: Item, name: str) -> Contribution:
    """Return the contribution that a quantity is stated from; NOTHING: there is none yet."""
    of = of_name(name)
    if of not in item:
        return NOTHING
    found: Contribution = ENTRIES.read(read_document(items.text(item, of)))
    return found


def resets_of(engine: Engine, cell: CellName, since: Instant, until: Instant) -> dict[Instant, str]:
    """Return the feature's resets made in (since, until]: the cause of each, by the time at which it was effective."""
    found: dict[Instant, str] = {}
    first, last = keys.audit(cell.customer, since, "").sk, keys.audit(cell.customer, until, _AFTER_ALL).sk
    for audit in map(audit_of, each_item(engine, keys.audit_partition(cell.customer), after=first, until=last)):
        if audit.action == RESET and audit.feature == cell.feature:
            found[parse_instant(audit.about["effective_at"])] = MANUAL
        elif audit.action == SUBSCRIPTION_CHANGED and audit.about.get("usage") == "reset":
            found[parse_instant(audit.about["effective_at"])] = PLAN_CHANGE
    return found


def usage_item_of(item: Item) -> UsageItem:
    """Return the usage of an item."""
    adds = KIND not in item
    quarters = {
        int(name[1:]): Add(value) if adds else contribution_in(item, name)
        for name, value in item.items()
        if isinstance(value, Decimal) and name[0] == "q" and name[1:].isdigit()
    }
    dimensions: Mapping[str, str] = json.loads(items.text(item, "dims"))
    return UsageItem(day=items.text(item, "day"), dimensions=dimensions, quarters=quarters)
