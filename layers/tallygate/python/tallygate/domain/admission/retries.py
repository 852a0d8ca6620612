"""Retries: the first instant at which a denied request would be granted, if nothing else is consumed. Pure.

    quota        now ── a tier's rate ──> t            granted at t, if the period has not ended by then
                 now ────────────── period ends ──> E  granted at E, if the amount fits the next period
    rate         now ── the burst refills ──> t
    request      the first instant at which all limits grant; a limit may grant now and deny in its next period

A tier's rate ends with the period, because usage in the next period starts anew and may lie below the tier. A grace may
end before the retry. So a quota is evaluated with the policy that applies at the instant of the retry.
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
"""Rounds over all limits of a request. Each round advances to a later instant of one limit's period or rate."""
POLICIES_MAX = 4
"""Policies that may apply one after another in one window as time passes: a grace, then its `then` policy."""

Granting = Callable[[Instant], Instant | None]
"""The first instant, from a given one on, at which a limit would grant; None: not up to the end of the next window."""


def granted_from(terms: Terms, cell: Cell) -> Instant | None:
    """The first instant, from now on, at which every deciding limit grants the terms' amount; None: none is known."""
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
    """The first instant, from `at` on, at which a quota and the rates of its tiers would grant the amount.

    It lies in the window that contains `at`, or in the next one. None: in neither.
    """
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
    """The first instant, from `at` on, at which a rate would admit the amount; None: the amount exceeds the burst."""
    index = rates.sub_window(rate, at).index
    previous, current = (cell.rated.get((rate.ordinal, each), Decimal(0)) for each in (index - 1, index))
    return rates.admitted_at(rate, amount, previous, current, at)


def _placed(term: QuotaTerm, at: Instant) -> QuotaTerm:
    """The term at an instant, with the window that contains it and the base of that window."""
    if at < term.window.end:
        return replace(term, now=at)
    quota = replace(term.quota, limit=term.quota.limit_at(at))
    return replace(term, quota=quota, window=window_at(quota.schedule, at), now=at)


def _within(term: QuotaTerm, cell: Cell, amount: Decimal) -> Instant | None:
    """The first instant, from the term's `now` on, at which the quota would grant within its window; None: never."""
    opens = term.opening_in(cell)
    cell = cell if opens is None else opened(cell, [(term.counter, opens)])
    reached, at = term.asked_of(term.shown_in(cell).used, amount), term.now
    for _ in range(POLICIES_MAX):
        landed = landing(replace(term, now=at).shown_in(cell).rungs, reached)
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
    """When enough sub-windows of a rolling period have stopped counting for the amount to fit; None: it never fits."""
    (rungs, used, _), at = term.shown_in(cell), term.now
    if not landing(rungs, amount).grants:
        return None
    for counter in sorted([counter for counter, _ in term.beside] + [term.counter]):
        if landing(rungs, used + amount).grants:
            break
        used -= cell.used.get(counter, Decimal(0))
        at = counter[1] + term.over - term.window.start
    return at
