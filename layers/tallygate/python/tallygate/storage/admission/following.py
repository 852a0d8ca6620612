"""How usage follows into other windows of a cell, in the write that raises the cell's version of the limits.

    u.<new>      := u.<live> + …     w.<new>   := u.<live> + …     (`domain.admission.following`)
    ws, wn, wb   the origin of w     fw        number of the following     cv   version of the limits

The write requires that the seen counters have not changed. The live counter is the exception: decisions in between are
included in the sum. The live counter's part by events must be unchanged too, so that it is known how much of it has
followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.following import Following, followings
from tallygate.domain.admission.origins import Origin, origin_text
from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.entries.reset_marks import ResetMark, mark_text
from tallygate.domain.entries.total import Total
from tallygate.domain.entries.windows import Followed, FollowEntry, Passed, PassOnEntry
from tallygate.domain.limits.counters import CellName, CountedWindow, CounterName
from tallygate.domain.limits.limits import Effective, Entitlement
from tallygate.errors import Contended
from tallygate.storage.admission import cell_image
from tallygate.storage.admission.openings import as_seen, not_open_yet, opening_changes
from tallygate.storage.base import items, keys
from tallygate.storage.base.engine import Engine, Refused, Update
from tallygate.storage.base.expressions import (
    All,
    Change,
    Compare,
    Condition,
    Copy,
    Increase,
    Item,
    Present,
    Set,
    SetSum,
    absent_or,
)
from tallygate.storage.entries.writes import CellWrite
from tallygate.storage.limits.versions import effective_at

TRIES_MAX = 10


def follow(engine: Engine, effective: Effective, feature: str, now: Instant) -> Cell:
    """Announce the limits to the feature's cell and let usage follow as they say. Return the cell after it.

    One read and one write. No write if the cell has these or newer limits. Repeating changes nothing. Raises Contended
    if other writers change the cell during every try.
    """
    entitlement = effective.entitlements[feature]
    key = keys.cell(CellName(effective.customer, feature))
    image = engine.get(key)
    for _ in range(TRIES_MAX):
        cell = cell_image.cell_of(image)
        if cell.version > effective.version or cell.followings >= entitlement.followings:
            return cell
        outcome = engine.write(_update(effective, entitlement, cell, image, now), repeatable=True)
        if not isinstance(outcome, Refused):
            return cell_image.cell_of(outcome.image)
        image = outcome.image
    raise Contended("other writers changed the counters during every try to let usage follow")


def _update(effective: Effective, entitlement: Entitlement, cell: Cell, image: Item | None, now: Instant) -> Update:
    found = followings(entitlement, cell, now)
    entry = FollowEntry(
        feature=entitlement.feature,
        meter=entitlement.meter,
        time=now,
        version=effective.version,
        moved=tuple(
            Followed(
                CountedWindow(*each.counter, each.origin.end),
                each.followed,
                each.live,
                None if each.opens is None else each.opens.carried,
                each.excluded,
            )
            for each in found
        ),
    )
    changes = (
        *(change for each in found for change in _changes(each, image)),
        Set(cell_image.VERSION, effective.version),
        Set(cell_image.FOLLOWINGS, entitlement.followings),
    )
    clauses = (
        absent_or(Compare(cell_image.VERSION, "<=", effective.version)),
        absent_or(Compare(cell_image.FOLLOWINGS, "<", entitlement.followings)),
        *_as_they_were(found, cell, image or {}),
    )
    return CellWrite(CellName(effective.customer, entitlement.feature), changes, entry, All(clauses)).update


def _changes(following: Following, image: Item | None) -> list[Change]:
    counter, origin = following.counter, following.origin
    used, followed = cell_image.used_name(counter), cell_image.window_name(cell_image.FOLLOWED, counter)
    changes: list[Change]
    if following.live is None:
        changes = [Set(used, following.used), Set(followed, following.followed)]
    else:
        live = cell_image.used_name(following.live)
        changes = [SetSum(used, live, following.used), SetSum(followed, live, following.followed)]
        changes.append(Set(cell_image.window_name(cell_image.FOLLOWED_BROUGHT, counter), origin.brought))
    changes.append(Set(cell_image.window_name(cell_image.FOLLOWED_FROM, counter), origin_text(origin)))
    revision = cell_image.window_name(cell_image.FOLLOWED_AT, counter)
    changes.append(Copy(revision, items.REVISION) if items.REVISION in (image or {}) else Set(revision, 0))
    if following.excluded:
        mark = ResetMark(upto=following.revision)
        changes.append(Set(cell_image.window_name(cell_image.RESET, counter), mark_text(mark)))
    if following.opens is not None:
        changes += opening_changes(counter, following.opens)
    elif following.begins:
        changes.append(Set(cell_image.newest_name(counter[0]), counter[1]))
    return changes


def _as_they_were(found: Sequence[Following], cell: Cell, image: Item) -> list[Condition]:
    """The seen counters have not changed. For the live counters, all but the counter itself."""
    live = {each.live for each in found if each.live is not None}
    watched = {counter for each in found for counter in each.watched} | live
    names: list[str] = []
    for counter in sorted(watched):
        names += [
            cell_image.window_name(kind, counter)
            for kind in (cell_image.CARRIED, cell_image.ADJUSTED, cell_image.FOLLOWED)
        ]
        names.append(cell_image.brought_name(counter) if counter in live else cell_image.used_name(counter))
    clauses: list[Condition] = [as_seen(name, _number(image, name)) for name in names]
    for each in found:
        if each.begins:
            clauses.append(as_seen(cell_image.newest_name(each.counter[0]), cell.newest.get(each.counter[0])))
        if each.opens is not None:
            clauses.append(not_open_yet(each.counter, each.opens))
    if any(items.REVISION not in image for _ in found[:1]):
        clauses.append(as_seen(items.REVISION, None))
    return clauses


def _number(image: Item, name: str) -> Decimal | None:
    value = image.get(name)
    return value if isinstance(value, Decimal) else None


def pass_on(engine: Engine, total: Total, cell: Cell, now: Instant) -> None:
    """Let late usage by event follow: usage added to the total's counter after that counter had been followed.

    Each following window gets the counter's current part by events. No request if it has that part already; else one
    for each window, and one for the limits.

    If the counter's quota is in force, again or beside the new one, usage added to it came after the change. From then
    on none of it follows. Raises Contended if other writers win every try.
    """
    counter = (total.ordinal, total.start)
    counts: bool | None = None
    for _ in range(TRIES_MAX):
        found = next(
            (
                (into, origin)
                for into, origin in sorted(cell.origins.items())
                if origin.live == counter and origin.brought != cell.brought.get(counter, ZERO) and into in cell.used
            ),
            None,
        )
        if found is None:
            return
        if counts is None:
            counts = _counts(engine, total, now)
        write = _ended(total, *found, now) if counts else _passed_on(total, cell, *found, now)
        outcome = engine.write(write, repeatable=True)
        cell = cell_image.cell_of(outcome.image)
    raise Contended("other writers changed the counters during every try to let usage by event follow")


def _counts(engine: Engine, total: Total, now: Instant) -> bool:
    """Return whether the total's quota is in force."""
    known = effective_at(engine, total.customer)
    entitlement = None if known is None else known.in_force(now).entitlements.get(total.feature)
    return entitlement is not None and total.ordinal in entitlement.quotas


