"""One run of a quota that carries over: one customer over some twenty windows, with every kind of lateness.

One seed decides the run: consumes, settlements, new and old events, adjustments, manual resets, changed limits, idle
windows, closings with and without a grace, and a stream that is read from time to time.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

from tallygate.domain.base.instants import DAY, HOUR, Instant, parse_instant
from tallygate.domain.limits.overrides import OwnLimit
from tallygate.errors import Conflict, InvalidRequest, NotFound, StoreUnavailable
from tallygate.operations.base.each import in_turn
from tallygate.operations.corrections.settle import Settle, settle
from tallygate.operations.customers.own_limits import put_limit
from tallygate.operations.facts.closing import reset
from tallygate.operations.journal.find_decision import decision_named
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.facts.closings import Closings
from tallygate.storage.journal.decisions import Decisions
from tallygate.storage.metering.events import Events
from tests.given import FEATURE, known_to
from tests.operator_actions import adjust, reset_manually
from tests.shops import OPENED, Shop
from tests.simulation.carryover_model import Ledger, Rule
from tests.truth import container, draft, drain, facts

EVERY = {"hour": HOUR, "day": DAY}


@dataclass(frozen=True)
class Made:
    """A granted consume that may still be settled."""

    decision: str
    window: int
    granted: Decimal


class World:
    """A shop with one quota that carries over, and a model ledger with the same input."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        every = self.rng.choice(list(EVERY))
        self.width = EVERY[every]
        self.base = Decimal(self.rng.choice([10, 50, 100]))
        self.rule, carryover = self._rule()
        self.ledger = Ledger(self.rule, self.base)
        self.grace = self.rng.choice([0, 0, 3, 13]) * self.width
        self.engine = MemoryEngine()
        plan = {
            "limit": str(self.base),
            "period": {"every": every},
            "enforcement": self.rng.choice(["soft", "soft", "hard"]),
            "carryover": carryover,
        }
        self.shop = Shop(self.engine, pro=plan)
        self.parts, self.folded, self.drawn = container(self.engine), 0, 0
        self.made: list[Made] = []

    def _rule(self) -> tuple[Rule, dict[str, Any]]:
        rule: dict[str, Any] = {}
        form: dict[str, Any] = {"overage": self.rng.choice(["forgive", "forgive", "deduct"])}
        if self.rng.random() < 0.7:
            rule["expires_after"] = form["expires_after"] = self.rng.choice([1, 2, 3, 5, 8])
        kind = self.rng.random()
        if kind < 0.15:
            form["max"], rule["cap"] = 35, Decimal(35)
        elif kind < 0.3:
            form["max"], rule["cap_share"] = "150%", Decimal("1.5")
        elif kind < 0.4:
            form["max"], rule["cap_share"] = {"periods": 2}, Decimal(2)
        return Rule(deduct=form["overage"] == "deduct", **rule), form

    @property
    def now(self) -> Instant:
        return self.shop.now

    @property
    def window(self) -> int:
        return (self.now - OPENED) // self.width

    def run(self, steps: int = 40) -> None:
        """Run random steps. After each step that reads the whole stream, compare shop and ledger."""
        for _ in range(steps):
            self._step()
            if self.rng.random() < 0.6:
                self.check()
        self.check()

    def _step(self) -> None:
        kind = self.rng.random()
        if kind < 0.3:
            self._consume()
        elif kind < 0.42:
            self._event(self.now)
        elif kind < 0.6:
            self._late_event()
        elif kind < 0.68:
            self._settle()
        elif kind < 0.76:
            self._adjust()
        elif kind < 0.8:
            self._reset()
        elif kind < 0.84:
            self._limit()
        else:
            self.shop.now += self.rng.choice([1, 1, 1, 2, 5]) * self.width + self.rng.randrange(self.width // 3)
            self._close()

    def _consume(self) -> None:
        answer = self.shop.consume(self.rng.choice(["1", "3", "0.001", "20"]))
        granted = Decimal(str(answer["granted_amount"]))
        if granted:
            self.ledger.used[self.window] += granted
            self.made.append(Made(answer["decision_id"], self.window, granted))

    def _late_event(self) -> None:
        back = self.rng.choice([1, 1, 2, 3, 6, 11]) * self.width
        if self.now - back >= OPENED and back < 30 * DAY:
            self._event(self.now - back)

    def _event(self, at: Instant) -> None:
        self.drawn += 1
        event = draft(f"e{self.drawn}", event_type="e", tokens=None, time=at)
        posted = Posted(submitted=(event,), batch=f"b{self.drawn}")
        (result,) = ingest(Events(self.engine), posted, now=self.now, each=in_turn)
        assert result.status.value == "accepted"
        self.ledger.used[(at - OPENED) // self.width] += 1

    def _settle(self) -> None:
        """Settle a decision, but none that a reset has excluded: other tests cover those."""
        left = [made for made in self.made if made.window not in self.ledger.excluded]
        if not left:
            return
        self.fold()
        made = self.rng.choice(left)
        self.made.remove(made)
        amount = made.granted * self.rng.choice([Decimal(0), Decimal("0.5"), Decimal(2)])
        named = Settle(
            decision_id=made.decision,
            decision=decision_named(made.decision, known_to(self.engine), now=self.now),
            amount=amount,
        )
        with suppress(Conflict, NotFound):
            settle(Decisions(self.engine), named, now=self.now)
            self.ledger.used[made.window] += amount - made.granted

    def _adjust(self) -> None:
        self.drawn += 1
        amount = self.rng.choice([-30, -5, 7, 40, 1000])
        with suppress(Conflict, InvalidRequest):
            adjust(self.engine, self.shop.customer, amount, named=f"a{self.drawn}", now=self.now)
            self.ledger.adjusted[self.window] += amount

    def _reset(self) -> None:
        """Reset all known usage, as of now."""
        self.fold()
        self.drawn += 1
        with suppress(InvalidRequest, StoreUnavailable, Conflict):
            reset_manually(self.engine, self.shop.customer, named=f"z{self.drawn}", now=self.now)
            self.ledger.excluded[self.window] = self.ledger.used[self.window]

    def _limit(self) -> None:
        base = Decimal(self.rng.choice([5, 20, 80]))
        own = OwnLimit(name=FEATURE, form={"limit": str(base)})
        put_limit(self.shop.stores, self.shop.customer, own, lambda *_: None, expected=None, now=self.now)
        self.ledger.set_base(self.window, base)

    def _close(self) -> None:
        reset(Closings(self.engine), now=self.now, grace=self.grace, time_left=lambda: True)

    def fold(self) -> None:
        for _ in range(2):
            self.folded = drain(self.engine, self.parts, after=self.folded, now=self.now)

    def check(self) -> None:
        """Once all records are read, the open window and all statements must agree with the ledger."""
        self.fold()
        self._close()
        self.fold()
        state = self.shop.state()
        shown = {"carried": state["breakdown"]["carried"], "used": state["used"]}
        expected = {
            "carried": self.ledger.carried_into(self.window),
            "used": self.ledger.enforced(self.window),
        }
        found = _decimals(shown)
        assert found == expected, f"window {self.window}: found {found}, expected {expected}"
        for number, stated in self.stated().items():
            found = _decimals({"raw": stated["raw"], "carried_out": stated["carried_out"]})
            wanted = {"raw": self.ledger.used[number], "carried_out": self.ledger.carried_into(number + 1)}
            where = f"statement of window {number}, now is {self.window}"
            assert found == wanted, f"{where}: found {found}, expected {wanted}"

    def stated(self) -> dict[int, dict[str, Any]]:
        """The newest statement of each closed window."""
        told = ("usage.period_closed", "usage.restated")
        found: dict[int, dict[str, Any]] = {}
        for fact in facts(self.engine):
            if fact["type"] in told:
                found[(parse_instant(fact["period"]["start"]) - OPENED) // self.width] = fact
        return found


def _decimals(shown: dict[str, Any]) -> dict[str, Decimal]:
    return {name: Decimal(str(value)) for name, value in shown.items()}
