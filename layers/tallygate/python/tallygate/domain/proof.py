"""The proof that a stream record of a cell carries in itself: new image − old image = what its journal entry says.

What a write removed is left aside: a window that is over for long, whose name the floor guards from then on.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tallygate.domain.cells import Cell, CounterName
from tallygate.domain.quantities import ZERO


def disproved(old: Cell, new: Cell, expected: Mapping[CounterName, Decimal], rate_by: Decimal) -> str | None:
    """Why the record does not prove itself; None where it does.

    `expected` is what the entry says was added to each quota counter; every rate counter may have grown by `rate_by`
    (the entry does not name them). Whatever else changed was removed.
    """
    if new.revision != old.revision + 1:
        return "revision"
    for counter in expected.keys() | new.used.keys():
        grown = new.used.get(counter, ZERO) - old.used.get(counter, ZERO)
        if grown != expected.get(counter, ZERO):
            return "counter"
    for counter, value in new.rated.items():
        if value - old.rated.get(counter, ZERO) not in (ZERO, rate_by):
            return "rate"
    return None
