"""Manual resets: set usage in the current windows to zero for enforcement. Billing is unaffected. Pure.

    used      ──────────── 800 ┤ reset ├ 0 ─────── 150 ──────>     enforced against the limit
    value     ──────────── 800 ─────────── 800 ─── 950 ──────>     billed

Carried and adjusted amounts stay. Overage is forgiven, or carried: then usage beyond the limit remains. A reset may be
effective at an earlier instant. Then it removes only usage decided before that instant, according to the journal. Later
usage remains. Rolling limits and rates are not reset, because old usage leaves them anyway.
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
from tallygate.domain.metering.contributions import Merge, stated

RESET = "reset"
"""The action name of a reset in the audit trail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The current window of a quota. `base`: its limit without carried and adjusted amounts; None: unlimited."""

    name: str
    scope: Scope
    base: Decimal | None
    window: CountedWindow

    @property
    def counter(self) -> CounterName:
        return (self.window.ordinal, self.window.start)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowReset:
    """The reset of one window.

    used: usage in the cell as read
    amount: the part of it that the reset removes
    counter_at_least: the counter as read; the write requires that it has not decreased
    seen, mark: the window's reset mark before and after
    followed: the part of `used` that followed from other windows; it is removed first
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
        """The part of the amount that is followed usage."""
        return min(self.amount, max(ZERO, self.followed))


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetRequest:
    """A request to reset a feature's usage.

    id: identifies the reset and its audit entry
    effective_at: usage before this instant is removed; None: now
    carry_overage: whether usage beyond the limit remains
    actor, key_id: who asks, with which API key
    """

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
    """A reset that was made.

    windows: the windows it reset
    left: names of limits with rolling windows, which it did not reset
    """

    asked: ResetRequest
    effective_at: Instant
    windows: tuple[WindowReset, ...]
    left: tuple[str, ...]


def running(entitlement: Entitlement, cell: Cell, now: Instant) -> tuple[Running, ...]:
    """Return the current windows that a reset applies to, with or without usage.

    The current window of a first_use quota comes from the cell. Usage that does not add up is not reset: a part of it
    cannot be taken away.
    """
    if entitlement.merge is not Merge.ADD:
        return ()
    return tuple(
        Running(
            name=limit.name,
            scope=limit.scope,
            base=quota.limit_at(now),
            window=CountedWindow(quota.ordinal, window.start, window.end),
        )
        for limit, quota in entitlement.each_quota
        if not quota.schedule.reach
        for window in (running_window(quota, cell, now),)
    )


def rolls(entitlement: Entitlement) -> tuple[str, ...]:
    """Return the names of limits with rolling windows. A reset does not change rolling windows."""
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
    """Return what a reset removes from each window of a cell.

    upto: the reset covers the cell's writes up to this revision
    carry_overage: whether usage beyond the limit remains
    before: the effective instant; None: now, all usage is removed
    used: with `before`, the usage decided before it, by counter
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
    """Return the usage of a window's limit in the cell."""
    return EXACT.add(cell.used.get(counter, ZERO), cell.raised(counter)) if counter in cell.used else ZERO


def used_before(instant: Instant, total: Total, records: Iterable[Record], brought: Decimal) -> Decimal:
    """Return the enforced usage that was decided before an instant, from a total and the records since the instant.

    brought: usage by events that has reached the cell

    Usage by events that has not reached the cell yet is subtracted: it counts as older usage, and the cell gets it
    later.
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
    return sum((stated(move.value) - move.excluded for move in moves if move.window.counter == counter), ZERO)
