"""Replays: the windows in which a grant counted, so that a repeated request is answered with those windows.

    consume, key k, 30 November ──> granted: window November     receipt: amount, decision id, time, windows
    consume, key k,  1 December ──> the same grant:  window November, resets_at 1 December
                                    `used`, `remaining`, level: those of November as they are now

The limits are those in force now. A window whose limit has left force is shown with its former limit, which the receipt
keeps. Windows of limits that came into force later are left out, because the decision did not count in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.terms import QuotaTerm, Terms, terms
from tallygate.domain.base.instants import MINUTE, Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.limits.counters import CounterName
from tallygate.domain.limits.governing import limit_names
from tallygate.domain.limits.limits import Effective, Entitlement, Limit, Quota
from tallygate.domain.periods.recurrence import Window

if TYPE_CHECKING:
    from tallygate.domain.entries.total import Total


class KeptWindow(NamedTuple):
    """A quota window in which a grant counted.

    limit: base of the window, without carryover and adjustments; None: unlimited
    """

    ordinal: int
    start: Instant
    end: Instant
    limit: Decimal | None

    @property
    def counter(self) -> CounterName:
        return (self.ordinal, self.start)


def kept_windows(wanted: Terms) -> tuple[KeptWindow, ...]:
    """The quota windows in which a write of these terms counts, the entitlement's own first."""
    return tuple(
        KeptWindow(term.quota.ordinal, term.window.start, term.window.end, term.quota.limit) for term in wanted.quotas
    )


def instant_in(minute: int, now: Instant) -> Instant:
    """The instant of a minute that is nearest to now."""
    return min(max(now, minute * MINUTE), (minute + 1) * MINUTE - 1)


def counted_under(effective: Effective, entitlement: Entitlement, windows: Sequence[KeptWindow]) -> Entitlement | None:
    """The entitlement reduced to these windows, former limits included.

    None: the entitlement's own quota, the source of the numbers at the top of an answer, is not known any more.
    """
    kept = {window.ordinal: window for window in windows}
    limits = [
        replace(limit, quotas=tuple(quota for quota in limit.quotas if quota.ordinal in kept))
        for limit in entitlement.limits
    ]
    known = {quota.ordinal for limit in limits for quota in limit.quotas}
    names = limit_names(effective)
    for window in windows:
        schedule = effective.retired.get(window.ordinal)
        if window.ordinal in known or schedule is None:
            continue
        former = Quota(ordinal=window.ordinal, limit=window.limit, schedule=schedule)
        name = names.get(window.ordinal, entitlement.feature)
        place = next((place for place, limit in enumerate(limits) if limit.name == name), None)
        if place is None:
            limits.append(Limit(name=name, quotas=(former,)))
        else:
            limits[place] = replace(limits[place], quotas=(former, *limits[place].quotas))
    if not limits[0].quotas:
        return None
    return replace(entitlement, limits=tuple(limit for limit in limits if limit.quotas or limit.rates))


def terms_in(
    entitlement: Entitlement,
    wanted: Terms,
    windows: Sequence[KeptWindow],
    cell: Cell,
    *,
    at: Instant,
    amount: Decimal,
    dimensions: Mapping[str, str],
) -> Terms:
    """The terms of a grant that was made at an instant, for its windows.

    windows: those in which it counted; empty: the windows that held the instant
    """
    made = terms(
        entitlement,
        amount=amount,
        version=wanted.version,
        mark=wanted.mark,
        remembered=wanted.remembered,
        now=at,
        seen=cell,
        dimensions=dimensions,
    )
    if not windows:
        return made
    kept = {window.ordinal: window for window in windows}
    quotas = tuple(_in_window(term, kept[term.quota.ordinal], cell) for term in made.quotas)
    return replace(made, quotas=quotas)


def _in_window(term: QuotaTerm, kept: KeptWindow, cell: Cell) -> QuotaTerm:
    """The term for the window in which the grant counted, even if a new request would count in another one."""
    newest = cell.newest.get(kept.ordinal) if term.quota.schedule.from_first_use else None
    return replace(term, window=Window(kept.start, kept.end), newest=newest, opens=None, expected=None)


def gone_from(cell: Cell, windows: Iterable[tuple[CounterName, Instant]]) -> tuple[CounterName, ...]:
    """The counters, among these, that the cell has removed since the grant counted in them.

    windows: counters with the ends of their windows
    """
    return tuple(
        counter for counter, end in windows if counter not in cell.used and cell.floor is not None and end <= cell.floor
    )


def completed(cell: Cell, totals: Mapping[CounterName, Total | None]) -> Cell:
    """The cell completed with windows that it has removed, by their totals.

    totals: by counter; None as a value: no usage of the window is aggregated yet
    """
    if not totals:
        return cell
    used, carried, adjusted = dict(cell.used), dict(cell.carried), dict(cell.adjusted)
    for counter, total in totals.items():
        used[counter] = ZERO
        if total is not None:
            carried[counter], adjusted[counter] = total.carried, total.adjusted
            used[counter] = total.value - total.excluded - total.carried - total.adjusted
    return replace(cell, used=used, carried=carried, adjusted=adjusted)
