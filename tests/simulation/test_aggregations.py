"""Every aggregation against a list of events: whatever is sent twice, late, split or delivered again, sums are exact.

SIMULATION_SEEDS=500  pytest tests/simulation/test_aggregations.py     more runs of each aggregation
SIMULATION_SEED=1234  pytest tests/simulation/test_aggregations.py     that run alone
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from random import Random
from typing import Any

import pytest

from tallygate.contracts.usage.usage import read_usage
from tallygate.domain.base.instants import DAY, HOUR, Instant, format_instant
from tallygate.domain.metering import contributions
from tallygate.domain.metering.contributions import Contribution
from tallygate.domain.metering.meters import AVAILABLE
from tallygate.operations.base.each import in_turn
from tallygate.operations.facts.closing import reset
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.operations.usage.queries import usage
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.facts.closings import Closings
from tallygate.storage.journal import totals
from tallygate.storage.journal.rollup import contribution_in
from tallygate.storage.metering.events import Events
from tallygate.storage.usage.queries import UsageReader
from tests.desks import Desk
from tests.given import FEATURE
from tests.shops import Shop, month
from tests.simulation.shards import Shards
from tests.truth import container, draft, facts, fold

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "8"))
ONLY = os.environ.get("SIMULATION_SEED")
CONSUMED = ("sum", "max")
NEVER = 10**6


@dataclass(frozen=True, slots=True)
class Used:
    """One use, in the reference's list."""

    time: Instant
    name: str
    value: Decimal
    model: str | None


def expected(aggregation: str, used: Sequence[Used]) -> Decimal:
    """Return the quantity of a list of uses, by the definition of the aggregation."""
    if not used:
        return Decimal(0)
    values = [each.value for each in used]
    match aggregation:
        case "sum":
            return sum(values, Decimal(0))
        case "count":
            return Decimal(len(values))
        case "max":
            return max(values)
        case "min":
            return min(values)
        case "latest":
            return max(used, key=lambda each: (each.time, each.name)).value
        case "avg":
            mean = sum(values, Decimal(0)) / len(values)
            return mean.quantize(Decimal("1e-9"), ROUND_HALF_EVEN)
    raise AssertionError(aggregation)