def _ended(total: Total, into: CounterName, origin: Origin, now: Instant) -> Update:
    """Return the write after which no usage by event follows into the window any more."""
    name = cell_image.window_name(cell_image.FOLLOWED_FROM, into)
    same = as_seen(cell_image.window_name(cell_image.FOLLOWED_AT, into), origin.revision)
    changes = (Set(name, origin_text(replace(origin, live=None))),)
    condition = All((Compare(name, "=", origin_text(origin)), same))
    return CellWrite(total.cell, changes, _pass_on_entry(total, (), now), condition).update


def _passed_on(total: Total, cell: Cell, into: CounterName, origin: Origin, now: Instant) -> Update:
    brought = cell.brought.get((total.ordinal, total.start), ZERO)
    by, name = EXACT.subtract(brought, origin.brought), cell_image.window_name(cell_image.FOLLOWED_BROUGHT, into)
    changes = (
        Increase(cell_image.used_name(into), by),
        Increase(cell_image.window_name(cell_image.FOLLOWED, into), by),
        Set(name, brought),
    )
    entry = _pass_on_entry(total, (Passed(CountedWindow(*into, origin.end), by),), now)
    condition = All((as_seen(name, origin.brought), Present(cell_image.used_name(into))))
    return CellWrite(total.cell, changes, entry, condition).update


def _pass_on_entry(total: Total, passed: tuple[Passed, ...], now: Instant) -> PassOnEntry:
    return PassOnEntry(feature=total.feature, meter=total.governed.meter, time=now, passed=passed)
