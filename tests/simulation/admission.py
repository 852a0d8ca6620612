"""One run of admission: containers with skewed clocks and stale memories, and an operator who changes everything.

Actors run at the same time, one call of the store at a time, in an order that one seed decides. They send requests with
and without ids, some of them twice; they change the customer's limit and plan, cancel, suspend and adjust. Time passes
between their calls. Containers die at any call.

`broken` says which promise a run broke. It uses only the commit log of the cell and the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any

from tallygate.contracts.catalog.catalog import read_catalog
from tallygate.domain.admission.decision import Decision
from tallygate.domain.base.instants import DAY, HOUR, MINUTE, SECOND, Instant, parse_instant
from tallygate.domain.customers.customers import ProfileChange
from tallygate.domain.limits.limits import Effective
from tallygate.errors import TallygateError
from tallygate.operations.admission.attempts import Consume
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.operations.catalog.catalog import declare_catalog
from tallygate.operations.customers.customers import Stores, put_customer
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.engine import Cancelled, Committed, Key, Page, Refused, Require, Write, Written
from tallygate.storage.base.expressions import Item
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.catalog.catalog import Catalogs
from tallygate.storage.customers.customers import Customers
from tallygate.storage.journal.past_usage import CellVersions
from tests.given import FEATURE
from tests.simulation.admission_steps import Operator
from tests.simulation.scheduler import Actor, Killed, Scheduler

CUSTOMER = "acme"
STARTED = parse_instant("2026-01-10T00:00:00Z")
SKEWS = (-2 * SECOND, 0, 2 * SECOND)
PASSES = (SECOND, 30 * SECOND, MINUTE, HOUR, DAY, 20 * DAY, 40 * DAY)
CALL_MAX, RETRIED = 30 * SECOND, "with an id"
PLANS: dict[str, dict[str, Any]] = {
    "small": {"limit": 20, "period": {"every": "month"}, "carryover": {"max": 15}},
    "big": {"limit": 50, "period": {"every": "month"}, "carryover": {}},
    "graded": {
        "limit": 15,
        "period": {"every": "month"},
        "carryover": {"expires_after": 2},
        "tiers": [
            {"at": "50%", "level": "slow", "policy": "rate_limit", "limit": 9, "per": "minute"},
            {"at": "100%", "level": "over", "policy": "allow_with_overage", "max_overage": 5},
        ],
    },
    "strict": {
        "limit": 25,
        "period": {"every": "day"},
        "tiers": [{"at": "80%", "level": "stop", "policy": "suspend_usage", "until": "next_period"}],
    },
    "stern": {
        "windows": [{"limit": 12, "period": {"every": "day"}}, {"limit": 20, "period": {"every": "month"}}],
        "tiers": [
            {"at": "50%", "level": "stop", "policy": "suspend_usage"},
            {"at": "75%", "level": "late", "policy": "suspend_usage", "until": "PT1H"},
        ],
    },
}


@dataclass(slots=True)
class Stepping:
    """The memory engine with a switch of actors before and after every call. An actor may die there."""

    world: World

    def _call(self, call: Callable[[], Any]) -> Any:
        self.world.step()
        result = call()
        self.world.step()
        return result

    def get(self, key: Key, *, consistent: bool = True) -> Item | None:
        found: Item | None = self._call(lambda: self.world.engine.get(key, consistent=consistent))
        return found

    def get_many(self, wanted: Collection[Key]) -> Mapping[Key, Item]:
        found: Mapping[Key, Item] = self._call(lambda: self.world.engine.get_many(wanted))
        return found

    def query(self, pk: str, **asked: Any) -> Page:
        page: Page = self._call(lambda: self.world.engine.query(pk, **asked))
        return page

    def due(self, shard: str, until: int, limit: int) -> tuple[Key, ...]:
        return self.world.engine.due(shard, until, limit)

    def write(self, write: Write, *, repeatable: bool = False) -> Written | Refused:
        outcome: Written | Refused = self._call(lambda: self.world.engine.write(write))
        return outcome

    def transact(self, writes: Sequence[Write | Require], *, repeatable: bool = False) -> Committed | Cancelled:
        outcome: Committed | Cancelled = self._call(lambda: self.world.engine.transact(writes))
        return outcome


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to a request that may be sent again."""

    request: Consume
    at: Instant
    decision: Decision


