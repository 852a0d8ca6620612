"""How an adjustment stands in a cell: the counter of its window goes down by as much as the limit goes up.

    u.<ordinal>.<start>   800 ──> 600          a.<ordinal>.<start>   ──> 200          u ≤ base − amount, as ever

So no condition of a write ever changes, and an adjustment acts at the very next decision, whatever containers remember.
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
    """What one write does to a cell, and what must still be as it was seen for it to hold.

    `carried` and `adjusted` are what the cell showed of the window that the term names. `lifted` are suspensions that
    wait for a top-up, by their names; those of `watched` must not. `floor` is what opening the window raises the cell's
    floor to; None: windows of another period, which the customer had before, have raised it beyond already.
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
    """Why the quota has nothing to adjust now, or in a rolling period no window of its own to do so; None: it has."""
    if term.quota.limit is None:
        return "has no limit"
    if term.quota.schedule.reach:
        return "counts over a rolling period"
    return "has no running period: its next use begins one" if term.begins else None


def too_late(term: QuotaTerm, cell: Cell) -> bool:
    """Whether the cell has passed the window by, so that it must not be written any more.

    A floor within the window is none of its own: a day quota that the customer had before has removed, or opened, its
    days. A consume opens the window all the same.
    """
    return cell.floor is not None and cell.floor >= term.window.end


def parts_in(term: QuotaTerm, cell: Cell) -> LimitParts:
    """What the window's limit is made of in the cell, or what it begins with where it is not open yet."""
    assert term.quota.limit is not None
    if term.opens is not None:
        return LimitParts(base=term.quota.limit, carried=term.opens.carried)
    carried, adjusted = cell.carried.get(term.counter, ZERO), cell.adjusted.get(term.counter, ZERO)
    return LimitParts(base=term.quota.limit, carried=carried, adjusted=adjusted)


def cell_adjustment(asked: Terms, cell: Cell, amount: Decimal) -> CellAdjustment:
    """The write that adjusts the window of the feature's own quota, by the terms of the cell as it was seen."""
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
    """The scope that suspensions of these names denied together; empty: all of the feature, or several scopes."""
    scopes = {quota.ordinal: limit.scope for limit in entitlement.limits for quota in limit.quotas}
    denied = [scopes.get(name, {}) for name in lifted]
    return denied[0] if denied and all(scope == denied[0] for scope in denied) else {}


def adjust_entry(adjustment: Adjustment, *, meter: str, lifted: Scope | None, traceparent: str | None) -> AdjustEntry:
    """The entry of the write; `lifted` None: it lifted no suspension."""
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
