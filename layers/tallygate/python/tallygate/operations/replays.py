"""A grant that is asked for again: answered as it was made, with numbers as they are now.

    by receipt   an Idempotency-Key keeps amount, decision id, time and windows for 24 hours
    by mark      the cell remembers a request id for a minute or two: its decision's minute tells the windows

A window that the cell has removed since is read from its total. That is one read for each, ten minutes or more after
the window's end; any other replay reads nothing but what refused it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from tallygate.domain import decide
from tallygate.domain.cells import Cell, RequestMark
from tallygate.domain.decision import Decision, Grounds, Reason
from tallygate.domain.decision_ids import DecisionId, format_decision_id
from tallygate.domain.instants import Instant
from tallygate.domain.limits import Effective, Entitlement
from tallygate.domain.replays import KeptWindow, completed, counted_under, gone_from, instant_in, terms_in
from tallygate.domain.terms import Terms
from tallygate.errors import InvalidRequest
from tallygate.store import AdmissionStore, Receipt, Repeated

if TYPE_CHECKING:
    from tallygate.operations.consume import Consume


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request with what it is decided by: the store, the mark that names its decision, and the secret of the name."""

    store: AdmissionStore
    request: Consume
    mark: RequestMark
    secret: bytes
    now: Instant

    def decision_id(self, minute: int) -> str:
        """The id of this request's decision, where it was made in a minute."""
        request = self.request
        parts = DecisionId(customer=request.customer, feature=request.feature, minute=minute, digest=self.mark.digest)
        return format_decision_id(parts, self.secret)


def by_receipt(
    asked: Asked, effective: Effective, entitlement: Entitlement, wanted: Terms, outcome: Repeated
) -> Decision:
    """The grant that the key keeps. Raises InvalidRequest where it stands for another body."""
    receipt = outcome.receipt
    same_body(asked.request, receipt)
    under = counted_under(effective, entitlement, receipt.windows) if receipt.windows else entitlement
    if under is None:
        return _without_numbers(asked, effective, receipt.decision_id, receipt.amount, at=receipt.decided_at)
    decision = _numbered(
        asked, effective, under, wanted, outcome.cell, receipt.windows, at=receipt.decided_at, amount=receipt.amount
    )
    return replace(decision, decision_id=receipt.decision_id)


def by_mark(
    asked: Asked, effective: Effective, entitlement: Entitlement, wanted: Terms, cell: Cell, minute: int
) -> Decision:
    """The grant that the cell remembers of a minute. Its time is not kept, only its minute: so `as_of` is now."""
    at = instant_in(minute, asked.now)
    decision = _numbered(asked, effective, entitlement, wanted, cell, (), at=at, amount=wanted.amount)
    return replace(decision, as_of=asked.now, decision_id=asked.decision_id(minute))


def of_lost_feature(asked: Asked, effective: Effective) -> Decision | None:
    """The grant that a retry repeats although its customer has lost the feature since; it was counted all the same.

    There are no limits any more to state numbers of.
    """
    store, request = asked.store, asked.request
    key = request.receipt_key
    if key is not None and (kept := store.receipt(request.customer, key, asked.now)) is not None:
        same_body(request, kept)
        return _without_numbers(asked, effective, kept.decision_id, kept.amount, at=kept.decided_at)
    if request.request_id is None or request.allow_partial:
        return None
    marks = store.read(request.customer, request.feature).marks
    minute = next((minute for minute in asked.mark.minutes if asked.mark.digest in marks.get(minute, ())), None)
    if minute is None:
        return None
    return _without_numbers(asked, effective, asked.decision_id(minute), request.amount, at=asked.now)


def same_body(request: Consume, receipt: Receipt) -> None:
    """Raises InvalidRequest where the receipt is of another body."""
    if receipt.fingerprint != request.fingerprint:
        raise InvalidRequest(
            "this Idempotency-Key was used with another body in the last 24 hours",
            code="idempotency_key_reused",
        )


def _numbered(
    asked: Asked,
    effective: Effective,
    entitlement: Entitlement,
    wanted: Terms,
    cell: Cell,
    windows: Sequence[KeptWindow],
    *,
    at: Instant,
    amount: Decimal,
) -> Decision:
    """The decision made at an instant in these windows (none: those of the time), with their numbers as of now."""
    request = asked.request
    made = terms_in(entitlement, wanted, windows, cell, at=at, amount=amount, dimensions=request.counted_dimensions)
    gone = gone_from(cell, ((term.counter, term.over) for term in made.quotas))
    totals = {counter: asked.store.total(request.customer, request.feature, counter) for counter in gone}
    decision = decide.granted(
        effective, entitlement, made, completed(cell, totals), now=at, decision_id="", replayed=True
    )
    return replace(decision, replayed_at=asked.now)


def _without_numbers(asked: Asked, effective: Effective, decision_id: str, amount: Decimal, *, at: Instant) -> Decision:
    return Decision(
        granted=True,
        reason=Reason.OK,
        customer=asked.request.customer,
        feature=asked.request.feature,
        requested=asked.request.amount,
        granted_amount=amount,
        as_of=at,
        decision_id=decision_id,
        timezone=effective.timezone,
        replayed=True,
        replayed_at=asked.now,
        grounds=Grounds(effective=effective),
    )
