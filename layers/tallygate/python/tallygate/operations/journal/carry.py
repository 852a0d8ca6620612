"""carry: what the fold does where quota carries over, so that events and late changes count as if all had been on time.

    usage by event in a window that nobody has opened ──> open it with what is carried, then bring the usage in
    a change of a window that has ended               ──> revise what was carried into the windows after it
    a late window that the cell has passed by         ──> the same: its total learns what was carried into it

Both are computed from what the cell and the totals show, and written only over that. Repeating them changes nothing.
Each window's total that changes is looked at again, with the window before it. So whatever is written late, twice, or
over something that has moved since, the totals come to rest only where each window begins with what the one before it
left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.openings import opening
from tallygate.domain.base.instants import MINUTE, Instant
from tallygate.domain.catalog.carryover import Carryover
from tallygate.domain.entries.total import Total
from tallygate.domain.entries.windows import CarryEntry
from tallygate.domain.facts.revisions import (
    Revision,
    begins_there,
    carrying,
    revisions,
)
from tallygate.domain.journal.observed import TotalChanged
from tallygate.domain.limits.counters import CarriedIn, CountedWindow
from tallygate.domain.limits.limits import Effective, Quota
from tallygate.domain.limits.rollover import Layer
from tallygate.domain.periods.recurrence import Window
from tallygate.errors import Contended
from tallygate.operations.journal.ports import CarriedCells
from tallygate.operations.limits.ports import RulesStore

TRIES_MAX = 10
EARLY = 10 * MINUTE
"""Events may be a few minutes ahead of time, and open a window before it begins."""
REMOVED_AT_ONCE_MAX = 25
"""So many totals of windows that the cell has removed are revised by one call. The change of the last one's total
brings the next call, so that a long walk takes several batches and no batch takes long."""


@dataclass(frozen=True, slots=True)
class Moved:
    """The earliest window of a quota that a batch has changed, by its total as it is now.

    revised: whether what is carried into one of the changed windows was revised, which is looked at once more
    """

    total: Total
    revised: bool


def moved(changes: Sequence[TotalChanged], now: Instant) -> list[Moved]:
    """Of each quota that carries over, where to begin. What runs is left alone: nobody has opened a window after it."""
    found: dict[tuple[str, int], Moved] = {}
    for change in changes:
        old, new = change.old, change.new
        if not new.governed.carries or (old is not None and old.upto == new.upto):
            continue
        revised = old is not None and not old.unopened and (old.carried, old.layers) != (new.carried, new.layers)
        if new.end > now + EARLY and not revised:
            continue
        name = (new.customer, new.ordinal)
        if (other := found.get(name)) is not None:
            earliest = other.total if other.total.start < new.start else new
            found[name] = Moved(earliest, other.revised or revised)
        else:
            found[name] = Moved(new, revised)
    return list(found.values())


def open_window(cells: CarriedCells, rules: RulesStore, total: Total, now: Instant) -> bool:
    """Open the total's window in its cell, so that usage by event can be brought in; whether it is open. A few
    requests, and none where nothing carries over.

    A window that ended below the cell's floor is not opened, since no request can count in it. `revise` handles it.
    """
    if not total.governed.carries:
        return False
    found = carrying(_in_force(rules, total, now), total.ordinal)
    if found is None:
        return False
    quota, carryover = found
    counter, window = (total.ordinal, total.start), Window(total.start, total.end)
    for _ in range(TRIES_MAX):
        cell = cells.read(total.cell)
        opens = opening(quota, carryover, window, cell)
        if opens is None:
            return True
        over = cell.floor is not None and cell.floor >= total.end
        if over and _shows_later(cell, total):
            return False
        ahead = total.start > now or (cell.floor is not None and cell.floor >= total.start)
        entry = _entry(total, CountedWindow(total.ordinal, total.start, total.end), opens.layers, now)
        if cells.open_window(total.cell, counter, opens, entry, floor=None if ahead else total.start):
            return True
    raise Contended("others changed the cell at every try to open its window")


def revise(cells: CarriedCells, rules: RulesStore, since: Moved, now: Instant) -> None:
    """Let each window after the one that moved begin with what the one before it left.

    Two reads where no later window is open; else two or three, and a write for each window that is revised.
    """
    total = since.total
    found = carrying(_in_force(rules, total, now), total.ordinal)
    if found is None:
        return
    for _ in range(TRIES_MAX):
        cell = cells.read(total.cell)
        if not since.revised and not _shows_later(cell, total):
            return
        if _revised(cells, total, found, cell, now):
            return
    raise Contended("others changed the cell at every try to revise what was carried")


def _revised(cells: CarriedCells, total: Total, by: tuple[Quota, Carryover], cell: Cell, now: Instant) -> bool:
    """Whether all was written that the look calls for; what still counts for admission comes first."""

    def enough(known: Total) -> bool:
        return begins_there(total.ordinal, total.start, cell, known)

    totals = cells.totals(total.cell, total.ordinal, until=enough)
    found = revisions(*by, total.start, cell, totals)

    def write(revision: Revision) -> bool:
        window = CountedWindow(*revision.counter, revision.end)
        return cells.revise(total.cell, revision, _entry(total, window, revision.layers, now, revision.removed))

    removed = [each for each in found if each.removed][:REMOVED_AT_ONCE_MAX]
    return all(write(each) for each in (*(each for each in found if not each.removed), *removed))


def _entry(
    about: Total, window: CountedWindow, layers: tuple[Layer, ...], now: Instant, removed: bool = False
) -> CarryEntry:
    """The entry of a write after which these layers are carried into a window of the total's limit."""
    return CarryEntry(
        feature=about.feature,
        meter=about.governed.meter,
        name=about.governed.name,
        window=window,
        time=now,
        into=CarriedIn(layers=layers),
        removed=removed,
    )


def _shows_later(cell: Cell, total: Total) -> bool:
    return any(ordinal == total.ordinal and start > total.start for ordinal, start in cell.used)


def _in_force(rules: RulesStore, total: Total, now: Instant) -> Effective | None:
    """The limits as of the window, where it is yet to come, or now: what they say of the past is all that they ever
    said."""
    effective = rules.effective(total.customer)
    return None if effective is None else effective.in_force(max(now, total.start))
