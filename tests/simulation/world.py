"""One run: customers, a workload, shards and unreliable containers of aggregate, all decided by one seed.

Mishaps at any call of the store: a container dies before or after it; the store is unavailable, or does not say
whether it wrote. Mishaps of Lambda: batches come again, longer or shorter; a call that timed out continues as a zombie
while its batch is delivered again, even after its shard was split and its children were read; an old batch comes twice.

When no record waits, totals, usage, cells, journals and facts must equal the sum of the events and grants.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from random import Random
from typing import TypeVar

from tallygate.domain.admission.decision_ids import DecisionId, format_decision_id
from tallygate.domain.base.instants import DAY, MINUTE, Instant, parse_instant
from tallygate.domain.entries.usage import UseEntry
from tallygate.domain.metering.events import Draft
from tallygate.errors import Conflict, OutcomeUnknown, StoreUnavailable
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.operations.aggregate import Parts, aggregate
from tallygate.operations.base.each import in_turn
from tallygate.operations.corrections.settle import Settle, settle
from tallygate.operations.facts.closing import reset
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.engine import Cancelled, Committed, Key, Page, Refused, Require, Write, Written
from tallygate.storage.base.expressions import Item
from tallygate.storage.base.memory import Change, MemoryEngine
from tallygate.storage.facts.closings import Closings
from tallygate.storage.journal.decisions import Decisions
from tallygate.storage.metering.events import Events
from tallygate.storage.stream import batch_of
from tests.given import NOW, effective, in_force, known_to, quota, wanted
from tests.simulation.scheduler import Actor, Killed, Scheduler
from tests.simulation.shards import Shard, Shards
from tests.truth import CALLS, TOKENS, Requested, container, declare, draft, entries_written, exists, record

T = TypeVar("T")
CUSTOMERS = ("acme", "umbrella")
MONTHLY, DAILY = 120, 60
TIERS = {"warning": 12, "critical": 30}
HYSTERESIS = {"warning": 4}
TIMES: tuple[Instant, ...] = (
    NOW,
    NOW - MINUTE,
    NOW - 20 * MINUTE,
    NOW - DAY,
    parse_instant("2026-11-01T00:00:00Z"),
    parse_instant("2026-10-31T23:59:59.999Z"),
)


@dataclass(slots=True)
class Chaos:
    """The probability of each mishap, at each call of the store or each choice of the driver."""

    killed: float = 0.02
    unavailable: float = 0.01
    unknown: float = 0.01
    split: float = 0.01
    zombie: float = 0.01
    again: float = 0.02


CALM = Chaos(killed=0, unavailable=0, unknown=0, split=0, zombie=0, again=0)


@dataclass(slots=True)
class SteppingEngine:
    """The memory engine with a switch of actors and a possible mishap around every call."""

    world: World

    def _call(self, call: Callable[[], T], *, writes: bool) -> T:
        self.world.before_call()
        result = call()
        self.world.after_call(writes=writes)
        return result

    def get(self, key: Key, *, consistent: bool = True) -> Item | None:
        return self._call(lambda: self.world.engine.get(key, consistent=consistent), writes=False)

    def get_many(self, wanted: Collection[Key]) -> Mapping[Key, Item]:
        return self._call(lambda: self.world.engine.get_many(wanted), writes=False)

    def query(
        self,
        pk: str,
        *,
        prefix: str = "",
        after: str | None = None,
        until: str | None = None,
        newest_first: bool = False,
        limit: int | None = None,
        consistent: bool = False,
    ) -> Page:
        return self._call(
            lambda: self.world.engine.query(
                pk, prefix=prefix, after=after, until=until, newest_first=newest_first, limit=limit
            ),
            writes=False,
        )

    def due(self, shard: str, until: int, limit: int) -> tuple[Key, ...]:
        return self._call(lambda: self.world.engine.due(shard, until, limit), writes=False)

    def write(self, write: Write, *, repeatable: bool = False) -> Written | Refused:
        outcome = self._call(lambda: self.world.engine.write(write), writes=not repeatable)
        if repeatable and self.world.sent_twice():
            return self._call(lambda: self.world.engine.write(write), writes=False)
        return outcome

    def transact(self, writes: Sequence[Write | Require], *, repeatable: bool = False) -> Committed | Cancelled:
        outcome = self._call(lambda: self.world.engine.transact(writes), writes=not repeatable)
        if repeatable and self.world.sent_twice():
            return self._call(lambda: self.world.engine.transact(writes), writes=False)
        return outcome


@dataclass(eq=False, slots=True)
class Delivery:
    """A batch in delivery: the records of a shard from its checkpoint on."""

    actor: Actor
    shard: Shard
    end: int
    container: Parts


@dataclass(slots=True)
class World:
    """The state of one run."""

    seed: int
    actions: int = 24
    rng: Random = field(init=False)
    engine: MemoryEngine = field(default_factory=MemoryEngine)
    scheduler: Scheduler = field(default_factory=Scheduler)
    shards: Shards = field(init=False)
    stepping: SteppingEngine = field(init=False)
    queue: Requested = field(default_factory=Requested)
    chaos: Chaos = field(default_factory=Chaos)
    workers: list[Actor] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    zombies: list[Actor] = field(default_factory=list)
    idle: list[Parts] = field(default_factory=list)
    past: list[tuple[Shard, int, int]] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self.stepping = SteppingEngine(self)
        self.shards = Shards(self.engine, self.rng, self.rng.randint(1, 4))
        declare(self.engine, TOKENS, CALLS)
        for customer in CUSTOMERS:
            exists(self.engine, customer)
            self._limits(customer)
        self.shards.collect()

    def _limits(self, customer: str) -> None:
        """Store the limits in force: always the same limits with a new version."""
        self.versions[customer] = self.versions.get(customer, 0) + 1
        quotas = (quota(MONTHLY), quota(DAILY, ordinal=2, every="day"))
        limits = effective(
            *quotas, customer=customer, tiers=TIERS, hysteresis=HYSTERESIS, version=self.versions[customer]
        )
        in_force(self.engine, limits)
        declare(self.engine, TOKENS, CALLS)

    # Mishaps around a call of the store.

    def before_call(self) -> None:
        self.scheduler.give_up_turn()
        self._mishap(written=False)

    def after_call(self, *, writes: bool) -> None:
        self.shards.collect()
        self._mishap(written=writes)

    def _mishap(self, *, written: bool) -> None:
        actor = self.scheduler.current
        if actor is None or not actor.unreliable:
            return
        chance = self.rng.random()
        if chance < self.chaos.killed:
            raise Killed
        if chance < self.chaos.killed + self.chaos.unavailable and not written:
            raise StoreUnavailable("the database is throttling")
        if chance < self.chaos.killed + self.chaos.unknown and written:
            raise OutcomeUnknown("the database did not answer in time")

    def sent_twice(self) -> bool:
        actor = self.scheduler.current
        return actor is not None and actor.unreliable and self.rng.random() < self.chaos.unknown

    # Choices of the driver.

    def run(self) -> None:
        """Run until no record waits."""
        try:
            while self.actions > 0 or self.workers or self.rng.random() < 0.98:
                self._choose()
            self.chaos = CALM
            while self._busy() or self.shards.deliverable:
                self._choose()
        finally:
            for actor in self._actors():
                self.scheduler.kill(actor)

    def _busy(self) -> bool:
        return bool(self.workers or self.deliveries or self.zombies)

    def _actors(self) -> list[Actor]:
        return [*self.workers, *(d.actor for d in self.deliveries), *self.zombies]

    def _choose(self) -> None:
        rng, chaos = self.rng, self.chaos
        if self.actions > 0 and len(self.workers) < 3 and rng.random() < 0.1:
            self._work()
        if rng.random() < chaos.split:
            self.shards.split()
        if self.past and rng.random() < chaos.again:
            self._again()
        if self.deliveries and rng.random() < chaos.zombie:
            self._abandon(rng.choice(self.deliveries))
        taken = {delivery.shard for delivery in self.deliveries}
        ready = [shard for shard in self.shards.deliverable if shard not in taken]
        if ready and (rng.random() < 0.3 or not self._busy()):
            self._deliver(rng.choice(ready))
        actors = self._actors()
        if actors:
            self.scheduler.turn(rng.choice(actors))
            self._settle()

    def _work(self) -> None:
        """A client posts events, some of them again, asks to consume, or settles; periods are closed; limits change."""
        self.actions -= 1
        rng, customer = self.rng, self.rng.choice(CUSTOMERS)
        kind = rng.random()
        if kind < 0.55:
            ids = [rng.choice([*self.known[-6:], f"e{len(self.known) + i}"]) for i in range(rng.randint(1, 8))]
            self.known += [name for name in ids if name not in self.known]
            drafts = tuple(self._event(name) for name in dict.fromkeys(ids))
            posted = Posted(submitted=drafts, batch=f"b{self.actions}")
            store = Events(self.stepping)
            work: Callable[[], None] = lambda: _ignore(ingest(store, posted, now=NOW, each=in_turn))  # noqa: E731
        elif kind < 0.68:
            made = self._decisions()
            if not made:
                return
            work = partial(self._settle_one, *rng.choice(made), Decimal(rng.choice([0, 1, 7, 50])))
        elif kind < 0.9:
            request = wanted(rng.randint(1, 30), customer=customer)
            entropy = rng.randbytes
            cells, memory = Cells(self.stepping), Memory()
            # Some containers' clocks lag by a day: their windows are closed and removed before they are settled.
            at = rng.choice([NOW, NOW, NOW - DAY])
            work = lambda: _ignore(consume(cells, memory, request, now=at, entropy=entropy))  # noqa: E731
        elif kind < 0.98:
            closings = Closings(self.stepping)
            work = lambda: _ignore(reset(closings, now=NOW, grace=0, time_left=lambda: True))  # noqa: E731
        else:
            self._limits(customer)
            self.shards.collect()
            return
        self.workers.append(self.scheduler.start(f"client-{self.actions}", work))

    def _decisions(self) -> list[tuple[str, UseEntry]]:
        """The customers and entries of all grants so far."""
        writes = entries_written(self.engine)
        return [(customer, entry) for customer, entry in writes if isinstance(entry, UseEntry)]

    def _settle_one(self, customer: str, use: UseEntry, amount: Decimal) -> None:
        """Settle the grant of this entry. It may be settled already, to any amount."""
        minute, digest = use.id.split(".")
        decision = DecisionId(customer=customer, feature=use.feature, minute=int(minute), digest=bytes.fromhex(digest))
        secret = known_to(self.engine)()
        assert secret is not None
        named = format_decision_id(decision, secret)
        request = Settle(decision_id=named, decision=decision, amount=amount)
        with contextlib.suppress(Conflict):
            settle(Decisions(self.stepping), request, now=NOW)

    def _event(self, name: str) -> Draft:
        """The event of an id: always the same one."""
        fixed = Random(name)
        amounts: list[int | str] = ["0.5", 1, 7, 40]
        return draft(
            name,
            subject=fixed.choice(CUSTOMERS),
            tokens=fixed.choice(amounts),
            time=fixed.choice(TIMES),
            model=fixed.choice(["large", "small"]),
        )

    def _container(self) -> Parts:
        if self.idle and self.rng.random() < 0.8:
            return self.idle.pop(self.rng.randrange(len(self.idle)))
        return container(self.stepping, self.queue)

    def _deliver(self, shard: Shard) -> None:
        size = self.rng.choice([1, 3, 10, 50])
        end = min(len(shard.records), shard.read + size)
        parts = self._container()
        actor = self._invoke(shard, shard.read, end, parts)
        self.deliveries.append(Delivery(actor, shard, end, parts))

    def _again(self) -> None:
        """Deliver an old batch once more, also if its shard was split."""
        shard, start, end = self.rng.choice(self.past)
        self.zombies.append(self._invoke(shard, start, end, self._container()))

    def _invoke(self, shard: Shard, start: int, end: int, parts: Parts) -> Actor:
        self.past.append((shard, start, end))
        event = _event_of(shard, shard.records[start:end])

        def work() -> None:
            aggregate(parts, batch_of(event), now=NOW)

        return self.scheduler.start(f"{shard.name}[{start}:{end}]", work, unreliable=True)

    def _abandon(self, delivery: Delivery) -> None:
        """Time out a call, as Lambda does. The call continues, and its batch comes again."""
        self.deliveries.remove(delivery)
        self.zombies.append(delivery.actor)

    def _settle(self) -> None:
        """Handle the end of a call as Lambda does."""
        for delivery in [d for d in self.deliveries if not d.actor.running]:
            self.deliveries.remove(delivery)
            _expected(delivery.actor)
            if delivery.actor.succeeded:
                delivery.shard.read = max(delivery.shard.read, delivery.end)
            if not isinstance(delivery.actor.outcome, Killed):
                self.idle.append(delivery.container)
        for actors in (self.workers, self.zombies):
            for actor in [a for a in actors if not a.running]:
                actors.remove(actor)
                _expected(actor)


def _ignore(_: object) -> None:
    """Ignore the client's answer: only the table's content is checked."""


def _expected(actor: Actor) -> None:
    """A mishap is expected, a defect is not."""
    if isinstance(actor.outcome, BaseException) and not isinstance(actor.outcome, Killed | StoreUnavailable):
        raise actor.outcome


def _event_of(shard: Shard, changes: Sequence[Change]) -> dict[str, object]:
    event: dict[str, object] = {"Records": [record(change) for change in changes], "shardId": shard.name}
    decoded: dict[str, object] = json.loads(json.dumps(event))
    return decoded
