"""Totals of one limit over time, read for its impact.

    TOTAL#<customer>   <feature>#<ordinal>#<start>   would_n, would_q: uses that the limit would have denied, their sum

They are written by `storage.journal.totals`. Reads are eventually consistent, because the lag of the aggregation is
longer.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallygate.domain.base.instants import Instant
from tallygate.domain.entries.total import Total
from tallygate.domain.limits.limits import Effective
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Engine
from tallygate.storage.entries.totals import total_of


@dataclass(slots=True)
class Impacts:
    """Reads for GET …/limits/{name}/impact."""

    engine: Engine

    def effective(self, customer: str) -> Effective | None:
        return Cells(self.engine).effective(customer)

    def totals(
        self, customer: str, feature: str, ordinal: int, first: Instant, before: Instant, *, limit: int
    ) -> tuple[Total, ...]:
        until = keys.total(customer, feature, ordinal, before - 1).sk
        position: str | None = keys.total(customer, feature, ordinal, first - 1).sk
        found: list[Total] = []
        while position is not None and len(found) < limit:
            page = self.engine.query(
                keys.total_partition(customer), after=position, until=until, limit=limit - len(found)
            )
            found += [total_of(item) for item in page.items]
            position = page.next_after
        return tuple(found)
