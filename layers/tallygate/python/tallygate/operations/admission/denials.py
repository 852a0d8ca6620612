"""denials: turns a refused consume into a denial, and writes the traces that others need into the cell.

    refused ──┬─ usage has reached a tier that suspends ──> suspend the cell, in a second write ──> denied `suspended`
              └─ no room, or suspended ──> the first denial of the window is marked ──> denied

Neither write counts anything. A denial that loses the race for its mark is still a denial. A refused suspension means
that there is room by now, so the request is decided again.
"""

from __future__ import annotations

from tallygate.domain.admission import decide
from tallygate.domain.admission.cells import Cell, denied_hour
from tallygate.domain.admission.decision import Decision, LimitState
from tallygate.domain.admission.entries import denied_entry, suspend_entry
from tallygate.domain.admission.terms import Terms
from tallygate.domain.admission.tier_suspensions import tier_suspension
from tallygate.domain.base.instants import HOUR
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.limits.counters import CountedWindow
from tallygate.domain.periods.recurrence import FIRST_USE
from tallygate.operations.admission.attempts import Attempt

Denying = decide.Exceeded | decide.Suspended | decide.Suspending


def denial(attempt: Attempt, wanted: Terms, why: Denying, seen: Cell) -> Decision | None:
    """Return the denial by the cell as it was seen; None: there is room by now, decide again.

    Needs no further request, unless usage is suspended or a window's first denial is marked.
    """
    decision = decide.denied(attempt.effective, attempt.entitlement, wanted, seen, why=why)
    refusing = frozenset(state.name for state in decision.limits if not state.granted)
    attempt.memory.denied(attempt.cell, refusing or wanted.names)
    if isinstance(why, decide.Suspending):
        return decision if _suspended(attempt, wanted, why, seen, decision) else None
    partly = attempt.request.allow_partial and decision.max_grantable
    if decision.denied_by is not None and not partly:
        _mark(attempt, wanted, decision.denied_by, seen)
    return decision


def _suspended(attempt: Attempt, terms: Terms, why: decide.Suspending, seen: Cell, decision: Decision) -> bool:
    cell, state = attempt.cell, next(state for state in decision.limits if state.counter == why.term.counter)
    wanted = tier_suspension(why.term, why.tier, seen, terms, scoped=bool(state.scope), until=why.until)
    entry = suspend_entry(
        feature=cell.feature,
        meter=attempt.entitlement.meter,
        window=CountedWindow(state.counter[0], state.start, state.end),
        name=state.name,
        scope=state.scope,
        level=why.tier.level,
        used=state.used,
        limit=state.limit or ZERO,
        until=why.until,
        now=attempt.now,
    )
    after = attempt.store.suspend(cell, wanted, entry)
    if after is not None:
        attempt.memory.saw(cell, after)
    return after is not None


def _mark(attempt: Attempt, wanted: Terms, state: LimitState, seen: Cell) -> None:
    """Mark the limit's first denial in its window: in an hour for a rate, and where no window is open."""
    now, counter, over = attempt.now, state.counter, state.end
    opens = state.period is not None and state.period.anchor == FIRST_USE
    if state.rate is not None or (opens and seen.newest.get(counter[0]) != counter[1]):
        counter, over = (counter[0], denied_hour(now)), denied_hour(now) + HOUR
    if counter in seen.denied:
        return
    entry = denied_entry(
        state,
        entitlement=attempt.entitlement,
        requested=wanted.amount,
        now=now,
        traceparent=attempt.request.traceparent,
    )
    after = attempt.store.mark_denied(attempt.cell, counter, over, entry)
    if after is not None:
        attempt.memory.saw(attempt.cell, after)
