"""From the use that is granted to the webhook that bills it: every operation on the way, over one engine's stream.

consume ─stream─> fold ─> threshold ─stream─> delivery ─queue─> receiver
the month is over: reset ─> usage.period_closed ─stream─> … ─> receiver;  late usage ─> usage.restated ─> receiver
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import standardwebhooks
import stripe

from tallygate.clock import real_time
from tallygate.delivery.bus import Bus
from tallygate.delivery.courier import Courier
from tallygate.delivery.signatures import secret_of
from tallygate.delivery.webhook import Sender
from tallygate.domain.base.instants import DAY, Instant, parse_instant
from tallygate.domain.delivery.deliveries import (
    AttemptOutcome,
    Endpoint,
    EndpointStatus,
    Message,
    SigningSecret,
    Verdict,
)
from tallygate.domain.facts.facts import Fact
from tallygate.domain.periods.recurrence import Window
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.operations.base.each import in_turn
from tallygate.operations.delivery.deliver import Sending, deliver, sweep
from tallygate.operations.facts.closing import reset
from tallygate.operations.facts.periods import list_periods
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.base.receipts import writes_of
from tallygate.storage.delivery.deliveries import Deliveries
from tallygate.storage.delivery.endpoints import Endpoints
from tallygate.storage.facts.closings import Closings
from tallygate.storage.metering.events import Events
from tests import given
from tests.delivery.receiver import Receiver, answering, receiving
from tests.truth import TOKENS, Requested, container, declare, draft, drain, exists

NOVEMBER = Window(parse_instant("2026-11-01T00:00:00Z"), parse_instant("2026-12-01T00:00:00Z"))
SECRETS = {"we_standard": secret_of(bytes(range(32))), "we_stripe": secret_of(bytes(range(1, 33)))}


class QuietBus(Bus):
    """A bus that takes everything."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def put(self, fact: Fact) -> AttemptOutcome:
        self.taken.append(fact.type)
        return AttemptOutcome(verdict=Verdict.DELIVERED)


@dataclass(slots=True)
class World:
    """The whole product on one engine in memory; `now` is the stack's clock."""

    now: Instant
    engine: MemoryEngine = field(default_factory=MemoryEngine)
    queue: Requested = field(default_factory=Requested)
    delayed: list[Message] = field(default_factory=list)
    bus: QuietBus = field(default_factory=QuietBus)
    position: int = 0
    calls: int = 0

    def send(self, message: Message, *, delay_seconds: int) -> None:
        (self.delayed if delay_seconds else self.queue.messages).append(message)

    def consume(self, amount: int) -> bool:
        decision = consume(
            Cells(self.engine), Memory(), given.wanted(amount), now=self.now, entropy=lambda n: bytes([self.calls] * n)
        )
        self.calls += 1
        return decision.granted

    def settle(self) -> None:
        """Fold and deliver until nothing is left that is due now; delayed messages wait."""
        courier = Courier(sender=Sender(allow_private=True), bus=self.bus, wall=real_time)
        sending = Sending(secrets=lambda endpoint, _: (SECRETS[endpoint.id],), post=courier.post)
        parts = container(self.engine, self.queue)
        while True:
            self.position = drain(self.engine, parts, after=self.position, now=self.now)
            if not self.queue.messages:
                return
            message = self.queue.messages.pop(0)
            self.calls += 1
            deliver(
                Deliveries(self.engine),
                self,
                sending,
                message,
                now=self.now,
                wall=real_time(),
                claimant=str(self.calls),
            )

    def tick(self) -> None:
        """What the schedule, and the test clock, do each minute."""
        reset(Closings(self.engine), now=self.now, grace=0, time_left=lambda: True)
        sweep(Deliveries(self.engine), self, now=self.now, time_left=lambda: True)
        self.settle()


@dataclass(frozen=True, slots=True)
class Receivers:
    standard: Receiver
    striped: Receiver

    def heard(self) -> list[dict[str, Any]]:
        """What arrived, verified by the public packages; both heard the same."""
        verifier = standardwebhooks.Webhook(SECRETS["we_standard"])
        standard = [verifier.verify(a.body, a.headers) for a in self.standard.received]
        for arrived in self.striped.received:
            stripe.Webhook.construct_event(arrived.body, arrived.headers["stripe-signature"], SECRETS["we_stripe"])
        assert [json.loads(arrived.body) for arrived in self.striped.received] == standard
        return standard


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    with receiving(answering(200)) as standard, receiving(answering(200)) as striped:
        yield Receivers(standard, striped)


