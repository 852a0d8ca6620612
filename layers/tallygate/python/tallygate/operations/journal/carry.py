"""carry: corrects carryover, so that events and late changes count as if all had arrived on time.

    usage by event in a window that is not open yet ──> open it with its carryover, then add the usage
    a change of a window that has ended             ──> revise the carryover of the windows after it
    a late window below the cell's floor            ──> the same; its total learns what was carried into it

Both steps are computed from the cell and the totals, and written only if these have not changed. Repeating them changes
nothing. Each total that changes is looked at again, together with the window before it. So late writes, repeated writes
and lost races all lead to the same end: each window begins with what the window before it left.
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
"""Events may be a few minutes ahead, and open a window before it begins."""
REMOVED_AT_ONCE_MAX = 25
"""The most totals of removed windows that one call revises.

The change of the last total triggers the next call. So a long walk takes several batches, and no batch takes long.
"""


@dataclass(frozen=True, slots=True)
class Moved:
    """The earliest window of a quota that a batch has changed, by its newest total.

    revised: whether the carryover into a changed window was revised; such a window is checked once more
    """

    total: Total
    revised: bool


def moved(changes: Sequence[TotalChanged], now: Instant) -> list[Moved]:
    """Return, for each quota that carries over, where a revision begins.

    A current window is left out: no window after it is open.
    """
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
    """Open the total's window in its cell, so that usage by event can be added to it. Return whether it is open.

    A window that ended below the cell's floor, with a later window open, is not opened: no request can count in it, and
    `revise` handles it. A few requests, and none where nothing carries over.
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
    raise Contended("other writers changed the counters during every try to open a window")


def revise(cells: CarriedCells, rules: RulesStore, since: Moved, now: Instant) -> None:
    """Make each window after the changed one begin with what the window before it left.

    Two reads where no later window is open. Otherwise two or three, and a write for each revised window.
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
    raise Contended("other writers changed the counters during every try to revise carryover")


def _revised(cells: CarriedCells, total: Total, by: tuple[Quota, Carryover], cell: Cell, now: Instant) -> bool:
    """Write the revisions, with the windows that still count for admission first. Return whether all were written."""

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
    """Return the entry of a write that carries these layers into a window of the total's limit."""
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
    """Return the limits in force at the window's start if it is in the future, else now.

    For past windows this is enough, because the limits keep their past.
    """
    effective = rules.effective(total.customer)
    return None if effective is None else effective.in_force(max(now, total.start))
