"""What the fold does to the windows of what carries over: open them for events, and revise what was carried into them.

    u.<ordinal>.<start>, k.…, y.…   see `domain.openings`; u and k move together, so that what was used stays what it is

Every write says in its journal entry what is carried into the window now, and holds over what it was computed from.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallygate.domain.cells import Cell, CounterName
from tallygate.domain.entries import Entry
from tallygate.domain.facts import Total
from tallygate.domain.instants import Instant
from tallygate.domain.openings import Opening
from tallygate.domain.revisions import Revision
from tallygate.domain.rolls import layers_text
from tallygate.storage import items, keys
from tallygate.storage.cell_openings import not_open_yet, opening_changes
from tallygate.storage.engine import Engine, Update, Written
from tallygate.storage.expressions import (
    All,
    Change,
    Compare,
    Condition,
    Increase,
    Present,
    Remove,
    Set,
    absent_or,
)
from tallygate.storage.totals import total_of


@dataclass(slots=True)
class CellCarryover:
    """Every method is one request, unless it says otherwise."""

    engine: Engine

    def read(self, customer: str, feature: str) -> Cell:
        """The root cell, consistent."""
        return items.cell_of(self.engine.get(keys.root_cell(customer, feature)))

    def totals(self, customer: str, feature: str, ordinal: int) -> dict[Instant, Total]:
        """Every total of a quota, by its window's start, consistent. As many requests as there are pages of 1 MB."""
        found: dict[Instant, Total] = {}
        position: str | None = None
        while True:
            page = self.engine.query(
                keys.total_partition(customer),
                prefix=keys.total_prefix(feature, ordinal),
                after=position,
                consistent=True,
            )
            found |= {items.integer(item, "start"): total_of(item) for item in page.items}
            position = page.next_after
            if position is None:
                return found

    def open_window(
        self, customer: str, feature: str, counter: CounterName, opens: Opening, entry: Entry, *, floor: Instant | None
    ) -> bool:
        """Open a window of which nothing is used yet, unless it is open, or what it begins with has moved. Repeatable.

        By `floor`, nobody counts in a window before it any more.
        """
        changes: list[Change] = [Set(items.used_name(counter), -opens.carried)]
        changes += [*opening_changes(counter, opens, layered=True), *_journaled(entry)]
        condition: Condition = not_open_yet(counter, opens)
        if floor is not None:
            changes.append(Set(items.FLOOR, floor))
            condition = All((condition, absent_or(Compare(items.FLOOR, "<=", floor))))
        key = keys.root_cell(customer, feature)
        outcome = self.engine.write(Update(key=key, changes=tuple(changes), condition=condition), repeatable=True)
        return isinstance(outcome, Written)

    def revise(self, customer: str, feature: str, found: Revision, entry: Entry) -> bool:
        """Let so much be carried into the window instead, while what was seen of it and before stands. Repeatable."""
        used, carried = items.used_name(found.counter), items.window_name(items.CARRIED, found.counter)
        layers = items.window_name(items.LAYERS, found.counter)
        changes: list[Change] = [
            Increase(used, found.was - found.carried),
            Set(carried, found.carried),
            Set(layers, layers_text(found.layers)) if found.layers else Remove(layers),
            *_journaled(entry),
        ]
        as_it_was = Compare(carried, "=", found.was)
        unmoved: list[Condition] = [Present(used), absent_or(as_it_was) if found.was == 0 else as_it_was]
        if found.after is not None:
            earlier, shown = found.after
            unmoved.append(Compare(items.used_name(earlier), "=", shown))
        key = keys.root_cell(customer, feature)
        update = Update(key=key, changes=tuple(changes), condition=All(tuple(unmoved)))
        return isinstance(self.engine.write(update, repeatable=True), Written)


def _journaled(entry: Entry) -> list[Change]:
    return [Set(items.LAST, items.entry_text(entry)), Increase(items.REVISION, 1)]
