"""Rules of a limit that follow from how its meter aggregates.

Rates, carryover, and rolling and first_use periods work with amounts that add up. A maximum does not add up: each
request alone is compared with the limit. A minimum, an average and a latest value are shown and never limited.
"""

from __future__ import annotations

from collections.abc import Iterator

from tallygate.contracts.base.reading import rule
from tallygate.contracts.catalog.limits import Windowed
from tallygate.domain.catalog.tiers import tier_rates
from tallygate.domain.metering.contributions import Merge
from tallygate.domain.metering.meters import AGGREGATIONS
from tallygate.domain.periods.recurrence import FIRST_USE, ROLLING
from tallygate.errors import FieldError

NEEDS_SUMS = (ROLLING, FIRST_USE)
"""Anchors whose windows are computed from amounts that add up."""


def broken_by_aggregation(entry: Windowed, aggregation: str | None) -> Iterator[FieldError]:
    """Return the rules that a limit breaks, on a feature whose meter has this aggregation. None: not known."""
    known = AGGREGATIONS.get(aggregation or "")
    if known is None or known.merge is Merge.ADD:
        return
    of = f"of a {aggregation} meter"
    for index, part in enumerate(entry.parts):
        at = () if entry.windows is None else ("windows", index)
        if part.limit is not None and not known.merge.limited:
            yield rule("not_allowed", f"must be null: the values {of} are shown and not limited", *at, "limit")
        if part.rate is not None:
            yield rule("not_allowed", f"is not allowed: the values {of} do not add up", *at, "rate")
        if part.period is not None and part.period.counted_from in NEEDS_SUMS:
            anchor = part.period.counted_from
            yield rule("not_allowed", f"must not be {anchor} for a limit {of}", *at, "period", "anchor")
    for index, tier in enumerate(entry.tiers):
        if tier_rates((tier.tier,)):
            yield rule(
                "not_allowed", f"must not be rate_limit: the values {of} do not add up", "tiers", index, "policy"
            )
    if entry.carryover is not None:
        yield rule("not_allowed", f"is not allowed: the values {of} leave nothing unused", "carryover")
