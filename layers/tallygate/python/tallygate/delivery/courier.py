"""The courier: hands one fact to one receiver, by webhook or over the event bus. What an attempt is made of meets here.

The signature carries the real time of the attempt, also where the product's time is a test clock's: receivers judge it
by their own clocks and refuse what is more than minutes away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tallygate.delivery.bus import Bus
from tallygate.delivery.cloudevents import body_of, headers_of
from tallygate.delivery.signatures import signed_headers
from tallygate.delivery.webhook import Sender
from tallygate.domain.deliveries import Endpoint, Outcome
from tallygate.domain.facts import Fact
from tallygate.domain.instants import SECOND, Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Courier:
    """`wall` is the real time, in milliseconds."""

    sender: Sender
    bus: Bus
    wall: Callable[[], Instant]

    def post(self, fact: Fact, endpoint: Endpoint | None) -> Outcome:
        """One attempt to the endpoint, or (None) to the bus."""
        if endpoint is None:
            return self.bus.put(fact)
        wall = self.wall()
        body = body_of(fact)
        signed = signed_headers(
            endpoint.scheme, endpoint.secrets, message_id=fact.id, timestamp=wall // SECOND, body=body
        )
        return self.sender.post(endpoint.url, {**headers_of(fact), **signed}, body, wall=wall)
