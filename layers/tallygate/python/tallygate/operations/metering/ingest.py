"""ingest: stores each usage event once; the stream counts it.

An event that would count nothing is rejected with a reason.

    draft ─subject─> customer ─time, catalog─┬─ acceptable ─put if absent──┬─ stored: accepted
                                             │                             └─ taken ──┐
                                             │                                        ├─ duplicate (same fingerprint)
                                             │                             ┌─ taken ──┤
                                             └─ refused ─catalog, identity─┤          └─ conflict
                                                          read again       └─ not stored: rejected

One put both claims the event's identity and stores it durably. So no event can be claimed and then lost. Sending a
batch again is always safe: a stored event is a duplicate as long as its identity is kept, even if the catalog has
changed. If a batch has several events with one identity, the first acceptable one is stored and the others are compared
with it.

The result of every rejected event gives the reason. For each minute, customer and code, one rejection is also stored,
for the list of events and for the fact that is made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tallygate.domain.base.instants import Instant
from tallygate.domain.metering.events import Draft, Event, EventStatus, Result, accepted_as, data_of, rejected, untimely
from tallygate.domain.metering.judgement import EventJudgement, Granted, judge, nothing_granted
from tallygate.domain.metering.meters import Meters
from tallygate.domain.metering.rejections import Rejection, one_a_minute
from tallygate.operations.base.each import Each, attempt
from tallygate.operations.metering.ports import EventStore

OTHER_CUSTOMER = "other_customer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A batch as it was read.

    submitted: a draft for each event, or the rejection of an event that could not be read
    batch: unique to this request
    customer: the only customer that the sender may post for; None: any
    """

    submitted: tuple[Draft | Result, ...]
    batch: str
    customer: str | None = None


@dataclass(slots=True, kw_only=True)
class _Candidate:
    """One draft of a known customer.

    index: its place in the batch
    event: the event that would be stored
    judged: what it would count
    refused: the rejection; None: it is acceptable
    """

    index: int
    draft: Draft
    event: Event
    judged: EventJudgement
    refused: Result | None = None


def ingest(
    store: EventStore, posted: Posted, *, now: Instant, each: Each, granted: Granted = nothing_granted
) -> tuple[Result, ...]:
    """Store the acceptable events. Return one result for each submitted event, in order.

    granted: tells which decisions named in events are believed

    Raises StoreUnavailable where an event may not have been stored, after all others have been tried. The whole batch
    must then be sent again; events already stored are then duplicates.
    """
    results: list[Result | None] = [None] * len(posted.submitted)
    customers = _customers(store, {draft.subject for draft in posted.submitted if isinstance(draft, Draft)}, each)
    candidates: list[_Candidate] = []
    for index, submitted in enumerate(posted.submitted):
        if isinstance(submitted, Result):
            results[index] = submitted
            continue
        customer = customers[submitted.subject]
        results[index] = _not_for(submitted, customer, posted.customer)
        if results[index] is None:
            assert customer is not None
            event = accepted_as(submitted, customer, now, posted.batch)
            candidates.append(_Candidate(index=index, draft=submitted, event=event, judged=EventJudgement()))
    _judge(store, candidates, granted, now)
    _store(store, results, candidates, each)
    _meet(store, results, candidates, each)
    answered = tuple(result for result in results if result is not None)
    assert len(answered) == len(results), "every event has its result"
    _keep_rejections(store, posted, answered, customers, now, each)
    return answered


def _customers(store: EventStore, subjects: set[str], each: Each) -> dict[str, str | None]:
    ordered = sorted(subjects)
    return dict(zip(ordered, _each_done(each, store.customer_of, ordered), strict=True))


def _not_for(draft: Draft, customer: str | None, only: str | None) -> Result | None:
    """Return the rejection of a subject that names no customer, or another than the sender's only customer."""
    if only is not None and customer != only:
        return rejected(draft.id, OTHER_CUSTOMER, "this key is bound to another customer")
    if customer is None:
        return rejected(draft.id, "unknown_customer", "subject names no customer, by its id or a subject key")
    return None


def _judge(store: EventStore, candidates: Sequence[_Candidate], granted: Granted, now: Instant) -> None:
    """Judge every candidate by the cached catalog. Judge refused ones again by the current catalog."""
    if not candidates:
        return
    meters = store.meters()
    for candidate in candidates:
        _judge_one(candidate, meters, granted, now)
    refused = [candidate for candidate in candidates if candidate.judged.refusal is not None]
    if refused and (newer := store.meters(again=True)) is not meters:
        for candidate in refused:
            _judge_one(candidate, newer, granted, now)


