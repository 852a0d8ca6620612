"""denials: what a refused consume tells the caller, and what it leaves in the cell for those who must know.

    refused ──┬─ usage has reached a tier that suspends ──> suspend the cell, in a second write ──> denied `suspended`
              └─ no room, or suspended ──> the first denial of the window is marked ──> denied

Nothing is counted by either write. A denial that loses the race for its mark is still a denial; one whose suspension is
refused has found room by then, and is decided afresh.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tallygate.domain import decide
from tallygate.domain.cells import Cell, denied_hour
from tallygate.domain.counters import CountedWindow
from tallygate.domain.decision import Decision, Node
from tallygate.domain.decision_entries import denied_entry, suspend_entry
from tallygate.domain.instants import HOUR
from tallygate.domain.limits import Effective, Entitlement
from tallygate.domain.periods import FIRST_USE
from tallygate.domain.quantities import ZERO
from tallygate.domain.terms import Terms
from tallygate.domain.tier_suspensions import tier_suspension
from tallygate.operations.admission import Memory
from tallygate.store import AdmissionStore

Denying = decide.Exceeded | decide.Suspended | decide.Suspending


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A write that was refused: on which terms, under which limits. `partly`: a part of the amount would do."""

    effective: Effective
    entitlement: Entitlement
    wanted: Terms
    traceparent: str | None
    partly: bool

    @property
    def customer(self) -> str:
        return self.effective.customer

    @property
    def feature(self) -> str:
        return self.entitlement.feature


def denial(store: AdmissionStore, memory: Memory, refused: Refused, why: Denying, seen: Cell) -> Decision | None:
    """The denial that the cell stands for as it was seen; None: there is room by now, decide afresh.

    No request beyond the refusal's own, but one where usage is to be suspended or a window's first denial is marked.
    """
    effective, entitlement, wanted = refused.effective, refused.entitlement, refused.wanted
    decision = decide.denied(effective, entitlement, wanted, seen, why=why, now=wanted.now)
    refusing = frozenset(node.name for node in decision.nodes if not node.granted)
    memory.denied(refused.customer, refused.feature, refusing or wanted.names)
    if isinstance(why, decide.Suspending):
        return decision if _suspended(store, memory, refused, why, seen, decision) else None
    if decision.binding is not None and not (refused.partly and decision.max_grantable):
        _mark(store, memory, refused, decision.binding, seen)
    return decision


def _suspended(
    store: AdmissionStore, memory: Memory, refused: Refused, why: decide.Suspending, seen: Cell, decision: Decision
) -> bool:
    node = next(node for node in decision.nodes if node.counter == why.term.counter)
    wanted = tier_suspension(why.term, why.tier, seen, refused.wanted, scoped=bool(node.scope), until=why.until)
    entry = suspend_entry(
        feature=refused.feature,
        meter=refused.entitlement.meter,
        window=CountedWindow(node.counter[0], node.start, node.end),
        name=node.name,
        scope=node.scope,
        level=why.tier.level,
        used=node.used,
        limit=node.limit or ZERO,
        until=why.until,
        now=refused.wanted.now,
    )
    after = store.suspend(refused.customer, refused.feature, wanted, entry)
    if after is not None:
        memory.saw(refused.customer, refused.feature, after)
    return after is not None


def _mark(store: AdmissionStore, memory: Memory, refused: Refused, binding: Node, seen: Cell) -> None:
    """Mark the first denial by the binding limit in its window; in an hour for a rate, and where no window is open."""
    now = refused.wanted.now
    counter, over = binding.counter, binding.end
    opens = binding.period is not None and binding.period.anchor == FIRST_USE
    if binding.kind == "rate" or (opens and seen.newest.get(counter[0]) != counter[1]):
        counter, over = (binding.counter[0], denied_hour(now)), denied_hour(now) + HOUR
    if counter in seen.denied:
        return
    entry = denied_entry(
        binding,
        entitlement=refused.entitlement,
        requested=Decimal(refused.wanted.amount),
        now=now,
        traceparent=refused.traceparent,
    )
    after = store.mark_denied(refused.customer, refused.feature, counter, over, entry)
    if after is not None:
        memory.saw(refused.customer, refused.feature, after)
