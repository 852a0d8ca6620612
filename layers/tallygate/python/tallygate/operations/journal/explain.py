"""explain: returns a recorded decision, with its settlement."""

from __future__ import annotations

from tallygate.domain.admission.decision_ids import DecisionId
from tallygate.domain.base.instants import Instant
from tallygate.domain.corrections.settlements import MadeDecision
from tallygate.domain.journal.fold import limits_named
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.governing import governed_of, in_windows, limit_names
from tallygate.operations.journal.find_decision import FoundDecision, find_decision, search, told_by
from tallygate.operations.journal.ports import DecisionStore


def explain(store: DecisionStore, decision_id: str, wanted: DecisionId, *, now: Instant) -> MadeDecision:
    """Return the decision as recorded.

    Raises NotFound, and StoreUnavailable where it is not aggregated or not found yet.
    """
    customer = wanted.customer
    seen = store.look(CellName(customer, wanted.feature))
    use = told_by(seen, wanted)
    if use is None:
        found: FoundDecision | None = find_decision(store, wanted, seen, now=now)
    else:
        # The cell may have been unused since, while the customer's other cells filled the journal.
        found = search(store, wanted, now=now).found
    if found is not None:
        use, limits = found.use, found.kept.record.limits
    else:
        assert use is not None
        known = store.effective(customer)
        effective = None if known is None else known.in_force(use.time)
        governed = in_windows(governed_of(effective), effective, use.windows)
        limits = limits_named((use,), governed, limit_names(known))
    return MadeDecision(
        decision_id=decision_id,
        customer=customer,
        use=use,
        limits=limits,
        settlement=store.settlement(customer, decision_id),
        folded=found is not None,
    )
