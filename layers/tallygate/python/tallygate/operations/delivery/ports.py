"""Ports: what the operations of this room ask of storage, and the values that it answers with."""

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
    """Who receives webhooks."""

    def create(self, endpoint: Endpoint) -> Moves:
        """The write that adds an endpoint; refused where its id is taken."""

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        """One endpoint, consistent."""

    def all(self) -> tuple[Endpoint, ...]:
        """Every endpoint, consistent, in order of their ids. One request for each MB of them."""

    def page(self, *, after: str | None, limit: int) -> tuple[tuple[Endpoint, ...], str | None]:
        """Some endpoints in order of their ids, and where to go on. One request."""

    def replace_secrets(self, seen: Endpoint, secrets: tuple[SigningSecret, ...]) -> Moves:
        """The write that gives an endpoint other secrets; refused where it is gone, or has others than were seen."""

    def disable(self, endpoint_id: str, reason: str) -> None:
        """Send nothing more to the endpoint, if it still exists. Repeating it changes nothing."""

    def delete(self, endpoint_id: str, *, beside: Moves = ()) -> bool:
        """Remove an endpoint and make the moves `beside`; its pending deliveries end at their next attempt.

        False: there is none.
        """

    def deliveries(
        self, endpoint_id: str, *, after: str | None, limit: int
    ) -> tuple[tuple[tuple[str, Delivery], ...], str | None]:
        """The endpoint's newest deliveries with the types of their facts, and where to go on; one request for the list
        and one for each delivery on it."""


class DeliveryStore(Protocol):
    """Facts on their way. Every method is one request."""

    def delivery(self, fact_id: str, endpoint: str) -> Delivery | None:
        """How a delivery stands, consistent."""

    def fact(self, fact_id: str) -> Fact | None:
        """What is delivered, consistent."""

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        """To whom, consistent."""

    def list_under_endpoint(self, delivery: Delivery, fact_type: str, *, wall: Instant) -> None:
        """Let the endpoint's deliveries name this one. Repeating it changes nothing."""

    def claim(self, delivery: Delivery, *, claimant: str, until: Instant) -> Delivery | None:
        """Begin the next attempt, if none has begun since the delivery was seen; None: one has, or it is settled.

        Atomic. `claimant` is unique to this call, so that a write repeated after an unknown outcome knows itself.
        """

    def put_off(self, claimed: Delivery, *, history: tuple[DeliveryAttempt, ...], due_at: Instant) -> bool:
        """Record the claimed attempt; the delivery stays pending. False: another attempt has begun since. Atomic."""

    def settle(
        self, delivery: Delivery, status: DeliveryStatus, *, history: tuple[DeliveryAttempt, ...], wall: Instant
    ) -> bool:
        """Record the end of a delivery and take it out of the index. False: another attempt has begun since. Atomic."""

    def disable(self, endpoint_id: str, reason: str) -> None:
        """Send nothing more to the endpoint, if it still exists. Repeating it changes nothing."""

    def due(self, shard: int, now: Instant, limit: int) -> tuple[tuple[str, str], ...]:
        """(fact, endpoint) of deliveries that are due in a shard, oldest first; not consistent: look at each again."""

    def handed_over(self, delivery: Delivery, *, until: Instant) -> None:
        """Keep the sweep from handing it over again before `until`, unless something has happened to it since."""

    def look_again(self, fact_id: str, endpoint: str, *, at: Instant) -> None:
        """Move when a delivery that cannot be read is due."""


class AttemptQueue(Protocol):
    """Where deliveries wait for their attempts."""

    def send(self, message: Message) -> None:
        """Ask for an attempt. At least once: asking twice does no harm. Raises StoreUnavailable."""
