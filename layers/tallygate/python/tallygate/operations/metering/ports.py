"""Ports: the storage interface of this room's operations, and the values that storage returns."""

from __future__ import annotations

from typing import Protocol

from tallygate.domain.metering.events import Event
from tallygate.domain.metering.meters import Meters
from tallygate.domain.metering.rejections import Rejection


class EventStore(Protocol):
    """Events, each stored once."""

    def customer_of(self, subject: str) -> str | None:
        """Return the customer with this subject key or id; None: there is none. Cached for a minute."""

    def put(self, event: Event) -> Event | None:
        """Store the event and return None; if its identity is taken, return the stored event.

        One request, repeatable.
        """

    def stored(self, event: Event) -> Event | None:
        """Return the stored event with the same identity, read consistently; None: there is none. One request."""

    def meters(self, *, again: bool = False) -> Meters:
        """Return the catalog's meters, at most a minute old, or (`again`) a second.

        No request while they are cached.
        """

    def keep_rejection(self, rejection: Rejection) -> None:
        """Store the rejection, unless one of its customer, minute and code exists. At most one request; repeatable."""


class RejectionStore(Protocol):
    """Rejections of events, one a minute, customer and code."""

    def keep(self, rejection: Rejection) -> None:
        """Store the rejection, unless one of its customer, minute and code exists. At most one request; repeatable."""
