"""Nodes: every limit window as an image of the cell shows it, and whether an amount fits it.

What a limit allows and what it lets through are two things: one that only observes lets through what does not fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tallygate.domain import rates
from tallygate.domain.boundaries import NEVER_ENDS
from tallygate.domain.cells import Cell
from tallygate.domain.counters import CounterName
from tallygate.domain.decision import Node
from tallygate.domain.limits import Entitlement, Limit
from tallygate.domain.periods import segment_at
from tallygate.domain.quantities import ZERO
from tallygate.domain.rates import Rate
from tallygate.domain.retries import quota_grants_from
from tallygate.domain.rungs import Ladder, ceiling, following, landing
from tallygate.domain.terms import QuotaTerm, RateTerm, Terms, opened_for, placed
from tallygate.domain.tiers import NORMAL, Enforcement, SuspendUsage, level_at


def evaluate(entitlement: Entitlement, cell: Cell, terms: Terms, *, counted: bool) -> tuple[Node, ...]:
    """Every limit window as the cell shows it, and whether the terms' amount fits it.

    `counted`: the cell shows the amount already, so what fits is what the counters show.
    """
    terms = placed(terms, cell)
    limits, cell = {limit.name: limit for limit in entitlement.limits}, opened_for(cell, terms)
    amount = ZERO if counted else terms.amount
    nodes = [_quota_node(limits[term.name], term, cell, amount, terms.amount) for term in terms.quotas]
    # A tier's rate is stated where this very image asks for it, whatever the terms expected of an older one.
    kept = (*_throttles(terms, cell, amount), *(term for term in terms.rates if term.throttles is None))
    asked = {term.counter: term for term in terms.quotas}
    return (*nodes, *(_rate_node(limits[term.name], term, cell, amount, asked) for term in kept))


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


def _quota_node(limit: Limit, term: QuotaTerm, cell: Cell, amount: Decimal, asked: Decimal) -> Node:
    """`amount` is what comes to the usage that the cell shows, `asked` what was asked for, counted already or not."""
    used, total = term.used_in(cell), term.total_in(cell)
    # What was lowered by more than there was leaves a limit of nothing; the parts of it are stated as they are.
    shown = None if total is None else max(ZERO, total)
    ends = term.over if term.window.end < NEVER_ENDS else None
    landed, most, room, suspends = None, shown, None if total is None else max(ZERO, total - used), False
    fits = total is None or used + amount <= total
    if term.tiers and total is not None:
        rungs = term.ladder_in(cell)
        landed, most = landing(rungs, used + amount), ceiling(rungs)
        fits, room = landed.grants, _room(term, rungs, cell, used)
        suspends = asked > 0 and isinstance(following(rungs, used + amount - asked).policy, SuspendUsage)
    return Node(
        name=term.name,
        scope=limit.scope,
        kind="quota",
        start=term.window.start - term.quota.schedule.reach,
        end=term.window.end,
        limit=shown,
        used=used,
        remaining=None if total is None else max(ZERO, total - used),
        fits=fits,
        level=level_at(limit.tiers, total, used),
        resets_at=ends,
        retry_at=None if fits else quota_grants_from(term, cell, amount, term.now),
        period=segment_at(term.quota.schedule, term.window.start),
        enforcement=term.enforcement,
        decides=term.decides,
        over=shown is not None and used + amount > shown,
        room=room,
        policy=landed.policy if landed is not None and landed.tier is not None else None,
        ceiling=None if most is None else max(ZERO, most),
        suspends=suspends,
        tier=landed.tier if landed is not None else None,
        base=term.quota.limit,
        carried=cell.carried.get(term.counter, ZERO),
        adjusted=cell.adjusted.get(term.counter, ZERO),
        carries=term.carries,
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


def _rate_node(
    limit: Limit, term: RateTerm, cell: Cell, amount: Decimal, quotas: Mapping[CounterName, QuotaTerm]
) -> Node:
    """The rate of a tier ends with the period of the tier's quota, if it has no room before."""
    previous, current = rated_in(term.rate, cell, term.at.index)
    quota = None if term.throttles is None else quotas[term.throttles]
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
        resets_at=term.at.over if quota is None else min(term.at.over, quota.window.end),
        retry_at=rates.admitted_at(term.rate, amount, previous, current, now)
        if quota is None
        else quota_grants_from(quota, cell, amount, now),
        enforcement=term.enforcement,
        decides=term.decides,
        room=None if term.throttles is not None else rates.remaining(term.rate, previous, current, term.at),
        tier=None if quota is None else landing(quota.ladder_in(cell), quota.used_in(cell) + amount).tier,
        rate=term.rate,
        throttles=term.throttles,
        counter=term.current,
    )


def rated_in(rate: Rate, cell: Cell, index: int) -> tuple[Decimal, Decimal]:
    """What was admitted in the sub-window before this one, and in this one."""
    rated, ordinal = cell.rated, rate.ordinal
    return rated.get((ordinal, index - 1), ZERO), rated.get((ordinal, index), ZERO)
