"""Attempts: a request as it is decided, and the answers to a request that need no cell.

The limits in force say who is suspended by hand, and what is switched on or set. A denial by them rests on no cell,
so whoever remembers them reads them afresh before he denies (`check`, `consume`): a resume acts at the next decision.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal

from tallygate.domain.admission import decide
from tallygate.domain.admission.cells import MARK_BYTES, Cell, RequestMark
from tallygate.domain.admission.decision import LIMITING, Decision, Reason
from tallygate.domain.admission.decision_ids import DecisionId, format_decision_id
from tallygate.domain.admission.following import with_followings
from tallygate.domain.admission.terms import Terms, look, terms
from tallygate.domain.base.instants import MINUTE, Instant
from tallygate.domain.base.quantities import plain
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.limits import Effective, Entitlement
from tallygate.domain.limits.suspensions import suspending
from tallygate.operations.admission.memory import Memory
from tallygate.operations.admission.ports import AdmissionStore

API_KEY = "api_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consume:
    """One request. `amount` is in raw units of the feature's meter and above zero; a peek is a check.

    `api_key` names the credential that asked. It becomes a dimension of what is counted, and is no part of what makes
    two requests the same: a key may be rotated between a request and its retry. `amount_sent` is the amount before it
    was rounded (None: the same): another amount makes another request, also where both are rounded to one.

    counted_dimensions: those of the usage, with the credential's own name, which nobody can give himself
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

    def __post_init__(self) -> None:
        own = {} if self.api_key is None else {API_KEY: self.api_key}
        object.__setattr__(self, "counted_dimensions", {**self.dimensions, **own})

    @property
    def receipt_key(self) -> str | None:
        """What a receipt is kept under; None where none is.

        A partial grant cannot be told from its request alone, so one with a request id keeps a receipt as well, under
        a key that no Idempotency-Key can be.
        """
        if self.idempotency_key is None and self.allow_partial and self.request_id is not None:
            return f"\0{self.request_id}"
        return self.idempotency_key

    @property
    def fingerprint(self) -> str:
        """A digest of id and body: the same id with another body is another request."""
        sent = self.amount if self.amount_sent is None else self.amount_sent
        body: list[str | bool | None] = [self.request_id, self.customer, self.feature, plain(sent)]
        if self.allow_partial:
            body.append(True)
        return hashlib.sha256(json.dumps([body, sorted(self.dimensions.items())]).encode()).hexdigest()

    def part_that_fits(self, decision: Decision) -> Decimal | None:
        """The part of the amount that a denial leaves room for; None where there is nothing to try."""
        if not self.allow_partial or decision.reason not in LIMITING or not decision.max_grantable:
            return None
        step = Decimal(1).scaleb(min(0, int(self.amount.normalize().as_tuple().exponent)))
        part = decision.max_grantable.quantize(step, rounding=ROUND_FLOOR)
        return part if 0 < part < self.amount else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request under the limits in force: what each write, each replay and each denial of it needs.

    cell: the root cell of the request's customer and feature
    amount: what is asked for; of a partial grant, the part that is tried
    dimensions: those of the usage, the credential's own included
    mark: names the decision, and where the request has an id remembers it in the cell
    secret: signs the decision's id
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
        """The right to the feature. Only a request that `without_cell` leaves undecided has one."""
        return self.effective.entitlements[self.request.feature]

    def terms(self, seen: Cell) -> Terms:
        """What must hold of the cell for one write, which was last seen so."""
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
        """The id of this request's decision, where it was made in a minute."""
        cell = self.cell
        parts = DecisionId(customer=cell.customer, feature=cell.feature, minute=minute, digest=self.mark.digest)
        return format_decision_id(parts, self.secret)


def mark_of(request: Consume, now: Instant, entropy: Callable[[int], bytes]) -> RequestMark:
    """The mark of a request: by its id and body, else by chance."""
    chance = request.request_id is None
    digest = entropy(MARK_BYTES) if chance else bytes.fromhex(request.fingerprint)[:MARK_BYTES]
    return RequestMark(now // MINUTE, digest)


def without_cell(
    store: AdmissionStore, effective: Effective | None, request: Consume, *, now: Instant
) -> Decision | None:
    """The decision that needs no cell, first reason first; None: the request is for a metered feature."""
    feature, amount = request.feature, request.amount
    found = Reason.CUSTOMER_NOT_FOUND
    if effective is not None:
        if effective.suspensions:
            by_hand = denied_by_hand(store, effective, feature, request.counted_dimensions, requested=amount, now=now)
            if by_hand is not None:
                return by_hand
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
    """The denial of a request that a suspension is in the way of; None: none is, or there is no such feature."""
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
    """A denial that needs no cell, if by a suspension of a metered feature with its numbers: then one read.

    Without `dimensions` every limit of the feature is stated, not only those that govern the request.
    """
    if effective is None or denial.suspension is None or denial.feature not in effective.entitlements:
        return denial
    entitlement, now = effective.entitlements[denial.feature], denial.as_of
    cell = with_followings(entitlement, store.read(CellName(denial.customer, denial.feature)), now)
    asked = look(
        entitlement, version=effective.version, now=now, seen=cell, amount=denial.requested, dimensions=dimensions
    )
    return decide.with_numbers(denial, entitlement, cell, asked)
