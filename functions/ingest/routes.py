"""The route of ingest: its scope, its contract and the operation that answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tallygate.clock import Clock
from tallygate.contracts.metering.ingest import EVENTS, events_answer, read_events
from tallygate.domain.admission.decision_ids import Secret, granted_by
from tallygate.domain.base.instants import Instant
from tallygate.domain.metering.events import Draft, EventStatus, Result
from tallygate.http import Answer, CustomerIn, Request, answered, permit
from tallygate.operations.base.each import Each
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.operations.metering.ports import EventStore

SCOPE = "ingest"


@dataclass(slots=True, kw_only=True)
class App:
    """The parts with which one container ingests.

    decision_secret: proves which decision ids in events were granted (see `domain.admission.decision_ids`)
    ingested: receives every batch with the delay of each new event
    """

    store: EventStore
    clock: Clock
    each: Each
    new_id: Callable[[], str]
    decision_secret: Secret
    ingested: Callable[[Request, Sequence[Result], Sequence[Instant]], None]


def _events(app: App, request: Request) -> Answer:
    principal = permit(request.principal, SCOPE)
    given_trace = request.traceparent if request.headers.get("traceparent") else None
    submitted = read_events(request.json(), request.headers.get("content-type", ""), given_trace)
    posted = Posted(submitted=submitted, batch=app.new_id(), customer=principal.customer)
    now = app.clock.now()
    results = ingest(app.store, posted, now=now, each=app.each, granted=granted_by(app.decision_secret))
    app.ingested(request, results, _lags(submitted, results, now))
    return Answer(body=events_answer(results))


def _lags(submitted: Sequence[Draft | Result], results: Sequence[Result], now: Instant) -> list[Instant]:
    """The delay of each stored event in milliseconds; 0 for an event ahead of the clock or without a time."""
    return [
        max(0, now - (draft.time or now))
        for draft, result in zip(submitted, results, strict=True)
        if isinstance(draft, Draft) and result.status is EventStatus.ACCEPTED
    ]


ROUTES = {EVENTS.key: answered(EVENTS, _events, CustomerIn.FOUND)}
