"""Ports: what the operations of this room ask of storage, and the values that it answers with."""

from __future__ import annotations

from typing import Protocol

from tallygate.domain.metering.events import Event
from tallygate.domain.metering.meters import Meters
from tallygate.domain.metering.rejections import Rejection


class EventStore(Protocol):
    """Events, each stored once."""

    def customer_of(self, subject: str) -> str | None:
        """The customer that a subject names by a subject key or by its own id; None: nobody. Remembered a minute."""

    def put(self, event: Event) -> Event | None:
        """Store the event (None), unless its identity is taken: then the event that has it. One request, repeatable."""

    def stored(self, event: Event) -> Event | None:
        """The stored event that has this one's identity, consistent; None: there is none. One request."""

    def meters(self, *, again: bool = False) -> Meters:
        """What events are judged by, at most a minute old, or (`again`) a second. No request where it is remembered."""

    def keep_rejection(self, rejection: Rejection) -> None:
        """Keep the rejection, unless one of its customer, minute and code is kept. One request at most; repeatable."""


class RejectionStore(Protocol):
    """Rejections of events, one a minute, customer and code."""

    def keep(self, rejection: Rejection) -> None:
        """Keep the rejection, unless one of its customer, minute and code is kept. One request at most; repeatable."""
