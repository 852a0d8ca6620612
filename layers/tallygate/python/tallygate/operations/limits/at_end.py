"""limits_at_end: finds the limits in force at a window's end, in the customer's versions of its limits.

the present version ──> mostly it was in force then: nothing more is read
                    └──> earlier versions, newest first, as far back as the window reaches
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Protocol

from tallygate.domain.base.instants import Instant
from tallygate.domain.limits.limits import Effective


class FormerLimits(Protocol):
    """Earlier versions of customers' limits."""

    def former_limits(self, customer: str, before: Instant) -> Iterator[Effective]:
        """Yield the versions that came into force before an instant, newest first, read consistently.

        Nothing is read until the first is asked for; then one request for every few.
        """


class Versions:
    """One customer's versions of its limits: the present one, then earlier ones as far back as is asked for.

    Each version is read once.
    """

    def __init__(self, store: FormerLimits, present: Effective, before: Instant | None = None) -> None:
        """Take the present version.

        before: skip earlier versions that came into force at or after this instant; None: skip none
        """
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
