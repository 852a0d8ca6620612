"""health: whether the stream's reader keeps up, measured by a probe that goes the way of every fact."""

from __future__ import annotations

from collections.abc import Callable

from tallygate.control_store import ProbeStore
from tallygate.domain.instants import Instant

WAIT_SECONDS_MAX = 5.0
POLL_SECONDS = 0.1


def fold_lag_ms(
    store: ProbeStore,
    probe: str,
    *,
    now: Instant,
    wait: Callable[[float], None],
    ticks: Callable[[], float],
) -> int | None:
    """How long a write took to reach the stream's reader; None where that took more than WAIT_SECONDS_MAX."""
    started = ticks()
    store.send(probe, now)
    try:
        while True:
            if store.seen(probe):
                return int((ticks() - started) * 1000)
            if ticks() - started >= WAIT_SECONDS_MAX:
                return None
            wait(POLL_SECONDS)
    finally:
        store.drop(probe)
