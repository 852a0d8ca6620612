"""check: a dry run of consume. It reads the cell once, and once more for a partial amount. It writes nothing."""

from __future__ import annotations

from dataclasses import replace

from tallygate.domain.admission import decide
from tallygate.domain.admission.decision import Decision
from tallygate.domain.admission.following import with_followings
from tallygate.domain.admission.terms import look
from tallygate.domain.base.instants import Instant
from tallygate.domain.limits.counters import CellName
from tallygate.errors import ClockBehind, Contended
from tallygate.operations.admission.attempts import Consume, stated, without_cell
from tallygate.operations.admission.memory import Memory
from tallygate.operations.admission.ports import AdmissionStore


def check(store: AdmissionStore, memory: Memory, request: Consume, *, now: Instant, whole: bool = False) -> Decision:
    """Decide whether the amount or, with `allow_partial`, a part of it would be granted. Raises as `_check`."""
    decision = _check(store, memory, request, now=now, whole=whole)
    part = None if decision.granted else request.part_that_fits(decision)
    if part is None:
        return decision
    return replace(_check(store, memory, replace(request, amount=part), now=now, whole=whole), requested=request.amount)


def _check(store: AdmissionStore, memory: Memory, request: Consume, *, now: Instant, whole: bool) -> Decision:
    """Decide whether the amount would be granted, with the current numbers. An amount of 0 asks for the state alone.

    The decision is that of `decide` over the cell as read. So it agrees with a consume that no other write races.

    whole: look at every limit of the feature, not only those that govern the request's dimensions

    Raises ClockBehind, and Contended where the limits change faster than they can be read.
    """
    effective = memory.limits(store, request.customer, now=now)
    name, dimensions = CellName(request.customer, request.feature), None if whole else request.counted_dimensions
    for fresh in (False, True):
        cell_free = without_cell(store, effective, request, now=now)
        if effective is None or (cell_free is not None and fresh):
            assert cell_free is not None, "an unknown customer has no cells"
            return stated(store, effective, cell_free, dimensions)
        if cell_free is None:
            found, cell = effective.entitlements[request.feature], store.read(name)
            memory.saw(name, cell)
            if cell.version <= effective.version:
                cell = with_followings(found, cell, now)
            asked = look(
                found, version=effective.version, now=now, seen=cell, amount=request.amount, dimensions=dimensions
            )
            match decide.refusal(cell, asked):
                case None:
                    return decide.granted(effective, found, asked, cell, decision_id=None)
                case decide.Behind():
                    raise ClockBehind("the server's clock lags behind the newest removed window of the counter")
                case decide.Stale():
                    pass
                case why:
                    return decide.denied(effective, found, asked, cell, why=why)
        effective = memory.limits(store, request.customer, now=now, fresh=True)
    raise Contended("the limits changed while they were read")
