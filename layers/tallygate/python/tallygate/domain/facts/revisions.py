"""Revisions: recompute the opening balances of later windows after an earlier window has changed.

    window          Mon     Tue     Wed     Thu     Fri           a late event of Tue
    counter item                            Thu     Fri           u and k together
    total           Mon     Tue     Wed     Thu     Fri           carried, layers

    Mon ──> Tue ──> Wed ──> Thu ──> Fri       each from the window before: its layers, its usage, its adjustments

The walk uses the rules that open windows (`domain.limits.rollover`). It gives the opening balances that the windows
would have had if all usage had been known in time. While the cell shows a window, the cell is newer than the total.
Once the cell has removed the window, the total is complete. A revised opening balance may be less than was already
used. Then nothing remains, and usage stays as it is.

A window that was opened, but whose usage is not folded yet, must not look like an idle window. So every window names
the window opened before it. The walk stops at a window whose total is missing, and continues when that total arrives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tallygate.domain.admission.cells import WINDOWS_KEPT_TO_CARRY, Cell
from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.catalog.carryover import Carryover
from tallygate.domain.entries.total import Total
from tallygate.domain.limits.counters import CounterName
from tallygate.domain.limits.limits import Effective, Quota
from tallygate.domain.limits.rollover import Layer, WindowState, base_of, carried_out, rolled, rule_at, total
from tallygate.domain.periods.recurrence import window_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """The corrected opening balance of one window.

    counter: name of the window's counter
    end: end of the window
    was: the opening balance before the revision
    layers: the correct opening balance, by age
    removed: whether the cell has removed the window, so that only the total is revised
    after: previous window in the cell and the counter value on which the revision depends; None: the cell has none
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
    """A window known from the cell or from its total.

    layers: the opening balance that the window itself records; None: not recorded
    shown: whether the cell has the window
    journaled: whether the total has seen the window's opening
    opened_after: start of the window opened before, as recorded by the opening; None: none
    """

    start: Instant
    used: Decimal
    adjusted: Decimal
    carried: Decimal
    layers: tuple[Layer, ...] | None
    shown: bool
    journaled: bool
    opened_after: Instant | None

    def window_state(self, layers: tuple[Layer, ...]) -> WindowState:
        """Return the state of the window with these layers as its opening balance."""
        raised = EXACT.add(total(layers), self.adjusted)
        return WindowState(
            start=self.start, counter=EXACT.subtract(self.used, raised), layers=layers, adjusted=self.adjusted
        )


def carrying(effective: Effective | None, ordinal: int) -> tuple[Quota, Carryover] | None:
    """Return the quota of this ordinal with its carryover rule; None if it does not carry over.

    A quota that left the plan is frozen: it has no base from then on. If its rules are no longer known, it keeps
    everything it has.
    """
    if effective is None:
        return None
    found = effective.quota(ordinal)
    if found is not None:
        _, limit, quota = found
        return None if limit.carryover is None or not quota.stretches else (quota, limit.carryover)
    if ordinal not in effective.frozen:
        return None
    frozen = Quota(
        ordinal=ordinal,
        limit=None,
        schedule=effective.retired[ordinal],
        stretches=effective.frozen[ordinal],
        rules=effective.frozen_rules.get(ordinal, ()),
    )
    return frozen, Carryover()


