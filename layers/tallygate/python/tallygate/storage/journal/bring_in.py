"""Usage by event, added to the cells from the newest totals.

    u.<ordinal>.<start>    the counter of admission, events included
    e.<ordinal>.<start>    the part of u that came by events: the total's `by_event` when it was last added
    ev.<ordinal>.<start>   the total's `upto` that e came from
    sf.<ordinal>.0         the `upto` of the total by which usage was last suspended here
    lv.<ordinal>.<start>   waived levels: after a manual resume their tiers suspend no more in the window

The write transfers state, not a change: `u += new − e, e = new`, if the cell still has the seen e and a smaller ev. So
totals that arrive twice, late or out of order leave the value of the newest total. The write needs no room under the
limit, because the usage has already happened. It has no journal entry and keeps the revision, because the journal has
the events: `new u − old u = new e − old e` is its proof.

If such usage begins a grace or reaches a suspending tier, the cell is updated afterwards. A suspension requires that
the cell too shows that usage. It also requires a later change of the total than the last suspension, so a record seen
twice does not suspend again after a resume. A waived level suspends nothing in its window, however often usage by event
passes its tier.

This module also tidies cells without consume requests: the first events of a window remove the limit's earlier windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from tallygate.domain.admission.cells import DEAD_AFTER, WHOLE_FEATURE, Cell
from tallygate.domain.admission.tier_causes import TierCause, cause_text
from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.entries.notices import GraceEntry, TidyEntry
from tallygate.domain.entries.total import Total
from tallygate.domain.facts.consequences import SuspendingTier, suspension_entry
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.limits import Effective
from tallygate.domain.limits.rungs import BEYOND
from tallygate.errors import Contended
from tallygate.storage.admission import cell_image
from tallygate.storage.admission.cells import Cells
from tallygate.storage.admission.following import pass_on
from tallygate.storage.admission.openings import as_seen, still
from tallygate.storage.base import items
from tallygate.storage.base.engine import Engine, Update, Written
from tallygate.storage.base.expressions import (
    Absent,
    All,
    Change,
    Compare,
    Condition,
    Increase,
    Item,
    Present,
    Remove,
    Set,
    absent_or,
)
from tallygate.storage.entries.writes import CellWrite

TRIES_MAX = 10
_COUNTED = (
    cell_image.USED,
    cell_image.BROUGHT,
    cell_image.BROUGHT_FROM,
    *(f"{k}." for k in (*cell_image.BESIDE, *cell_image.OF_FOLLOWED)),
)
_SUSPENDED_FROM = "sf"


@dataclass(slots=True)
class CellEvents:
    """The updates that root cells receive from the aggregation."""

    engine: Engine

    def bring_in(self, total: Total, *, seen: Decimal, now: Instant) -> bool:
        """Add the total's usage by event to the cell. One request if the cell has the `seen` part.

        Nothing is added to a window that ended long ago or was removed, because nothing is admitted in it any more.
        With carryover, usage is added to every window that the cell still has. False: nothing was added, because the
        cell no longer counts in the window, or the window is not open.
        """
        if total.over <= now - DEAD_AFTER and not total.governed.carries:
            return False
        counter = (total.ordinal, total.start)
        brought, brought_from = cell_image.brought_name(counter), cell_image.brought_from_name(counter)
        for _ in range(TRIES_MAX):
            outcome = self.engine.write(_move(total, seen), repeatable=True)
            if isinstance(outcome, Written):
                self._tidy(total, outcome.image or {}, now)
                pass_on(self.engine, total, cell_image.cell_of(outcome.image), now)
                return True
            image = outcome.image or {}
            if not _kept(total, image):
                return False
            if _number(image, brought_from) >= total.upto:
                pass_on(self.engine, total, cell_image.cell_of(image), now)
                return True
            seen = _number(image, brought)
        raise Contended("other totals of the window won every try")

    def begin_grace(self, total: Total, now: Instant) -> None:
        if total.end <= now:
            return
        name = cell_image.window_name(cell_image.GRACE, (total.ordinal, total.start))
        entry = GraceEntry(feature=total.feature, time=now, counter=(total.ordinal, total.start))
        unless_begun = All((Absent(name), absent_or(Compare(cell_image.FLOOR, "<", total.over))))
        self.engine.write(CellWrite(total.cell, (Set(name, now),), entry, unless_begun).update, repeatable=True)

    def suspend(self, total: Total, by: SuspendingTier, now: Instant) -> None:
        """Suspend usage if the cell too shows more than the tier allows, once for each change of the total.

        One request if the cell has the same carryover and adjustments as the total, and no waiver. A window that ended
        long ago or was removed suspends nothing, and neither does a waived level.
        """
        until = by.until(total, now)
        if until is None or total.over <= now - DEAD_AFTER:
            return
        counter = (total.ordinal, total.start)
        carried, adjusted, waived = (
            cell_image.window_name(kind, counter)
            for kind in (cell_image.CARRIED, cell_image.ADJUSTED, cell_image.WAIVED)
        )
        seen = _Window(total.carried, total.adjusted, None)
        for _ in range(TRIES_MAX):
            outcome = self.engine.write(_suspension(total, by, until, seen, now), repeatable=True)
            if isinstance(outcome, Written):
                return
            image = outcome.image or {}
            levels = items.text(image, waived) if waived in image else None
            shown = _Window(_number(image, carried), _number(image, adjusted), levels)
            if shown == seen or by.tier.level in (levels or "").split(","):
                return
            seen = shown
        raise Contended("the limit of the window changed during every try")

    def raise_version(self, cell: CellName, version: int, now: Instant) -> None:
        Cells(self.engine).raise_version(cell, version, now)

    def follow(self, effective: Effective, feature: str, now: Instant) -> Cell:
        return Cells(self.engine).follow(effective, feature, now)

    def _tidy(self, total: Total, image: Item, now: Instant) -> None:
        """Remove the limit's windows that ended long ago. The floor then guards their names.

        Windows of one limit do not overlap, so a window that began before this one ended by its start. For a rolling
        period, only sub-windows that no longer count are removed.
        """
        if total.start > now - DEAD_AFTER or total.governed.carries:
            return
        earlier = [
            name
            for name in image
            if name.startswith(_COUNTED)
            and _ordinal(name) == total.ordinal
            and _start(name) < total.start - total.governed.reach
        ]
        if not earlier:
            return
        changes: tuple[Change, ...] = (*(Remove(name) for name in earlier), Set(cell_image.FLOOR, total.start))
        entry = TidyEntry(feature=total.feature, time=now, floor=total.start)
        unless_higher = absent_or(Compare(cell_image.FLOOR, "<=", total.start))
        # If refused, another writer has already removed more. A repetition finds nothing to remove and the floor in
        # place.
        self.engine.write(CellWrite(total.cell, changes, entry, unless_higher).update)


def _kept(total: Total, image: Item) -> bool:
    """Return whether the cell may still count in the total's window."""
    if total.governed.carries:
        return cell_image.used_name((total.ordinal, total.start)) in image
    return _number(image, cell_image.FLOOR) < total.over


