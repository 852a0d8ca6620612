"""denials: turns a refused consume into a denial, and writes the traces that others need into the cell.

    refused ──┬─ usage has reached a tier that suspends ──> suspend the cell, in a second write ──> denied `suspended`
              └─ no room, or suspended ──> the first denial of the window is marked ──> denied

Neither write counts anything. A denial that loses the race for its mark is still a denial. A refused suspension means
that there is room by now, so the request is decided again.
"""

from __future__ import annotations

from tallygate.domain.admission import decide
from tallygate.domain.admission.cells import Cell, denied_hour
from tallygate.domain.admission.decision import Decision, Node
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
    refusing = frozenset(node.name for node in decision.nodes if not node.granted)
    attempt.memory.denied(attempt.cell, refusing or wanted.names)
    if isinstance(why, decide.Suspending):
        return decision if _suspended(attempt, wanted, why, seen, decision) else None
    partly = attempt.request.allow_partial and decision.max_grantable
    if decision.binding is not None and not partly:
        _mark(attempt, wanted, decision.binding, seen)
    return decision


def _suspended(attempt: Attempt, terms: Terms, why: decide.Suspending, seen: Cell, decision: Decision) -> bool:
    cell, node = attempt.cell, next(node for node in decision.nodes if node.counter == why.term.counter)
    wanted = tier_suspension(why.term, why.tier, seen, terms, scoped=bool(node.scope), until=why.until)
    entry = suspend_entry(
        feature=cell.feature,
        meter=attempt.entitlement.meter,
        window=CountedWindow(node.counter[0], node.start, node.end),
        name=node.name,
        scope=node.scope,
        level=why.tier.level,
        used=node.used,
        limit=node.limit or ZERO,
        until=why.until,
        now=attempt.now,
    )
    after = attempt.store.suspend(cell, wanted, entry)
    if after is not None:
        attempt.memory.saw(cell, after)
    return after is not None


def _mark(attempt: Attempt, wanted: Terms, binding: Node, seen: Cell) -> None:
    """Mark the binding limit's first denial in its window: in an hour for a rate, and where no window is open."""
    now, counter, over = attempt.now, binding.counter, binding.end
    opens = binding.period is not None and binding.period.anchor == FIRST_USE
    if binding.rate is not None or (opens and seen.newest.get(counter[0]) != counter[1]):
        counter, over = (counter[0], denied_hour(now)), denied_hour(now) + HOUR
    if counter in seen.denied:
        return
    entry = denied_entry(
        binding,
        entitlement=attempt.entitlement,
        requested=wanted.amount,
        now=now,
        traceparent=attempt.request.traceparent,
    )
    after = attempt.store.mark_denied(attempt.cell, counter, over, entry)
    if after is not None:
        attempt.memory.saw(attempt.cell, after)
