"""test_clock: move the time of the whole stack, so that a month's end can be tried out.

    clock item and receipt ──1 transaction──> wait until no container remembers the time before ──> reset ──> deliver

It moves forward only, because a cell that was tidied under a later clock refuses an earlier one; back to real time is
the one way back. Whoever is answered may rely on it: the new time is in force everywhere, and what time drives has run.
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
"""A container reads the clock this often."""
MARGIN_SECONDS = 0.2


def require_enabled(*, enabled: bool) -> None:
    """Raises NotFound: where the stack has no test clock, there is no such route."""
    if not enabled:
        raise NotFound("this stack was deployed without a test clock", code="test_clock_disabled")


def move_clock(store: ClockStore, audits: AuditStore, to: Instant | None, *, real: Instant, by: Author) -> Planned:
    """The plan of a POST (see `operations.base.receipts`). Raises Conflict naming both instants for a move backward."""
    seen = store.frozen_at()
    current = real if seen is None else seen
    if to is not None and to < current:
        raise Conflict(
            f"the clock stands at {format_instant(current)} and moves forward only, not to {format_instant(to)}",
            code="clock_moves_forward",
        )
    answer = {"now": format_instant(real if to is None else to), "frozen": to is not None}
    before = {"now": format_instant(current), "frozen": seen is not None}
    entry = by.entry(CLOCK_MOVED, {}, before=before, after=answer)
    return Planned(moves=(*store.move(seen, to), *audits.record(entry)), body=answer, status=200)


def settle_clock(
    answer: Mapping[str, Any], *, wait: Callable[[float], None], reset: Callable[[], Any], deliver: Callable[[], Any]
) -> dict[str, Any]:
    """What follows the commit: wait until the time is in force everywhere, then run what it drives, once each."""
    wait(REMEMBERED_SECONDS + MARGIN_SECONDS)
    return {**answer, "reset": reset(), "deliver": deliver()}
