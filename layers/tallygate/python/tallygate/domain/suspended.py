"""Denials by a suspension by hand: of metered features with the numbers as they stand, since they are counted on."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tallygate.domain.cells import Cell
from tallygate.domain.decision import Decision, Grounds, Reason
from tallygate.domain.instants import Instant
from tallygate.domain.limits import Effective, Entitlement
from tallygate.domain.nodes import evaluate
from tallygate.domain.quantities import ZERO
from tallygate.domain.suspensions import Suspension
from tallygate.domain.terms import Terms


def suspended(
    effective: Effective, feature: str, suspension: Suspension, *, requested: Decimal, now: Instant
) -> Decision:
    """The denial, in any amount; only a resume ends it, so there is no time from which a retry makes sense."""
    return Decision(
        granted=False,
        reason=Reason.SUSPENDED,
        customer=effective.customer,
        feature=feature,
        requested=requested,
        granted_amount=ZERO,
        as_of=now,
        timezone=effective.timezone,
        fixed=effective.fixed.get(feature),
        suspension=suspension,
        grounds=Grounds(effective=effective),
    )


def with_numbers(denial: Decision, entitlement: Entitlement, cell: Cell, terms: Terms) -> Decision:
    """The denial of a metered feature with every limit window as the cell shows it."""
    nodes = evaluate(entitlement, cell, terms, counted=False)
    own = nodes[0]
    overage = ZERO if own.limit is None else max(ZERO, own.used - max(ZERO, own.limit))
    assert denial.grounds is not None, "a suspension is one of limits in force"
    grounds = replace(denial.grounds, entitlement=entitlement, terms=terms, cell=cell)
    return replace(denial, nodes=nodes, level=own.level, overage=overage, grounds=grounds)
