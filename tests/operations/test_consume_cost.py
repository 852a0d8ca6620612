"""What a decision costs, exactly: requests and capacity units on a real engine (the figures of the README)."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from bench.cost import Cost, counting
from tallygate.domain.admission.decision import Decision
from tallygate.domain.base.instants import DAY, HOUR, MINUTE, SECOND, Instant, parse_instant
from tallygate.domain.catalog.tiers import tier_of
from tallygate.domain.limits.limits import Effective
from tallygate.operations.admission.attempts import Consume
from tallygate.operations.admission.check import check
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base import keys
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Delete
from tests.given import FEATURE, NOW, effective, in_force, quota, rate, wanted


class Warm:
    """A container that has decided before, for others: what it asks for from now on is what a decision costs."""

    def __init__(self, dynamodb: Any, engine: DynamoEngine, drawn: int = 0) -> None:
        self.dynamodb, self.store, self.memory = dynamodb, Cells(engine), Memory(ticks=lambda: 0.0)
        self._drawn = drawn
        self.memory.decision_secret(self.store, os.urandom)

    def entropy(self, count: int) -> bytes:
        self._drawn += 1
        return self._drawn.to_bytes(count)

    def consume(self, request: Consume, now: Instant = NOW) -> tuple[Decision, Cost]:
        with counting(self.dynamodb) as cost:
            decision = consume(self.store, self.memory, request, now=now, entropy=self.entropy)
        return decision, cost


@pytest.fixture
def warm(dynamodb: Any, dynamo_engine: DynamoEngine) -> Warm:
    return Warm(dynamodb, dynamo_engine)


def test_a_warm_consume_is_one_request_and_one_unit(warm: Warm, dynamo_engine: DynamoEngine) -> None:
    in_force(dynamo_engine, effective(quota(100), rates=(rate(50),)))
    warm.consume(wanted())
    decision, cost = warm.consume(wanted())
    assert decision.granted
    assert (dict(cost.requests), cost.write_units, cost.read_units) == ({"UpdateItem": 1}, 1.0, 0.0)


def test_eight_quotas_and_eight_rates_cost_no_more(warm: Warm, dynamo_engine: DynamoEngine) -> None:
    quotas = tuple(quota(1000, ordinal=n) for n in range(1, 9))
    in_force(dynamo_engine, effective(*quotas, rates=tuple(rate(50, ordinal=n) for n in range(9, 17))))
    warm.consume(wanted())
    _, cost = warm.consume(wanted())
    assert (dict(cost.requests), cost.write_units) == ({"UpdateItem": 1}, 1.0)


@pytest.mark.parametrize("per", [SECOND, MINUTE])
def test_steady_use_of_short_rates_costs_no_more(warm: Warm, dynamo_engine: DynamoEngine, per: Instant) -> None:
    """Sub-windows that are over do not pile up in the cell, and after a pause they fit one expression."""
    in_force(dynamo_engine, effective(quota(10_000), rates=tuple(rate(50, per=per, ordinal=n) for n in range(9, 17))))
    worst = 0.0
    for index in range(100):
        decision, cost = warm.consume(wanted(), NOW + index * per)
        assert decision.granted
        worst = max(worst, cost.write_units)
    for index in range(3):
        assert warm.consume(wanted(), NOW + 1000 * MINUTE + index * per)[0].granted
    assert worst <= (1.0 if per == MINUTE else 2.0)


def test_steady_use_of_quotas_by_the_minute_costs_no_more(warm: Warm, dynamo_engine: DynamoEngine) -> None:
    """Eight are the most that one write can state."""
    in_force(dynamo_engine, effective(*(quota(50, ordinal=n, every="minute") for n in range(1, 9))))
    costs = [warm.consume(wanted(), NOW + index * MINUTE // 2)[1].write_units for index in range(60)]
    assert max(costs) == 1.0


def test_the_first_decision_of_a_new_month_is_one_request_and_one_unit(warm: Warm, dynamo_engine: DynamoEngine) -> None:
    in_force(dynamo_engine, effective(quota(100), rates=(rate(500),)))
    end = parse_instant("2026-12-01T00:00:00Z")
    warm.consume(wanted(50), end - 1)
    decision, cost = warm.consume(wanted(50), end)
    assert decision.granted
    assert (dict(cost.requests), cost.write_units) == ({"UpdateItem": 1}, 1.0)
    tidied, cost = warm.consume(wanted(1), end + DAY)
    assert tidied.granted
    assert (dict(cost.requests), cost.write_units) == ({"UpdateItem": 1}, 1.0), "removing what is over is free"


def test_a_denial_is_one_request_and_writes_nothing_but_the_first_of_a_window(
    warm: Warm, dynamo_engine: DynamoEngine
) -> None:
    in_force(dynamo_engine, effective(quota(1)))
    warm.consume(wanted())
    decision, cost = warm.consume(wanted())
    assert not decision.granted
    assert (dict(cost.requests), cost.write_units) == ({"UpdateItem": 2}, 1.0), "the first is marked in the cell"
    warm.memory.ticks = lambda: 2.0
    decision, cost = warm.consume(wanted())
    assert not decision.granted
    assert (dict(cost.requests), cost.write_units) == ({"UpdateItem": 1}, 0.0)
    decision, cost = warm.consume(wanted())
    assert not decision.granted
    assert (dict(cost.requests), cost.read_units) == ({"GetItem": 1}, 1.0), "asked again within a second: a read"


GRACE: dict[str, Any] = {"at": "100%", "policy": "allow_with_grace", "grace_amount": 20, "grace_for": "P3D"}
LADDER = (
    {"at": "80%", "policy": "rate_limit", "limit": 1000, "per": "minute", "ordinal": 50},
    {**GRACE, "then": "suspend_usage"},
)


def on_rungs(*forms: dict[str, Any], quotas: int = 1) -> Effective:
    """Quotas of 100 with these tiers; the first has the feature's name."""
    tiers = tuple(tier_of({"level": f"level_{index}", **form}) for index, form in enumerate(forms))
    limited = effective(*(quota(100, ordinal=n) for n in range(1, quotas + 1)))
    right = limited.entitlements[FEATURE]
    limits = tuple(replace(limit, tiers=tiers) for limit in right.limits)
    return replace(limited, entitlements={FEATURE: replace(right, limits=limits)})


