"""Everything of a customer that its journal is compared with: events, cells, limits and the journal itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tallygate.domain.admission.cells import Cell
from tallygate.domain.entries.entry import CellEntry
from tallygate.domain.journal.records import Record
from tallygate.domain.limits.counters import CellName
from tallygate.domain.metering.events import Event
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Engine
from tallygate.storage.journal.decisions import newest_entry
from tallygate.storage.journal.records import record_of
from tallygate.storage.limits.versions import effective_of
from tallygate.storage.metering.events import event_of


@dataclass(slots=True)
class Compared:
    """See `operations.journal.ports.RefoldStore`."""

    engine: Engine

    def owner(self, customer: str) -> str:
        return keys.escaped(customer)

    def journal(self, customer: str, *, until: int) -> Iterator[Record]:
        owner = keys.escaped(customer)
        position: str | None = keys.journal_record(owner, 0).sk
        while position is not None:
            last = keys.journal_record(owner, until).sk
            page = self.engine.query(keys.journal_of(owner), after=position, until=last, consistent=True)
            yield from map(record_of, page.items)
            position = page.next_after

    def events(self, customer: str) -> Iterator[Event]:
        for partition in keys.event_partitions(customer):
            position: str | None = None
            while True:
                page = self.engine.query(partition, after=position, consistent=True)
                yield from map(event_of, page.items)
                position = page.next_after
                if position is None:
                    break

    def features(self, customer: str) -> tuple[str, ...]:
        item = self.engine.get(keys.effective(customer))
        return () if item is None else tuple(effective_of(item).entitlements)

    def cell(self, cell: CellName) -> tuple[Cell, CellEntry | None]:
        return newest_entry(self.engine.get(keys.cell(cell)))