def _judge_one(candidate: _Candidate, meters: Meters, granted: Granted, now: Instant) -> None:
    draft, customer = candidate.draft, candidate.event.customer
    judged = judge(draft.type, data_of(draft.data), customer=customer, meters=meters, granted=granted)
    candidate.judged, candidate.refused = judged, untimely(draft, now)
    if candidate.refused is None and judged.refusal is not None:
        candidate.refused = rejected(draft.id, judged.refusal.code, judged.refusal.detail)


def _store(store: EventStore, results: list[Result | None], candidates: Sequence[_Candidate], each: Each) -> None:
    """Put the first acceptable event of each identity. Compare the others of that identity with the stored event."""
    same: dict[tuple[str, str, str], list[_Candidate]] = {}
    for candidate in candidates:
        if candidate.refused is None:
            same.setdefault(candidate.event.identity, []).append(candidate)
    groups = list(same.values())
    for group, taken in zip(groups, _each_done(each, store.put, [group[0].event for group in groups]), strict=True):
        first = group[0]
        stored = first.event if taken is None else taken
        for candidate in group:
            if candidate is first and taken is None:
                results[candidate.index] = _accepted(candidate)
            else:
                results[candidate.index] = _met(candidate, stored)


def _meet(store: EventStore, results: list[Result | None], candidates: Sequence[_Candidate], each: Each) -> None:
    """Reject refused events, unless their identity is stored: such an event is a duplicate or a conflict.

    This step follows the puts. So if the batch is sent again, its refused events get the same answers.
    """
    refused = [candidate for candidate in candidates if candidate.refused is not None]
    stored = _each_done(each, store.stored, [candidate.event for candidate in refused])
    for candidate, met in zip(refused, stored, strict=True):
        results[candidate.index] = candidate.refused if met is None else _met(candidate, met)


def _accepted(candidate: _Candidate) -> Result:
    return Result(
        id=candidate.event.id,
        status=EventStatus.ACCEPTED,
        time=_receipt_time(candidate.draft, candidate.event),
        judged=candidate.judged,
    )


def _met(candidate: _Candidate, stored: Event) -> Result:
    """Return the result of an event whose identity is already stored."""
    if candidate.event.fingerprint == stored.fingerprint:
        time = _receipt_time(candidate.draft, stored)
        return Result(id=candidate.event.id, status=EventStatus.DUPLICATE, time=time)
    return Result(
        id=candidate.event.id,
        status=EventStatus.CONFLICT,
        code="event_conflict",
        detail="an event with this source and id, but with another content, was stored before",
    )


def _receipt_time(draft: Draft, stored: Event) -> Instant | None:
    return stored.time if draft.time is None else None


def _keep_rejections(
    store: EventStore,
    posted: Posted,
    results: Sequence[Result],
    customers: dict[str, str | None],
    now: Instant,
    each: Each,
) -> None:
    """Store one rejection for each customer and code.

    If this fails, the rejected events are still not stored, and the sender repeats the batch.
    """
    found = one_a_minute(
        _rejection(submitted, result, _owner(submitted, result, posted, customers), now)
        for submitted, result in zip(posted.submitted, results, strict=True)
        if result.status in (EventStatus.REJECTED, EventStatus.CONFLICT)
    )
    _each_done(each, store.keep_rejection, found)


def _owner(submitted: Draft | Result, result: Result, posted: Posted, customers: dict[str, str | None]) -> str | None:
    """Return the customer of a rejection.

    An event that is unreadable or not allowed to its sender belongs to the sender.
    """
    if isinstance(submitted, Result) or result.code == OTHER_CUSTOMER:
        return posted.customer
    return customers[submitted.subject]


def _rejection(submitted: Draft | Result, result: Result, customer: str | None, now: Instant) -> Rejection:
    assert result.code is not None, "a rejection has a code"
    draft = submitted if isinstance(submitted, Draft) else None
    return Rejection(
        customer=customer,
        code=result.code,
        detail=result.detail or "",
        status=result.status,
        at=now,
        id=result.id,
        source=None if draft is None else draft.source,
        type=None if draft is None else draft.type,
        subject=None if draft is None else draft.subject,
        time=None if draft is None else draft.time,
    )


def _each_done(each: Each, function: Callable[[Any], Any], values: Sequence[Any]) -> list[Any]:
    """Return the function's result for each value. Raises the first TallygateError after all values have been tried."""
    answers, failures = attempt(each, function, values)
    if failures:
        raise failures[0]
    return answers
