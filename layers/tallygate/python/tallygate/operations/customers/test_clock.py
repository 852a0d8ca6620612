"""test_clock: moves the time of the whole stack, so that the end of a month can be tried out.

    clock item and receipt ──1 transaction──> wait until no container remembers the time before ──> reset ──> deliver

The clock moves forward only, because a cell tidied at a later time refuses an earlier clock. The only way back is the
return to real time. When the call answers, the new time is in force everywhere and everything that time drives has run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tallygate.domain.base.instants import Instant, format_instant
from tallygate.domain.facts.audits import CLOCK_MOVED, Author
from tallygate.errors import Conflict, NotFound
from tallygate.operations.base.ports import ClockStore
from tallygate.operations.base.receipts import Planned
from tallygate.operations.facts.ports import AuditStore

REMEMBERED_SECONDS = 1.0
"""The longest time that a container caches the clock."""
MARGIN_SECONDS = 0.2


def require_enabled(*, enabled: bool) -> None:
    """Check that the stack has a test clock. Raises NotFound, as if there were no such route."""
    if not enabled:
        raise NotFound("this stack was deployed without a test clock", code="test_clock_disabled")


def move_clock(store: ClockStore, audits: AuditStore, to: Instant | None, *, real: Instant, by: Author) -> Planned:
    """Plan a POST (see `operations.base.receipts`) that moves the clock.

    Raises Conflict naming both instants for a move backward.
    """
    seen = store.frozen_at()
    current = real if seen is None else seen
    if to is not None and to < current:
        raise Conflict(
            f"the clock is at {format_instant(current)} and moves forward only, not to {format_instant(to)}",
            code="clock_moves_forward",
        )
    answer = {"now": format_instant(real if to is None else to), "frozen": to is not None}
    before = {"now": format_instant(current), "frozen": seen is not None}
    entry = by.entry(CLOCK_MOVED, {}, before=before, after=answer)
    return Planned(moves=(*store.move(seen, to), *audits.record(entry)), body=answer, status=200)


def settle_clock(
    answer: Mapping[str, Any], *, wait: Callable[[float], None], reset: Callable[[], Any], deliver: Callable[[], Any]
) -> dict[str, Any]:
    """Wait until the new time is in force everywhere, then run reset and deliver, once each. Runs after the commit."""
    wait(REMEMBERED_SECONDS + MARGIN_SECONDS)
    return {**answer, "reset": reset(), "deliver": deliver()}
