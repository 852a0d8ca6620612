"""Nodes: every limit window as an image of the cell shows it, and whether an amount fits it.

What a limit allows and what it lets through are two things: one that only observes lets through what does not fit.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tallygate.domain import rates
from tallygate.domain.boundaries import NEVER_ENDS
from tallygate.domain.cells import Cell
from tallygate.domain.decision import Node
from tallygate.domain.instants import Instant
from tallygate.domain.limits import Enforcement, Entitlement, Limit
from tallygate.domain.openings import opened
from tallygate.domain.periods import segment_at, window_at
from tallygate.domain.quantities import ZERO
from tallygate.domain.rates import Rate
from tallygate.domain.rungs import Ladder, landing
from tallygate.domain.terms import QuotaTerm, RateTerm, Terms, opened_for, placed
from tallygate.domain.tiers import NORMAL, level_at


def evaluate(entitlement: Entitlement, cell: Cell, terms: Terms, *, counted: bool) -> tuple[Node, ...]:
    """Every limit window as the cell shows it, and whether the terms' amount fits it.

    `counted`: the cell shows the amount already, so what fits is what the counters show.
    """
    terms = placed(terms, cell)
    limits, cell = {limit.name: limit for limit in entitlement.limits}, opened_for(cell, terms)
    amount = ZERO if counted else terms.amount
    nodes = [_quota_node(limits[term.name], term, cell, amount) for term in terms.quotas]
    # A tier's rate is stated where this very image asks for it, whatever the terms expected of an older one.
    kept = (*_throttles(terms, cell, amount), *(term for term in terms.rates if term.throttles is None))
    return (*nodes, *(_rate_node(limits[term.name], term, cell, amount) for term in kept))


def _throttles(terms: Terms, cell: Cell, amount: Decimal) -> tuple[RateTerm, ...]:
    """The rates that tiers ask for of the amount, each once."""
    found: dict[int, RateTerm] = {}
    for term in terms.quotas:
        if term.tiers and term.decides:
            rate = landing(term.ladder_in(cell), term.used_in(cell) + amount).throttle
            if rate is not None:
                at = rates.sub_window(rate, term.now)
                found[rate.ordinal] = RateTerm(term.name, rate, at, (), Enforcement.HARD, term.counter)
    return tuple(found.values())


def _quota_node(limit: Limit, term: QuotaTerm, cell: Cell, amount: Decimal) -> Node:
    used, total = term.used_in(cell), term.total_in(cell)
    ends = term.over if term.window.end < NEVER_ENDS else None
    landed, room = None, None if total is None else max(ZERO, total - used)
    fits = total is None or used + amount <= total
    if term.tiers and total is not None:
        rungs = term.ladder_in(cell)
        landed = landing(rungs, used + amount)
        fits, room = landed.grants, _room(term, rungs, cell, used)
    return Node(
        name=term.name,
        scope=limit.scope,
        kind="quota",
        start=term.window.start - term.quota.schedule.reach,
        end=term.window.end,
        limit=total,
        used=used,
        remaining=None if total is None else max(ZERO, total - used),
        fits=fits,
        level=level_at(limit.tiers, total, used),
        resets_at=ends,
        retry_at=None if fits else _fits_at(term, cell, amount),
        period=segment_at(term.quota.schedule, term.window.start),
        enforcement=term.enforcement,
        decides=term.decides,
        over=total is not None and used + amount > total,
        room=room,
        policy=landed.policy if landed is not None and landed.tier is not None else None,
        carried=cell.carried.get(term.counter, ZERO),
        adjusted=cell.adjusted.get(term.counter, ZERO),
        followed=term.followed_in(cell),
        counter=term.counter,
    )


def _room(term: QuotaTerm, rungs: Ladder, cell: Cell, used: Decimal) -> Decimal | None:
    """The largest amount that the quota's rungs would grant now, at the rates that they ask for; None: any."""
    best: Decimal | None = ZERO
    for rung in rungs:
        if not rung.grants:
            break
        most = None if rung.upto is None else rung.upto - used
        if rung.throttle is not None:
            at = rates.sub_window(rung.throttle, term.now)
            free = rates.remaining(rung.throttle, *rated_in(rung.throttle, cell, at.index), at)
            most = free if most is None else min(most, free)
            if rung.above is not None and used + most <= rung.above:
                continue
        if most is None:
            return None
        assert best is not None, "only the last rung has no end"
        best = max(best, most)
    return best


def _fits_at(term: QuotaTerm, cell: Cell, amount: Decimal) -> Instant | None:
    """When the amount would fit if nothing else is used; None: not in the window that follows, or there is none."""
    limit = term.quota.limit
    if term.beside:
        return _rolled_off(term, cell, amount) if limit is None or amount <= limit else None
    if term.window.end >= NEVER_ENDS:
        return None
    afresh = _afresh(term)
    opens = afresh.opening_in(cell)
    cell = cell if opens is None else opened(cell, [(afresh.counter, opens)])
    total = afresh.total_in(cell)
    if total is None or not term.tiers:
        return term.over if total is None or afresh.used_in(cell) + amount <= total else None
    landed = landing(afresh.ladder_in(cell), afresh.used_in(cell) + amount)
    bursts = landed.throttle is None or amount <= landed.throttle.burst
    return term.over if landed.grants and bursts else None


def _afresh(term: QuotaTerm) -> QuotaTerm:
    """The quota in the window that follows."""
    end = term.window.end
    quota = replace(term.quota, limit=term.quota.limit_at(end))
    return replace(term, quota=quota, window=window_at(quota.schedule, end), now=end)


def _rolled_off(term: QuotaTerm, cell: Cell, amount: Decimal) -> Instant:
    """When enough of a rolling period's sub-windows count no more for the amount to fit; an amount that ever does."""
    used, at, limit = term.used_in(cell), term.window.start, term.total_in(cell)
    for counter in sorted([counter for counter, _ in term.beside] + [term.counter]):
        if limit is None or used + amount <= limit:
            break
        used -= cell.used.get(counter, ZERO)
        at = counter[1] + term.over - term.window.start
    return at


def _rate_node(limit: Limit, term: RateTerm, cell: Cell, amount: Decimal) -> Node:
    previous, current = rated_in(term.rate, cell, term.at.index)
    start = term.at.index * term.at.width
    now = start + term.at.width - term.at.left
    return Node(
        name=term.name,
        scope=limit.scope,
        kind="rate",
        start=start,
        end=start + term.at.width,
        limit=term.rate.burst,
        used=rates.weighted(previous, current, term.at),
        remaining=rates.remaining(term.rate, previous, current, term.at),
        fits=rates.admits(term.rate, amount, previous, current, term.at),
        level=NORMAL,
        resets_at=term.at.over,
        retry_at=rates.admitted_at(term.rate, amount, previous, current, now),
        enforcement=term.enforcement,
        decides=term.decides,
        room=None if term.throttles is not None else rates.remaining(term.rate, previous, current, term.at),
        counter=term.current,
    )


def rated_in(rate: Rate, cell: Cell, index: int) -> tuple[Decimal, Decimal]:
    """What was admitted in the sub-window before this one, and in this one."""
    rated, ordinal = cell.rated, rate.ordinal
    return rated.get((ordinal, index - 1), ZERO), rated.get((ordinal, index), ZERO)
