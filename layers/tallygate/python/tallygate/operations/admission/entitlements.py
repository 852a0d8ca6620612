"""entitlements: the state of a customer's features, in the form of a decision about amount 0."""

from __future__ import annotations

from tallygate.domain.admission import decide
from tallygate.domain.admission.decision import Decision, Reason
from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.limits.limits import Effective, Entitlement
from tallygate.errors import NotFound, invalid
from tallygate.operations.admission.attempts import Consume, denied_by_hand
from tallygate.operations.admission.check import check
from tallygate.operations.admission.memory import Memory
from tallygate.operations.admission.ports import AdmissionStore
from tallygate.operations.limits.ports import LimitsStore

ABSENT = {
    Reason.CUSTOMER_NOT_FOUND: "there is no customer {customer}",
    Reason.FEATURE_NOT_FOUND: "there is no feature {feature}",
    Reason.NO_ACTIVE_SUBSCRIPTION: "customer {customer} has no active subscription",
    Reason.NOT_ENTITLED: "the plan of customer {customer} does not include {feature}",
}


def entitlement(store: AdmissionStore, customer: str, feature: str, *, now: Instant) -> Decision:
    """Return the state of one feature. Raises NotFound with the reason as its code. Nothing is cached between calls."""
    memory = Memory()
    decision = _state(store, memory, customer, feature, now)
    reason = decision.reason
    if decision.suspension is not None and decision.fixed is None:
        # A suspended feature may also be outside the customer's plan.
        effective = memory.limits(store, customer, now=now)
        right = None if effective is None else decide.entitled(effective, feature)
        reason = right if isinstance(right, Reason) else reason
    if reason in ABSENT and decision.fixed is None:
        raise NotFound(ABSENT[reason].format(customer=customer, feature=feature), code=reason.value)
    return decision


def metered(store: LimitsStore, customer: str, feature: str, *, now: Instant) -> tuple[Effective, Entitlement]:
    """Return the limits in force and the entitlement of a metered feature.

    Raises NotFound, and InvalidRequest at /feature. One request, two where it raises.
    """
    effective = store.effective(customer)
    if effective is None:
        raise NotFound(f"there is no customer {customer}", code="customer_not_found")
    effective = effective.in_force(now)
    right = decide.entitled(effective, feature)
    if not isinstance(right, Reason):
        return effective, right
    if feature in effective.fixed:
        raise invalid("/feature", "feature_type_mismatch", "is not a metered feature: it has no usage")
    if not store.knows_feature(feature):
        raise invalid("/feature", "feature_not_found", f"there is no feature {feature}")
    raise NotFound(ABSENT[right].format(customer=customer, feature=feature), code=right.value)


def entitlements(
    store: AdmissionStore, customer: str, *, after: str | None, limit: int, now: Instant
) -> tuple[tuple[Decision, ...], str | None]:
    """Return a page of the customer's features in order of their keys, and the next page's cursor. Raises NotFound.

    Reads the limits once, and each metered feature of the page once. These reads are not one consistent snapshot.
    """
    memory = Memory()
    effective = memory.limits(store, customer, now=now)
    if effective is None:
        raise NotFound(f"there is no customer {customer}", code=Reason.CUSTOMER_NOT_FOUND.value)
    known = {*effective.entitlements, *effective.fixed}
    features = sorted(feature for feature in known if after is None or feature > after)
    page = features[:limit]
    states = tuple(
        denied_by_hand(store, effective, feature, {}, requested=ZERO, now=now)
        or decide.unmetered(effective, effective.fixed[feature], requested=ZERO, now=now)
        if feature in effective.fixed
        else _state(store, memory, customer, feature, now)
        for feature in page
    )
    return states, page[-1] if len(features) > limit else None


def _state(store: AdmissionStore, memory: Memory, customer: str, feature: str, now: Instant) -> Decision:
    question = Consume(
        customer=customer, feature=feature, amount=ZERO, dimensions={}, request_id=None, idempotency_key=None
    )
    return check(store, memory, question, now=now, whole=True)
