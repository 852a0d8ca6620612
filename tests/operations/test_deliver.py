"""deliver: attempts in time and once each, whatever is doubled, late, lost or killed; no receiver delays another."""

from __future__ import annotations

import contextlib
import itertools
import threading
from dataclasses import dataclass, field, replace

import pytest

from tallygate.delivery.bus import Bus
from tallygate.delivery.courier import Courier
from tallygate.delivery.webhook import Sender
from tallygate.domain.base.instants import HOUR, MINUTE, SECOND, Instant, parse_instant
from tallygate.domain.delivery import timetable
from tallygate.domain.delivery.deliveries import (
    BUS,
    AttemptOutcome,
    Delivery,
    DeliveryStatus,
    Endpoint,
    EndpointStatus,
    Message,
    SigningSecret,
    Verdict,
)
from tallygate.domain.facts.facts import Fact
from tallygate.errors import StoreUnavailable
from tallygate.operations.delivery.deliver import Report, Sending, deliver, sweep
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Committed, Engine, Update
from tallygate.storage.base.expressions import Set
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.base.receipts import writes_of
from tallygate.storage.delivery.deliveries import Deliveries, begun
from tallygate.storage.delivery.endpoints import Endpoints
from tallygate.storage.facts.outbox import put_fact
from tests.crashes import Crash, Fuse, FusedEngine
from tests.delivery.receiver import answering, hanging, receiving

NOW = parse_instant("2026-11-20T10:00:00Z")
FACT = Fact(
    id="fact_1",
    type="usage.limit_reached",
    customer="acme",
    feature="ai-tokens",
    time=NOW,
    sequence=1,
    data={"usage": 1},
    traceparent="00-11111111111111111111111111111111-2222222222222222-01",
)
ENDPOINT = Endpoint(
    id="we_1",
    url="https://receiver.example/",
    events=("*",),
    scheme="standard",
    secrets=(SigningSecret(slot="a", version=1),),
    status=EndpointStatus.ACTIVE,
    created_at=NOW,
)
FIRST = Message(fact=FACT.id, endpoint=ENDPOINT.id)
REDELIVERED_AFTER = 3 * MINUTE
"""The queue's visibility timeout: when a message whose handler died comes again."""

DELIVERED = AttemptOutcome(verdict=Verdict.DELIVERED, status=200, took=5)
GONE = AttemptOutcome(verdict=Verdict.GONE, status=410)


def failed(status: int = 500, retry_after: Instant | None = None) -> AttemptOutcome:
    return AttemptOutcome(verdict=Verdict.FAILED, status=status, retry_after=retry_after)


