"""Ports: the storage interface of this room's operations, and the values that storage returns."""

from __future__ import annotations

from typing import Protocol

from tallygate.domain.base.instants import Instant
from tallygate.domain.delivery.deliveries import (
    Delivery,
    DeliveryAttempt,
    DeliveryStatus,
    Endpoint,
    Message,
    SigningSecret,
)
from tallygate.domain.facts.facts import Fact
from tallygate.operations.base.ports import Moves


class EndpointStore(Protocol):
    """Endpoints, which receive webhooks."""

    def create(self, endpoint: Endpoint) -> Moves:
        """Return the write that adds an endpoint. It is refused where its id is taken."""

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        """Return an endpoint, read consistently; None: there is none."""

    def all(self) -> tuple[Endpoint, ...]:
        """Return every endpoint in order of their ids, read consistently. One request for each MB of them."""

    def page(self, *, after: str | None, limit: int) -> tuple[tuple[Endpoint, ...], str | None]:
        """Return a page of endpoints in order of their ids, and the next page's cursor. One request."""

    def replace_secrets(self, seen: Endpoint, secrets: tuple[SigningSecret, ...]) -> Moves:
        """Return the write that replaces an endpoint's secrets.

        It is refused where the endpoint or its secrets have changed.
        """

    def disable(self, endpoint_id: str, reason: str) -> None:
        """Send nothing more to the endpoint, if it still exists. Repeating it changes nothing."""

    def delete(self, endpoint_id: str, *, beside: Moves = ()) -> bool:
        """Remove an endpoint and make the moves `beside`. Its pending deliveries end at their next attempt.

        False: there is no such endpoint.
        """

    def deliveries(
        self, endpoint_id: str, *, after: str | None, limit: int
    ) -> tuple[tuple[tuple[str, Delivery], ...], str | None]:
        """Return a page of the endpoint's deliveries, newest first, with their facts' types, and the next page's
        cursor.

        One request for the list and one for each delivery on it.
        """


class DeliveryStore(Protocol):
    """Deliveries of facts. Every method is one request."""

    def delivery(self, fact_id: str, endpoint: str) -> Delivery | None:
        """Return a delivery, read consistently."""

    def fact(self, fact_id: str) -> Fact | None:
        """Return the fact that is delivered, read consistently."""

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        """Return the receiving endpoint, read consistently."""

    def list_under_endpoint(self, delivery: Delivery, fact_type: str, *, wall: Instant) -> None:
        """Add the delivery to the endpoint's list. Repeating it changes nothing."""

    def claim(self, delivery: Delivery, *, claimant: str, until: Instant) -> Delivery | None:
        """Begin the next attempt.

        None: another attempt has begun since the delivery was seen, or the delivery has ended.

        Atomic. `claimant` is unique to this call, so a write repeated after an unknown outcome recognizes itself.
        """

    def put_off(self, claimed: Delivery, *, history: tuple[DeliveryAttempt, ...], due_at: Instant) -> bool:
        """Record the claimed attempt and keep the delivery pending. False: another attempt has begun since. Atomic."""

    def settle(
        self, delivery: Delivery, status: DeliveryStatus, *, history: tuple[DeliveryAttempt, ...], wall: Instant
    ) -> bool:
        """Record the end of a delivery and remove it from the index. False: another attempt has begun since. Atomic."""

    def disable(self, endpoint_id: str, reason: str) -> None:
        """Send nothing more to the endpoint, if it still exists. Repeating it changes nothing."""

    def due(self, shard: int, now: Instant, limit: int) -> tuple[tuple[str, str], ...]:
        """Return (fact, endpoint) of a shard's due deliveries, oldest first.

        The read is not consistent, so look at each delivery again.
        """

    def handed_over(self, delivery: Delivery, *, until: Instant) -> None:
        """Keep the sweep from sending a message for it again before `until`, unless the delivery has changed since."""

    def look_again(self, fact_id: str, endpoint: str, *, at: Instant) -> None:
        """Move the due time of a delivery that cannot be read."""


class AttemptQueue(Protocol):
    """The queue in which deliveries wait for their attempts."""

    def send(self, message: Message) -> None:
        """Ask for an attempt.

        A message may arrive several times, and asking twice is harmless. Raises StoreUnavailable.
        """
