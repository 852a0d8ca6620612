"""Rejections that are kept: of the events that were rejected, one a minute, customer and code.

Every event has its result. A rejection is kept beside it, so that somebody other than the sender learns that usage is
not counted: it is listed, and it makes the fact `usage.rejected`. The others of its minute are counted by a metric.

    by ingest         the event was not stored; `others` of the same request had the same customer and code
    after acceptance  the event was stored, but what it says could not be counted (its meter went meanwhile)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tallygate.domain.base.instants import MINUTE, Instant
from tallygate.domain.metering.events import EventStatus

NO_CUSTOMER = ""
"""In place of a customer: the subject is unknown, or the event could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One rejected event, and how many others are known to share its customer, minute and code.

    customer: whose event it was; None: no customer is known
    at: when it was received
    id, source, type, subject, time: as sent; None where that could not be read
    accepted: it was accepted and stored, and could not be counted afterwards
    journaled: its customer's journal has the event, which is listed from there
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
        """The customer as keys and facts have it."""
        return NO_CUSTOMER if self.customer is None else self.customer


def one_a_minute(rejections: Iterable[Rejection]) -> tuple[Rejection, ...]:
    """The first of each customer, minute and code, with the number of the others."""
    found: dict[tuple[str, int, str, bool], Rejection] = {}
    for rejection in rejections:
        name = (rejection.owner, rejection.minute, rejection.code, rejection.accepted)
        first = found.get(name)
        found[name] = rejection if first is None else replace(first, others=first.others + 1 + rejection.others)
    return tuple(found.values())
