"""What a cell says of its newest write, read back as the entry that the journal keeps of it.

last   compact JSON, written by `domain.entries`
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tallygate.domain.journal import CountedWindow, SettleEntry, UseEntry
from tallygate.errors import InvariantBroken
from tallygate.storage import items
from tallygate.storage.expressions import Item


def last_decision(item: Item | None) -> UseEntry | SettleEntry | None:
    """The granted consume, or its settlement, that a cell was last written by; None where it was anything else."""
    if item is None or items.LAST not in item:
        return None
    entry, revision = json.loads(items.text(item, items.LAST)), items.integer(item, items.REVISION)
    match entry["k"]:
        case "use":
            return use_of(entry, revision)
        case "settle":
            return settle_of(entry, revision)
    return None


def use_of(entry: Mapping[str, Any], revision: int) -> UseEntry:
    """A granted consume, as of a cell's revision."""
    return UseEntry(
        id=entry["i"],
        feature=entry["f"],
        meter=entry["m"],
        revision=revision,
        time=int(entry["t"]),
        amount=Decimal(entry["a"]),
        dimensions=entry.get("d", {}),
        windows=_windows(entry["w"]),
        traceparent=entry.get("tp"),
    )


def settle_of(entry: Mapping[str, Any], revision: int) -> SettleEntry:
    """A settled consume, as of a cell's revision; it counts in all of the decision's windows, also those removed."""
    amount, by = Decimal(entry["to"]), Decimal(entry["a"])
    if amount < 0 or amount < by:
        raise InvariantBroken("a decision counts no less than nothing")
    return SettleEntry(
        id=entry["i"],
        feature=entry["f"],
        meter=entry["m"],
        revision=revision,
        time=int(entry["of"]),
        settled_at=int(entry["t"]),
        amount=amount,
        by=by,
        dimensions=entry.get("d", {}),
        windows=_windows((*entry["w"], *entry.get("g", ()))),
        traceparent=entry.get("tp"),
    )


def _windows(listed: Any) -> tuple[CountedWindow, ...]:
    return tuple(CountedWindow(*window) for window in listed)
