"""ingest: stores usage events, each once; the stream counts them.

    draft ─subject─> customer ─put if absent─┬─ stored: accepted
                                             └─ taken: duplicate (same fingerprint) or conflict

The put is both the claim of the identity and the durable record, so nothing can be claimed and lost. Sending a batch
again is always safe. Of several events with one identity in a batch the first is stored and the others meet it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tallygate.domain.events import Draft, Event, EventStatus, Result, accepted_as, rejected, untimely
from tallygate.domain.instants import Instant
from tallygate.operations.each import Each, attempt
from tallygate.store import EventStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A batch as it was read: drafts, and in their places the rejections of what could not be read as one.

    `customer` is the only one that the sender may post for (None: any); `batch` is unique to this request.
    """

    submitted: tuple[Draft | Result, ...]
    batch: str
    customer: str | None = None


def ingest(store: EventStore, posted: Posted, *, now: Instant, each: Each) -> tuple[Result, ...]:
    """Store what is acceptable; one result for each submitted event, in their order.

    Raises StoreUnavailable where an event may not have been stored, after all others have been tried: the whole batch
    is to be sent again, and what was stored is a duplicate then.
    """
    results: list[Result | None] = [None] * len(posted.submitted)
    drafts = [(index, draft) for index, draft in enumerate(posted.submitted) if isinstance(draft, Draft)]
    for index, submitted in enumerate(posted.submitted):
        if isinstance(submitted, Result):
            results[index] = submitted
    customers = _customers(store, sorted({draft.subject for _, draft in drafts}), each)
    same: dict[tuple[str, str, str], list[tuple[int, Event, Draft]]] = {}
    for index, draft in drafts:
        refused = untimely(draft, now) or _not_for(draft, customers[draft.subject], posted.customer)
        customer = customers[draft.subject]
        if refused is not None or customer is None:
            results[index] = refused
            continue
        event = accepted_as(draft, customer, now, posted.batch)
        same.setdefault(event.identity, []).append((index, event, draft))
    groups = list(same.values())
    for group, first in zip(groups, _each_done(each, store.put, [group[0][1] for group in groups]), strict=True):
        _settle(results, group, first)
    assert None not in results, "every event has its result"
    return tuple(result for result in results if result is not None)


def _customers(store: EventStore, subjects: Sequence[str], each: Each) -> dict[str, str | None]:
    return dict(zip(subjects, _each_done(each, store.customer_of, subjects), strict=True))


def _not_for(draft: Draft, customer: str | None, only: str | None) -> Result | None:
    """The rejection of a subject that names nobody, or (whoever that is) not the sender's only customer."""
    if only is not None and customer != only:
        return rejected(draft.id, "other_customer", "this key is bound to another customer")
    if customer is None:
        return rejected(draft.id, "unknown_customer", "subject names no customer, by its id or a subject key")
    return None


def _settle(results: list[Result | None], group: list[tuple[int, Event, Draft]], taken: Event | None) -> None:
    """The results of events with one identity; `taken` is the stored event that the first of them met."""
    stored = group[0][1] if taken is None else taken
    for place, (index, event, draft) in enumerate(group):
        if place == 0 and taken is None:
            status = EventStatus.ACCEPTED
        elif event.fingerprint == stored.fingerprint:
            status = EventStatus.DUPLICATE
        else:
            results[index] = Result(
                id=event.id,
                status=EventStatus.CONFLICT,
                code="event_conflict",
                detail="an event with this source and id, but with another content, was stored before",
            )
            continue
        results[index] = Result(id=event.id, status=status, time=stored.time if draft.time is None else None)


def _each_done(each: Each, function: Callable[[Any], Any], values: Sequence[Any]) -> list[Any]:
    """The function's answer for each value. Raises the first TallygateError, after all of them have been tried."""
    answers, failures = attempt(each, function, values)
    if failures:
        raise failures[0]
    return answers
