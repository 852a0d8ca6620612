"""The courier: hands one fact to one receiver, by webhook or over the event bus. What an attempt is made of meets here.

The signature carries the real time of the attempt, also where the product's time is a test clock's: receivers judge it
by their own clocks and refuse what is more than minutes away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tallygate.delivery.bus import Bus
from tallygate.delivery.cloudevents import body_of, headers_of
from tallygate.delivery.signatures import signed_headers
from tallygate.delivery.webhook import Sender
from tallygate.domain.deliveries import Endpoint, Outcome, Verdict
from tallygate.domain.facts import Fact
from tallygate.domain.instants import SECOND, Instant

UNSIGNED = "secret: the endpoint's secret is kept no longer; rotate it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Courier:
    """`wall` is the real time, in milliseconds."""

    sender: Sender
    bus: Bus
    wall: Callable[[], Instant]

    def post(self, fact: Fact, endpoint: Endpoint | None, secrets: Sequence[str]) -> Outcome:
        """One attempt to the endpoint, signed with each of the secrets; or (None) to the bus. None unsigned is sent."""
        if endpoint is None:
            return self.bus.put(fact)
        if not secrets:
            return Outcome(verdict=Verdict.FAILED, detail=UNSIGNED)
        wall = self.wall()
        body = body_of(fact)
        signed = signed_headers(endpoint.scheme, secrets, message_id=fact.id, timestamp=wall // SECOND, body=body)
        return self.sender.post(endpoint.url, {**headers_of(fact), **signed}, body, wall=wall)
