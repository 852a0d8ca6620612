"""Adjustments in a cell: the window's counter decreases by the amount that the limit increases.

    adjustment of + 200:   u.<ordinal>.<start>   800 ──> 600      a.<ordinal>.<start>   0 ──> 200

The condition of a write stays `u ≤ base − amount`. So an adjustment applies from the next decision on, whatever
containers have cached.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.terms import QuotaTerm, Terms
from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.catalog.scopes import Scope
from tallygate.domain.entries.windows import AdjustEntry
from tallygate.domain.facts.adjustments import Adjustment, LimitParts
from tallygate.domain.limits.counters import CountedWindow
from tallygate.domain.limits.limits import Entitlement
from tallygate.domain.limits.rungs import UNTIL_TOP_UP


@dataclass(frozen=True, slots=True, kw_only=True)
class CellAdjustment:
    """The write of an adjustment to a cell, and the state of the cell that the write requires.

    term: the adjusted quota and its window
    amount: units added to the limit
    carried, adjusted: the window's amounts as read; the write requires that they are unchanged
    version: version of the limits in force
    lifted: names of suspensions that wait for a top-up and that the write ends
    watched: names of all other suspensions; the write requires that none of them waits for a top-up
    floor: new floor of the cell; None: the write opens no window, or windows of a former period have already raised the
        floor further
    """

    term: QuotaTerm
    amount: Decimal
    carried: Decimal | None
    adjusted: Decimal | None
    version: int
    lifted: tuple[int, ...]
    watched: tuple[int, ...]
    floor: Instant | None = None


def not_adjustable(term: QuotaTerm) -> str | None:
    """Return why the quota's window cannot be adjusted now; None if it can."""
    if term.quota.limit is None:
        return "has no limit"
    if term.quota.schedule.reach:
        return "counts over a rolling period"
    return "has no running period: its next use begins one" if term.begins else None


def too_late(term: QuotaTerm, cell: Cell) -> bool:
    """Return whether the cell's floor lies beyond the window, so that the window must not be written any more.

    A floor inside the window comes from another quota: for example a former day quota that opened or removed its days.
    A consume opens the window regardless.
    """
    return cell.floor is not None and cell.floor >= term.window.end


def parts_in(term: QuotaTerm, cell: Cell) -> LimitParts:
    """Return the parts of the window's limit from the cell, or its opening parts if it is not open yet."""
    assert term.quota.limit is not None
    if term.opens is not None:
        return LimitParts(base=term.quota.limit, carried=term.opens.carried)
    carried, adjusted = cell.carried.get(term.counter, ZERO), cell.adjusted.get(term.counter, ZERO)
    return LimitParts(base=term.quota.limit, carried=carried, adjusted=adjusted)


def cell_adjustment(asked: Terms, cell: Cell, amount: Decimal) -> CellAdjustment:
    """Return the write that adjusts the window of the feature's own quota, given the cell as read."""
    term = asked.quotas[0]
    assert amount != 0 and not_adjustable(term) is None
    waiting = tuple(sorted(name for name, until in cell.suspended.items() if until == UNTIL_TOP_UP))
    lifted = waiting if amount > 0 else ()
    start = term.window.start
    raises = term.opens is not None and (cell.floor is None or cell.floor < start)
    return CellAdjustment(
        term=term,
        amount=amount,
        carried=cell.carried.get(term.counter),
        adjusted=cell.adjusted.get(term.counter),
        version=asked.version,
        lifted=lifted,
        watched=tuple(name for name in asked.suspensions if name not in lifted) if amount > 0 else (),
        floor=start if raises else None,
    )


def scope_lifted(entitlement: Entitlement, lifted: tuple[int, ...]) -> Scope:
    """Return the common scope of these suspensions; empty: the whole feature, or several scopes."""
    scopes = {quota.ordinal: limit.scope for limit, quota in entitlement.each_quota}
    denied = [scopes.get(name, {}) for name in lifted]
    return denied[0] if denied and all(scope == denied[0] for scope in denied) else {}


def adjust_entry(adjustment: Adjustment, *, meter: str, lifted: Scope | None, traceparent: str | None) -> AdjustEntry:
    """Return the journal entry of the write. `lifted`: scope of the ended suspensions; None: none ended."""
    return AdjustEntry(
        id=adjustment.id,
        feature=adjustment.feature,
        meter=meter,
        name=adjustment.name,
        window=CountedWindow(adjustment.ordinal, adjustment.window.start, adjustment.window.end),
        time=adjustment.at,
        amount=adjustment.amount,
        base=adjustment.after.base,
        carried=adjustment.after.carried,
        adjusted=adjustment.after.adjusted,
        reason=adjustment.reason,
        actor=adjustment.actor,
        category=adjustment.category,
        lifted=lifted,
        traceparent=traceparent,
    )
