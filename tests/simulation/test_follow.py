"""Changes of plan in a world where anything comes between: what is held against a limit is all that was used since its
window began, by a model that is one list of decisions.

Containers with old limits and old looks at the cell write between any two requests of a change; changes die before
they have told the cells; decisions are settled late; resets take usage out; the fold lags.
"""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from tallygate.domain.base.instants import DAY, HOUR, Instant, parse_instant
from tallygate.errors import Conflict, Contended, StoreUnavailable
from tallygate.operations.admission.memory import Memory
from tallygate.operations.corrections.settle import Settle, settle
from tallygate.operations.journal.find_decision import decision_named
from tallygate.storage.base.engine import Refused, Write, Written
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.journal.decisions import Decisions
from tests.desks import Desk
from tests.given import known_to
from tests.shops import month
from tests.truth import container, drain

SEEDS = 120
STEPS = 60
KINDS: dict[str, dict[str, Any]] = {
    "month": {"every": "month"},
    "year": {"every": "year"},
    "day": {"every": "day"},
    "week": {"every": "week"},
    "own": {"every": "month", "anchor": "subscription_start"},
}
LIMITS = {"month": 400, "year": 900, "day": 60, "week": 150, "own": 300}


class Died(Exception):
    """The process stopped before this write."""


class Interrupted(MemoryEngine):
    """An engine before each of whose writes something else may happen."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Any = None
        self.dies_in: int | None = None

    def write(self, write: Write, *, repeatable: bool = False) -> Written | Refused:
        if self.dies_in is not None:
            self.dies_in -= 1
            if self.dies_in < 0:
                raise Died
        if self.meanwhile is not None:
            then, self.meanwhile = self.meanwhile, None
            then()
            self.meanwhile = then
        return super().write(write, repeatable=repeatable)


class World:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.engine = Interrupted()
        plans = {key: {"limit": LIMITS[key], "period": period} for key, period in KINDS.items()}
        self.desk = Desk(self.engine, **plans)
        self.desk.now = month(1, 20) + self.random.randrange(DAY)
        self.desk.customer = "world"
        self.desk.put(plan="month")
        self.parts, self.read = container(self.engine), 0
        self.memories = [Memory() for _ in range(3)]
        self.used: dict[str, tuple[Instant, Decimal]] = {}
        self.excluded_before: Instant = 0
        self.died = False

    def fold(self) -> None:
        self.read = drain(self.engine, self.parts, after=self.read, now=self.desk.now)

    def consume(self) -> None:
        """By any container; those that are behind learn it from the cell."""
        amount = self.random.choice((1, 3, 10, 40))
        try:
            answer = self.desk.consume(amount, memory=self.random.choice(self.memories))
        except Contended:
            return
        if answer["granted"]:
            self.used[answer["decision_id"]] = (self.desk.now, Decimal(amount))

    def consume_afresh(self) -> None:
        """A request that nothing comes between is granted exactly where it fits."""
        amount = self.random.choice((1, 5, 20))
        before = self.expected()
        answer = self.desk.consume(amount, memory=self.random.choice(self.memories))
        fits = before[0] + amount <= before[1]
        assert answer["granted"] == fits, (before, amount, answer)
        if answer["granted"]:
            self.used[answer["decision_id"]] = (self.desk.now, Decimal(amount))

    def expected(self) -> tuple[Decimal, int]:
        """What the model says is used since the window that runs began, and the limit."""
        state = self.desk.state()
        since = max(parse_instant(state["period"]["start"]), self.excluded_before)
        return sum((a for at, a in self.used.values() if at >= since), Decimal(0)), state["limit"]

    def change(self) -> None:
        self.fold()
        self.desk.now += 1
        plan = self.random.choice(sorted(KINDS))
        how = {"started_at": self.desk.now} if plan == "own" and self.random.random() < 0.3 else {}
        if not how and self.random.random() < 0.4:
            self.engine.meanwhile = self.consume
        if self.random.random() < 0.2:
            self.engine.dies_in = self.random.randrange(2)
        try:
            self.desk.subscribe(plan, **how)
        except Died:
            self.died = True
        finally:
            self.engine.meanwhile = self.engine.dies_in = None

    def settle(self) -> None:
        if not self.used:
            return
        named = self.random.choice(sorted(self.used))
        at, amount = self.used[named]
        if at < max(self.desk.now - 20 * DAY, self.excluded_before):
            return
        self.fold()
        to = Decimal(self.random.choice((0, 1, 2)) * amount)
        request = Settle(
            decision_id=named, decision=decision_named(named, known_to(self.engine), now=self.desk.now), amount=to
        )
        try:
            settle(Decisions(self.engine), request, now=self.desk.now)
        except (Conflict, StoreUnavailable):
            return
        self.used[named] = (at, to)

    def reset(self) -> None:
        self.desk.now += HOUR
        try:
            made = self.desk.reset()
        except Contended:
            return
        self.desk.now += HOUR
        if made.body["changed"]:
            # Where nothing was used of the windows that run, nothing is reset.
            self.excluded_before = self.desk.now

    def step(self) -> None:
        passed = self.random.choice((0, 1, HOUR, 5 * HOUR, DAY, 3 * DAY))
        if self.died and passed > 1:
            # The stream lets the cells know within seconds, and no container keeps limits for as long.
            self.fold()
            self.died = False
        self.desk.now += passed
        what = self.random.choices(
            (self.consume_afresh, self.change, self.settle, self.fold, self.reset), weights=(8, 5, 2, 2, 0.4)
        )[0]
        what()
        state = self.desk.state()
        used, _ = self.expected()
        assert state["used"] == used, (what.__name__, state["used"], used, state["period"])


@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_is_used_since_the_window_began_is_held_against_every_limit(seed: int) -> None:
    world = World(seed)
    for _ in range(STEPS):
        world.step()
