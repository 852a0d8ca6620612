"""Carryover against a plain model: whatever comes late, is folded late, twice or in pieces, what is carried into every
window, and what every statement says of it, is what all that happened comes to."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random

import pytest

from tallygate.domain.base.instants import DAY, HOUR, MINUTE, Instant, parse_instant
from tallygate.domain.limits.rollover import Layer
from tallygate.errors import Conflict, NotFound, StoreUnavailable
from tests.carried import SHARDS, CarriedShop
from tests.carried_model import Dated, Model, Rule
from tests.shops import OPENED

SEEDS = int(os.environ.get("CARRYOVER_SEEDS", "240"))
CHUNK = 40
ONLY = os.environ.get("CARRYOVER_SEED")
STEPS = 28
PLANS = 3


@dataclass
class Decided:
    """A decision that may still be settled. `out`: a reset has taken it out."""

    id: str
    window: int
    amount: Fraction
    out: bool = False


@dataclass
class Run:
    """One run of a seed: the product and the model, told the same."""

    seed: int
    decided: list[Decided] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.length, self.changes = self.random.choice([HOUR, DAY]), self.random.choice([0, 0, 2])
        rules = [self._rule() for _ in range(PLANS)]
        every = "hour" if self.length == HOUR else "day"
        plans = {
            f"plan_{number}": {
                "limit": int(rule.base),
                "enforcement": "soft",
                "carryover": {
                    "expires_after": rule.lasts,
                    "max": None if rule.most is None else int(rule.most),
                    "overage": "deduct" if rule.deducts else "forgive",
                },
                "period": {"every": every},
            }
            for number, rule in enumerate(rules)
        }
        self.shop = CarriedShop(**plans, absent=None)
        self.rules: dict[str, Rule | None] = {**dict(zip(plans, rules, strict=True)), "absent": None}
        self.plans = [(OPENED, "plan_0")]
        self.model = Model(self.rule_of)

    def _rule(self) -> Rule:
        most = self.random.choice([None, None, 15, 70])
        return Rule(
            base=Fraction(self.random.choice([20, 20, 35])),
            most=None if most is None else Fraction(most),
            lasts=self.random.choice([None, 1, 2, 3, 6]),
            deducts=self.random.random() < 0.3,
        )

    def rule_of(self, window: int) -> Rule | None:
        """The rule of the newest plan in force in a window that has the feature."""
        begin, end = OPENED + window * self.length, OPENED + (window + 1) * self.length
        found = None
        for (since, plan), (until, _) in zip(self.plans, [*self.plans[1:], (end, "")], strict=True):
            if since < end and until > begin and self.rules[plan] is not None:
                found = self.rules[plan]
        return found

    @property
    def in_force(self) -> bool:
        return self.rules[self.plans[-1][1]] is not None

    @property
    def window(self) -> int:
        return (self.shop.now - OPENED) // self.length

    def run(self) -> None:
        steps: list[tuple[int, Callable[[], None]]] = [
            (6, self.use),
            (4, self.event),
            (3, self.settle),
            (2, self.adjust),
            (1, self.take_out),
            (6, self.pass_time),
            (4, self.fold_some),
            (2, self.fold_again),
            (2, self.fold_and_die),
            (3, self.close),
            (self.changes, self.change_plan),
        ]
        weights = [weight for weight, _ in steps]
        for _ in range(STEPS):
            self.random.choices([step for _, step in steps], weights)[0]()
            self.shop.now += self.random.randrange(self.length // 60)
        self.fold_whole()
        self.shop.close()
        self.fold_whole()

    def change_plan(self) -> None:
        """An event counts by the limits in force when it is folded, if its time is not before a planned change."""
        self.fold_whole()
        plan = self.random.choice([*self.rules, "plan_1"])
        self.shop.subscribe(plan)
        self.plans.append((self.shop.now, plan))

    def use(self) -> None:
        if not self.in_force:
            return
        amount = self.random.choice([1, 1, 2, 7, 30])
        decision = self.shop.use(amount)
        assert decision is not None, "the limit is soft"
        self.decided.append(Decided(decision, self.window, Fraction(amount)))
        self._count(self.window, Fraction(amount))

    def event(self) -> None:
        back = self.random.choice([0, 0, 1, 2, 3, 10])
        at = self.shop.now - back * self.length
        if back == 0 and self.random.random() < 0.3:
            at = self.shop.now + 4 * MINUTE
        if at >= OPENED and self.in_force:
            amount = self.random.choice([1, 2, 5, 40])
            self.shop.event(amount, at)
            self._count((at - OPENED) // self.length, Fraction(amount))

    def settle(self) -> None:
        if not self.decided:
            return
        self.fold_whole()
        decided = self.decided.pop(self.random.randrange(len(self.decided)))
        amount = self.random.choice([0, 1, 12])
        with suppress(Conflict, NotFound, StoreUnavailable):
            self.shop.settle(decided.id, amount)
            happened = self.model.windows[decided.window]
            happened.billed += amount - decided.amount
            happened.used += 0 if decided.out else amount - decided.amount

    def adjust(self) -> None:
        amount = self.random.choice([-15, -4, 9, 100])
        if self.in_force and self.shop.adjust(amount):
            self.model.windows[self.window].adjusted += amount

    def take_out(self) -> None:
        """What is counted by events must have come to the counter before, or it stays counted."""
        if not self.in_force:
            return
        self.fold_whole()
        self.shop.take_out()
        self.model.windows[self.window].used = Fraction(0)
        for each in self.decided:
            each.out = each.out or each.window == self.window

    def pass_time(self) -> None:
        self.shop.now += self.random.choice([1, 1, 1, 2, 3, 10]) * self.length

    def fold_some(self) -> None:
        """A few batches of a shard, so that some of what happened is known and some is not."""
        size = self.random.choice([1, 3, 20])
        for _ in range(self.random.choice([1, 4, 30])):
            self.shop.fold_batch(self.random.choice(SHARDS), size)

    def fold_again(self) -> None:
        """What was folded is delivered once more, in a larger batch."""
        again = self.random.randrange(1, 40)
        self.shop.fold_batch(self.random.choice(SHARDS), self.random.randrange(3), again=again)

    def fold_and_die(self) -> None:
        """Whatever the process has written by then stands, and the batch comes again."""
        self.shop.fold_batch(self.random.choice(SHARDS), 20, writes=self.random.randrange(12))

    def fold_whole(self) -> None:
        self.shop.fold(size=self.random.choice([1, 7, 500]))

    def close(self) -> None:
        self.shop.close(grace=self.random.choice([0, 0, self.length, 12 * HOUR]))

    def _count(self, window: int, amount: Fraction) -> None:
        self.model.windows[window].used += amount
        self.model.windows[window].billed += amount

    def wrong(self) -> list[str]:
        """How the product differs from the model."""
        shop, found = self.shop, list[str]()
        shown, totals = shop.layers_of_the_cell(), shop.totals()
        for start, layers in shown.items():
            found += self._differs("counter item", start, layers)
        for start, total in totals.items():
            if start <= max(shown):
                found += self._differs("total", start, total.layers or ())
            happened = self.model.windows[self.number(start)]
            if (Fraction(total.value), Fraction(total.used)) != (happened.billed, happened.used):
                found.append(f"window {self.number(start)}: used {total.used}, not {happened.used}")
        if not self.in_force:
            self.shop.subscribe("plan_0")
            self.plans.append((self.shop.now, "plan_0"))
        carried = Fraction(str(shop.carried()))
        if carried != self.model.carried(self.window):
            found.append(f"answered: carried {carried}, not {self.model.carried(self.window)}")
        for number, said in ((self.number(parse_instant(start)), said) for start, said in shop.stated().items()):
            figures = (Fraction(str(said["breakdown"]["carried"])), Fraction(str(said["carried_out"])))
            right = (self.model.carried(number), self.model.carried(number + 1))
            if figures != right:
                found.append(f"stated of window {number}: {figures}, not {right}")
        return [*found, *self._repeated()]

    def _repeated(self) -> list[str]:
        """Statements that state nothing new."""
        last: dict[str, tuple[object, ...]] = {}
        found: list[str] = []
        for said in self.shop.statements():
            start = said["period"]["start"]
            figures = (said["raw"], said["breakdown"], said["carried_out"])
            found += [f"stated again of {start}: {figures}"] if last.get(start) == figures else []
            last[start] = figures
        return found

    def number(self, start: Instant) -> int:
        return (start - OPENED) // self.length

    def _differs(self, where: str, start: Instant, layers: tuple[Layer, ...]) -> list[str]:
        number = self.number(start)
        granted = self.model.with_base_before(number)
        kept = [Dated(granted - layer.age, Fraction(layer.amount)) for layer in layers]
        right = self.model.into(number)
        if kept == right:
            return []
        return [f"{where} of window {number}: {kept}, not {right}"]


def fails(seed: int) -> str | None:
    run = Run(seed)
    run.run()
    wrong = run.wrong()
    return f"seed {seed} ({run.rules}): {wrong[0]}" if wrong else None


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK) if ONLY is None else [int(ONLY)])
def test_what_is_carried_is_what_all_that_happened_leaves(first: int) -> None:
    seeds = range(first, min(first + CHUNK, SEEDS)) if ONLY is None else [first]
    found = [why for seed in seeds if (why := fails(seed)) is not None]
    assert not found, found
