"""dispatch: a fact becomes one delivery for each endpoint that wants it and one for the event bus.

The delivery is put once; its first attempt is asked for as long as none has begun, so that a crash between the two
loses nothing. Attempts are made elsewhere: a slow receiver delays nobody here.
"""

from __future__ import annotations

from collections.abc import Sequence

from tallygate.domain.base.instants import Instant
from tallygate.domain.delivery.deliveries import BUS, Endpoint, Message
from tallygate.domain.facts.facts import Fact
from tallygate.operations.delivery.ports import AttemptQueue
from tallygate.operations.facts.ports import OutboxStore


def dispatch(
    outbox: OutboxStore, queue: AttemptQueue, fact: Fact, endpoints: Sequence[Endpoint], *, now: Instant
) -> int:
    """Begin the fact's deliveries; how many first attempts were asked for. Two requests for each delivery."""
    wanted = [endpoint.id for endpoint in endpoints if endpoint.wants(fact.type)]
    asked = 0
    for name in (*wanted, BUS):
        if outbox.begin_delivery(fact.id, name, now):
            queue.send(Message(fact=fact.id, endpoint=name))
            asked += 1
    return asked
