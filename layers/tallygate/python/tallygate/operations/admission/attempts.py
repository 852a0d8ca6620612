"""Attempts: one request under the limits in force, and the decisions that need no cell.

The limits in force hold manual suspensions, switches and fixed values. No cell proves a denial that rests on them
alone. So `check` and `consume` read cached limits again before such a denial, and a resume acts at the next decision.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import field
from decimal import ROUND_FLOOR, Decimal

from tallygate.domain.admission import decide
from tallygate.domain.admission.cells import MARK_BYTES, Cell, RequestMark
from tallygate.domain.admission.decision import LIMITING, Decision, Reason
from tallygate.domain.admission.decision_ids import DecisionId, format_decision_id
from tallygate.domain.admission.following import with_followings
from tallygate.domain.admission.terms import Terms, look, terms
from tallygate.domain.base.instants import MINUTE, Instant
from tallygate.domain.base.quantities import plain
from tallygate.domain.base.values import value
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.limits import Effective, Entitlement
from tallygate.domain.limits.suspensions import suspending
from tallygate.operations.admission.memory import Memory
from tallygate.operations.admission.ports import AdmissionStore

API_KEY = "api_key"


@value()
class Consume:
    """One request to consume or check.

    amount: in raw units of the feature's meter; above 0 for consume, 0 or more for check
    api_key: id of the caller's API key. It is counted as a dimension. Requests that differ only in the key are the same
        request, because a key may be rotated between a request and its retry.
    amount_sent: the amount before rounding; None: the same. Different amounts sent make different requests, even if
        both round to one amount.
    counted_dimensions: the dimensions of the usage, with the API key's id, which a caller cannot set
    receipt_key: the key of this request's receipt; None: no receipt is kept. A partial grant cannot be derived from its
        request alone. So with a request id it keeps a receipt too, under a key that no Idempotency-Key can equal
    """

    customer: str
    feature: str
    amount: Decimal
    dimensions: Mapping[str, str]
    api_key: str | None = None
    request_id: str | None = None
    idempotency_key: str | None = None
    traceparent: str | None = None
    allow_partial: bool = False
    amount_sent: Decimal | None = None
    counted_dimensions: Mapping[str, str] = field(init=False)
    receipt_key: str | None = field(init=False)

    def __post_init__(self) -> None:
        own = {} if self.api_key is None else {API_KEY: self.api_key}
        object.__setattr__(self, "counted_dimensions", {**self.dimensions, **own})
        partial = self.idempotency_key is None and self.allow_partial and self.request_id is not None
        object.__setattr__(self, "receipt_key", f"\0{self.request_id}" if partial else self.idempotency_key)

    @property
    def fingerprint(self) -> str:
        """A digest of request id and body. The same id with another body is another request."""
        sent = self.amount if self.amount_sent is None else self.amount_sent
        body: list[str | bool | None] = [self.request_id, self.customer, self.feature, plain(sent)]
        if self.allow_partial:
            body.append(True)
        return hashlib.sha256(json.dumps([body, sorted(self.dimensions.items())]).encode()).hexdigest()

    def part_that_fits(self, decision: Decision) -> Decimal | None:
        """Return the part of the amount that would fit after this denial; None: there is nothing to try.

        The part is rounded down to the decimal places of the amount.
        """
        if not self.allow_partial or decision.reason not in LIMITING or not decision.max_grantable:
            return None
        step = Decimal(1).scaleb(min(0, int(self.amount.normalize().as_tuple().exponent)))
        part = decision.max_grantable.quantize(step, rounding=ROUND_FLOOR)
        return part if 0 < part < self.amount else None


@value()
class Attempt:
    """One request under the limits in force: the values for its writes, replays and denials.

    cell: the root cell of the request's customer and feature
    amount: the requested amount; for a partial grant, the part that is tried
    dimensions: the dimensions of the usage, with the API key's id
    mark: identifies the decision; the cell remembers it if the request has an id
    secret: signs decision ids
    """

    store: AdmissionStore
    memory: Memory
    request: Consume
    cell: CellName
    amount: Decimal
    dimensions: Mapping[str, str]
    effective: Effective
    mark: RequestMark
    secret: bytes
    now: Instant

    @property
    def entitlement(self) -> Entitlement:
        """The right to the feature. It exists for every request that `without_cell` does not decide."""
        return self.effective.entitlements[self.request.feature]

    def terms(self, seen: Cell) -> Terms:
        """Return the terms of one write: the conditions on the cell, which was last seen as `seen`."""
        return terms(
            self.entitlement,
            amount=self.amount,
            version=self.effective.version,
            mark=self.mark,
            remembered=self.request.request_id is not None,
            now=self.now,
            seen=seen,
            dimensions=self.dimensions,
        )

    def decision_id(self, minute: int) -> str:
        """Return the id of this request's decision, for a decision made in the given minute."""
        cell = self.cell
        parts = DecisionId(customer=cell.customer, feature=cell.feature, minute=minute, digest=self.mark.digest)
        return format_decision_id(parts, self.secret)


