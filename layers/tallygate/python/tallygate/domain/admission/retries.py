"""Retries: from when on a denied request would be granted, if nothing else is consumed until then. Pure.

    quota        now ── a tier's rate ──> t            granted at t, where the period has not ended by then
                 now ────────────── period ends ──> E  granted at E, where the amount fits the period that follows
    rate         now ── the burst refills ──> t
    request      the first instant at which all of them grant; one may grant now and no more in its next period

A tier's rate ends with the period: from its boundary on usage is counted afresh, and may lie below the tier. A grace
may end on the way, so a quota is judged by the policy that holds at the instant itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from functools import partial

from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.openings import opened
from tallygate.domain.admission.terms import QuotaTerm, Terms
from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog import rates
from tallygate.domain.catalog.rates import Rate
from tallygate.domain.limits.rungs import landing
from tallygate.domain.periods.boundaries import NEVER_ENDS
from tallygate.domain.periods.recurrence import window_at

ROUNDS_MAX = 16
"""So often the limits of a request are asked in turn; each round moves on by a period or a rate of one of them."""
POLICIES_MAX = 4
"""So many policies may follow each other in one window while time passes: a grace has an end, and what it ends in."""

Granting = Callable[[Instant], Instant | None]
"""From an instant on, when a limit would grant; None: not in the window that follows, nor before."""


def granted_from(terms: Terms, cell: Cell) -> Instant | None:
    """The first instant from now on at which every limit that decides grants the terms' amount; None: none is known."""
    limits = list(_granting(terms, cell))
    at = terms.now
    for _ in range(ROUNDS_MAX):
        found = [limit(at) for limit in limits]
        if None in found:
            return None
        latest = max((instant for instant in found if instant is not None), default=at)
        if latest == at:
            return at
        at = latest
    return None


def _granting(terms: Terms, cell: Cell) -> Iterable[Granting]:
    for term in terms.quotas:
        if term.decides:
            yield partial(quota_grants_from, term, cell, terms.amount)
    for rated in terms.rates:
        if rated.decides and rated.throttles is None:
            yield partial(rate_grants_from, rated.rate, cell, terms.amount)


def quota_grants_from(term: QuotaTerm, cell: Cell, amount: Decimal, at: Instant) -> Instant | None:
    """When a quota, with the rates that its tiers ask for, would grant the amount: in the window that holds `at`, else
    in the one that follows; None: in neither."""
    if term.quota.limit is None:
        return at
    if term.beside:
        rolled = _rolled_off(term, cell, amount)
        return None if rolled is None else max(at, rolled)
    placed = _placed(term, at)
    for _ in range(2):
        found = _within(placed, cell, amount)
        if found is not None:
            return found
        if placed.window.end >= NEVER_ENDS:
            return None
        placed = _placed(placed, placed.window.end)
    return None


def rate_grants_from(rate: Rate, cell: Cell, amount: Decimal, at: Instant) -> Instant | None:
    """When a rate would admit the amount, from an instant on; None: it is more than the burst."""
    index = rates.sub_window(rate, at).index
    previous, current = (cell.rated.get((rate.ordinal, each), Decimal(0)) for each in (index - 1, index))
    return rates.admitted_at(rate, amount, previous, current, at)


def _placed(term: QuotaTerm, at: Instant) -> QuotaTerm:
    """The quota as it is at an instant, in the window that holds it."""
    if at < term.window.end:
        return replace(term, now=at)
    quota = replace(term.quota, limit=term.quota.limit_at(at))
    return replace(term, quota=quota, window=window_at(quota.schedule, at), now=at)


def _within(term: QuotaTerm, cell: Cell, amount: Decimal) -> Instant | None:
    """When the quota would grant the amount in the term's window, from its `now` on."""
    opens = term.opening_in(cell)
    cell = cell if opens is None else opened(cell, [(term.counter, opens)])
    reached, at = term.used_in(cell) + amount, term.now
    for _ in range(POLICIES_MAX):
        landed = landing(replace(term, now=at).ladder_in(cell), reached)
        if not landed.grants:
            return None
        if landed.throttle is None:
            return at
        admitted = rate_grants_from(landed.throttle, cell, amount, at)
        if admitted is None or admitted >= term.window.end:
            return None
        if admitted == at:
            return at
        at = admitted
    return None


def _rolled_off(term: QuotaTerm, cell: Cell, amount: Decimal) -> Instant | None:
    """When enough of a rolling period's sub-windows count no more for the amount to fit; None: it is too large."""
    rungs, used, at = term.ladder_in(cell), term.used_in(cell), term.now
    if not landing(rungs, amount).grants:
        return None
    for counter in sorted([counter for counter, _ in term.beside] + [term.counter]):
        if landing(rungs, used + amount).grants:
            break
        used -= cell.used.get(counter, Decimal(0))
        at = counter[1] + term.over - term.window.start
    return at
