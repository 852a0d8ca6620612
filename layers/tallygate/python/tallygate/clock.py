"""The clock of a function: real time or, where the stack was deployed with TEST_CLOCK=enabled, the test clock.

All functions of such a stack follow one clock item. While the item holds an instant, time is frozen at that instant.
While the item is unset, real time runs.

A container reads the item at most once in CACHE_SECONDS, measured on a monotonic clock. So a move of the test clock
takes effect everywhere within CACHE_SECONDS after its write.

Webhook signatures always carry real time, because receivers compare them with their own clocks.
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
    """Tells the time in milliseconds.

    frozen_at: reads the test clock's instant, None while it is unset; without this callable, time is always real
    """

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
    """The clock that the function's environment variables select."""
    if environment.get("TEST_CLOCK") != "enabled":
        return Clock()
    return Clock(ClockItem(engine).frozen_at)
