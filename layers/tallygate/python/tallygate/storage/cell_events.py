"""Usage by event on its way into the cells: what the newest total says, brought in once.

    u.<ordinal>.<start>    what admission counts, events included
    e.<ordinal>.<start>    the part of it that came by events: the total's `by_event` as it was last brought in
    ev.<ordinal>.<start>   the total's `upto` that it came from

The move is by state, not by change: `u += new − e, e = new`, where the cell shows e as it was seen and a smaller ev. So
totals that arrive twice, late or out of order leave what the newest of them says. It asks for no room: it has happened.

A cell that nobody consumes from is tidied here: the first events of a window remove the limit's earlier ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tallygate.domain.cells import DEAD_AFTER
from tallygate.domain.entries import event_entry, tidy_entry
from tallygate.domain.facts import Total
from tallygate.domain.instants import Instant
from tallygate.domain.quantities import ZERO
from tallygate.errors import Contended
from tallygate.storage import items, keys
from tallygate.storage.cells import Cells
from tallygate.storage.engine import Engine, Update, Written
from tallygate.storage.expressions import All, Change, Compare, Condition, Increase, Item, Remove, Set, absent_or

TRIES_MAX = 10
_COUNTED = (items.USED, items.BROUGHT, items.BROUGHT_FROM)


@dataclass(slots=True)
class CellEvents:
    """What the fold tells the root cells."""

    engine: Engine

    def bring_in(self, total: Total, *, seen: Decimal, now: Instant) -> None:
        """Let the cell count what the total says came by events. One request where the cell shows what was `seen`.

        A window that is over for long, or that the cell has removed, is left alone: nothing is admitted there any more.
        """
        if total.over <= now - DEAD_AFTER:
            return
        counter = (total.ordinal, total.start)
        brought, brought_from = items.brought_name(counter), items.brought_from_name(counter)
        for _ in range(TRIES_MAX):
            outcome = self.engine.write(_move(total, seen, now), repeatable=True)
            if isinstance(outcome, Written):
                self._tidy(total, outcome.image or {}, now)
                return
            image = outcome.image or {}
            if _number(image, brought_from) >= total.upto or _number(image, items.FLOOR) >= total.over:
                return
            seen = _number(image, brought)
        raise Contended("other totals' events won every try")

    def raise_version(self, customer: str, feature: str, version: int, now: Instant) -> None:
        """Let the cell refuse writers with older limits. One request; repeating changes nothing."""
        Cells(self.engine).raise_version(customer, feature, version, now)

    def _tidy(self, total: Total, image: Item, now: Instant) -> None:
        """Remove the limit's earlier windows where they have been over for long; the floor then guards their names.

        Windows of one limit do not overlap, so all that began before this one ended by its start; of what rolls, those
        that no longer count by then.
        """
        if total.start > now - DEAD_AFTER:
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
        changes: tuple[Change, ...] = (
            *(Remove(name) for name in earlier),
            Set(items.FLOOR, total.start),
            Set(items.LAST, items.entry_text(tidy_entry(total.start, now))),
            Increase(items.REVISION, 1),
        )
        unless_higher = absent_or(Compare(items.FLOOR, "<=", total.start))
        # Refused, somebody else has tidied further; repeated, there is nothing left to remove but the floor stands.
        key = keys.root_cell(total.customer, total.feature)
        self.engine.write(Update(key=key, changes=changes, condition=unless_higher))


def _ordinal(name: str) -> int:
    return int(name.split(".")[1])


def _start(name: str) -> int:
    return int(name.split(".")[2])


def _move(total: Total, seen: Decimal, now: Instant) -> Update:
    counter = (total.ordinal, total.start)
    by = total.by_event - seen
    changes: tuple[Change, ...] = (
        Increase(items.used_name(counter), by),
        Set(items.brought_name(counter), total.by_event),
        Set(items.brought_from_name(counter), total.upto),
        Set(items.LAST, items.entry_text(event_entry(total.ordinal, total.start, by, total.by_event, now))),
        Increase(items.REVISION, 1),
    )
    as_seen: Condition = Compare(items.brought_name(counter), "=", seen)
    return Update(
        key=keys.root_cell(total.customer, total.feature),
        changes=changes,
        condition=All(
            (
                absent_or(Compare(items.brought_name(counter), "=", ZERO)) if seen == 0 else as_seen,
                absent_or(Compare(items.brought_from_name(counter), "<", total.upto)),
                absent_or(Compare(items.FLOOR, "<", total.over)),
            )
        ),
    )


def _number(image: Item, name: str) -> Decimal:
    value = image.get(name)
    return value if isinstance(value, Decimal) else ZERO
