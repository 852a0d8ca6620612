"""Stored rejections: one sample of the rejected events for each minute, customer and code.

The sender gets a result for every event. A rejection is also stored, so that others than the sender learn of usage that
is not counted: it is listed and announced as `usage.rejected`. A metric counts the other rejections of the minute.

    by ingest         the event was not stored; `others` counts events of the same request with equal customer and code
    after acceptance  the event was stored but could not be counted, for example because its meter was removed meanwhile
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tallygate.domain.base.instants import MINUTE, Instant
from tallygate.domain.metering.events import EventStatus

NO_CUSTOMER = ""
"""The placeholder for an unknown customer: the subject is unknown, or the event could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One rejected event, as the sample of its customer, minute and code.

    customer: the event's customer; None: unknown
    at: time of receipt
    id, source, type, subject, time: as sent; None: could not be read
    others: number of other known rejections with equal customer, minute and code
    accepted: whether the event was accepted and stored, and could not be counted afterwards
    journaled: whether the customer's journal has the event; lists then take it from the journal
    """

    customer: str | None
    code: str
    detail: str
    at: Instant
    id: str | None = None
    source: str | None = None
    type: str | None = None
    subject: str | None = None
    time: Instant | None = None
    status: str = EventStatus.REJECTED
    others: int = 0
    accepted: bool = False
    journaled: bool = False

    @property
    def minute(self) -> int:
        return self.at // MINUTE

    @property
    def owner(self) -> str:
        """The customer as used in keys and facts, with the placeholder for None."""
        return NO_CUSTOMER if self.customer is None else self.customer


def one_a_minute(rejections: Iterable[Rejection]) -> tuple[Rejection, ...]:
    """Return the first rejection of each customer, minute, code and stage, with the number of the others."""
    found: dict[tuple[str, int, str, bool], Rejection] = {}
    for rejection in rejections:
        name = (rejection.owner, rejection.minute, rejection.code, rejection.accepted)
        first = found.get(name)
        found[name] = rejection if first is None else replace(first, others=first.others + 1 + rejection.others)
    return tuple(found.values())
