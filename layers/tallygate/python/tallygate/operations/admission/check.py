"""check: what consume would answer now. Changes nothing: one read of the cell (of a part, another one), no write."""

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
    """Whether the amount would be granted, or with `allow_partial` the part of it that fits; else as `_check`."""
    decision = _check(store, memory, request, now=now, whole=whole)
    part = None if decision.granted else request.part_that_fits(decision)
    if part is None:
        return decision
    return replace(_check(store, memory, replace(request, amount=part), now=now, whole=whole), requested=request.amount)


def _check(store: AdmissionStore, memory: Memory, request: Consume, *, now: Instant, whole: bool) -> Decision:
    """Whether the amount would be granted, with the numbers as they stand; an amount of 0 asks for the state alone.

    The answer is that of `decide` over the cell as it stands now, and so agrees with a consume that races nobody. By
    `whole`, every limit of the feature is looked at, not only those that govern the request's dimensions.
    Raises ClockBehind, and Contended where the limits change faster than they can be read.
    """
    effective = memory.limits(store, request.customer, now=now)
    name, dimensions = CellName(request.customer, request.feature), None if whole else request.counted_dimensions
    for fresh in (False, True):
        needless = without_cell(store, effective, request, now=now)
        if effective is None or (needless is not None and fresh):
            assert needless is not None, "an unknown customer has no cells"
            return stated(store, effective, needless, dimensions)
        if needless is None:
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
                    raise ClockBehind("this container's clock lags behind the cell's newest removed window")
                case decide.Stale():
                    pass
                case why:
                    return decide.denied(effective, found, asked, cell, why=why)
        effective = memory.limits(store, request.customer, now=now, fresh=True)
    raise Contended("the limits changed while they were read")
