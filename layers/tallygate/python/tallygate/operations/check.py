"""check: what consume would answer now. Changes nothing: one read of the cell (of a part, another one), no write."""

from __future__ import annotations

from dataclasses import replace

from tallygate.domain import decide
from tallygate.domain.decision import Decision
from tallygate.domain.following import with_followings
from tallygate.domain.instants import Instant
from tallygate.domain.terms import look
from tallygate.errors import ClockBehind, Contended
from tallygate.operations.admission import Memory
from tallygate.operations.consume import Consume, entitlement_or_denial, part_that_fits
from tallygate.operations.suspended import stated
from tallygate.store import AdmissionStore


def check(store: AdmissionStore, memory: Memory, request: Consume, *, now: Instant, whole: bool = False) -> Decision:
    """Whether the amount would be granted, or with `allow_partial` the part of it that fits; else as `_check`."""
    decision = _check(store, memory, request, now=now, whole=whole)
    part = part_that_fits(request, decision)
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
    for fresh in (False, True):
        found = entitlement_or_denial(
            store,
            effective,
            customer=request.customer,
            feature=request.feature,
            amount=request.amount,
            dimensions=request.counted_dimensions,
            now=now,
        )
        if isinstance(found, Decision):
            if fresh or effective is None:
                return stated(store, effective, found, None if whole else request.counted_dimensions, now=now)
            effective = memory.limits(store, request.customer, now=now, fresh=True)
            continue
        assert effective is not None
        cell = store.read(request.customer, request.feature)
        memory.saw(request.customer, request.feature, cell)
        if cell.version <= effective.version:
            cell = with_followings(found, cell, now)
        dimensions = None if whole else request.counted_dimensions
        asked = look(found, version=effective.version, now=now, seen=cell, amount=request.amount, dimensions=dimensions)
        match decide.refusal(cell, asked):
            case None:
                return decide.granted(effective, found, asked, cell, now=now, decision_id=None)
            case decide.Stale():
                effective = memory.limits(store, request.customer, now=now, fresh=True)
            case decide.Behind():
                raise ClockBehind("this container's clock lags behind the cell's newest removed window")
            case why:
                return decide.denied(effective, found, asked, cell, why=why, now=now)
    raise Contended("the limits changed while they were read")
