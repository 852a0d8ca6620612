"""Suspensions by tiers: what a request brings about that reaches for more than a tier allows which suspends."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tallygate.domain.cells import WHOLE_FEATURE, Cell, CounterName
from tallygate.domain.instants import Instant
from tallygate.domain.rungs import landing
from tallygate.domain.terms import QuotaTerm, Terms, opened_for
from tallygate.domain.tiers import Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class TierSuspension:
    """What one write suspends: usage by `name`, until an instant, where the counter shows more than `beyond` now.

    `unopened`: the cell was seen without the counter, and would open it beyond; then it may still be without.
    """

    name: int
    until: Instant
    counter: CounterName
    beyond: Decimal
    unopened: bool
    version: int
    now: Instant


def tier_suspension(
    term: QuotaTerm, tier: Tier, cell: Cell, terms: Terms, *, scoped: bool, until: Instant
) -> TierSuspension:
    """What a request brings about that reaches for a tier which suspends, in a cell as it was seen."""
    unopened, cell = term.counter not in cell.used, opened_for(cell, terms)
    landed = landing(term.ladder_in(cell), term.used_in(cell) + terms.amount)
    assert landed.above is not None and landed.tier == tier
    return TierSuspension(
        name=term.quota.ordinal if scoped else WHOLE_FEATURE,
        until=until,
        counter=term.counter,
        beyond=landed.above - cell.raised(term.counter) - terms.amount,
        unopened=unopened,
        version=terms.version,
        now=terms.now,
    )
