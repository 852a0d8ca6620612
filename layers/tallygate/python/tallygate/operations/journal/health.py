"""health: whether the stream's reader keeps up, measured by a probe that goes the way of every fact.

    asked ──> the newest result is fresh ──────────────────────────────────────────> that result
          ──> nobody measures: claim, send a probe, wait for it, keep the result ──> this result
          ──> another container measures: wait for its result ─────────────────────> that result

Whoever asks, and in however many containers, one probe is sent in FRESH_SECONDS. Times are real ones, also where the
stack has a test clock: a clock that stands still would keep a result fresh for ever.
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
    """How time passes: `wait` sleeps for seconds, `ticks` is monotonic, in seconds."""

    wait: Callable[[float], None]
    ticks: Callable[[], float]


def fold_lag(store: ProbeStore, probe: str, *, wall: Instant, waiting: Waiting) -> FoldLag:
    """How long a write takes to reach the stream's reader, at most FRESH_SECONDS old; None where it takes longer than
    WAIT_SECONDS_MAX. `probe` is unique to this call. Raises StoreUnavailable."""
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
    """What whoever measures now finds; None where that takes longer than WAIT_SECONDS_MAX, or it died."""
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
