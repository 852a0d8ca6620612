"""Manual resets: what is taken out of the windows that run, so that it counts against their limits no more. Pure.

    used      ──────────── 800 ┤ reset ├ 0 ─────── 150 ──────>     what the limit is held against
    value     ──────────── 800 ─────────── 800 ─── 950 ──────>     what is billed

What a window was raised by stays. Overage is forgiven with the rest, or carried: then what lies beyond the limit stays
used. As of an instant that has passed, what was decided before it is taken out, by the journal's word; what came since
stays used. Limits that roll, and rates, are left alone: they forget by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from tallygate.domain.admission.cells import Cell, running_window
from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.catalog.scopes import Scope
from tallygate.domain.entries.reset_marks import NO_RESET, ResetMark
from tallygate.domain.entries.total import Total
from tallygate.domain.journal.fold import changes_of
from tallygate.domain.journal.records import Record
from tallygate.domain.limits.counters import CountedWindow, CounterName
from tallygate.domain.limits.limits import Entitlement
from tallygate.domain.metering.contributions import added

RESET = "reset"
"""What the audit trail calls it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The window of a quota that runs; `base` is its limit, None: unlimited."""

    name: str
    scope: Scope
    base: Decimal | None
    window: CountedWindow

    @property
    def counter(self) -> CounterName:
        return (self.window.ordinal, self.window.start)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowReset:
    """What a reset takes out of a window: `amount` of what the cell was seen to show as `used`.

    Of that it showed so much as `followed` from other windows, which goes first.

    `counter_at_least` is the counter as it was seen, `seen` the mark that it had, `mark` the one that it gets.
    """

    running: Running
    used: Decimal
    amount: Decimal
    counter_at_least: Decimal
    seen: ResetMark | None
    mark: ResetMark
    followed: Decimal = ZERO

    @property
    def followed_taken(self) -> Decimal:
        """The part of the amount that had followed."""
        return min(self.amount, max(ZERO, self.followed))


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetRequest:
    """What to reset, as of when (None: now), who asks and why; `id` names the reset and its audit entry."""

    id: str
    customer: str
    feature: str
    effective_at: Instant | None
    carry_overage: bool
    reason: str
    actor: str
    key_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A reset: what it took out of which windows, and the limits of which it left windows that roll alone."""

    asked: ResetRequest
    effective_at: Instant
    windows: tuple[WindowReset, ...]
    left: tuple[str, ...]


def running(entitlement: Entitlement, cell: Cell, now: Instant) -> tuple[Running, ...]:
    """The windows that a reset concerns, used or not; of what begins with its first use, as the cell shows."""
    return tuple(
        Running(
            name=limit.name,
            scope=limit.scope,
            base=quota.limit_at(now),
            window=CountedWindow(quota.ordinal, window.start, window.end),
        )
        for limit in entitlement.limits
        for quota in limit.quotas
        if not quota.schedule.reach
        for window in (running_window(quota, cell, now),)
    )


def rolls(entitlement: Entitlement) -> tuple[str, ...]:
    """The limits with windows that roll, of which a reset leaves those alone."""
    return tuple(limit.name for limit in entitlement.limits if any(quota.schedule.reach for quota in limit.quotas))


def resets(
    windows: Iterable[Running],
    cell: Cell,
    *,
    upto: int,
    carry_overage: bool,
    before: Instant | None = None,
    used: Mapping[CounterName, Decimal] | None = None,
) -> tuple[WindowReset, ...]:
    """What is taken out of each window of a cell that the cell's writes up to a revision have counted.

    All of it, or of what was decided `before` an instant what is said to be `used` of it.
    """
    found: list[WindowReset] = []
    for each in windows:
        shown = used_in(cell, each.counter)
        seen = cell.resets.get(each.counter)
        if each.counter not in cell.used or (before is not None and seen is not None and seen.before > before):
            continue
        amount = shown if used is None else min(shown, used.get(each.counter, ZERO))
        if carry_overage and each.base is not None:
            amount = min(amount, EXACT.add(each.base, cell.raised(each.counter)))
        if amount > 0:
            found.append(
                WindowReset(
                    running=each,
                    used=shown,
                    amount=amount,
                    counter_at_least=cell.used[each.counter],
                    followed=cell.followed.get(each.counter, ZERO),
                    seen=seen,
                    mark=(seen or NO_RESET).grown(upto, before),
                )
            )
    return tuple(found)


def used_in(cell: Cell, counter: CounterName) -> Decimal:
    """What the cell shows as used of a window's limit."""
    return EXACT.add(cell.used.get(counter, ZERO), cell.raised(counter)) if counter in cell.used else ZERO


def used_before(instant: Instant, total: Total, records: Iterable[Record], brought: Decimal) -> Decimal:
    """What was decided before an instant and is held against the limit, by a total and all the records since then.

    Of usage by event only `brought` is in the cell yet; what is on its way counts as older, and comes in later.
    """
    since = ZERO
    for record in records:
        if record.number <= total.upto:
            since = EXACT.add(since, _counted_since(instant, record, (total.ordinal, total.start)))
    on_its_way = max(ZERO, EXACT.subtract(total.by_event, brought))
    return EXACT.subtract(EXACT.subtract(total.used, since), on_its_way)


def _counted_since(instant: Instant, record: Record, counter: CounterName) -> Decimal:
    later = tuple(entry for entry in record.entries if entry.usage and entry.time >= instant)
    moves = (change.move for change in changes_of(replace(record, entries=later)).totals)
    return sum((added(move.value) - move.excluded for move in moves if move.window.counter == counter), ZERO)
