"""Following: how the cell lets usage of other windows follow into one, in the write that raises its version. Pure.

    u.<live>   300                     counted until the change, and by others until this very write
    u.<new>    := u.<live> + d         d: what other counters show, what totals and rollups say, less what lies before

A window's counter and the part of it that followed move together. So what was used under the window itself stays what
it is, and the limit in every condition stays what it is. The counter that still moves is taken by reference: uses that
come between the look and the write are in it. All others are pinned as they were seen.
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
    """One window with what follows into it.

    Its counter becomes `used` and the part that followed `followed`, each more by the counter `live` as it is in the
    write (None: by nothing). `watched` are the counters that were seen and must not have moved. `opens` is what the
    window begins with where something carries over, `begins` whether it is a first use. `excluded` is what a manual
    reset takes out of what the window counted itself, up to the cell's `revision`.
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
        """The cell with what followed, were this the only write."""
        more = cell.used.get(self.live, ZERO) if self.live is not None else ZERO
        used = {**cell.used, self.counter: EXACT.add(self.used, more)}
        followed = {**cell.followed, self.counter: EXACT.add(self.followed, more)}
        carried, layers = dict(cell.carried), dict(cell.layers)
        if self.opens is not None and self.opens.layers:
            carried[self.counter], layers[self.counter] = self.opens.carried, self.opens.layers
        newest = {**cell.newest, self.counter[0]: self.counter[1]} if self.begins else cell.newest
        return replace(cell, used=used, followed=followed, carried=carried, layers=layers, newest=newest)


def followings(entitlement: Entitlement, cell: Cell, now: Instant) -> tuple[Following, ...]:
    """What is to follow in the cell that it does not know yet."""
    return tuple(_followings(entitlement, cell, now))


def with_followings(entitlement: Entitlement, cell: Cell, now: Instant) -> Cell:
    """The cell as it stands once everything has followed."""
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
    for limit in entitlement.limits:
        for quota in limit.quotas:
            follows = quota.follows
            if follows is not None and follows.number > cell.followings:
                for window in follows.windows:
                    if not _over(window, quota, now):
                        yield _following(limit, quota, follows, window, cell)


def _over(window: FollowedWindow, quota: Quota, now: Instant) -> bool:
    """Whether nothing is counted in the window any more: nobody has learned of the change for as long."""
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
    # What is rounded outward, or was corrected since, leaves no window with less than was used under it.
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
    """The counters that follow; where the live one has gone on to another window since the look, that too."""
    if follows.live == NOBODY or (window.absolute and not window.sources):
        return list(window.sources)
    listed = {(source.ordinal, source.start) for source in window.sources}
    opened = (c for c in cell.used if c[0] == follows.live and follows.at <= c[1] < window.end)
    return [*window.sources, *(Source(*counter, ZERO) for counter in sorted(opened) if counter not in listed)]


def _shown(source: Source, cell: Cell) -> Decimal:
    counter = (source.ordinal, source.start)
    if counter not in cell.used:
        return source.seen
    return cell.own(counter)
