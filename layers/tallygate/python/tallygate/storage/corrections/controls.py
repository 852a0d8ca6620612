"""Manual changes of a cell: lifting suspensions by tiers with a waiver, and adjusting a limit.

u.<ordinal>.<start>   less by the amount     a.<ordinal>.<start>   more by the amount     cv   unchanged
"""

from __future__ import annotations

from dataclasses import dataclass

from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.tier_causes import cause_text
from tallygate.domain.admission.tier_suspensions import Lifting
from tallygate.domain.base.instants import Instant
from tallygate.domain.corrections.adjusting import CellAdjustment
from tallygate.domain.entries.notices import ResumeEntry
from tallygate.domain.entries.windows import AdjustEntry
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.rungs import UNTIL_TOP_UP
from tallygate.operations.base.ports import Moves
from tallygate.storage.admission import cell_image
from tallygate.storage.admission.openings import as_seen, not_open_yet, opening_changes
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.expressions import (
    All,
    Change,
    Compare,
    Condition,
    Increase,
    Not,
    Present,
    Remove,
    Set,
    absent_or,
)
from tallygate.storage.entries.writes import CellWrite


@dataclass(slots=True)
class CellControls:
    """Writes of cells, to be committed together with the change that causes them."""

    engine: Engine

    def resume(self, cell: CellName, found: Lifting, entry: ResumeEntry, now: Instant) -> Moves:
        changes: list[Change] = []
        clauses: list[Condition] = []
        for name, cause in zip(found.names, found.causes, strict=True):
            suspended, by = cell_image.suspended_name(name), cell_image.cause_name(name)
            changes += [Remove(suspended), Remove(by)]
            clauses += [Compare(suspended, ">", now), as_seen(by, None if cause is None else cause_text(cause))]
        for waiver in found.waivers:
            waived = cell_image.window_name(cell_image.WAIVED, waiver.counter)
            changes.append(Set(waived, cell_image.waived_text(waiver.levels)))
            clauses.append(as_seen(waived, cell_image.waived_text(waiver.levels - waiver.added) or None))
        return (CellWrite(cell, changes, entry, All(tuple(clauses))).update,)

    def read(self, cell: CellName) -> Cell:
        return cell_image.cell_of(self.engine.get(keys.cell(cell)))

    def adjust(self, cell: CellName, found: CellAdjustment, entry: AdjustEntry) -> Moves:
        return (CellWrite(cell, _adjusts(found), entry, _as_it_was(found)).update,)


def _adjusts(found: CellAdjustment) -> list[Change]:
    used, opens = cell_image.used_name(found.term.counter), found.term.opens
    changes: list[Change] = [Increase(cell_image.window_name(cell_image.ADJUSTED, found.term.counter), found.amount)]
    if opens is None:
        changes.append(Increase(used, -found.amount))
    else:
        changes.append(Set(used, -opens.carried - found.amount))
        changes += [Set(cell_image.FLOOR, found.floor)] if found.floor is not None else []
        changes += opening_changes(found.term.counter, opens)
    lifted = [named(name) for name in found.lifted for named in (cell_image.suspended_name, cell_image.cause_name)]
    return [*changes, *(Remove(name) for name in lifted)]


def _as_it_was(found: CellAdjustment) -> Condition:
    """The limits and the window are those in force, and the window's parts and suspensions have not changed."""
    term = found.term
    clauses: list[Condition] = [
        absent_or(Compare(cell_image.VERSION, "<=", found.version)),
        absent_or(Compare(cell_image.FLOOR, "<", term.window.end)),
        as_seen(cell_image.window_name(cell_image.CARRIED, term.counter), found.carried),
        as_seen(cell_image.window_name(cell_image.ADJUSTED, term.counter), found.adjusted),
    ]
    if term.quota.schedule.from_first_use:
        clauses.append(as_seen(cell_image.newest_name(term.quota.ordinal), term.newest))
    if term.opens is not None:
        clauses.append(not_open_yet(term.counter, term.opens))
        clauses += [absent_or(Compare(cell_image.FLOOR, "<=", found.floor))] if found.floor is not None else []
    elif term.carries:
        clauses.append(Present(cell_image.used_name(term.counter)))
    clauses += [Compare(cell_image.suspended_name(name), "=", UNTIL_TOP_UP) for name in found.lifted]
    clauses += [Not(Compare(cell_image.suspended_name(name), "=", UNTIL_TOP_UP)) for name in found.watched]
    return All(tuple(clauses))