def revisions(
    quota: Quota, carryover: Carryover, changed: Instant, cell: Cell, totals: Mapping[Instant, Total]
) -> tuple[Revision, ...]:
    """Return the revisions from the window that began at `changed` on, oldest first.

    totals: by window start, all from the newest back to one before `changed` whose layers are known (`begins_there`)

    Windows after the newest one in the cell have not been opened. Windows before carryover began are left alone.
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
    before: _Known | None = None
    last: WindowState | None = None
    for each in windows[at:]:
        name = (quota.ordinal, each.start)
        if before is None and (earlier or each.start == first):
            layers = each.layers or ()
        elif _may_lack(before, each, shown, first):
            break
        else:
            layers = rolled(carryover, quota.schedule, quota.stretches, last, each.start, quota.rules)
        if each.layers != layers:
            beside = last if before is not None and before.shown else None
            after = None if beside is None else ((quota.ordinal, beside.start), beside.counter)
            end = window_at(quota.schedule, each.start).end
            found.append(
                Revision(counter=name, end=end, was=each.carried, layers=layers, removed=not each.shown, after=after)
            )
        before, last = each, each.window_state(layers)
    return tuple(found)


def begins_there(ordinal: int, changed: Instant, cell: Cell, known: Total) -> bool:
    """Return whether the walk can begin at this total or at a later window in the cell, so no older total is needed."""
    if known.start >= changed:
        return False
    shown = any(o == ordinal and known.start <= start < changed for o, start in cell.used)
    return shown or layers_into(known) is not None


def layers_into(known: Total) -> tuple[Layer, ...] | None:
    """Return the opening balance of a total's window, by age; None: unknown."""
    if known.unopened:
        return None
    if known.carried == 0:
        return ()
    return known.layers if known.layers is not None and total(known.layers) == known.carried else None


def _known_windows(quota: Quota, cell: Cell, totals: Mapping[Instant, Total]) -> list[_Known]:
    shown = {start for ordinal, start in cell.used if ordinal == quota.ordinal}
    return [
        _shown(cell, (quota.ordinal, start), totals.get(start)) if start in shown else _removed(totals[start])
        for start in sorted(shown | totals.keys())
    ]


def _shown(cell: Cell, counter: CounterName, known: Total | None) -> _Known:
    standing = cell.window_state(counter)
    return _Known(
        start=standing.start,
        used=EXACT.add(standing.counter, cell.raised(counter)),
        adjusted=standing.adjusted,
        carried=cell.carried.get(counter, ZERO),
        layers=standing.layers,
        shown=True,
        journaled=known is not None and not known.unopened,
        opened_after=None if known is None else known.opened_after,
    )


def _removed(known: Total) -> _Known:
    return _Known(
        start=known.start,
        used=known.used,
        adjusted=known.adjusted,
        carried=known.carried,
        layers=layers_into(known),
        shown=False,
        journaled=not known.unopened,
        opened_after=known.opened_after,
    )


def _may_lack(before: _Known | None, each: _Known, shown: Sequence[Instant], first: Instant) -> bool:
    """Return whether a window without a total yet may have been opened between `before` and `each`.

    The cell keeps its newest windows (`WINDOWS_KEPT_TO_CARRY`). So it has removed none between the windows that it
    shows, and none at all while it shows fewer than that number.
    """
    if each.shown and (each.start != shown[0] or len(shown) < WINDOWS_KEPT_TO_CARRY):
        return False
    if each.shown and not each.journaled:
        return True
    if each.opened_after is None or each.opened_after < first:
        return False
    return before is None or before.start < each.opened_after


def may_carry_out(closed: Total, effective: Effective | None) -> bool:
    """Return whether the window may carry something out: its limit carries over, or its quota is frozen."""
    return closed.governed.carries or (effective is not None and closed.ordinal in effective.frozen)


def carried_out_of(closed: Total, effective: Effective | None, layers: tuple[Layer, ...] | None) -> Decimal:
    """Return the amount that a closed window carries to the next, in units.

    layers: the opening balance of the window; None: unknown

    The carryover rule in force at the window's end applies, because the next window is opened by it. If the next plan
    lacks the quota, the quota's own rule applies.
    """
    found = None if effective is None else carrying(effective.in_force(closed.end), closed.ordinal)
    if found is None:
        return ZERO
    quota, carryover = found
    standing, window = _as_standing(closed, layers), window_at(quota.schedule, closed.start)
    base = base_of(quota.stretches, window)
    if base is None:
        return total(standing.layers)
    rule = rule_at(quota.rules, window.end, carryover)
    return total(carried_out(rule, base, standing.counter, standing.layers, standing.adjusted))


def _as_standing(known: Total, layers: tuple[Layer, ...] | None) -> WindowState:
    """Return the window's state from its total alone. If the layers are unknown, the opening balance is one layer."""
    carried = (Layer(known.carried, 1),) if known.carried else ()
    return WindowState(
        start=known.start,
        counter=known.used - known.carried - known.adjusted,
        layers=carried if layers is None else layers,
        adjusted=known.adjusted,
    )