@dataclass(slots=True)
class World:
    """The state of one run.

    announced: the commit from which each version of the limits is in force
    """

    seed: int
    actions: int = 40
    rng: Random = field(init=False)
    engine: MemoryEngine = field(default_factory=MemoryEngine)
    scheduler: Scheduler = field(default_factory=Scheduler)
    actors: list[Actor] = field(default_factory=list)
    containers: list[tuple[Memory, Instant]] = field(default_factory=list)
    now: Instant = STARTED
    announced: list[tuple[int, int]] = field(default_factory=list)
    answers: list[Answered] = field(default_factory=list)
    sent: list[tuple[Consume, Instant]] = field(default_factory=list)
    defects: list[BaseException] = field(default_factory=list)
    changing: bool = False

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self.containers = [(Memory(ticks=lambda: self.now / 1000), skew) for skew in SKEWS * 2]
        stores = self.stores(self.engine)
        catalog = {
            "meters": [{"key": "m", "event_type": "e", "aggregation": "count"}],
            "features": [{"key": FEATURE, "type": "metered", "meter": "m"}],
            "plans": [{"key": key, "entitlements": [{"feature": FEATURE, **form}]} for key, form in PLANS.items()],
        }
        declare_catalog(Catalogs(self.engine), read_catalog(catalog), expected=None, dry_run=False, now=STARTED)
        put_customer(stores, CUSTOMER, ProfileChange(plan=self.rng.choice(list(PLANS))), expected=None, now=STARTED)

    @staticmethod
    def stores(engine: Any) -> Stores:
        return Stores(catalog=Catalogs(engine), customers=Customers(engine), cells=CellVersions(engine))

    def step(self) -> None:
        """A call of the store begins or ends: another actor may run, and this one may die."""
        actor = self.scheduler.current
        if actor is None:
            return
        self.scheduler.give_up_turn()
        if actor.unreliable and self.rng.random() < 0.01:
            raise Killed

    def run(self) -> None:
        try:
            while self.actions > 0 or self.actors:
                if self.actions > 0 and len(self.actors) < 5 and self.rng.random() < 0.25:
                    self.actions -= 1
                    self._act()
                if self.actors:
                    self.scheduler.turn(self.rng.choice(self.actors))
                    self._reap()
        finally:
            for actor in self.actors:
                self.scheduler.kill(actor)

    def _act(self) -> None:
        kind = self.rng.random()
        if kind < 0.7:
            self._request()
        elif kind < 0.82:
            self._pass(self.rng.choice(PASSES))
        elif not self.changing:
            self.changing = True
            change = Operator(self.rng, self.now + max(SKEWS)).change(Stepping(self))
            self._start("operator", partial(self._change, change), unreliable=False)

    def _pass(self, time: Instant) -> None:
        """Let time pass.

        A call that retries a request is ended first, as Lambda would: an id is remembered for a minute. All other calls
        continue with the time that they read at their start.
        """
        self.now += time
        for actor in self.actors:
            if actor.name == RETRIED and time >= CALL_MAX:
                self.scheduler.kill(actor)
        self._reap()

    def _request(self) -> None:
        memory, skew = self.rng.choice(self.containers)
        at = self.now + skew
        lately = [(request, then) for request, then in self.sent if abs(at // MINUTE - then // MINUTE) <= 1]
        if lately and self.rng.random() < 0.3:
            request, _ = self.rng.choice(lately)
        else:
            named = f"r{self.actions}" if self.rng.random() < 0.5 else None
            request = Consume(
                customer=CUSTOMER,
                feature=FEATURE,
                amount=Decimal(self.rng.choice([1, 1, 2, 5, 9, 14])),
                dimensions={},
                request_id=named,
                allow_partial=named is None and self.rng.random() < 0.2,
            )
            if named is not None:
                self.sent.append((request, at))
        name = "container" if request.request_id is None else RETRIED
        self._start(name, partial(self._consume, memory, request, at), unreliable=True)

    def _consume(self, memory: Memory, request: Consume, at: Instant) -> None:
        decision = consume(Cells(Stepping(self)), memory, request, now=at, entropy=self.rng.randbytes)
        self.answers.append(Answered(request, at, decision))

    def _change(self, change: Callable[[], Effective | None]) -> None:
        """Make a change. It is in force for every write after its answer."""
        try:
            effective = change()
            if effective is not None:
                self.announced.append((len(self.engine.stream), effective.version))
        finally:
            self.changing = False

    def _start(self, name: str, work: Callable[[], None], *, unreliable: bool) -> None:
        self.actors.append(self.scheduler.start(name, work, unreliable=unreliable))

    def _reap(self) -> None:
        for actor in [actor for actor in self.actors if not actor.running]:
            self.actors.remove(actor)
            outcome = actor.outcome
            if isinstance(outcome, BaseException) and not isinstance(outcome, Killed | TallygateError):
                self.defects.append(outcome)
