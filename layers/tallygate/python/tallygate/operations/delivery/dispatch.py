"""dispatch: makes one delivery of a fact for each endpoint that wants it, and one for the event bus.

A delivery is stored once. Its first attempt is asked for until an attempt has begun, so a crash between the two loses
nothing. Attempts are made by another function, so a slow receiver delays nothing here.
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
    """Begin the fact's deliveries. Return how many first attempts were asked for. Two requests for each delivery."""
    wanted = [endpoint.id for endpoint in endpoints if endpoint.wants(fact.type)]
    asked = 0
    for name in (*wanted, BUS):
        if outbox.begin_delivery(fact.id, name, now):
            queue.send(Message(fact=fact.id, endpoint=name))
            asked += 1
    return asked