def _ordinal(name: str) -> int:
    return int(name.split(".")[1])


def _start(name: str) -> int:
    return int(name.split(".")[2])


def _move(total: Total, seen: Decimal) -> Update:
    counter = (total.ordinal, total.start)
    by = total.by_event - seen
    changes = (
        Increase(cell_image.used_name(counter), by),
        Set(cell_image.brought_name(counter), total.by_event),
        Set(cell_image.brought_from_name(counter), total.upto),
    )
    kept: Condition = absent_or(Compare(cell_image.FLOOR, "<", total.over))
    if total.governed.carries:
        kept = Present(cell_image.used_name(counter))
    clauses = (
        still(cell_image.brought_name(counter), seen),
        absent_or(Compare(cell_image.brought_from_name(counter), "<", total.upto)),
        kept,
    )
    return CellWrite(total.cell, changes, None, All(clauses)).update


class _Window(NamedTuple):
    """The values of a window that a suspension depends on, as seen in its cell."""

    carried: Decimal
    adjusted: Decimal
    waived: str | None


def _suspension(total: Total, by: SuspendingTier, until: Instant, seen: _Window, now: Instant) -> Update:
    """Return the write that suspends usage. It is refused if the window has changed since it was seen."""
    counter, base = (total.ordinal, total.start), total.governed.limit
    assert base is not None, "an unlimited quota has no suspending tier"
    raised = seen.carried + seen.adjusted
    name = total.ordinal if total.governed.scope else WHOLE_FEATURE
    suspended, cause = cell_image.suspended_name(name), TierCause(total.ordinal, total.start, now, by.tier.level)
    guard = cell_image.window_name(_SUSPENDED_FROM, (total.ordinal, 0))
    changes = (
        Set(suspended, until),
        Set(cell_image.cause_name(name), cause_text(cause)),
        Set(guard, total.upto),
    )
    clauses = (
        Compare(cell_image.used_name(counter), BEYOND, by.above(base + raised) - raised),
        still(cell_image.window_name(cell_image.CARRIED, counter), seen.carried),
        still(cell_image.window_name(cell_image.ADJUSTED, counter), seen.adjusted),
        as_seen(cell_image.window_name(cell_image.WAIVED, counter), seen.waived),
        absent_or(Compare(suspended, "<", until if by.policy.lasts is None else now + 1)),
        absent_or(Compare(guard, "<", total.upto)),
        absent_or(Compare(cell_image.FLOOR, "<", total.over)),
    )
    return CellWrite(total.cell, changes, suspension_entry(total, by.tier, until, now), All(clauses)).update


def _number(image: Item, name: str) -> Decimal:
    value = image.get(name)
    return value if isinstance(value, Decimal) else ZERO
