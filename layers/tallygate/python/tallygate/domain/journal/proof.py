"""The proof that a stream record of a cell carries in itself: new image − old image = what its journal entry says.

A counter starts below zero by what its window's limit was raised by, so what was used is the sum of the three, and each
of what raised it changes by its entry alone. What followed into a window is in its counter too, and moves with it. What
a write removed is left aside: a window that is over for long, whose name the floor guards from then on.
"""

from __future__ import annotations

from decimal import Decimal

from tallygate.domain.admission.cells import Cell
from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.entries.moves import CellMoves
from tallygate.domain.limits.counters import CounterName


def disproved(old: Cell, new: Cell, moves: CellMoves) -> str | None:
    """Why the record does not prove itself; None where it does.

    Every rate counter may have grown by `rated` (the entry does not name them). Whatever else changed was removed.
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


def _own(cell: Cell, counter: CounterName) -> Decimal:
    """What the window itself counted."""
    return EXACT.subtract(cell.used_of(counter), cell.followed.get(counter, ZERO))