class World:
    """One run: a customer, its uses as a list, and shards that are delivered in any way that Lambda may choose."""

    def __init__(self, aggregation: str, seed: int) -> None:
        self.aggregation, self.rng = aggregation, Random(f"{aggregation} {seed}")
        value = {} if aggregation == "count" else {"value": "$.tokens"}

        class Counting(Desk):
            METER = {**Shop.METER, "aggregation": aggregation, **value}  # noqa: RUF012

        self.engine = MemoryEngine()
        limit = 1000 if aggregation in CONSUMED else None
        self.shop = Counting(self.engine, pro={"limit": limit, "enforcement": "soft" if limit else "hard"})
        self.shop.now = month(1, 20)
        self.shards = Shards(self.engine, self.rng, 2)
        self.parts = container(self.engine)
        self.used: list[Used] = []
        self.sent: list[Any] = []

    def run(self) -> None:
        for _ in range(self.rng.randint(15, 30)):
            self.rng.choice([self.post, self.post, self.consume, self.repeat, self.deliver, self.deliver_again])()
            if self.rng.random() < 0.1:
                self.shards.collect()
                self.shards.split()
            if self.rng.random() < 0.2:
                self.parts = container(self.engine)
        for _ in range(NEVER):
            self.shards.collect()
            if not self.shards.deliverable:
                break
            self.deliver()

    def post(self) -> None:
        rng, drafts = self.rng, []
        for _ in range(rng.randint(1, 4)):
            # Few times, so that some are equal; some lie in the month before.
            time = self.shop.now - rng.choice([0, 1, 5, 30, 60, 24 * 25]) * HOUR
            use = Used(
                time, f"e{rng.randrange(NEVER**2)}", Decimal(rng.randrange(1, 900)) / 8, rng.choice(["a", "b", None])
            )
            model = {} if use.model is None else {"model": use.model}
            drafts.append(draft(use.name, tokens=str(use.value), event_type="e", time=use.time, **model))
            self.used.append(use)
        self.sent.append(drafts)
        self.send(drafts, "accepted")

    def repeat(self) -> None:
        if self.sent:
            drafts = list(self.rng.choice(self.sent))
            self.rng.shuffle(drafts)
            self.send(drafts, "duplicate")

    def send(self, drafts: Sequence[Any], status: str) -> None:
        batch = f"b{self.rng.randrange(NEVER)}"
        results = ingest(
            Events(self.engine), Posted(submitted=tuple(drafts), batch=batch), now=self.shop.now, each=in_turn
        )
        assert {result.status for result in results} == {status}

    def consume(self) -> None:
        self.shop.now += self.rng.randrange(HOUR)
        if self.aggregation in CONSUMED:
            amount = self.rng.randrange(1, 80)
            assert self.shop.consume(amount)["granted"]
            self.used.append(Used(self.shop.now, "use", Decimal(amount), None))

    def deliver(self) -> None:
        self.shards.collect()
        if self.shards.deliverable:
            shard = self.rng.choice(self.shards.deliverable)
            size = self.rng.randint(1, 12)
            fold(self.parts, shard.records[shard.read : shard.read + size], shard=shard.name, now=self.shop.now)
            shard.read = min(len(shard.records), shard.read + size)

    def deliver_again(self) -> None:
        """Deliver a batch that was read before, in another length, to another container."""
        read = [shard for shard in self.shards.all if shard.read]
        if read:
            shard = self.rng.choice(read)
            first = self.rng.randrange(shard.read)
            until = self.rng.randint(first + 1, shard.read)
            fold(container(self.engine), shard.records[first:until], shard=shard.name, now=self.shop.now)

    def check(self) -> None:
        now = self.shop.now + DAY
        for window, length in (("none", NEVER * DAY), ("hour", HOUR), ("day", DAY)):
            for grouped in (False, True):
                self.check_query(window, length, now, grouped=grouped)
        since = [each for each in self.used if each.time >= month(1)]
        assert self.shop.state()["used"] == expected(self.aggregation, since)
        self.shop.now = month(2)
        reset(Closings(self.engine), now=self.shop.now, grace=0, time_left=lambda: True)
        for fact in (fact for fact in facts(self.engine) if fact["type"] == "usage.period_closed"):
            first = fact["period"]["start"]
            inside = [u for u in self.used if first <= format_instant(u.time) < fact["period"]["end"]]
            assert fact["raw"] == expected(self.aggregation, inside), fact

    def check_query(self, window: str, length: int, now: Instant, *, grouped: bool) -> None:
        asked = {"customer": "acme", "feature": FEATURE, "from": "2025-12-01T00:00:00Z", "window": window}
        query = read_usage({**asked, **({"group_by": "model"} if grouped else {})}, now=now)
        answer = usage(UsageReader(self.engine), query, now)
        of: dict[tuple[Any, Any], list[Used]] = {}
        for each in self.used:
            start = query.start if window == "none" else each.time - each.time % length
            of.setdefault((start, each.model if grouped else None), []).append(each)
        found = {(row.start, row.group.get("model")): row.value for row in answer.rows}
        if not self.used:
            found = {}
        assert found == {name: expected(self.aggregation, each) for name, each in of.items()}
        assert answer.total == expected(self.aggregation, self.used)


def fails(aggregation: str, seed: int) -> str | None:
    """Why a run is not exact; None where it is."""
    world = World(aggregation, seed)
    try:
        world.run()
        world.check()
    except Exception as error:  # noqa: BLE001  # a run may fail in any way
        return f"{aggregation}, seed {seed}: {type(error).__name__}: {str(error)[:2000]}"
    return None


@pytest.mark.parametrize("aggregation", AVAILABLE)
def test_every_aggregation_is_exact(aggregation: str) -> None:
    seeds = range(SEEDS) if ONLY is None else [int(ONLY)]
    found = [why for seed in seeds if (why := fails(aggregation, seed)) is not None]
    assert not found, found[0]


def newest_wins(first: Contribution, then: Contribution) -> Contribution:
    return then


def average_of_averages(held: Any, name: str) -> Contribution:
    """Forgets how many values an average is of."""
    found = contribution_in(held, name)
    return contributions.Mean(contributions.stated(found)) if isinstance(found, contributions.Mean) else found


@pytest.mark.parametrize(
    ("aggregation", "name", "rule"),
    [
        ("latest", "combined", newest_wins),
        ("min", "combined", newest_wins),
        ("max", "combined", newest_wins),
        ("avg", "contribution_in", average_of_averages),
    ],
)
def test_the_runs_notice_a_broken_rule(
    aggregation: str, name: str, rule: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(totals, name, rule)
    assert any(fails(aggregation, seed) is not None for seed in range(20))