@dataclass(slots=True)
class World:
    """An engine, a queue in which messages wait for their time, and a receiver that answers from a script."""

    engine: Engine = field(default_factory=MemoryEngine)
    script: list[AttemptOutcome] = field(default_factory=lambda: [DELIVERED])
    now: Instant = NOW
    fuse: Fuse = field(default_factory=Fuse)
    waiting: list[tuple[Instant, Message]] = field(default_factory=list)
    posted: list[tuple[Instant, str, str | None]] = field(default_factory=list)
    calls: int = 0
    secrets_away: int = 0
    signed: list[tuple[str, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine.write(put_fact(FACT))
        self.engine.transact(writes_of(Endpoints(self.engine).create(ENDPOINT)))

    @property
    def store(self) -> Deliveries:
        return Deliveries(FusedEngine(self.engine, self.fuse))

    def send(self, message: Message, *, delay_seconds: int) -> None:
        self.fuse.step(lambda: self.waiting.append((self.now + delay_seconds * SECOND, message)))

    def secrets(self, endpoint: Endpoint, now: Instant) -> tuple[str, ...]:
        return self.fuse.step(lambda: self.held(endpoint, now))

    def held(self, endpoint: Endpoint, now: Instant) -> tuple[str, ...]:
        if self.secrets_away:
            self.secrets_away -= 1
            raise StoreUnavailable("away")
        return tuple(f"{secret.slot}{secret.version}" for secret in endpoint.valid_secrets(now))

    def post(self, fact: Fact, endpoint: Endpoint | None, secrets: tuple[str, ...]) -> AttemptOutcome:
        self.signed.append(secrets)

        def arrive() -> AttemptOutcome:
            self.posted.append((self.now, fact.id, None if endpoint is None else endpoint.id))
            return self.script[min(len(self.posted), len(self.script)) - 1]

        return self.fuse.step(arrive)

    def begin(self, endpoint: str = ENDPOINT.id) -> None:
        """What the fold does: the delivery, then the first message."""
        self.engine.write(begun(FACT.id, endpoint, now=self.now))
        self.waiting.append((self.now, Message(fact=FACT.id, endpoint=endpoint)))

    def deliver(self, message: Message = FIRST) -> Report:
        self.calls += 1
        sending = Sending(secrets=self.secrets, post=self.post)
        return deliver(self.store, self, sending, message, now=self.now, wall=self.now, claimant=f"call-{self.calls}")

    def sweep(self) -> tuple[Message, ...]:
        return sweep(self.store, self, now=self.now, time_left=lambda: True).handed_over

    def delivery(self, endpoint: str = ENDPOINT.id) -> Delivery:
        found = Deliveries(self.engine).delivery(FACT.id, endpoint)
        assert found is not None
        return found

    def run(self, *, lossy: bool = False) -> None:
        """Let time pass until nothing is left to do. A handler that dies has its message delivered again. `lossy`: the
        queue loses everything but what the sweep hands over, so that the sweep alone keeps deliveries going."""
        while True:
            if lossy:
                self.waiting.clear()
            due_at = self.delivery().due_at
            times = [at for at, _ in self.waiting] + ([] if due_at is None else [due_at])
            if not times:
                return
            self.now = max(self.now, min(times))
            with contextlib.suppress(Crash):
                self.sweep()
            for waiting in sorted(self.waiting, key=lambda waiting: waiting[0]):
                if waiting[0] <= self.now:
                    self.waiting.remove(waiting)
                    self._handle(waiting[1])

    def _handle(self, message: Message) -> None:
        try:
            self.deliver(message)
        except Crash:
            self.waiting.append((self.now + REDELIVERED_AFTER, message))


def results(delivery: Delivery) -> list[tuple[int, str]]:
    return [(line.number, line.result) for line in delivery.history]


def test_a_delivery_that_is_accepted_is_done() -> None:
    world = World()
    world.begin()
    report = world.deliver()
    assert (report.result, report.fact_type, report.traceparent) == ("delivered", FACT.type, FACT.traceparent)
    assert world.delivery().status is DeliveryStatus.DELIVERED
    assert results(world.delivery()) == [(1, "delivered")]
    assert world.delivery().due_at is None


def test_a_500_is_tried_again_five_seconds_later_through_the_queue() -> None:
    world = World(script=[failed(), DELIVERED])
    world.begin()
    world.run()
    delivery = world.delivery()
    assert results(delivery) == [(1, "failed"), (2, "delivered")]
    (first, *_), (second, *_) = world.posted
    assert 5 * SECOND <= second - first <= 7 * SECOND


def test_a_receiver_that_never_accepts_gets_ten_attempts_at_the_timetables_times() -> None:
    world = World(script=[failed()])
    world.begin()
    world.run()
    delivery = world.delivery()
    assert delivery.status is DeliveryStatus.FAILED
    assert results(delivery) == [(n, "failed") for n in range(1, 11)]
    times = [at for at, _, _ in world.posted]
    for attempt, (before, after) in enumerate(itertools.pairwise(times), 2):
        assert 0 <= (after - before) - timetable.delay_before(attempt, delivery.name) <= MINUTE


def test_the_sweep_alone_makes_every_attempt_when_the_queue_loses_all_that_it_was_given() -> None:
    world = World(script=[failed(), failed(), failed(), DELIVERED])
    world.begin()
    world.run(lossy=True)
    assert results(world.delivery()) == [(1, "failed"), (2, "failed"), (3, "failed"), (4, "delivered")]


def test_retry_after_postpones_the_next_attempt() -> None:
    world = World(script=[failed(503, retry_after=2 * HOUR), DELIVERED])
    world.begin()
    world.run()
    (first, *_), (second, *_) = world.posted
    assert 2 * HOUR <= second - first <= 2 * HOUR + MINUTE


def test_gone_ends_the_delivery_and_disables_the_endpoint() -> None:
    world = World(script=[GONE])
    world.begin()
    assert world.deliver().result == "gone"
    assert world.delivery().status is DeliveryStatus.FAILED
    endpoint = Endpoints(world.engine).endpoint(ENDPOINT.id)
    assert endpoint is not None
    assert (endpoint.status, endpoint.disabled_reason) == (EndpointStatus.DISABLED, "the receiver answered 410 Gone")


@pytest.mark.parametrize("copies", [2, 5])
def test_a_message_that_comes_several_times_makes_one_attempt(copies: int) -> None:
    world = World(script=[failed()])
    world.begin()
    found = [world.deliver().result for _ in range(copies)]
    assert found == ["retry"] + ["superseded"] * (copies - 1)
    assert len(world.posted) == 1


def test_a_late_message_whose_attempt_was_made_already_does_nothing() -> None:
    world = World(script=[failed(), failed()])
    world.begin()
    world.deliver()
    world.deliver(replace(FIRST, attempt=2))
    assert world.deliver(FIRST).result == "superseded"
    assert world.deliver(replace(FIRST, attempt=2)).result == "superseded"
    assert len(world.posted) == 2


def test_a_message_about_a_settled_or_unknown_delivery_does_nothing() -> None:
    world = World()
    world.begin()
    world.deliver()
    assert world.deliver(replace(FIRST, attempt=2)).result == "superseded"
    assert world.deliver(Message(fact="fact_9", endpoint="we_9")).result == "unknown"
    assert len(world.posted) == 1


@pytest.mark.parametrize("end", ["deleted", "disabled"])
def test_a_delivery_to_an_endpoint_that_is_no_more_ends_and_says_so(end: str) -> None:
    world = World(script=[failed()])
    world.begin()
    world.deliver()
    if end == "deleted":
        Endpoints(world.engine).delete(ENDPOINT.id)
    else:
        world.store.disable(ENDPOINT.id, "by hand")
    world.run()
    delivery = world.delivery()
    assert delivery.status is DeliveryStatus.FAILED
    assert results(delivery) == [(1, "failed"), (0, "no_endpoint" if end == "deleted" else "disabled")]
    assert len(world.posted) == 1


def test_a_delivery_without_its_fact_ends_and_says_so() -> None:
    world = World()
    world.engine.write(begun("fact_2", ENDPOINT.id, now=NOW))
    assert world.deliver(Message(fact="fact_2", endpoint=ENDPOINT.id)).result == "no_fact"
    assert world.posted == []


def test_the_event_bus_is_a_receiver_without_an_endpoint() -> None:
    world = World()
    world.begin(BUS)
    assert world.deliver(Message(fact=FACT.id, endpoint=BUS)).result == "delivered"
    assert world.posted == [(NOW, FACT.id, None)]
    assert Endpoints(world.engine).deliveries(BUS, after=None, limit=9) == ((), None)


def test_a_first_attempt_is_listed_under_its_endpoint() -> None:
    world = World(script=[failed()])
    world.begin()
    world.deliver()
    ((fact_type, delivery),), _ = Endpoints(world.engine).deliveries(ENDPOINT.id, after=None, limit=9)
    assert (fact_type, delivery) == (FACT.type, world.delivery())


def test_a_sweep_hands_over_what_is_due_and_a_second_one_nothing() -> None:
    world = World()
    world.begin()
    world.waiting.clear()
    world.now = NOW + MINUTE - 1
    assert world.sweep() == ()
    world.now = NOW + MINUTE
    assert world.sweep() == (FIRST,)
    assert world.sweep() == ()
    world.run()
    assert results(world.delivery()) == [(1, "delivered")]


def test_a_sweep_that_runs_out_of_time_leaves_the_rest_to_the_next() -> None:
    world = World()
    for n in range(30):
        world.engine.write(begun(f"fact_{n + 10}", ENDPOINT.id, now=NOW))
    world.now = NOW + MINUTE
    budget = iter([True] * 7)
    cut = sweep(world.store, world, now=world.now, time_left=lambda: next(budget, False))
    assert (len(cut.handed_over), cut.finished) == (7, False)
    rest = sweep(world.store, world, now=world.now, time_left=lambda: True)
    assert (len(rest.handed_over), rest.finished) == (23, True)


def test_secrets_that_cannot_be_had_leave_the_delivery_pending_and_no_attempt_counted() -> None:
    world = World(secrets_away=1)
    world.begin()
    with pytest.raises(StoreUnavailable):
        world.deliver()
    delivery = world.delivery()
    assert (delivery.status, delivery.attempts, delivery.history) == (DeliveryStatus.PENDING, 0, ())
    assert delivery.due_at is not None, "the sweep finds it, should the message be lost"
    world.waiting.clear()
    world.now = delivery.due_at
    assert world.sweep() == (FIRST,)
    world.run()
    assert results(world.delivery()) == [(1, "delivered")]


def test_an_attempt_is_signed_with_both_secrets_while_the_former_is_valid() -> None:
    world = World(script=[failed(), DELIVERED])
    both = ENDPOINT.rotated(1, now=NOW, overlap=MINUTE)
    store = Endpoints(world.engine)
    assert isinstance(world.engine.transact(writes_of(store.replace_secrets(ENDPOINT, both))), Committed)
    world.begin()
    world.deliver()
    world.now = NOW + MINUTE
    world.deliver(replace(FIRST, attempt=2))
    assert world.signed == [("b1", "a1"), ("b1",)]


def test_a_sweep_takes_up_no_more_than_it_is_told_and_the_next_goes_on() -> None:
    world = World()
    for n in range(30):
        world.engine.write(begun(f"fact_{n + 10}", ENDPOINT.id, now=NOW))
    world.now = NOW + MINUTE
    sizes = [sweep(world.store, world, now=world.now, time_left=lambda: True, most=12) for _ in range(3)]
    assert [(len(swept.handed_over), swept.finished) for swept in sizes] == [(12, False), (12, False), (6, True)]


def test_a_delivery_that_cannot_be_swept_keeps_no_other_waiting() -> None:
    world = World()
    world.begin()
    world.waiting.clear()
    for n in range(3):
        world.engine.write(begun(f"fact_{n + 10}", ENDPOINT.id, now=NOW))
    broken = Update(key=keys.delivery("fact_10", ENDPOINT.id), changes=(Set("status", "nonsense"),))
    world.engine.write(broken)
    swept = sweep(world.store, world, now=NOW + MINUTE, time_left=lambda: True)
    assert {message.fact for message in swept.handed_over} == {FACT.id, "fact_11", "fact_12"}
    assert [error.code for error in swept.failures] == ["invariant_broken"]


SCRIPTS = {
    "accepted": [DELIVERED],
    "one failure": [failed(), DELIVERED],
    "three failures": [failed(), failed(), failed(503, retry_after=HOUR), DELIVERED],
    "gone": [failed(), GONE],
}


def steps_of(script: list[AttemptOutcome]) -> int:
    world = World(script=script)
    world.begin()
    world.run()
    return world.fuse.steps


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_crash_at_any_call_costs_a_repetition_at_most_and_never_the_delivery(
    script: list[AttemptOutcome], after: bool
) -> None:
    """Every call of the engine, the queue and the receiver is killed once, before or after it had its effect."""
    for at in range(1, steps_of(script) + 1):
        world = World(script=script, fuse=Fuse(at=at, after=after))
        world.begin()
        world.run()
        delivery = world.delivery()
        expected = DeliveryStatus.FAILED if GONE in script else DeliveryStatus.DELIVERED
        assert delivery.status is expected, at
        assert len(world.posted) <= len(script) + 1, at
        numbers = [line.number for line in delivery.history if line.number]
        assert numbers == list(range(1, delivery.attempts + 1)), at
        assert [line.result for line in delivery.history].count("interrupted") <= 1, at
        if GONE in script:
            endpoint = Endpoints(world.engine).endpoint(ENDPOINT.id)
            assert endpoint is not None
            assert endpoint.status is EndpointStatus.DISABLED, at


def test_an_attempt_whose_handler_always_dies_ends_after_the_timetables_last() -> None:
    @dataclass(slots=True)
    class Deadly(World):
        def post(self, fact: Fact, endpoint: Endpoint | None, secrets: tuple[str, ...]) -> AttemptOutcome:
            raise Crash

    world = Deadly()
    world.begin()
    world.run()
    delivery = world.delivery()
    assert (delivery.status, delivery.attempts) == (DeliveryStatus.FAILED, 10)
    assert results(delivery)[-1] == (0, "exhausted")
    assert [result for _, result in results(delivery)[:-1]] == ["interrupted"] * 10


def test_of_many_handlers_with_the_same_message_at_the_same_time_one_sends(engine: Engine) -> None:
    world = World(engine=engine)
    world.begin()
    start = threading.Barrier(8)
    found: list[str] = []

    def handle(n: int) -> None:
        start.wait()
        sending = Sending(secrets=world.secrets, post=world.post)
        report = deliver(Deliveries(engine), world, sending, FIRST, now=NOW, wall=NOW, claimant=f"c{n}")
        found.append(report.result)

    threads = [threading.Thread(target=handle, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["delivered"] + ["superseded"] * 7
    assert len(world.posted) == 1


class NoBus(Bus):
    """There is no bus in these tests."""

    def __init__(self) -> None: ...


def sending(seconds: float) -> Sending:
    sender = Sender(allow_private=True, deadline_seconds=seconds)
    courier = Courier(sender=sender, bus=NoBus(), wall=lambda: NOW)
    return Sending(secrets=lambda *_: ("whsec_" + "A" * 32,), post=courier.post)


def test_a_real_receiver_that_answers_500_then_200_is_delivered_to_with_the_same_id_and_body(engine: Engine) -> None:
    world = World(engine=engine)
    with receiving(answering(500), answering(200)) as receiver:
        there = replace(ENDPOINT, id="we_2", url=receiver.url)
        engine.transact(writes_of(Endpoints(engine).create(there)))
        world.begin("we_2")
        first = deliver(
            world.store, world, sending(9), replace(FIRST, endpoint="we_2"), now=NOW, wall=NOW, claimant="a"
        )
        (_, message) = world.waiting[-1]
        second = deliver(world.store, world, sending(9), message, now=NOW, wall=NOW, claimant="b")
    assert (first.result, message.attempt, second.result) == ("retry", 2, "delivered")
    one, two = receiver.received
    assert one.body == two.body
    assert one.headers["webhook-id"] == two.headers["webhook-id"] == FACT.id
    assert one.headers["traceparent"] == FACT.traceparent


def test_while_one_receiver_hangs_another_is_served(engine: Engine) -> None:
    """Each message has an invocation of its own, so they overlap; the one that hangs ends by its own deadline."""
    world = World(engine=engine)
    reports: dict[str, Report] = {}
    with receiving(hanging) as slow, receiving(answering(200)) as quick:
        for name, receiver in (("we_slow", slow), ("we_quick", quick)):
            engine.transact(writes_of(Endpoints(engine).create(replace(ENDPOINT, id=name, url=receiver.url))))
            world.begin(name)

        def handle(name: str, seconds: float) -> None:
            reports[name] = deliver(
                world.store,
                world,
                sending(seconds),
                replace(FIRST, endpoint=name),
                now=NOW,
                wall=NOW,
                claimant=name,
            )

        hangs = threading.Thread(target=handle, args=("we_slow", 3.0))
        hangs.start()
        handle("we_quick", 3.0)
        assert reports["we_quick"].result == "delivered"
        assert hangs.is_alive()
        hangs.join()
    assert reports["we_slow"].result == "retry"
    assert world.delivery("we_slow").history[0].detail.startswith("timeout")


@pytest.mark.parametrize(("attribute", "value"), [("status", "odd"), ("history", "[[1,")])
def test_a_delivery_that_cannot_be_read_keeps_no_other_waiting_and_makes_room_for_an_hour(
    attribute: str, value: str
) -> None:
    world = World()
    world.begin()
    world.begin(BUS)
    world.engine.write(Update(key=keys.delivery(FACT.id, ENDPOINT.id), changes=(Set(attribute, value),)))
    world.now += 2 * MINUTE
    swept = sweep(world.store, world, now=world.now, time_left=lambda: True)
    assert swept.defect is not None
    assert [message.endpoint for message in swept.handed_over] == [BUS]
    assert sweep(world.store, world, now=world.now + MINUTE, time_left=lambda: True).failures == ()
    assert sweep(world.store, world, now=world.now + HOUR, time_left=lambda: True).defect is not None
