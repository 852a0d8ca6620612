"""The retry schedule of deliveries: the Standard Webhooks timetable, with jitter. Pure.

    attempt            1      2     3       4        5     6     7      8      9      10
    delay after the    none   5 s   5 min   30 min   2 h   5 h   10 h   14 h   20 h   24 h        then: failed
    previous one

The jitter is at most a tenth of the delay. It is derived from the delivery's name and the attempt, so every worker
computes the same value. It spreads the retries to a receiver that has recovered. `Retry-After` can only postpone.

A pending delivery always has a due time in the index. The sweep uses it as safety net for the queue. If the queue
brings the next attempt, the due time is a little later than the attempt. During an attempt, the due time is later than
the longest possible attempt. So a crash at any point delays a delivery but never loses it.
"""

from __future__ import annotations

import hashlib

from tallygate.domain.base.instants import HOUR, MINUTE, SECOND, Instant
from tallygate.domain.delivery.deliveries import QUEUE_GRACE

DELAYS = (
    0,
    5 * SECOND,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
)
"""DELAYS[n] is the wait before attempt n + 1."""
ATTEMPTS_MAX = len(DELAYS)
RETRY_AFTER_MAX = 24 * HOUR
"""A receiver cannot postpone an attempt for longer than this."""
JITTER_DIVISOR = 10

QUEUE_DELAY_MAX = 15 * MINUTE
"""The longest delay of an SQS message. The sweep handles later attempts."""
CLAIM = MINUTE
"""How long one attempt may take before it counts as interrupted; longer than the function's timeout."""
HAND_OVER = 2 * MINUTE
"""How long the sweep ignores a delivery after it has put the delivery into the queue."""


def delay_before(attempt: int, delivery_name: str, retry_after: Instant | None = None) -> Instant:
    """Return the delay in ms between the previous attempt and this one (2 to 10), at least `retry_after`."""
    assert 2 <= attempt <= ATTEMPTS_MAX
    delay = DELAYS[attempt - 1]
    delay += _fraction(f"{delivery_name}#{attempt}", delay // JITTER_DIVISOR)
    return max(delay, min(retry_after or 0, RETRY_AFTER_MAX))


def by_queue(delay: Instant) -> bool:
    """Return whether the queue, not the sweep, triggers an attempt after this delay."""
    return delay <= QUEUE_DELAY_MAX


def queue_seconds(delay: Instant) -> int:
    """Return the message's delay in seconds, rounded up."""
    return -(-delay // SECOND)


def net_at(at: Instant, delay: Instant) -> Instant:
    """Return when the sweep takes over an attempt that is due at `at`."""
    return at + QUEUE_GRACE if by_queue(delay) else at


def _fraction(text: str, most: Instant) -> Instant:
    """Return a number from 0 to `most`, derived from the text."""
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8]) % (most + 1)
