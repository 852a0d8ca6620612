"""health: measures the lag of the stream's reader, by a probe that takes the same path as every fact.

    asked ──> the newest result is fresh ───────────────────────────────────────────> that result
          ──> no container measures: claim, send a probe, wait for it, store result ─> this result
          ──> another container measures: wait for its result ──────────────────────> that result

At most one probe is sent in FRESH_SECONDS, however many callers and containers ask. Times are real, even in a stack
with a test clock: under a frozen clock a result would stay fresh for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tallygate.domain.base.instants import SECOND, Instant
from tallygate.operations.journal.ports import FoldLag, ProbeStore

WAIT_SECONDS_MAX = 5.0
POLL_SECONDS = 0.1
FRESH_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How time passes.

    wait: sleeps for seconds
    ticks: a monotonic clock in seconds
    """

    wait: Callable[[float], None]
    ticks: Callable[[], float]


def fold_lag(store: ProbeStore, probe: str, *, wall: Instant, waiting: Waiting) -> FoldLag:
    """Return how long a write takes to reach the stream's reader. The result is at most FRESH_SECONDS old.

    Its lag is None where it is longer than WAIT_SECONDS_MAX. `probe` is unique to this call. Raises StoreUnavailable.
    """
    oldest = wall - FRESH_SECONDS * SECOND
    known = store.result()
    if known is not None and known.as_of > oldest:
        return known
    if store.claim_result(wall, over=oldest):
        found = FoldLag(lag_ms=_measured(store, probe, wall, waiting), as_of=wall)
        store.keep_result(found)
        return found
    return _of_another(store, oldest, waiting) or FoldLag(lag_ms=None, as_of=wall)


def _of_another(store: ProbeStore, oldest: Instant, waiting: Waiting) -> FoldLag | None:
    """Return the result of the container that measures now; None: it takes too long, or that container died."""
    started = waiting.ticks()
    while waiting.ticks() - started < WAIT_SECONDS_MAX:
        waiting.wait(POLL_SECONDS)
        known = store.result()
        if known is not None and known.as_of > oldest:
            return known
    return None


def _measured(store: ProbeStore, probe: str, now: Instant, waiting: Waiting) -> int | None:
    started = waiting.ticks()
    store.send(probe, now)
    try:
        while True:
            if store.seen(probe):
                return int((waiting.ticks() - started) * 1000)
            if waiting.ticks() - started >= WAIT_SECONDS_MAX:
                return None
            waiting.wait(POLL_SECONDS)
    finally:
        store.drop(probe)
