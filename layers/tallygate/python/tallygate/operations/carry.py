"""carry: what the fold does where quota carries over, so that events and late changes count as if all had been on time.

    usage by event in a window that nobody has opened ──> open it with what is carried, then bring the usage in
                                                          (also where later ones are open)
    a change of a window after the next was opened    ──> revise what was carried into the next

Both are computed from what the cell and the totals show, and written only over that. Repeating them changes nothing.
"""

from __future__ import annotations

from tallygate.domain.entries import carry_entry
from tallygate.domain.facts import Total
from tallygate.domain.instants import MINUTE, Instant
from tallygate.domain.limits import Effective
from tallygate.domain.openings import opening
from tallygate.domain.periods import Window
from tallygate.domain.revisions import carrying, missed, revision
from tallygate.errors import Contended
from tallygate.fold_store import CarriedCells, RulesStore

TRIES_MAX = 10
EARLY = 10 * MINUTE
"""Events may be a few minutes ahead of time, and open a window before it begins."""


def open_window(cells: CarriedCells, rules: RulesStore, total: Total, now: Instant) -> bool:
    """Open the total's window in its cell, so that usage by event can be brought in; whether it is open. A few
    requests, and none where nothing carries over.

    One that the cell has passed by is opened if nobody ever has (`missed`); else it is left alone: `revise` sees to it.
    """
    if not total.governed.carries:
        return False
    found = carrying(_in_force(rules, total, now), total.ordinal)
    if found is None:
        return False
    limit, quota, carryover = found
    counter, window = (total.ordinal, total.start), Window(total.start, total.end)
    for _ in range(TRIES_MAX):
        cell = cells.read(total.customer, total.feature)
        passed = any(o == total.ordinal and start > total.start for o, start in cell.used)
        if passed:
            totals = cells.totals(total.customer, total.feature, total.ordinal)
            opens = missed(quota, carryover, total, cell, totals)
        else:
            opens = opening(quota, carryover, window, cell)
        if opens is None:
            return counter in cell.used
        ahead = total.start > now or (cell.floor is not None and cell.floor >= total.start)
        entry = carry_entry(total, name=limit.name, carried=opens.carried, now=now)
        if cells.open_window(
            total.customer, total.feature, counter, opens, entry, floor=None if ahead else total.start
        ):
            return True
    raise Contended("others changed the cell at every try to open its window")


def revise(cells: CarriedCells, rules: RulesStore, total: Total, now: Instant) -> None:
    """Revise what was carried out of the total's window into one that is open. Nothing is asked while it runs."""
    if not total.governed.carries or total.end > now + EARLY:
        return
    found = carrying(_in_force(rules, total, now), total.ordinal)
    if found is None:
        return
    limit, quota, carryover = found
    for _ in range(TRIES_MAX):
        cell = cells.read(total.customer, total.feature)
        if not any(o == total.ordinal and start > total.start for o, start in cell.used):
            return
        totals = cells.totals(total.customer, total.feature, total.ordinal)
        revised = revision(quota, carryover, total.start, cell, totals)
        if revised is None:
            return
        _, start = revised.counter
        entry = carry_entry(total, name=limit.name, carried=revised.carried, now=now, window=Window(start, revised.end))
        if cells.revise(total.customer, total.feature, revised, entry):
            return
    raise Contended("others changed the cell at every try to revise what was carried")


def _in_force(rules: RulesStore, total: Total, now: Instant) -> Effective | None:
    """The limits as of the window, where it is yet to come, or now: what they say of the past is all that they ever
    said."""
    effective = rules.effective(total.customer)
    return None if effective is None else effective.in_force(max(now, total.start))
