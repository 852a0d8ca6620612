"""Contracts of the answers about events. ingest.py builds the answer of a POST as a plain dictionary."""

from __future__ import annotations

from tallygate.contracts.base.bodies import AnswerBody, TimeOut
from tallygate.contracts.base.described import LEFT_OUT
from tallygate.contracts.base.problems import BrokenRule
from tallygate.domain.metering.events import EventStatus


class WarningAnswer(AnswerBody):
    """A reason why an event may count differently from what its sender expects.

    meter: null: the warning concerns the whole event
    """

    meter: str | None
    code: str
    detail: str


class EventResult(AnswerBody):
    """The result of one event.

    id: as sent; null: could not be read
    code: why it was not accepted
    detail: the same as a sentence
    errors: every broken rule of an event that could not be read
    counted_by: meters that count the event; of an accepted event
    time: as stored, if the sender stated none
    """

    id: str | None
    status: EventStatus
    code: str = LEFT_OUT
    detail: str | None = LEFT_OUT
    errors: list[BrokenRule] = LEFT_OUT
    counted_by: list[str] = LEFT_OUT
    warnings: list[WarningAnswer] = LEFT_OUT
    time: TimeOut = LEFT_OUT


class EventsAnswer(AnswerBody):
    """The results of all sent events, in their order, and their counts.

    rejected: number of rejected events, conflicts included
    warnings: number of all warnings
    """

    accepted: int
    duplicates: int
    rejected: int
    parked: int
    warnings: int
    results: list[EventResult]


class EventRowAnswer(AnswerBody):
    """One received event. null: could not be read.

    counted_by: meters that count the event
    code: why it was rejected
    detail: the same as a sentence
    subject: of an event whose customer is unknown
    others: number of other rejected events of the same minute, customer and code
    """

    id: str | None
    source: str | None
    type: str | None
    status: EventStatus
    counted_by: list[str]
    time: TimeOut | None
    received_at: TimeOut
    warnings: list[WarningAnswer]
    code: str = LEFT_OUT
    detail: str | None = LEFT_OUT
    subject: str = LEFT_OUT
    others: int = LEFT_OUT
