"""limits_at_end: which limits were in force at a window's end, read from the versions that the customer has had.

the present version ──> mostly it was in force then: nothing more is read
                    └──> the versions before it, the newest first, as far back as the window reaches
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Protocol

from tallygate.domain.base.instants import Instant
from tallygate.domain.limits.limits import Effective


class FormerLimits(Protocol):
    """Versions of customers' limits that are in force no more."""

    def former_limits(self, customer: str, before: Instant) -> Iterator[Effective]:
        """Those that came into force before an instant, the newest first, consistent. Nothing is read until the first
        is asked for; a request for every few."""


class Versions:
    """One customer's limits by time: the present ones and, as far back as is asked for, those before. Each is read
    once."""

    def __init__(self, store: FormerLimits, present: Effective, before: Instant | None = None) -> None:
        """`before`: those that came into force from this instant on, the present ones aside, are passed over."""
        self._read = [present]
        self._more = store.former_limits(present.customer, present.since if before is None else before)

    def __iter__(self) -> Iterator[Effective]:
        for index in count():
            if index == len(self._read):
                found = next(self._more, None)
                if found is None:
                    return
                self._read.append(found)
            yield self._read[index]
