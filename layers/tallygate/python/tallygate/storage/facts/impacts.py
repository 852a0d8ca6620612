"""Totals of one limit over time, read for its impact.

    TOTAL#<customer>   <feature>#<ordinal>#<start>   would_n, would_q: uses that the limit would have denied, their sum

They are written by `storage.journal.totals`. Reads are eventually consistent, because the lag of the aggregation is
longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from tallygate.domain.base.instants import Instant
from tallygate.domain.entries.total import Total
from tallygate.domain.limits.limits import Effective
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Engine, each_item
from tallygate.storage.entries.totals import total_of
from tallygate.storage.limits.versions import effective_at


@dataclass(slots=True)
class Impacts:
    """Reads for GET …/limits/{name}/impact."""

    engine: Engine

    def effective(self, customer: str) -> Effective | None:
        return effective_at(self.engine, customer)

    def totals(
        self, customer: str, feature: str, ordinal: int, first: Instant, before: Instant, *, limit: int
    ) -> tuple[Total, ...]:
        after, until = (keys.total(customer, feature, ordinal, start - 1).sk for start in (first, before))
        held = each_item(self.engine, keys.total_partition(customer), after=after, until=until, limit=limit)
        return tuple(map(total_of, islice(held, limit)))
