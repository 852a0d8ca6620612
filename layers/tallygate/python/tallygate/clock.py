"""The clock of a function: real time, or the test clock's instant where the stack was deployed with one.

With TEST_CLOCK=enabled the whole stack follows one item. Set, it is a frozen instant that holds until it is moved or
unset; unset, real time goes on. A container reads the item at most once a second (by a monotonic clock), so a move is
in force everywhere CACHE_SECONDS after it was written. Signatures of webhooks do not follow it: receivers judge them by
their own clocks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from tallygate.domain.base.instants import Instant
from tallygate.storage.base.clock import ClockItem
from tallygate.storage.base.engine import Engine

CACHE_SECONDS = 1.0


def real_time() -> Instant:
    return time.time_ns() // 1_000_000


class Clock:
    """`now()` in milliseconds. `frozen_at` reads the test clock's instant (None: unset); without it, time is real."""

    def __init__(
        self,
        frozen_at: Callable[[], Instant | None] | None = None,
        *,
        real: Callable[[], Instant] = real_time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._frozen_at = frozen_at
        self._real = real
        self._monotonic = monotonic
        self._read_at: float | None = None
        self._frozen: Instant | None = None

    def now(self) -> Instant:
        if self._frozen_at is None:
            return self._real()
        moment = self._monotonic()
        if self._read_at is None or moment - self._read_at >= CACHE_SECONDS:
            self._frozen, self._read_at = self._frozen_at(), moment
        return self._real() if self._frozen is None else self._frozen


def clock_of(environment: Mapping[str, str], engine: Engine) -> Clock:
    """The clock that the function's environment asks for."""
    if environment.get("TEST_CLOCK") != "enabled":
        return Clock()
    return Clock(ClockItem(engine).frozen_at)
