"""Revisions: what is carried into a window that is open, computed anew because an earlier one has changed since.

    late usage of March ──> the total of March ──> what March leaves ──> April, which is open: u and k together

    late usage of an idle month, which nobody has opened ──> it is opened after all, with what was carried over it

What the cell shows of a window is newer than its total; of windows that the cell has no more the total says it all.
What is carried may fall below what was spent of it by then: what remains is nothing then, and no usage is touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from tallygate.domain.carryover import Carryover
from tallygate.domain.cells import Cell, CounterName
from tallygate.domain.facts import Total
from tallygate.domain.instants import Instant
from tallygate.domain.limits import Effective, Limit, Quota
from tallygate.domain.openings import Opening
from tallygate.domain.periods import window_at
from tallygate.domain.quantities import ZERO
from tallygate.domain.rolls import Layer, Standing, base_of, carried_out, rolled, total


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """What is carried into an open window, as it was and as it should be. It holds while `after` shows what it did."""

    counter: CounterName
    end: Instant
    was: Decimal
    layers: tuple[Layer, ...]
    after: tuple[CounterName, Decimal] | None

    @property
    def carried(self) -> Decimal:
        return total(self.layers)


def carrying(effective: Effective | None, ordinal: int) -> tuple[Limit, Quota, Carryover] | None:
    """The quota in force of this ordinal, if anything carries over in it."""
    found = None if effective is None else _quota(effective, ordinal)
    if found is None or found[0].carryover is None or not found[1].stretches:
        return None
    return *found, found[0].carryover


def _quota(effective: Effective, ordinal: int) -> tuple[Limit, Quota] | None:
    for entitlement in effective.entitlements.values():
        for limit in entitlement.limits:
            for quota in limit.quotas:
                if quota.ordinal == ordinal:
                    return limit, quota
    return None


def revision(
    quota: Quota, carryover: Carryover, changed: Instant, cell: Cell, totals: Mapping[Instant, Total]
) -> Revision | None:
    """What is to be revised because the window that began at `changed` has changed; None: nothing is."""
    open_after = [start for ordinal, start in cell.used if ordinal == quota.ordinal and start > changed]
    if not open_after:
        return None
    into = min(open_after)
    counter = (quota.ordinal, changed)
    after = (counter, cell.used[counter]) if counter in cell.used else None
    if after is not None:
        last: Standing | None = cell.standing(counter)
    else:
        earlier = max((start for start in totals if start < changed), default=None)
        last = None if earlier is None else _standing(totals[earlier], cell)
    since = changed if after is not None or last is None else last.start
    used = {start: each.used - each.adjusted for start, each in totals.items() if since <= start < into}
    layers = rolled(carryover, quota.schedule, quota.stretches, last, into, used)
    was = cell.carried.get((quota.ordinal, into), ZERO)
    found = Revision(
        counter=(quota.ordinal, into),
        end=window_at(quota.schedule, into).end,
        was=was,
        layers=layers,
        after=after,
    )
    return None if found.carried == was else found


def missed(
    quota: Quota, carryover: Carryover, late: Total, cell: Cell, totals: Mapping[Instant, Total]
) -> Opening | None:
    """What opens the window of late usage where nobody has opened it before the next one; None: nothing is to be.

    A window that was consumed from or adjusted has been opened, and what was carried into it is known.
    """
    by_events_alone = late.value == late.by_event and not (late.carried or late.adjusted or late.excluded)
    if not by_events_alone or (quota.ordinal, late.start) in cell.used:
        return None
    earlier = max((start for o, start in cell.used if o == quota.ordinal and start < late.start), default=None)
    newest = max((start for start in totals if start < late.start), default=None)
    after = None if earlier is None else ((quota.ordinal, earlier), cell.used[quota.ordinal, earlier])
    if after is not None:
        last: Standing | None = cell.standing(after[0])
    else:
        last = None if newest is None else _standing(totals[newest], cell)
    used = {start: each.used - each.adjusted for start, each in totals.items() if start < late.start}
    layers = rolled(carryover, quota.schedule, quota.stretches, last, late.start, used)
    last_opened = cell.newest.get(quota.ordinal)
    return Opening(layers=layers, after=after, adjoins=False, last=last_opened)


def may_carry_out(closed: Total, effective: Effective | None) -> bool:
    """Whether something may be left to a later window: by the rule that the total was counted under, or kept since."""
    return closed.governed.carries or (effective is not None and closed.ordinal in effective.frozen)


def carried_out_of(closed: Total, effective: Effective | None, layers: tuple[Layer, ...] | None) -> Decimal:
    """What a window leaves to the next, by its total; `layers` are those that its cell shows of it, where it does.

    The rule is that of the next window, which is opened by it; of a quota that the plan that follows has not, its own.
    Where that is known no more, because the plan has changed since, all is kept for a plan that has the quota again.
    """
    if effective is None:
        return ZERO
    following = effective.in_force(closed.end)
    rule = following if _quota(following, closed.ordinal) is not None else effective.in_force(closed.start)
    found = carrying(rule, closed.ordinal)
    if found is not None:
        _, quota, carryover = found
        schedule, stretches = quota.schedule, quota.stretches
    elif _quota(rule, closed.ordinal) is None and closed.ordinal in rule.frozen:
        schedule, stretches, carryover = rule.retired[closed.ordinal], rule.frozen[closed.ordinal], Carryover()
    else:
        return ZERO
    standing = _as_standing(closed, layers)
    base = base_of(stretches, window_at(schedule, closed.start))
    if base is None:
        return total(standing.layers)
    return total(carried_out(carryover, base, standing.counter, standing.layers, standing.adjusted))


def _standing(known: Total, cell: Cell) -> Standing:
    counter = (known.ordinal, known.start)
    return cell.standing(counter) if counter in cell.used else _as_standing(known, cell.layers.get(counter))


def _as_standing(known: Total, layers: tuple[Layer, ...] | None) -> Standing:
    """How a window stands by its total alone: what was carried into it is one layer then."""
    carried = (Layer(known.carried, 1),) if known.carried else ()
    return Standing(
        start=known.start,
        counter=known.used - known.carried - known.adjusted,
        layers=carried if layers is None else layers,
        adjusted=known.adjusted,
    )
