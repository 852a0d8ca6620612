"""The list of events: what arrived and what became of it, the newest first, for as long as events may be late.

accepted    every one, from the journal of its customer; it is there about a second after it was sent
rejected    one a minute, customer and code, with the number of the others that are known; conflicts too
"""

from __future__ import annotations

from dataclasses import dataclass

from tallygate.domain.base.instants import Instant
from tallygate.domain.entries.usage import EventEntry
from tallygate.domain.metering.events import LATENESS_MAX, EventStatus
from tallygate.domain.metering.judgement import UNREADABLE, EventCode, EventWarning
from tallygate.domain.metering.rejections import Rejection

LISTED_FOR = LATENESS_MAX
STATUSES = (EventStatus.ACCEPTED.value, EventStatus.REJECTED.value, EventStatus.CONFLICT.value)
"""What can be asked for: a duplicate is the event that it repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsAsked:
    """Which events are asked for: received in [start, end), and as far as they are given of this customer (None: those
    of which no customer is known), status, type and id."""

    customer: str | None
    start: Instant
    end: Instant
    status: str | None = None
    type: str | None = None
    id: str | None = None

    @property
    def from_journal(self) -> bool:
        """Whether the journal can hold the events asked for. Rejected events are stored apart from it."""
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

    received_at: when it was received
    others: events with the same customer, minute and code that are known beside this rejected one
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
    """An accepted event. One that could not be counted after all is shown as rejected, with all that was said of it."""
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
