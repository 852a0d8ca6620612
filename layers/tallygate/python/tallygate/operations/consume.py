"""consume: check and count in one write.

    limits in force ─> terms ─> one conditional write ─┬─ written: granted
         ^                                             └─ refused: explained by the image that refused
         └──────── reload once (stale) · again with what was seen (raced) ─────┘

Read everything, then decide, then write: the write is the decision. A denial has written nothing anywhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal

from tallygate.domain import decide
from tallygate.domain.cells import MARK_BYTES, Cell, RequestMark
from tallygate.domain.decision import Decision, Reason
from tallygate.domain.decision_entries import use_entry
from tallygate.domain.features import Switch
from tallygate.domain.instants import MINUTE, Instant
from tallygate.domain.limits import Effective, Entitlement
from tallygate.domain.quantities import plain
from tallygate.domain.replays import kept_windows
from tallygate.domain.terms import Terms, terms
from tallygate.errors import ClockBehind, Contended, InvalidRequest
from tallygate.operations.admission import Memory
from tallygate.operations.denials import Denying, Refused, denial
from tallygate.operations.replays import Asked, by_mark, by_receipt, of_lost_feature
from tallygate.operations.suspended import denied_by_hand, stated
from tallygate.store import AdmissionStore, Admitted, NotAdmitted, Receipt, Repeated

PARTIAL = (Reason.RATE_LIMITED, Reason.QUOTA_EXCEEDED)
"""Denials of which a part of the amount might not be denied."""
API_KEY = "api_key"
TRIES_MAX = 3
"""Writes that a request may send when other writers win; then it is contended, which is never a denial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consume:
    """One request. `amount` is in raw units of the feature's meter and above zero; a peek is a check.

    `api_key` names the credential that asked. It becomes a dimension of what is counted, and is no part of what makes
    two requests the same: a key may be rotated between a request and its retry. `amount_sent` is the amount before it
    was rounded (None: the same): another amount makes another request, also where both are rounded to one.
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

    @property
    def counted_dimensions(self) -> Mapping[str, str]:
        """The dimensions of the usage: those given, and the credential's own name, which nobody can give himself."""
        return self.dimensions if self.api_key is None else {**self.dimensions, API_KEY: self.api_key}

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
        return _fingerprint(self).hex()


def consume(
    store: AdmissionStore, memory: Memory, request: Consume, *, now: Instant, entropy: Callable[[int], bytes]
) -> Decision:
    """Grant and count the whole amount, or deny and count nothing; with `allow_partial`, as much of it as fits.

    What fits is rounded down to the decimal places of the amount, so that whole units stay whole.

    `entropy(n)` gives n random bytes; it names a decision whose request has no id. Raises InvalidRequest for an
    Idempotency-Key that was used with another body and for a feature that is not metered; Contended, ClockBehind and
    OutcomeUnknown.
    """
    decision = _consume(store, memory, request, request.amount, now=now, entropy=entropy)
    for _ in range(TRIES_MAX):
        part = part_that_fits(request, decision)
        if part is None:
            break
        decision = _consume(store, memory, request, part, now=now, entropy=entropy)
    return replace(decision, requested=request.amount)


def part_that_fits(request: Consume, decision: Decision) -> Decimal | None:
    """The part of the amount that a denial leaves room for; None where there is nothing to try."""
    if decision.granted or not request.allow_partial or decision.reason not in PARTIAL or not decision.max_grantable:
        return None
    step = Decimal(1).scaleb(min(0, int(request.amount.normalize().as_tuple().exponent)))
    part = decision.max_grantable.quantize(step, rounding=ROUND_FLOOR)
    return part if 0 < part < request.amount else None


def _consume(
    store: AdmissionStore,
    memory: Memory,
    request: Consume,
    amount: Decimal,
    *,
    now: Instant,
    entropy: Callable[[int], bytes],
) -> Decision:
    """Grant and count this amount of the request, or deny it."""
    effective = memory.limits(store, request.customer, now=now)
    reloaded = False
    mark = _mark(request, now, entropy)
    for _ in range(TRIES_MAX + 1):
        entitlement = _entitlement(store, effective, request, now=now)
        if isinstance(entitlement, Entitlement):
            assert effective is not None
            asked = Asked(
                store=store, request=request, mark=mark, secret=memory.decision_secret(store, entropy), now=now
            )
            decision = _try(asked, memory, amount, effective, entitlement)
            if decision is not None and not isinstance(decision, decide.Stale):
                return decision
            stale = decision is not None
        elif reloaded or effective is None:
            secret = memory.decision_secret(store, entropy)
            asked = Asked(store=store, request=request, mark=mark, secret=secret, now=now)
            before = None if effective is None else of_lost_feature(asked, effective)
            return before or stated(store, effective, _counted(entitlement), request.counted_dimensions, now=now)
        else:
            # The decision rests on remembered limits alone; no cell has proved them, so they are read afresh.
            stale = True
        if stale:
            if reloaded:
                raise Contended("the limits changed while the request was decided")
            effective, reloaded = memory.limits(store, request.customer, now=now, fresh=True), True
    raise Contended("other writers won every try")


