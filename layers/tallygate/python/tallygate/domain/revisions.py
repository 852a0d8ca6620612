"""Revisions: what is carried into later windows, computed anew because an earlier window has changed since.

    window          Mon     Tue     Wed     Thu     Fri           a late event of Tue
    counter item                            Thu     Fri           u and k together
    total           Mon     Tue     Wed     Thu     Fri           carried, layers

    Mon ──> Tue ──> Wed ──> Thu ──> Fri       each from the window before it: its layers, what was used, adjustments

The walk is the one that opens windows (`domain.rolls`), so it gives what they would have begun with, had everything
been known in time. Of a window that the cell shows, the cell is newer than the total; of one that the cell has
removed, the total says all of it. What is carried may fall below what was spent of it by then: nothing remains then,
and no usage is touched.

A window that was opened, and whose usage is not folded yet, must not pass for an idle one. So every window says which
one was opened before it, and the walk ends where that one is not known yet; it goes on when that one's total comes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal

from tallygate.domain.carryover import Carryover
from tallygate.domain.cells import WINDOWS_KEPT_TO_CARRY, Cell, CounterName
from tallygate.domain.facts import Total
from tallygate.domain.instants import Instant
from tallygate.domain.limits import Effective, Limit, Quota
from tallygate.domain.periods import window_at
from tallygate.domain.quantities import ZERO
from tallygate.domain.rolls import Layer, Standing, as_kept, base_of, carried_out, rolled, total

_EXACT = Context(prec=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """What is carried into a window, as it was and as it should be.

    removed: whether the cell has removed the window, so that the total alone is revised
    after: window before it in the cell, and what its counter must show for this to hold; None: the cell shows none
    """

    counter: CounterName
    end: Instant
    was: Decimal
    layers: tuple[Layer, ...]
    removed: bool
    after: tuple[CounterName, Decimal] | None = None

    @property
    def carried(self) -> Decimal:
        return total(self.layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A window of which something is known.

    layers: what is carried into it as it says itself; None: it does not
    shown: whether the cell shows it
    told: whether its opening is in the journal; `opened_after` what that says
    """

    start: Instant
    used: Decimal
    adjusted: Decimal
    carried: Decimal
    layers: tuple[Layer, ...] | None
    shown: bool
    told: bool
    opened_after: Instant | None

    def standing(self, layers: tuple[Layer, ...]) -> Standing:
        """How it stands with these layers carried into it."""
        raised = _EXACT.add(total(layers), self.adjusted)
        return Standing(
            start=self.start, counter=_EXACT.subtract(self.used, raised), layers=layers, adjusted=self.adjusted
        )


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


def revisions(
    quota: Quota, carryover: Carryover, changed: Instant, cell: Cell, totals: Mapping[Instant, Total]
) -> tuple[Revision, ...]:
    """What is to be revised from the window that began at `changed` on, oldest first.

    `totals` are all from the newest back to one before `changed` whose layers are known (`begins_there`). Windows after
    the newest one that the cell shows have not been opened, and those before anything carried over are left alone.
    """
    first = window_at(quota.schedule, quota.stretches[0].since).start
    newest = max((start for ordinal, start in cell.used if ordinal == quota.ordinal), default=None)
    if newest is None or changed < first:
        return ()
    windows = [each for each in _known_windows(quota, cell, totals) if first <= each.start <= newest]
    shown = [each.start for each in windows if each.shown]
    earlier = [index for index, each in enumerate(windows) if each.start < changed and each.layers is not None]
    at = earlier[-1] if earlier else 0
    found: list[Revision] = []
    before, last, counter_before = None, None, ZERO
    for each in windows[at:]:
        name = (quota.ordinal, each.start)
        if before is None and (earlier or each.start == first):
            layers = each.layers or ()
        elif _may_lack(before, each, shown, first):
            break
        else:
            layers = as_kept(carryover, rolled(carryover, quota.schedule, quota.stretches, last, each.start))
        if each.layers is None or as_kept(carryover, each.layers) != layers:
            after = ((quota.ordinal, before.start), counter_before) if before is not None and before.shown else None
            end = window_at(quota.schedule, each.start).end
            found.append(
                Revision(counter=name, end=end, was=each.carried, layers=layers, removed=not each.shown, after=after)
            )
        before, last = each, each.standing(layers)
        counter_before = last.counter
    return tuple(found)


def begins_there(ordinal: int, changed: Instant, cell: Cell, known: Total) -> bool:
    """Whether the walk may begin with this total, or with a window that the cell shows, so that no older is needed."""
    if known.start >= changed:
        return False
    shown = any(o == ordinal and known.start <= start < changed for o, start in cell.used)
    return shown or layers_into(known) is not None


def layers_into(known: Total) -> tuple[Layer, ...] | None:
    """What was carried into a total's window, in layers; None: it is not known."""
    if known.unopened:
        return None
    if known.carried == 0:
        return ()
    return known.layers if known.layers is not None and total(known.layers) == known.carried else None


def _known_windows(quota: Quota, cell: Cell, totals: Mapping[Instant, Total]) -> list[_Known]:
    shown = {start for ordinal, start in cell.used if ordinal == quota.ordinal}
    found: list[_Known] = []
    for start in sorted(shown | totals.keys()):
        counter, told = (quota.ordinal, start), totals.get(start)
        standing = cell.standing(counter)
        if start in shown:
            carried, layers = cell.carried.get(counter, ZERO), standing.layers
            used, adjusted = _EXACT.add(cell.used[counter], cell.raised(counter)), standing.adjusted
        else:
            assert told is not None
            carried, layers, used, adjusted = told.carried, layers_into(told), told.used, told.adjusted
        found.append(
            _Known(
                start=start,
                used=used,
                adjusted=adjusted,
                carried=carried,
                layers=layers,
                shown=start in shown,
                told=told is not None and not told.unopened,
                opened_after=None if told is None else told.opened_after,
            )
        )
    return found


def _may_lack(before: _Known | None, each: _Known, shown: Sequence[Instant], first: Instant) -> bool:
    """Whether a window may have been opened between the two of which no total is there yet.

    The cell keeps its newest windows (`WINDOWS_KEPT_TO_CARRY`), so it has removed none between those that it shows, and
    none at all while it shows fewer.
    """
    if each.shown and (each.start != shown[0] or len(shown) < WINDOWS_KEPT_TO_CARRY):
        return False
    if each.shown and not each.told:
        return True
    if each.opened_after is None or each.opened_after < first:
        return False
    return before is None or before.start < each.opened_after


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


def _as_standing(known: Total, layers: tuple[Layer, ...] | None) -> Standing:
    """How a window stands by its total alone: what was carried into it is one layer where no layers are known."""
    carried = (Layer(known.carried, 1),) if known.carried else ()
    return Standing(
        start=known.start,
        counter=known.used - known.carried - known.adjusted,
        layers=carried if layers is None else layers,
        adjusted=known.adjusted,
    )