def test_every_rung_costs_a_warm_consume_one_request_and_to_climb_one_costs_no_more(
    warm: Warm, dynamo_engine: DynamoEngine
) -> None:
    """The container remembers what it left behind, and so knows the rung before it asks."""
    in_force(dynamo_engine, on_rungs(*LADDER))
    warm.consume(wanted())
    for amount, reason in ((74, "ok"), (5, "ok"), (5, "ok"), (15, "ok"), (10, "overage_allowed")):
        decision, cost = warm.consume(wanted(amount))
        assert decision.reason == reason
        assert (dict(cost.requests), cost.write_units) == ({"UpdateItem": 1}, 1.0), decision.reason


def test_a_rung_that_others_have_climbed_costs_one_refused_write_more(
    warm: Warm, dynamodb: Any, dynamo_engine: DynamoEngine
) -> None:
    in_force(dynamo_engine, on_rungs(*LADDER))
    other = Warm(dynamodb, dynamo_engine, drawn=1000)
    warm.consume(wanted())
    other.consume(wanted(84))
    decision, cost = warm.consume(wanted())
    assert decision.granted
    assert dict(cost.requests) == {"UpdateItem": 2}
    assert dict(warm.consume(wanted())[1].requests) == {"UpdateItem": 1}


def test_to_suspend_is_a_second_write_once(warm: Warm, dynamo_engine: DynamoEngine) -> None:
    in_force(dynamo_engine, on_rungs({"at": "100%", "policy": "suspend_usage"}))
    warm.consume(wanted(100))
    decision, cost = warm.consume(wanted())
    assert decision.reason == "suspended"
    assert dict(cost.requests) == {"UpdateItem": 2}
    decision, cost = warm.consume(wanted())
    assert decision.reason == "suspended"
    assert (dict(cost.requests), cost.write_units) == ({"GetItem": 1}, 0.0)


def test_eight_quotas_with_tiers_cost_no_more(warm: Warm, dynamo_engine: DynamoEngine) -> None:
    in_force(dynamo_engine, on_rungs({"at": "80%", "policy": "notify_only"}, GRACE, quotas=8))
    warm.consume(wanted())
    decision, cost = warm.consume(wanted(50))
    assert decision.granted
    assert (dict(cost.requests), cost.write_units) == ({"UpdateItem": 1}, 1.0)
    decision, cost = warm.consume(wanted(60))
    assert decision.reason == "grace"
    assert dict(cost.requests) == {"UpdateItem": 1}


