"""Usage before a change of plan, read from totals, rollups, the journal's newest records and the audit trail.

Every read is consistent. Totals and rollups are read up to PAGES_MAX pages of 1 MB each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tallygate.domain.admission.cells import Cell
from tallygate.domain.base.instants import Instant
from tallygate.domain.entries.total import Total
from tallygate.domain.journal.fold import day_and_quarter
from tallygate.domain.journal.records import Record
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.limits import Effective
from tallygate.domain.usage.queries import UsageItem
from tallygate.operations.limits.ports import AppliedRevision
from tallygate.storage.admission import cell_image
from tallygate.storage.admission.cells import Cells
from tallygate.storage.admission.following import follow
from tallygate.storage.base import items, keys
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.expressions import Item
from tallygate.storage.entries.totals import total_of
from tallygate.storage.journal.records import Journal, record_of
from tallygate.storage.journal.revisions import newest_journaled
from tallygate.storage.journal.rollup import resets_of, usage_item_of
from tallygate.storage.journal.totals import Totals

PAGES_MAX = 10
"""The bound for one quota's totals and for a meter's usage.

Ten MB are about 15,000 windows, or a year of 20 dimension values.
"""
_AFTER_ALL = "~"
Read = TypeVar("Read")


@dataclass(slots=True)
class PastUsage:
    """See `operations.limits.ports.PastUsageStore`."""

    engine: Engine

    def cell(self, name: CellName) -> Cell:
        return cell_image.cell_of(self.engine.get(keys.cell(name)))

    def totals(self, cell: CellName, ordinal: int, since: Instant, before: Instant) -> tuple[Total, ...] | None:
        if before <= since:
            return ()
        first = keys.total(cell.customer, cell.feature, ordinal, max(0, since - 1)).sk
        last = keys.total(cell.customer, cell.feature, ordinal, before - 1).sk
        return self._few(keys.total_partition(cell.customer), first, last, total_of)

    def usage(self, customer: str, meter: str, since: Instant, before: Instant) -> tuple[UsageItem, ...] | None:
        first, last = day_and_quarter(since)[0], f"{day_and_quarter(before - 1)[0]}#{_AFTER_ALL}"
        return self._few(keys.usage_partition(customer, meter), first, last, usage_item_of)

    def _few(self, partition: str, first: str, last: str, read: Callable[[Item], Read]) -> tuple[Read, ...] | None:
        """Return what the items in (first, last] say; None: they have more than PAGES_MAX pages."""
        position: str | None = first
        found: list[Read] = []
        for _ in range(PAGES_MAX):
            page = self.engine.query(partition, after=position, until=last, consistent=True)
            found += map(read, page.items)
            position = page.next_after
            if position is None:
                return tuple(found)
        return None

    def records(self, customer: str, since: Instant) -> tuple[Record, ...] | None:
        position: str | None = None
        found: list[Record] = []
        for _ in range(PAGES_MAX):
            page = self.engine.query(
                keys.journal_of(keys.escaped(customer)),
                after=position,
                newest_first=True,
                consistent=True,
            )
            for item in page.items:
                if item["sk"] == keys.journal_start("").sk:
                    continue
                if items.integer(item, "at") < since:
                    return tuple(found)
                found.append(record_of(item))
            position = page.next_after
            if position is None:
                return tuple(found)
        return None

    def folded(self, cell: CellName, *, now: Instant) -> AppliedRevision:
        """Return the newest write to the feature's cell that is journaled, if the whole journal is applied."""
        owner = keys.escaped(cell.customer)
        newest = Journal(self.engine).newest(owner)
        if newest is not None and not self._is_applied(owner, newest):
            return AppliedRevision(revision=0, time=None)
        return newest_journaled(self.engine, cell, now=now)

    def _is_applied(self, owner: str, newest: Record) -> bool:
        records = [newest]
        if newest.applied + 1 < newest.number:
            records = [*Journal(self.engine).records(owner, newest.applied, newest.number, expiring=True)]
        return not any(Totals(self.engine).lagging(records))

    def resets(self, cell: CellName, since: Instant, until: Instant) -> dict[Instant, str]:
        return resets_of(self.engine, cell, since, until)


@dataclass(slots=True)
class CellVersions:
    """Updates and reads of cells for a change of limits."""

    engine: Engine

    @property
    def past(self) -> PastUsage:
        return PastUsage(self.engine)

    def follow(self, effective: Effective, feature: str, now: Instant) -> Cell:
        return follow(self.engine, effective, feature, now)

    def raise_version(self, cell: CellName, version: int, now: Instant) -> None:
        Cells(self.engine).raise_version(cell, version, now)