def world_with(receivers: Receivers) -> World:
    world = World(now=NOVEMBER.start + 20 * DAY)
    given.in_force(world.engine, given.effective(given.quota(100), tiers={"warning": 80}))
    declare(world.engine, TOKENS)
    exists(world.engine, "acme")
    for endpoint_id, receiver in (("we_standard", receivers.standard), ("we_stripe", receivers.striped)):
        endpoint = Endpoint(
            id=endpoint_id,
            url=receiver.url,
            events=("usage.*",),
            scheme=endpoint_id.removeprefix("we_"),
            secrets=(SigningSecret(slot="a", version=1),),
            status=EndpointStatus.ACTIVE,
            created_at=world.now,
        )
        world.engine.transact(writes_of(Endpoints(world.engine).create(endpoint)))
    return world


def test_a_month_is_used_closed_billed_and_restated(receivers: Receivers) -> None:
    world = world_with(receivers)
    assert [world.consume(30) for _ in range(4)] == [True, True, True, False]
    world.settle()
    crossed, denied = sorted(receivers.heard(), key=lambda event: event["type"], reverse=True)
    assert (denied["type"], denied["data"]["reason"], denied["data"]["requested"]) == (
        "usage.denied",
        "quota_exceeded",
        30,
    )
    assert {denied["data"]["sequence"], crossed["data"]["sequence"]} == {1, 2}
    assert (crossed["type"], crossed["data"]["level"]) == ("usage.threshold_crossed", "warning")

    world.now = NOVEMBER.end
    assert world.consume(30), "the boundary is in force before any job has run"
    for _ in range(3):
        world.tick()
    (*_, closed, recovered) = receivers.heard()
    assert closed["type"] == "usage.period_closed"
    assert (recovered["type"], recovered["data"]["cause"]) == ("usage.threshold_recovered", "period_closed")
    assert (closed["data"]["raw"], closed["data"]["included"], closed["data"]["overage"]) == (90, 90, 0)
    assert (closed["data"]["revision"], closed["data"]["sequence"]) == (1, 3)
    assert closed["data"]["period"] == {
        "start": "2026-11-01T00:00:00Z",
        "end": "2026-12-01T00:00:00Z",
        "every": "month",
        "anchor": "calendar",
        "timezone": "UTC",
    }

    world.now += DAY
    late = draft("late", tokens=20, time=NOVEMBER.end - 1, model="large")
    (result,) = ingest(Events(world.engine), Posted(submitted=(late,), batch="b"), now=world.now, each=in_turn)
    assert result.status == "accepted"
    for _ in range(3):
        world.tick()
    (*_, restated) = receivers.heard()
    assert len(receivers.heard()) == 5
    assert restated["type"] == "usage.restated"
    assert (restated["data"]["raw"], restated["data"]["included"], restated["data"]["overage"]) == (110, 100, 10)
    assert (restated["data"]["revision"], restated["data"]["sequence"]) == (2, 5)
    assert set(closed["data"]) <= set(restated["data"]), "a restatement says all that the closing said"
    assert sorted(world.bus.taken[:2]) == ["usage.denied", "usage.threshold_crossed"]
    assert world.bus.taken[2:] == ["usage.period_closed", "usage.threshold_recovered", "usage.restated"]

    (period,), _ = list_periods(Closings(world.engine), "acme", given.FEATURE, after=None, limit=10)
    assert (period["revision"], period["raw"], period["closed_raw"]) == (2, 110, 90)
    assert period["id"] == closed["id"]


def test_every_fact_is_heard_once_and_shown_under_its_endpoint(receivers: Receivers) -> None:
    world = world_with(receivers)
    world.consume(90)
    world.settle()
    world.now = NOVEMBER.end
    world.tick()
    ids = [event["id"] for event in receivers.heard()]
    assert len(set(ids)) == len(ids) == 3
    for endpoint_id in SECRETS:
        listed, _ = Endpoints(world.engine).deliveries(endpoint_id, after=None, limit=10)
        assert {delivery.fact_id for _, delivery in listed} == set(ids)
        assert {delivery.status.value for _, delivery in listed} == {"delivered"}
