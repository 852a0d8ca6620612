"""consume: check and count in one write.

    limits in force ─> terms ─> one conditional write ─┬─ written: granted
         ^                                             └─ refused: explained by the image that refused
         └──────── reload once (stale) · again with what was seen (raced) ─────┘

First read everything, then decide, then write: the write is the decision. A denial counts nothing.
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
from tallygate.domain.limits.limits import Entitlement
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
"""Writes that one request may send while other writers win. Then it is contended, which is never a denial."""


def consume(
    store: AdmissionStore, memory: Memory, request: Consume, *, now: Instant, entropy: Callable[[int], bytes]
) -> Decision:
    """Grant and count the whole amount, or deny and count nothing; with `allow_partial`, grant the part that fits.

    A part is rounded down to the decimal places of the amount, so that whole units stay whole.

    entropy: entropy(n) returns n random bytes; they identify a decision whose request has no id

    Raises InvalidRequest for an Idempotency-Key used with another body, and for a feature that is not metered or whose
    meter is for display only (`not_consumable`). Raises Contended, ClockBehind and OutcomeUnknown.
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
        cell_free = without_cell(store, effective, request, now=now)
        if effective is None:
            assert cell_free is not None, "an unknown customer has no cells"
            return cell_free
        if cell_free is None or reloaded:
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
            if cell_free is not None:
                return of_lost_feature(attempt) or stated(store, effective, _counted(cell_free), attempt.dimensions)
            if not attempt.entitlement.merge.limited:
                raise InvalidRequest(
                    f"the meter of {request.feature} counts events only: its values are shown and not limited",
                    code="not_consumable",
                )
            decision = _try(attempt)
            if isinstance(decision, Decision):
                return decision
            if decision is None:
                continue
        # The limits are stale, or the decision rests on them alone and no cell has proved them.
        if reloaded:
            raise Contended("the limits changed while the request was decided")
        effective, reloaded = memory.limits(store, request.customer, now=now, fresh=True), True
    raise Contended("other writers won every try")


def _try(attempt: Attempt) -> Decision | decide.Stale | None:
    """Write once and return the decision.

    None: another writer came between; the next try uses the image that this write left in memory. Stale: the limits
    changed.
    """
    store, memory, request, cell = attempt.store, attempt.memory, attempt.request, attempt.cell
    wanted = attempt.terms(memory.last_seen(cell))
    if request.receipt_key is None and memory.denied_lately(cell, wanted):
        seen = store.read(cell)
        wanted = attempt.terms(seen)
        if isinstance(why := decide.refusal(seen, wanted), Denying):
            return denial(attempt, wanted, why, seen)
    entitlement = attempt.entitlement
    outcome = _write(attempt, entitlement, wanted)
    if isinstance(outcome, Admitted):
        memory.saw(cell, outcome.after)
        decision_id = attempt.decision_id(attempt.mark.minute)
        return decide.granted(attempt.effective, entitlement, wanted, outcome.after, decision_id=decision_id)
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
            # The process that changed the limits has not updated this cell yet, or died before it could.
            memory.saw(cell, store.follow(attempt.effective, cell.feature, attempt.now))
            return None
        case decide.Behind():
            raise ClockBehind("the server's clock lags behind the newest removed window of the counter")
        case decide.Suspended() | decide.Suspending() | decide.Exceeded() as why:
            return denial(attempt, wanted, why, outcome.seen)
        case stale_or_raced:
            return stale_or_raced


def _counted(decision: Decision) -> Decision:
    """Return a denial that needs no cell. Raises InvalidRequest for a feature that is not metered."""
    if decision.fixed is not None:
        kind = "boolean" if isinstance(decision.fixed, Switch) else "config"
        raise InvalidRequest(
            f"{decision.feature} is a {kind} feature and has no usage to count: ask check, or consume 0",
            code="feature_type_mismatch",
        )
    return decision


def _write(attempt: Attempt, entitlement: Entitlement, wanted: Terms) -> Admitted | NotAdmitted | Repeated:
    request, cell = attempt.request, attempt.cell
    entry = use_entry(
        wanted,
        entitlement=entitlement,
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
