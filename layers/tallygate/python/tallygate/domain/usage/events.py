"""The list of events: received events and their outcomes, newest first, for LISTED_FOR.

accepted    every event, from the customer's journal, about a second after it was sent
rejected    one event for each minute, customer and code, with the number of other known ones; includes conflicts
"""

from __future__ import annotations

from dataclasses import dataclass

from tallygate.domain.base.instants import Instant
from tallygate.domain.entries.events import EventEntry
from tallygate.domain.metering.events import EventStatus
from tallygate.domain.metering.judgement import UNREADABLE, EventCode, EventWarning
from tallygate.domain.metering.lateness import LATENESS_MAX
from tallygate.domain.metering.rejections import Rejection

LISTED_FOR = LATENESS_MAX
STATUSES = (EventStatus.ACCEPTED.value, EventStatus.REJECTED.value, EventStatus.CONFLICT.value)
"""The statuses to filter by. Duplicates are not listed, because the original event is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsAsked:
    """A query for events.

    customer: None: rejected events without a known customer
    start, end: events received in [start, end)
    status, type, id: None: any
    """

    customer: str | None
    start: Instant
    end: Instant
    status: str | None = None
    type: str | None = None
    id: str | None = None

    @property
    def from_journal(self) -> bool:
        """Whether the journal may have matching events. Rejected events are stored elsewhere."""
        return self.customer is not None and self.status in (None, EventStatus.ACCEPTED)

    @property
    def from_rejections(self) -> bool:
        return self.status != EventStatus.ACCEPTED

    def wants(self, row: EventRow) -> bool:
        return (
            self.start <= row.received_at < self.end
            and self.status in (None, row.status)
            and self.type in (None, row.type)
            and self.id in (None, row.id)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One event of the list.

    received_at: time of receipt
    others: number of other known rejected events with the same customer, minute and code
    """

    status: str
    received_at: Instant
    id: str | None = None
    source: str | None = None
    type: str | None = None
    subject: str | None = None
    time: Instant | None = None
    code: str | None = None
    detail: str | None = None
    counted_by: tuple[str, ...] = ()
    warnings: tuple[EventWarning, ...] = ()
    others: int = 0


def row_of_entry(entry: EventEntry) -> EventRow:
    """Return the row of an event in the journal.

    An accepted event that could not be counted later is shown as rejected, with the details of its warnings.
    """
    refused = entry.rejected is not None
    said = [w.detail for w in entry.warnings if w.code in UNREADABLE or w.code == EventCode.UNKNOWN_EVENT_TYPE]
    return EventRow(
        id=entry.id,
        source=entry.source,
        type=entry.type or None,
        time=entry.time,
        received_at=entry.received_at,
        status=EventStatus.REJECTED.value if refused else EventStatus.ACCEPTED.value,
        code=entry.rejected,
        detail="; ".join(said) if refused else None,
        counted_by=tuple(found.meter for found in entry.measured),
        warnings=entry.warnings,
    )


def row_of_rejection(rejection: Rejection) -> EventRow:
    return EventRow(
        id=rejection.id,
        source=rejection.source,
        type=rejection.type,
        subject=rejection.subject,
        time=rejection.time,
        received_at=rejection.at,
        status=rejection.status,
        code=rejection.code,
        detail=rejection.detail,
        others=rejection.others,
    )
