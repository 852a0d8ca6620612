"""The route that lists events and what became of them."""

from __future__ import annotations

from replies import App, asked_page, paged

from tallygate.contracts.event_list import event_row_answer, read_event_list
from tallygate.http import Answer, Request
from tallygate.operations.event_list import events_after, list_events
from tallygate.storage.event_log import EventLog


def get_events(app: App, request: Request) -> Answer:
    """A customer's events, or without one those of which no customer is known."""
    now, (limit, cursor) = app.clock.now(), asked_page(request)
    asked = read_event_list(request.query, now=now)
    after = None if cursor is None else events_after(cursor)
    rows, more = list_events(EventLog(app.engine), asked, after=after, limit=limit, now=now)
    return paged([event_row_answer(row) for row in rows], None if more is None else more.text())
