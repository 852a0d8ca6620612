"""suspended: whether an operator has suspended what a request asks for, and what it is told.

The limits in force say so, with the version that the cells prove. A denial rests on them alone and on no cell, so
whoever remembers them reads them afresh before he denies (`check`, `consume`): a resume acts at the next decision too.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tallygate.domain.decision import Decision
from tallygate.domain.following import with_followings
from tallygate.domain.instants import Instant
from tallygate.domain.limits import Effective
from tallygate.domain.suspended import suspended, with_numbers
from tallygate.domain.suspensions import suspending
from tallygate.domain.terms import look
from tallygate.store import AdmissionStore


def denied_by_hand(
    store: AdmissionStore,
    effective: Effective,
    feature: str,
    dimensions: Mapping[str, str],
    *,
    requested: Decimal,
    now: Instant,
) -> Decision | None:
    """The denial of a request that a suspension is in the way of; None: none is, or there is no such feature."""
    suspension = suspending(effective.suspensions, feature, dimensions)
    if suspension is None:
        return None
    named = feature in effective.entitlements or feature in effective.fixed
    if not named and not store.knows_feature(feature):
        return None
    return suspended(effective, feature, suspension, requested=requested, now=now)


def stated(
    store: AdmissionStore,
    effective: Effective | None,
    denial: Decision,
    dimensions: Mapping[str, str] | None,
    *,
    now: Instant,
) -> Decision:
    """A denial that needs no cell, if by a suspension of a metered feature with its numbers: then one read.

    Without `dimensions` every limit of the feature is stated, not only those that govern the request.
    """
    if effective is None or denial.suspension is None or denial.feature not in effective.entitlements:
        return denial
    entitlement = effective.entitlements[denial.feature]
    cell = with_followings(entitlement, store.read(denial.customer, denial.feature), now)
    asked = look(
        entitlement, version=effective.version, now=now, seen=cell, amount=denial.requested, dimensions=dimensions
    )
    return with_numbers(denial, entitlement, cell, asked)
