"""The courier: makes one attempt to send a fact to one receiver, by webhook or over the event bus.

The signature carries the real time of the attempt, never the time of a test clock. Receivers compare it with their own
clocks and refuse a difference of minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tallygate.delivery.bus import Bus
from tallygate.delivery.cloudevents import body_of, headers_of
from tallygate.delivery.signatures import signed_headers
from tallygate.delivery.webhook import Sender
from tallygate.domain.base.instants import SECOND, Instant
from tallygate.domain.delivery.deliveries import AttemptOutcome, Endpoint, Verdict
from tallygate.domain.facts.facts import Fact

UNSIGNED = "secret: the endpoint's secret is kept no longer; rotate it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Courier:
    """Sends facts.

    wall: reads the real time in milliseconds
    """

    sender: Sender
    bus: Bus
    wall: Callable[[], Instant]

    def post(self, fact: Fact, endpoint: Endpoint | None, secrets: Sequence[str]) -> AttemptOutcome:
        """Make one attempt, signed with each secret. `endpoint` None means the event bus. Nothing is sent unsigned."""
        if endpoint is None:
            return self.bus.put(fact)
        if not secrets:
            return AttemptOutcome(verdict=Verdict.FAILED, detail=UNSIGNED)
        wall = self.wall()
        body = body_of(fact)
        signed = signed_headers(endpoint.scheme, secrets, message_id=fact.id, timestamp=wall // SECOND, body=body)
        return self.sender.post(endpoint.url, {**headers_of(fact), **signed}, body, wall=wall)
