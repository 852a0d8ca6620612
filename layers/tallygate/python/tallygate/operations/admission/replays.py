"""Replays: a repeated request gets the answer of its grant again, with current numbers.

    by receipt   an Idempotency-Key keeps amount, decision id, time and windows for 24 hours
    by mark      the cell remembers a request id for a minute or two; the minute of its decision determines the windows

A window that the cell has since removed is read from its total: one read each, ten minutes or more after the window's
end. Every other replay reads nothing but the image that refused its write.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from tallygate.domain.admission import decide
from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.decision import Decision, Grounds, Reason
from tallygate.domain.admission.replays import (
    KeptWindow,
    completed,
    counted_under,
    gone_from,
    instant_in,
    terms_in,
)
from tallygate.domain.admission.terms import Terms
from tallygate.domain.base.instants import Instant
from tallygate.domain.limits.limits import Entitlement
from tallygate.errors import InvalidRequest
from tallygate.operations.admission.attempts import Attempt, Consume
from tallygate.operations.admission.ports import Receipt, Repeated


def by_receipt(attempt: Attempt, wanted: Terms, outcome: Repeated) -> Decision:
    """Return the grant of the receipt. Raises InvalidRequest where the key was used with another body."""
    receipt, entitlement = outcome.receipt, attempt.entitlement
    same_body(attempt.request, receipt)
    under = counted_under(attempt.effective, entitlement, receipt.windows) if receipt.windows else entitlement
    if under is None:
        return _without_numbers(attempt, receipt.decision_id, receipt.amount, at=receipt.decided_at)
    decision = _numbered(
        attempt, under, wanted, outcome.seen, receipt.windows, at=receipt.decided_at, amount=receipt.amount
    )
    return replace(decision, decision_id=receipt.decision_id)


def by_mark(attempt: Attempt, wanted: Terms, cell: Cell, minute: int) -> Decision:
    """Return the grant that the cell remembers in a minute. The mark keeps no exact time, so `as_of` is now."""
    at = instant_in(minute, attempt.now)
    decision = _numbered(attempt, attempt.entitlement, wanted, cell, (), at=at, amount=wanted.amount)
    return replace(decision, as_of=attempt.now, decision_id=attempt.decision_id(minute))


def of_lost_feature(attempt: Attempt) -> Decision | None:
    """Return the repeated grant of a customer that has since lost the feature; None: there was no such grant.

    The grant was counted all the same. There are no limits any more whose numbers it could state.
    """
    store, request, mark = attempt.store, attempt.request, attempt.mark
    key = request.receipt_key
    if key is not None and (kept := store.receipt(request.customer, key, attempt.now)) is not None:
        same_body(request, kept)
        return _without_numbers(attempt, kept.decision_id, kept.amount, at=kept.decided_at)
    if request.request_id is None or request.allow_partial:
        return None
    marks = store.read(attempt.cell).marks
    minute = next((minute for minute in mark.minutes if mark.digest in marks.get(minute, ())), None)
    if minute is None:
        return None
    return _without_numbers(attempt, attempt.decision_id(minute), request.amount, at=attempt.now)


def same_body(request: Consume, receipt: Receipt) -> None:
    """Check that the receipt is for the same body. Raises InvalidRequest."""
    if receipt.fingerprint != request.fingerprint:
        raise InvalidRequest(
            "this Idempotency-Key was used with another body in the last 24 hours",
            code="idempotency_key_reused",
        )


def _numbered(
    attempt: Attempt,
    entitlement: Entitlement,
    wanted: Terms,
    cell: Cell,
    windows: Sequence[KeptWindow],
    *,
    at: Instant,
    amount: Decimal,
) -> Decision:
    """Return the decision made at an instant in these windows, with the windows' current numbers.

    windows: those of the receipt; empty: the windows that held the instant
    """
    made = terms_in(entitlement, wanted, windows, cell, at=at, amount=amount, dimensions=attempt.dimensions)
    gone = gone_from(cell, ((term.counter, term.over) for term in made.quotas))
    shown = completed(cell, {counter: attempt.store.total(attempt.cell, counter) for counter in gone})
    decision = decide.granted(attempt.effective, entitlement, made, shown, decision_id="", replayed=True)
    return replace(decision, replayed_at=attempt.now)


def _without_numbers(attempt: Attempt, decision_id: str, amount: Decimal, *, at: Instant) -> Decision:
    return Decision(
        granted=True,
        reason=Reason.OK,
        customer=attempt.cell.customer,
        feature=attempt.cell.feature,
        requested=attempt.request.amount,
        granted_amount=amount,
        as_of=at,
        decision_id=decision_id,
        timezone=attempt.effective.timezone,
        replayed=True,
        replayed_at=attempt.now,
        grounds=Grounds(effective=attempt.effective),
    )