def test_a_check_is_one_read(warm: Warm, dynamo_engine: DynamoEngine) -> None:
    in_force(dynamo_engine, effective(quota(1)))
    warm.consume(wanted())
    with counting(warm.dynamodb) as cost:
        check(warm.store, warm.memory, wanted(), now=NOW)
    assert (dict(cost.requests), cost.write_units) == ({"GetItem": 1}, 0.0)


def test_a_cold_consume_reads_the_limits_first(warm: Warm, dynamo_engine: DynamoEngine) -> None:
    in_force(dynamo_engine, effective(quota(1)))
    _, cost = warm.consume(wanted())
    assert dict(cost.requests) == {"GetItem": 1, "UpdateItem": 1}


def test_the_first_decision_of_a_container_reads_the_secret_of_decision_ids_once(
    dynamodb: Any, dynamo_engine: DynamoEngine
) -> None:
    """The first of the stack makes it, too."""
    in_force(dynamo_engine, effective(quota(10)))
    dynamo_engine.write(Delete(key=keys.DECISION_SECRET))
    store, made = Cells(dynamo_engine), list[dict[str, int]]()
    for memory in (Memory(), Memory()):
        memory.limits(store, "acme", now=NOW)
        for _ in range(2):
            with counting(dynamodb) as cost:
                assert consume(store, memory, wanted(), now=NOW, entropy=os.urandom).granted
            made.append(dict(cost.requests))
    assert made == [
        {"GetItem": 1, "PutItem": 1, "UpdateItem": 1},
        {"UpdateItem": 1},
        {"GetItem": 1, "UpdateItem": 1},
        {"UpdateItem": 1},
    ]


@pytest.mark.parametrize(("a_minute", "units"), [(30, 1.0), (60, 2.0), (130, 3.0)])
def test_request_ids_ride_along(warm: Warm, dynamo_engine: DynamoEngine, a_minute: int, units: float) -> None:
    """Steady traffic with ids for four minutes: never more units than the figure, at its worst moment."""
    in_force(dynamo_engine, effective(quota(10_000)))
    worst = 0.0
    for index in range(4 * a_minute):
        now = NOW + index * MINUTE // a_minute
        decision, cost = warm.consume(wanted(request_id=f"request-{index}"), now)
        assert decision.granted
        assert cost.requests["UpdateItem"] == cost.total - (index == 0), "one write each; the first reads the limits"
        worst = max(worst, cost.write_units)
    assert worst <= units


def test_a_receipt_is_one_transaction_of_four_units_and_one_read(warm: Warm, dynamo_engine: DynamoEngine) -> None:
    in_force(dynamo_engine, effective(quota(100)))
    warm.consume(wanted())
    decision, cost = warm.consume(wanted(idempotency_key="k"))
    assert decision.granted
    assert (dict(cost.requests), cost.write_units) == ({"TransactWriteItems": 1, "GetItem": 1}, 4.0)
    replayed, cost = warm.consume(wanted(idempotency_key="k"))
    assert replayed.replayed
    assert dict(cost.requests) == {"TransactWriteItems": 1, "GetItem": 1}


def test_a_receipt_of_eight_quotas_costs_no_more(warm: Warm, dynamo_engine: DynamoEngine) -> None:
    """It keeps all their windows and limits, and stays below the kilobyte that a unit pays for."""
    in_force(dynamo_engine, effective(*(quota("123456789012345678.123456789", ordinal=n) for n in range(1, 9))))
    warm.consume(wanted())
    _, cost = warm.consume(wanted(idempotency_key="k" * 100))
    assert (dict(cost.requests), cost.write_units) == ({"TransactWriteItems": 1, "GetItem": 1}, 4.0)


def test_a_replay_reads_one_total_for_each_window_that_its_cell_has_removed(
    warm: Warm, dynamo_engine: DynamoEngine
) -> None:
    in_force(dynamo_engine, effective(quota(100), quota(50, ordinal=2, every="hour")))
    warm.consume(wanted(idempotency_key="k"))
    for _ in range(2):
        warm.consume(wanted(), NOW + 2 * HOUR)
    replayed, cost = warm.consume(wanted(idempotency_key="k"), NOW + 2 * HOUR)
    assert replayed.replayed
    assert dict(cost.requests) == {"TransactWriteItems": 1, "GetItem": 2}
