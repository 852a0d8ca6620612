"""consume: check and count in one write.

    limits in force ─> terms ─> one conditional write ─┬─ written: granted
         ^                                             └─ refused: explained by the image that refused
         └──────── reload once (stale) · again with what was seen (raced) ─────┘

Read everything, then decide, then write: the write is the decision. A denial has written nothing anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from tallygate.domain.admission import decide
from tallygate.domain.admission.decision import Decision
from tallygate.domain.admission.entries import use_entry
from tallygate.domain.admission.replays import kept_windows
from tallygate.domain.admission.terms import Terms
from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog.features import Switch
from tallygate.domain.limits.counters import CellName
from tallygate.errors import ClockBehind, Contended, InvalidRequest
from tallygate.operations.admission.attempts import Attempt, Consume, mark_of, stated, without_cell
from tallygate.operations.admission.denials import Denying, denial
from tallygate.operations.admission.memory import Memory
from tallygate.operations.admission.ports import (
    AdmissionStore,
    Admitted,
    NotAdmitted,
    Receipt,
    Repeated,
)
from tallygate.operations.admission.replays import by_mark, by_receipt, of_lost_feature

TRIES_MAX = 3
"""Writes that a request may send when other writers win; then it is contended, which is never a denial."""


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
        part = None if decision.granted else request.part_that_fits(decision)
        if part is None:
            break
        decision = _consume(store, memory, request, part, now=now, entropy=entropy)
    return decision if decision.requested == request.amount else replace(decision, requested=request.amount)


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
    effective, reloaded = memory.limits(store, request.customer, now=now), False
    mark = mark_of(request, now, entropy)
    for _ in range(TRIES_MAX + 1):
        needless = without_cell(store, effective, request, now=now)
        if effective is None:
            assert needless is not None, "an unknown customer has no cells"
            return needless
        if needless is None or reloaded:
            attempt = Attempt(
                store=store,
                memory=memory,
                request=request,
                cell=CellName(request.customer, request.feature),
                amount=amount,
                dimensions=request.counted_dimensions,
                effective=effective,
                mark=mark,
                secret=memory.decision_secret(store, entropy),
                now=now,
            )
            if needless is not None:
                return of_lost_feature(attempt) or stated(store, effective, _counted(needless), attempt.dimensions)
            decision = _try(attempt)
            if isinstance(decision, Decision):
                return decision
            if decision is None:
                continue
        # The limits are stale; or the decision rests on them alone, and no cell has proved them.
        if reloaded:
            raise Contended("the limits changed while the request was decided")
        effective, reloaded = memory.limits(store, request.customer, now=now, fresh=True), True
    raise Contended("other writers won every try")


def _try(attempt: Attempt) -> Decision | decide.Stale | None:
    """One write and what it means; None: another writer came between, what it left is remembered for the next try."""
    store, memory, request, cell = attempt.store, attempt.memory, attempt.request, attempt.cell
    wanted = attempt.terms(memory.last_seen(cell))
    if request.receipt_key is None and memory.denied_lately(cell, wanted):
        seen = store.read(cell)
        wanted = attempt.terms(seen)
        if isinstance(why := decide.refusal(seen, wanted), Denying):
            return denial(attempt, wanted, why, seen)
    outcome = _write(attempt, wanted)
    if isinstance(outcome, Admitted):
        memory.saw(cell, outcome.after)
        decision_id = attempt.decision_id(attempt.mark.minute)
        return decide.granted(attempt.effective, attempt.entitlement, wanted, outcome.after, decision_id=decision_id)
    memory.saw(cell, outcome.seen)
    if isinstance(outcome, Repeated):
        stale = outcome.seen.version > wanted.version
        return decide.Stale() if stale else by_receipt(attempt, wanted, outcome)
    match decide.refusal(outcome.seen, wanted):
        case decide.Replayed(minute):
            if request.allow_partial:
                raise InvalidRequest(
                    "this request_id was used with another Idempotency-Key", code="idempotency_key_reused"
                )
            return by_mark(attempt, wanted, outcome.seen, minute)
        case decide.Unfollowed():
            # Whoever changed the limits has not got to it yet, or died before it could.
            memory.saw(cell, store.follow(attempt.effective, cell.feature, attempt.now))
            return None
        case decide.Behind():
            raise ClockBehind("this container's clock lags behind the cell's newest removed window")
        case decide.Suspended() | decide.Suspending() | decide.Exceeded() as why:
            return denial(attempt, wanted, why, outcome.seen)
        case stale_or_raced:
            return stale_or_raced


def _counted(decision: Decision) -> Decision:
    """A denial that needs no cell. Raises InvalidRequest for a feature that nothing is counted for."""
    if decision.fixed is not None:
        kind = "boolean" if isinstance(decision.fixed, Switch) else "config"
        raise InvalidRequest(
            f"{decision.feature} is a {kind} feature, of which nothing is consumed: ask check, or consume 0",
            code="feature_type_mismatch",
        )
    return decision


def _write(attempt: Attempt, wanted: Terms) -> Admitted | NotAdmitted | Repeated:
    request, cell = attempt.request, attempt.cell
    entry = use_entry(
        wanted,
        entitlement=attempt.entitlement,
        dimensions=attempt.dimensions,
        now=attempt.now,
        traceparent=request.traceparent,
    )
    key = request.receipt_key
    if key is None:
        return attempt.store.admit(cell, wanted, entry)
    receipt = Receipt(
        fingerprint=request.fingerprint,
        decision_id=attempt.decision_id(attempt.mark.minute),
        amount=wanted.amount,
        decided_at=attempt.now,
        windows=kept_windows(wanted),
    )
    return attempt.store.admit_once(cell, wanted, entry, key, receipt)
