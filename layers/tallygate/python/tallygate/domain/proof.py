"""The proof that a stream record of a cell carries in itself: new image − old image = what its journal entry says.

A counter starts below zero by what its window's limit was raised by, so what was used is the sum of the three, and each
of what raised it changes by its entry alone. What followed into a window is in its counter too, and moves with it. What
a write removed is left aside: a window that is over for long, whose name the floor guards from then on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from tallygate.domain.cells import Cell, CounterName
from tallygate.domain.exact import EXACT
from tallygate.domain.quantities import ZERO

"""A counter outgrows what a single quantity may be, and what the default context adds exactly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What an entry says of the quota counters: used by so much more; carried, as it is now; adjusted by so much.

    `followed` by so much more, of what was used under other windows; `follows` is what has followed now, as an amount
    and a counter that it comes to as it was before the write.
    """

    used: Mapping[CounterName, Decimal] = field(default_factory=dict)
    carried: Mapping[CounterName, Decimal] = field(default_factory=dict)
    adjusted: Mapping[CounterName, Decimal] = field(default_factory=dict)
    followed: Mapping[CounterName, Decimal] = field(default_factory=dict)
    follows: Mapping[CounterName, tuple[Decimal, CounterName | None]] = field(default_factory=dict)


def disproved(old: Cell, new: Cell, stated: Stated, rate_by: Decimal) -> str | None:
    """Why the record does not prove itself; None where it does.

    Every rate counter may have grown by `rate_by` (the entry does not name them). Whatever else changed was removed.
    """
    if new.revision != old.revision + 1:
        return "revision"
    for counter in stated.used.keys() | new.used.keys():
        if EXACT.subtract(_own(new, counter), _own(old, counter)) != stated.used.get(counter, ZERO):
            return "counter"
    for counter in stated.follows.keys() | stated.followed.keys() | new.followed.keys():
        before, now = old.followed.get(counter, ZERO), new.followed.get(counter, ZERO)
        if counter in stated.follows:
            amount, live = stated.follows[counter]
            before = EXACT.add(amount, ZERO if live is None else old.used.get(live, ZERO))
        if now != EXACT.add(before, stated.followed.get(counter, ZERO)):
            return "followed"
    for counter in stated.carried.keys() | new.carried.keys():
        before = old.carried.get(counter, ZERO)
        if new.carried.get(counter, ZERO) != stated.carried.get(counter, before):
            return "carried"
    for counter in stated.adjusted.keys() | new.adjusted.keys():
        before = old.adjusted.get(counter, ZERO)
        if EXACT.subtract(new.adjusted.get(counter, ZERO), before) != stated.adjusted.get(counter, ZERO):
            return "adjusted"
    for counter, value in new.rated.items():
        if EXACT.subtract(value, old.rated.get(counter, ZERO)) not in (ZERO, rate_by):
            return "rate"
    return None


def _own(cell: Cell, counter: CounterName) -> Decimal:
    """What the window itself counted."""
    return EXACT.subtract(cell.used_of(counter), cell.followed.get(counter, ZERO))
