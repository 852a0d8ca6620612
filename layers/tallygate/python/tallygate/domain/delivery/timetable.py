"""When a delivery is attempted again: the Standard Webhooks timetable, with jitter. Pure.

    attempt       1     2     3       4        5     6     7      8      9      10
    after the     at    5 s   5 min   30 min   2 h   5 h   10 h   14 h   20 h   24 h        then: failed
    one before    once

The jitter is a tenth of the delay at most and derived from the delivery's name and the attempt, so that it is the same
whoever computes it, and receivers that came back are not met by everything at once. `Retry-After` only ever postpones.

While a delivery is pending it always has a due time in the index: the sweep is the safety net under the queue. Where
the queue brings the next attempt, the net hangs a little later than it; while an attempt is being made, later than the
longest attempt can take. So a crash at any point costs a delay and never the delivery.
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
"""The longest that an SQS message can be delayed; what is due later is left to the sweep."""
CLAIM = MINUTE
"""How long one attempt may take before it counts as interrupted; longer than the function may run."""
HAND_OVER = 2 * MINUTE
"""How long the sweep leaves alone what it has handed to the queue."""


def delay_before(attempt: int, delivery_name: str, retry_after: Instant | None = None) -> Instant:
    """Milliseconds from the attempt before to this one (2..10), at least what the receiver asked for."""
    assert 2 <= attempt <= ATTEMPTS_MAX
    delay = DELAYS[attempt - 1]
    delay += _fraction(f"{delivery_name}#{attempt}", delay // JITTER_DIVISOR)
    return max(delay, min(retry_after or 0, RETRY_AFTER_MAX))


def by_queue(delay: Instant) -> bool:
    """Whether the queue brings an attempt that is this far away, rather than the sweep."""
    return delay <= QUEUE_DELAY_MAX


def queue_seconds(delay: Instant) -> int:
    """The delay of the message in whole seconds, never earlier than the delay."""
    return -(-delay // SECOND)


def net_at(at: Instant, delay: Instant) -> Instant:
    """When the sweep looks after an attempt that should be made at `at`."""
    return at + QUEUE_GRACE if by_queue(delay) else at


def _fraction(text: str, most: Instant) -> Instant:
    """A number from 0 to `most` that the text decides."""
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8]) % (most + 1)