def mark_of(request: Consume, now: Instant, entropy: Callable[[int], bytes]) -> RequestMark:
    """Return the request's mark: derived from its id and body, or random without an id."""
    chance = request.request_id is None
    digest = entropy(MARK_BYTES) if chance else bytes.fromhex(request.fingerprint)[:MARK_BYTES]
    return RequestMark(now // MINUTE, digest)


def without_cell(
    store: AdmissionStore, effective: Effective | None, request: Consume, *, now: Instant
) -> Decision | None:
    """Decide a request without its cell: the first reason that applies; None: the request needs its feature's cell."""
    feature, amount = request.feature, request.amount
    found = Reason.CUSTOMER_NOT_FOUND
    if effective is not None:
        if effective.suspensions:
            suspended = denied_by_hand(store, effective, feature, request.counted_dimensions, requested=amount, now=now)
            if suspended is not None:
                return suspended
        if effective.subscribed and feature in effective.fixed:
            return decide.unmetered(effective, effective.fixed[feature], requested=amount, now=now)
        right = decide.entitled(effective, feature)
        if isinstance(right, Entitlement):
            return None
        found = right if store.knows_feature(feature) else Reason.FEATURE_NOT_FOUND
    return decide.absent(
        found, customer=request.customer, feature=feature, requested=amount, now=now, effective=effective
    )


def denied_by_hand(
    store: AdmissionStore,
    effective: Effective,
    feature: str,
    dimensions: Mapping[str, str],
    *,
    requested: Decimal,
    now: Instant,
) -> Decision | None:
    """Return the denial by a manual suspension; None: no suspension covers the request, or there is no such feature."""
    suspension = suspending(effective.suspensions, feature, dimensions)
    if suspension is None:
        return None
    named = feature in effective.entitlements or feature in effective.fixed
    if not named and not store.knows_feature(feature):
        return None
    return decide.suspended(effective, feature, suspension, requested=requested, now=now)


def stated(
    store: AdmissionStore, effective: Effective | None, denial: Decision, dimensions: Mapping[str, str] | None
) -> Decision:
    """Add its numbers to a denial by suspension of a metered feature, with one read. Return any other denial unchanged.

    dimensions: those of the request; None: state every limit of the feature, not only those that govern the request
    """
    if effective is None or denial.suspension is None or denial.feature not in effective.entitlements:
        return denial
    entitlement, now = effective.entitlements[denial.feature], denial.as_of
    cell = with_followings(entitlement, store.read(CellName(denial.customer, denial.feature)), now)
    asked = look(
        entitlement, version=effective.version, now=now, seen=cell, amount=denial.requested, dimensions=dimensions
    )
    return decide.with_numbers(denial, entitlement, cell, asked)
