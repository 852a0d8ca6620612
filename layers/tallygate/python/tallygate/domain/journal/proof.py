"""The proof of a cell's stream record: new image − old image = the changes stated by its journal entry.

A counter starts at minus the carried and adjusted amounts of its window. So usage = counter + carried + adjusted, and
the carried and adjusted amounts change only as the entry states. Followed usage is part of the counter and moves with
it. Removed windows are not compared: they ended long ago, and the cell's floor prevents their names from being reused.

Usage by event is added to a cell without an entry. Such a record keeps the revision, and proves itself: each counter
grew as its part by events did, and nothing else changed.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tallygate.domain.admission.cells import Cell
from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.entries.moves import CellMoves
from tallygate.domain.limits.counters import CounterName


def disproved(old: Cell, new: Cell, moves: CellMoves) -> str | None:
    """Return the name of the first check that fails; None if the record proves itself.

    Each rate counter may have grown by `moves.rated`, because the entry does not name the rate counters. Any other
    missing attribute was removed.
    """
    if new.revision != old.revision + 1:
        return "revision"
    for counter in moves.used.keys() | new.used.keys():
        if EXACT.subtract(_own(new, counter), _own(old, counter)) != moves.used.get(counter, ZERO):
            return "counter"
    for counter in moves.follows.keys() | moves.followed.keys() | new.followed.keys():
        before, now = old.followed.get(counter, ZERO), new.followed.get(counter, ZERO)
        if counter in moves.follows:
            amount, live = moves.follows[counter]
            before = EXACT.add(amount, ZERO if live is None else old.used.get(live, ZERO))
        if now != EXACT.add(before, moves.followed.get(counter, ZERO)):
            return "followed"
    for counter in moves.carried.keys() | new.carried.keys():
        before = old.carried.get(counter, ZERO)
        if new.carried.get(counter, ZERO) != moves.carried.get(counter, before):
            return "carried"
    for counter in moves.adjusted.keys() | new.adjusted.keys():
        before = old.adjusted.get(counter, ZERO)
        if EXACT.subtract(new.adjusted.get(counter, ZERO), before) != moves.adjusted.get(counter, ZERO):
            return "adjusted"
    for counter, value in new.rated.items():
        if EXACT.subtract(value, old.rated.get(counter, ZERO)) not in (ZERO, moves.rated):
            return "rate"
    return None


def disproved_addition(old: Cell, new: Cell) -> str | None:
    """Return why the record is no addition of usage by event alone; None if it is one."""
    for counter in old.used.keys() | new.used.keys() | old.brought.keys() | new.brought.keys():
        by = EXACT.subtract(new.used.get(counter, ZERO), old.used.get(counter, ZERO))
        if by != EXACT.subtract(new.brought.get(counter, ZERO), old.brought.get(counter, ZERO)):
            return "counter"
    return None if replace(new, used=old.used, brought=old.brought) == old else "entry"


def _own(cell: Cell, counter: CounterName) -> Decimal:
    """Return the counter without followed usage."""
    return EXACT.subtract(cell.used_of(counter), cell.followed.get(counter, ZERO))