def _try(
    asked: Asked, memory: Memory, amount: Decimal, effective: Effective, entitlement: Entitlement
) -> Decision | decide.Stale | None:
    """One write and what it means; None: another writer came between, what it left is remembered for the next try."""
    store, request, mark, now = asked.store, asked.request, asked.mark, asked.now
    customer, feature = request.customer, request.feature
    wanted = _terms(request, amount, effective, entitlement, mark, now, memory.last_seen(customer, feature))
    if request.receipt_key is None and memory.denied_lately(customer, feature, wanted.names):
        seen = store.read(customer, feature)
        wanted = _terms(request, amount, effective, entitlement, mark, now, seen)
        if isinstance(why := decide.refusal(seen, wanted), Denying):
            return denial(store, memory, _refused(request, effective, entitlement, wanted), why, seen)
    outcome = _write(asked, entitlement, wanted)
    if isinstance(outcome, Repeated):
        memory.saw(customer, feature, outcome.cell)
        if outcome.cell.version > wanted.version:
            return decide.Stale()
        return by_receipt(asked, effective, entitlement, wanted, outcome)
    if isinstance(outcome, Admitted):
        memory.saw(customer, feature, outcome.after)
        return decide.granted(
            effective,
            entitlement,
            wanted,
            outcome.after,
            now=now,
            decision_id=asked.decision_id(mark.minute),
            requested=request.amount,
        )
    memory.saw(customer, feature, outcome.seen)
    match decide.refusal(outcome.seen, wanted):
        case decide.Replayed(minute):
            if request.allow_partial:
                raise InvalidRequest(
                    "this request_id was used with another Idempotency-Key", code="idempotency_key_reused"
                )
            return by_mark(asked, effective, entitlement, wanted, outcome.seen, minute)
        case decide.Unfollowed():
            # Whoever changed the limits has not got to it yet, or died before it could.
            memory.saw(customer, feature, store.follow(effective, feature, now))
            return None
        case decide.Behind():
            raise ClockBehind("this container's clock lags behind the cell's newest removed window")
        case decide.Suspended() | decide.Suspending() | decide.Exceeded() as why:
            return denial(store, memory, _refused(request, effective, entitlement, wanted), why, outcome.seen)
        case stale_or_raced:
            return stale_or_raced


def _refused(request: Consume, effective: Effective, entitlement: Entitlement, wanted: Terms) -> Refused:
    return Refused(
        effective=effective,
        entitlement=entitlement,
        wanted=wanted,
        traceparent=request.traceparent,
        partly=request.allow_partial,
    )


def _counted(decision: Decision) -> Decision:
    """A denial that needs no cell. Raises InvalidRequest for a feature that nothing is counted for."""
    if decision.fixed is not None:
        kind = "boolean" if isinstance(decision.fixed, Switch) else "config"
        raise InvalidRequest(
            f"{decision.feature} is a {kind} feature, of which nothing is consumed: ask check, or consume 0",
            code="feature_type_mismatch",
        )
    return decision


def _entitlement(
    store: AdmissionStore, effective: Effective | None, request: Consume, *, now: Instant
) -> Entitlement | Decision:
    return entitlement_or_denial(
        store,
        effective,
        customer=request.customer,
        feature=request.feature,
        amount=request.amount,
        dimensions=request.counted_dimensions,
        now=now,
    )


def entitlement_or_denial(
    store: AdmissionStore,
    effective: Effective | None,
    *,
    customer: str,
    feature: str,
    amount: Decimal,
    dimensions: Mapping[str, str],
    now: Instant,
) -> Entitlement | Decision:
    """The customer's right to a metered feature, or the decision that needs no cell, first reason first."""
    if effective is not None and effective.suspensions:
        by_hand = denied_by_hand(store, effective, feature, dimensions, requested=amount, now=now)
        if by_hand is not None:
            return by_hand
    if effective is not None and effective.subscribed and feature in effective.fixed:
        return decide.unmetered(effective, effective.fixed[feature], requested=amount, now=now)
    found: Entitlement | Reason
    found = Reason.CUSTOMER_NOT_FOUND if effective is None else decide.entitled(effective, feature)
    if isinstance(found, Entitlement):
        return found
    if found is not Reason.CUSTOMER_NOT_FOUND and not store.knows_feature(feature):
        found = Reason.FEATURE_NOT_FOUND
    return decide.absent(found, customer=customer, feature=feature, requested=amount, now=now, effective=effective)


def _terms(
    request: Consume,
    amount: Decimal,
    effective: Effective,
    entitlement: Entitlement,
    mark: RequestMark,
    now: Instant,
    seen: Cell,
) -> Terms:
    return terms(
        entitlement,
        amount=amount,
        version=effective.version,
        mark=mark,
        remembered=request.request_id is not None,
        now=now,
        seen=seen,
        dimensions=request.counted_dimensions,
    )


def _write(asked: Asked, entitlement: Entitlement, wanted: Terms) -> Admitted | NotAdmitted | Repeated:
    store, request, now = asked.store, asked.request, asked.now
    entry = use_entry(
        wanted,
        entitlement=entitlement,
        dimensions=request.counted_dimensions,
        now=now,
        traceparent=request.traceparent,
    )
    key = request.receipt_key
    if key is None:
        return store.admit(request.customer, request.feature, wanted, entry)
    receipt = Receipt(
        fingerprint=request.fingerprint,
        decision_id=asked.decision_id(wanted.mark.minute),
        amount=wanted.amount,
        decided_at=now,
        windows=kept_windows(wanted),
    )
    return store.admit_once(request.customer, request.feature, wanted, entry, key, receipt)


def _mark(request: Consume, now: Instant, entropy: Callable[[int], bytes]) -> RequestMark:
    digest = entropy(MARK_BYTES) if request.request_id is None else _fingerprint(request)[:MARK_BYTES]
    return RequestMark(now // MINUTE, digest)


def _fingerprint(request: Consume) -> bytes:
    sent = request.amount if request.amount_sent is None else request.amount_sent
    body: list[str | bool | None] = [request.request_id, request.customer, request.feature, plain(sent)]
    if request.allow_partial:
        body.append(True)
    return hashlib.sha256(json.dumps([body, sorted(request.dimensions.items())]).encode()).digest()
