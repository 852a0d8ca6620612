"""Followed usage in the cell: one write adds the usage of other windows and raises the cell's version. Pure.

    u.<live>   300                     counted until the change; containers with older limits count until this write
    u.<new>    := u.<live> + d         d: other counters, totals and rollups, less usage before the window's start

A window's counter and its followed part move together. So the window's own usage is unchanged, and so is the limit in
every condition. The counter that may still move (`live`) is read inside the write, so uses between the read and the
write are included. All other counters, and whatever else the cell holds of `live`, must have the values that were seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.openings import Opening, opening
from tallygate.domain.admission.origins import Origin
from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.limits.counters import CounterName
from tallygate.domain.limits.follows import NOBODY, FollowedWindow, Follows, Source
from tallygate.domain.limits.limits import Entitlement, Limit, Quota
from tallygate.domain.periods.recurrence import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """One window with the usage that follows into it.

    counter: of the window
    live: counter whose value in the write is added to both `used` and `followed`; None: no counter is added
    used: new value of the counter, before `live` is added
    followed: new followed part, before `live` is added
    watched: counters that must have the values that were seen; `live` among them may have grown by uses
    origin: where the usage came from, for late corrections
    opens: opening balance, if the write opens a carryover window; None: it does not
    begins: whether the write opens a first_use window
    excluded: own usage of the window that a manual reset excludes, up to the cell's `revision`
    """

    counter: CounterName
    live: CounterName | None
    used: Decimal
    followed: Decimal
    watched: tuple[CounterName, ...]
    origin: Origin
    opens: Opening | None = None
    begins: bool = False
    excluded: Decimal = ZERO
    revision: int = 0

    def in_cell(self, cell: Cell) -> Cell:
        """The cell after this following alone."""
        more = cell.used.get(self.live, ZERO) if self.live is not None else ZERO
        used = {**cell.used, self.counter: EXACT.add(self.used, more)}
        followed = {**cell.followed, self.counter: EXACT.add(self.followed, more)}
        carried, layers = dict(cell.carried), dict(cell.layers)
        if self.opens is not None and self.opens.layers:
            carried[self.counter], layers[self.counter] = self.opens.carried, self.opens.layers
        newest = {**cell.newest, self.counter[0]: self.counter[1]} if self.begins else cell.newest
        return replace(cell, used=used, followed=followed, carried=carried, layers=layers, newest=newest)


def followings(entitlement: Entitlement, cell: Cell, now: Instant) -> tuple[Following, ...]:
    """The followings that the cell has not applied yet."""
    return tuple(_followings(entitlement, cell, now))


def with_followings(entitlement: Entitlement, cell: Cell, now: Instant) -> Cell:
    """The cell after all its outstanding followings."""
    if cell.followings >= entitlement.followings:
        return cell
    after = cell
    for following in followings(entitlement, cell, now):
        moved = following.in_cell(cell)
        after = replace(
            after,
            used={**after.used, following.counter: moved.used[following.counter]},
            followed={**after.followed, following.counter: moved.followed[following.counter]},
            carried={**after.carried, **moved.carried},
            layers={**after.layers, **moved.layers},
            newest={**after.newest, **({following.counter[0]: following.counter[1]} if following.begins else {})},
        )
    return replace(after, followings=entitlement.followings)


def _followings(entitlement: Entitlement, cell: Cell, now: Instant) -> Iterator[Following]:
    for limit, quota in entitlement.each_quota:
        follows = quota.follows
        if follows is not None and follows.number > cell.followings:
            for window in follows.windows:
                if not _has_ended(window, quota, now):
                    yield _following(limit, quota, follows, window, cell)


def _has_ended(window: FollowedWindow, quota: Quota, now: Instant) -> bool:
    """Whether the window has ended before the cell received the change, so that nothing counts in it any more.

    Windows of quotas with accrual never count as ended here, because the next window is computed from them.
    """
    return window.end + quota.schedule.reach <= now and not quota.stretches


def _following(limit: Limit, quota: Quota, follows: Follows, window: FollowedWindow, cell: Cell) -> Following:
    counter = (quota.ordinal, window.start)
    sources = _sources(follows, window, cell)
    live = next((source for source in reversed(sources) if source.ordinal == follows.live), None)
    held, own = cell.used.get(counter), cell.own(counter)
    excluded, own = (own, ZERO) if window.excludes else (ZERO, own)
    opens = None
    if held is None and limit.carryover is not None and quota.stretches:
        opens = opening(quota, limit.carryover, Window(window.start, window.end), cell)
    raised = EXACT.add(cell.raised(counter), ZERO if opens is None else opens.carried)
    target = EXACT.add(ZERO if window.absolute else own, window.past)
    for source in sources:
        target = EXACT.add(target, _shown(source, cell))
    # Rounding outward and later corrections must not lower the window below its own usage.
    target = max(target, own)
    more = ZERO if live is None else cell.used.get((live.ordinal, live.start), ZERO)
    return Following(
        counter=counter,
        live=None if live is None else (live.ordinal, live.start),
        used=EXACT.subtract(EXACT.subtract(target, raised), more),
        followed=EXACT.subtract(EXACT.subtract(target, own), more),
        watched=(counter, *((source.ordinal, source.start) for source in sources)),
        origin=Origin(
            since=window.since,
            end=window.end,
            ordinals=follows.ordinals,
            live=None if live is None else (live.ordinal, live.start),
            brought=ZERO if live is None else cell.brought.get((live.ordinal, live.start), ZERO),
        ),
        opens=opens,
        excluded=excluded,
        revision=cell.revision,
        begins=quota.schedule.from_first_use and cell.newest.get(quota.ordinal) != window.start,
    )


def _sources(follows: Follows, window: FollowedWindow, cell: Cell) -> list[Source]:
    """The counters whose usage follows, including windows that the live quota has opened since the change was read."""
    if follows.live == NOBODY or (window.absolute and not window.sources):
        return list(window.sources)
    listed = {(source.ordinal, source.start) for source in window.sources}
    opened = (c for c in cell.used if c[0] == follows.live and follows.at <= c[1] < window.end)
    return [*window.sources, *(Source(*counter, ZERO) for counter in sorted(opened) if counter not in listed)]


def _shown(source: Source, cell: Cell) -> Decimal:
    """The source's own usage by the cell; by the change, if the cell has removed the counter."""
    counter = (source.ordinal, source.start)
    if counter not in cell.used:
        return source.seen
    return cell.own(counter)
