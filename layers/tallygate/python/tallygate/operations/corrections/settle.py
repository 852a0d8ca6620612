"""settle: corrects the amount of a granted consume, once, in the windows that it counted in.

the cell's newest write? ─no─> settled before? ─no─> the journal ─> one transaction ─┬─ written
         └────────yes──────────────────────────────────^            (cell, receipt)  ├─ settled before: same or conflict
                                                       └──── look at the cell anew ──┴─ a window went, or was reset
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tallygate.domain.admission.decision_ids import DecisionId
from tallygate.domain.admission.entries import settle_entry
from tallygate.domain.admission.origins import followers
from tallygate.domain.base.instants import Instant
from tallygate.domain.corrections.settlements import Settlement
from tallygate.domain.entries.reset_marks import NO_RESET, ResetMark
from tallygate.domain.entries.usage import UseEntry
from tallygate.domain.limits.counters import CellName, CountedWindow, CounterName
from tallygate.domain.metering.contributions import Merge
from tallygate.errors import Conflict, Contended, InvalidRequest
from tallygate.operations.journal.find_decision import find_decision, said_by
from tallygate.operations.journal.ports import DecisionStore, SeenCell

TRIES_MAX = 3
"""A window leaves a cell at most once, some minutes after its end, so few tries are enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """One request to settle a decision.

    decision: the parts of the decision's id
    amount: the final amount, in raw units
    """

    decision_id: str
    decision: DecisionId
    amount: Decimal
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """The stored settlement.

    replayed: an earlier request had made it
    """

    settlement: Settlement
    replayed: bool


def settle(store: DecisionStore, request: Settle, *, now: Instant) -> Settled:
    """Replace the decision's granted amount by this amount: higher, lower or 0.

    Safe to repeat: the same amount answers the stored settlement. Raises Conflict for another amount, InvalidRequest
    for a meter whose values do not add up (a lower amount would not undo a maximum), NotFound,
    StoreUnavailable where the decision is not aggregated yet, and Contended.
    """
    customer, feature = request.decision.customer, request.decision.feature
    seen = store.look(CellName(customer, feature))
    use = said_by(seen, request.decision)
    if use is None:
        stored = store.settlement(customer, request.decision_id)
        if stored is not None:
            return _repeated(stored, request)
        use = find_decision(store, request.decision, seen, now=now).use
    if use.merge is not Merge.ADD:
        raise InvalidRequest(
            f"{feature} has a meter whose values do not add up: consume the actual amount instead",
            code="not_settleable",
        )
    wanted = Settlement(decision_id=request.decision_id, granted=use.amount, amount=request.amount, settled_at=now)
    for _ in range(TRIES_MAX):
        held, excluded = _held(use, seen)
        followed = _followed(use, seen)
        entry = settle_entry(
            use,
            to=request.amount,
            held=held,
            excluded=excluded,
            followed=followed,
            now=now,
            traceparent=request.traceparent,
        )
        marks = {window: _mark(window, seen) for window in (*held, *followed)}
        stored = store.settle(customer, use, wanted, marks, entry, followed=followed, followings=seen.cell.followings)
        if stored is not None:
            return Settled(stored, replayed=False) if stored is wanted else _repeated(stored, request)
        seen = store.look(CellName(customer, feature))
    raise Contended("the decision's windows were removed or reset during every try")


def _held(use: UseEntry, seen: SeenCell) -> tuple[tuple[CountedWindow, ...], tuple[CountedWindow, ...]]:
    """Return the decision's windows in the cell: those that still count it, and those whose reset excluded it.

    A window that the cell has removed lies below the cell's floor for ever.
    """
    counted = [window for window in use.windows if (window.ordinal, window.start) in seen.cell.used]
    excluded = [w for w in counted if seen.cell.excludes((w.ordinal, w.start), use.revision, use.time)]
    return tuple(window for window in counted if window not in excluded), tuple(excluded)


def _followed(use: UseEntry, seen: SeenCell) -> tuple[CountedWindow, ...]:
    """Return the cell's windows into which the decision's usage followed, except those whose reset excluded it."""
    cell, counted = seen.cell, [(window.ordinal, window.start) for window in use.windows]
    return tuple(
        CountedWindow(*into, cell.origins[into].end)
        for into in followers(cell.origins, counted, revision=use.revision, time=use.time)
        if into in cell.used and not _excluded(use, into, seen)
    )


def _excluded(use: UseEntry, into: CounterName, seen: SeenCell) -> bool:
    """Return whether a reset excluded the decision from this window after its usage had followed there.

    An earlier reset does not matter here: after it, the usage would not have followed.
    """
    mark, cell = seen.cell.resets.get(into, NO_RESET), seen.cell
    after = max(mark.upto, mark.partly) > cell.origins[into].revision
    return after and mark.covers(use.revision, use.time)


def _mark(window: CountedWindow, seen: SeenCell) -> ResetMark | None:
    return seen.cell.resets.get((window.ordinal, window.start))


def _repeated(stored: Settlement, request: Settle) -> Settled:
    if stored.amount != request.amount:
        raise Conflict("the decision was settled to another amount before", code="already_settled")
    return Settled(stored, replayed=True)
