"""What the control plane does to a cell by hand: it lifts what tiers have suspended there, and adjusts a limit.

u.<ordinal>.<start>   less by the amount     a.<ordinal>.<start>   more by it     cv   as it is
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from tallygate.domain.cell_adjustments import CellAdjustment
from tallygate.domain.cells import Cell
from tallygate.domain.entries import Entry
from tallygate.domain.instants import Instant
from tallygate.domain.rungs import UNTIL_TOP_UP
from tallygate.storage import items, keys
from tallygate.storage.cell_openings import as_seen, not_open_yet, opening_changes
from tallygate.storage.engine import Engine, Update
from tallygate.storage.expressions import (
    All,
    Change,
    Compare,
    Condition,
    Increase,
    Not,
    Present,
    Remove,
    Set,
    absent_or,
)
from tallygate.store import Moves

_SCOPED = f"{items.SUSPENDED}."


@dataclass(slots=True)
class CellControls:
    """Moves on cells, to be committed together with the change that they follow from."""

    engine: Engine

    def resume(
        self, customer: str, feature: str, entry: Entry, now: Instant, *, only: Collection[int] | None = None
    ) -> Moves:
        """The write that lifts every suspension in force in the root cell, or those of the ordinals in `only`.

        Nothing where there is none. Refused where one of them is lifted before. One read.
        """
        image = self.engine.get(keys.root_cell(customer, feature)) or {}
        names = sorted(
            name
            for name, until in image.items()
            if (name == items.SUSPENDED or name.startswith(_SCOPED))
            and (only is None or _ordinal(name) in only)
            and isinstance(until, Decimal)
            and until > now
        )
        if not names:
            return ()
        told: tuple[Change, ...] = (Set(items.LAST, items.entry_text(entry)), Increase(items.REVISION, 1))
        changes = (*(Remove(name) for name in names), *told)
        condition = All(tuple(Compare(name, ">", now) for name in names))
        return (Update(key=keys.root_cell(customer, feature), changes=changes, condition=condition),)

    def cell(self, customer: str, feature: str) -> Cell:
        """The root cell, consistent."""
        return items.cell_of(self.engine.get(keys.root_cell(customer, feature)))

    def adjust(self, customer: str, feature: str, found: CellAdjustment, entry: Entry) -> Moves:
        """The write that adjusts a window, and opens it where it is not; refused where what was seen has moved."""
        changes = (*_adjusts(found), Set(items.LAST, items.entry_text(entry)), Increase(items.REVISION, 1))
        return (Update(key=keys.root_cell(customer, feature), changes=changes, condition=_as_it_was(found)),)


def _adjusts(found: CellAdjustment) -> list[Change]:
    used, opens = items.used_name(found.term.counter), found.term.opens
    changes: list[Change] = [Increase(items.window_name(items.ADJUSTED, found.term.counter), found.amount)]
    if opens is None:
        changes.append(Increase(used, -found.amount))
    else:
        changes += [Set(used, -opens.carried - found.amount), Set(items.FLOOR, found.term.window.start)]
        changes += opening_changes(found.term.counter, opens)
    return [*changes, *(Remove(items.suspended_name(name)) for name in found.lifted)]


def _as_it_was(found: CellAdjustment) -> Condition:
    """The limits and the window are those in force, and its parts and suspensions are what they were seen to be."""
    term = found.term
    clauses: list[Condition] = [
        absent_or(Compare(items.VERSION, "<=", found.version)),
        absent_or(Compare(items.FLOOR, "<", term.window.end)),
        as_seen(items.window_name(items.CARRIED, term.counter), found.carried),
        as_seen(items.window_name(items.ADJUSTED, term.counter), found.adjusted),
    ]
    if term.quota.schedule.from_first_use:
        clauses.append(as_seen(items.newest_name(term.quota.ordinal), term.newest))
    if term.opens is not None:
        clauses += [absent_or(Compare(items.FLOOR, "<=", term.window.start)), not_open_yet(term.counter, term.opens)]
    elif term.carries:
        clauses.append(Present(items.used_name(term.counter)))
    clauses += [Compare(items.suspended_name(name), "=", UNTIL_TOP_UP) for name in found.lifted]
    clauses += [Not(Compare(items.suspended_name(name), "=", UNTIL_TOP_UP)) for name in found.watched]
    return All(tuple(clauses))


def _ordinal(name: str) -> int:
    """Whose quota's suspension an attribute is; 0 is that of the whole feature."""
    number = name[len(_SCOPED) :]
    return int(number) if number.isdigit() else 0
