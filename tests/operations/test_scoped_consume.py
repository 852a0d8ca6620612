"""Limits over dimension values, decided with the others in one write: tables, the race, the cost."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pytest

from bench.cost import counting
from tallygate.domain.admission.decision import Decision
from tallygate.domain.base.instants import MINUTE
from tallygate.domain.catalog.tiers import Enforcement
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.limits import Limit
from tallygate.errors import Contended
from tallygate.operations.admission.attempts import Consume
from tallygate.operations.admission.check import check
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.entitlements import entitlement
from tallygate.operations.admission.memory import Memory
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base import keys
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.memory import MemoryEngine
from tests.answers import detailed
from tests.containers import Clocked
from tests.given import FEATURE, NOW, in_force, quota, rate, scoped, wanted

LARGE, SMALL, ENG = {"model": "large"}, {"model": "small"}, {"team": "eng"}


def asking(amount: int | str, dimensions: dict[str, str]) -> Consume:
    return replace(wanted(amount), dimensions=dimensions)


def over(scope: dict[str, str], limit: int | None, ordinal: int, **more: Any) -> Limit:
    name = "-".join(scope.values())
    return Limit(name=name, scope=scope, quotas=(quota(limit, ordinal=ordinal),), **more)


@dataclass(frozen=True)
class Step:
    """One request and what must come of it; `denied_by` is the limit that a denial names."""

    amount: int
    dimensions: dict[str, str]
    granted: bool
    reason: str = "ok"
    denied_by: str | None = None


def denied(amount: int, dimensions: dict[str, str], denied_by: str, reason: str = "quota_exceeded") -> Step:
    return Step(amount, dimensions, False, reason, denied_by)


TABLE: dict[str, tuple[tuple[Limit, ...], list[Step]]] = {
    "a value has a limit of its own": (
        (over(LARGE, 3, 2),),
        [
            Step(3, LARGE, True),
            denied(1, LARGE, "large"),
            Step(7, SMALL, True),
            denied(1, {}, FEATURE),
        ],
    ),
    "what one limit refuses is counted nowhere": (
        (over(LARGE, 3, 2),),
        [denied(4, LARGE, "large"), Step(10, SMALL, True), denied(1, SMALL, FEATURE), denied(1, LARGE, FEATURE)],
    ),
    "a request is governed by every scope that it matches": (
        (over(LARGE, 6, 2), over(ENG, 5, 3), over({**LARGE, **ENG}, 2, 4)),
        [
            Step(2, {**LARGE, **ENG}, True),
            denied(1, {**LARGE, **ENG}, "large-eng"),
            Step(3, {**SMALL, **ENG}, True),
            denied(1, {**SMALL, **ENG}, "eng"),
            Step(4, {**LARGE, "team": "ops"}, True),
            denied(1, {**LARGE, "team": "ops"}, "large"),
            Step(1, {**SMALL, "team": "ops"}, True),
        ],
    ),
    "a limit of zero closes one value and no other": (
        (over(LARGE, 0, 2),),
        [denied(1, LARGE, "large"), Step(10, SMALL, True)],
    ),
    "without the dimension no scoped limit governs": ((over(LARGE, 0, 2),), [Step(10, {}, True)]),
    "unlimited over a value does not lift the customer's limit": (
        (over(LARGE, None, 2),),
        [Step(10, LARGE, True), denied(1, LARGE, FEATURE)],
    ),
    "soft over a value says so and goes on": (
        (over(LARGE, 2, 2, enforcement=Enforcement.SOFT),),
        [Step(2, LARGE, True), Step(1, LARGE, True, "soft_limit_exceeded"), Step(1, SMALL, True)],
    ),
    "a rate over a value": (
        (Limit(name="large", scope=LARGE, rates=(rate(2, burst=2),)),),
        [Step(2, LARGE, True), denied(1, LARGE, "large", "rate_limited"), Step(5, SMALL, True)],
    ),
}


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.replace(" ", "-"))
def test_limits_over_values_are_decided_with_the_others(engine: Engine, case: str) -> None:
    limits, steps = TABLE[case]
    in_force(engine, scoped(*limits, own=quota(10)))
    store, memory, at = Cells(engine), Memory(), NOW - NOW % (4 * MINUTE)
    for step in steps:
        request = asking(step.amount, step.dimensions)
        asked = check(store, memory, request, now=at)
        decision = consume(store, memory, request, now=at, entropy=os.urandom)
        for answer in (asked, decision):
            assert (answer.granted, answer.reason) == (step.granted, step.reason)
            assert (answer.denied_by.name if answer.denied_by else None) == step.denied_by


def test_nodes_name_the_limits_that_govern_with_their_scopes(engine: Engine) -> None:
    in_force(engine, scoped(over(LARGE, 3, 2), over(SMALL, 4, 3), over({**LARGE, **ENG}, 2, 4)))
    store, memory = Cells(engine), Memory()
    decision = consume(store, memory, asking(1, {**LARGE, **ENG}), now=NOW, entropy=os.urandom)
    limits = detailed(decision)["limits"]
    assert [(state["name"], state["scope"], state["used"]) for state in limits] == [
        (FEATURE, {}, 1),
        ("large", LARGE, 1),
        ("large-eng", {**LARGE, **ENG}, 1),
    ]
    limits = detailed(entitlement(store, "acme", FEATURE, now=NOW))["limits"]
    assert [(state["name"], state["used"]) for state in limits] == [
        (FEATURE, 1),
        ("large", 1),
        ("small", 0),
        ("large-eng", 1),
    ]


def test_a_limit_over_a_credential_governs_what_that_credential_consumes(engine: Engine) -> None:
    in_force(engine, scoped(over({"api_key": "k1"}, 2, 2)))
    cells, memory = Cells(engine), Memory()
    theirs, others = (replace(wanted(2), api_key=name) for name in ("k1", "k2"))
    assert consume(cells, memory, theirs, now=NOW, entropy=os.urandom).granted
    assert consume(cells, memory, others, now=NOW, entropy=os.urandom).granted
    assert not check(cells, memory, theirs, now=NOW).granted
    refused = consume(cells, memory, theirs, now=NOW, entropy=os.urandom)
    assert (refused.granted, refused.denied_by and refused.denied_by.name) == (False, "k1")
    pretended = replace(others, dimensions={"api_key": "k1"})
    assert consume(cells, memory, pretended, now=NOW, entropy=os.urandom).granted, "nobody gives himself a credential"


def test_the_journal_entry_lists_exactly_the_windows_that_were_charged(engine: Engine) -> None:
    in_force(engine, scoped(over(LARGE, 3, 2), over(SMALL, 4, 3)))
    consume(Cells(engine), Memory(), asking(1, SMALL), now=NOW, entropy=os.urandom)
    item = engine.get(keys.cell(CellName("acme", FEATURE)))
    assert item is not None
    charged = sorted(name for name in item if name.startswith("u."))
    assert [name.split(".")[1] for name in charged] == ["1", "3"]
    assert '"w":[[1,' in str(item["last"]) and "],[3," in str(item["last"])


def persistent(store: Cells, amount: int, dimensions: dict[str, str], at: int = NOW) -> Decision:
    while True:
        try:
            return consume(store, Memory(), asking(amount, dimensions), now=at, entropy=os.urandom)
        except Contended:
            continue


def test_threads_racing_over_scoped_and_unscoped_limits_fill_each_exactly(dynamo_engine: DynamoEngine) -> None:
    """large is full at 40, the customer at 100: neither is exceeded, and nobody is denied while there is room."""
    in_force(dynamo_engine, scoped(over(LARGE, 40, 2), over({**LARGE, **ENG}, 15, 3), own=quota(100)))
    store = Cells(dynamo_engine)
    kinds: list[dict[str, str]] = [{**LARGE, **ENG}, LARGE, SMALL]

    def one(number: int) -> tuple[int, bool]:
        kind = number % 3
        return kind, persistent(store, 1, kinds[kind]).granted

    with ThreadPoolExecutor(16) as pool:
        granted = Counter(kind for kind, was in pool.map(one, range(300)) if was)
    cell = store.read(CellName("acme", FEATURE))
    used = {ordinal: value for (ordinal, _), value in cell.used.items()}
    assert used[1] == sum(granted.values()) == 100
    assert used[2] == granted[0] + granted[1] == 40
    assert used[3] == granted[0] <= 15
    with ThreadPoolExecutor(16) as pool:
        late = list(pool.map(lambda n: persistent(store, 1, kinds[n % 3]), range(48)))
    assert not any(decision.granted for decision in late)


def test_a_full_value_denies_nobody_else(dynamo_engine: DynamoEngine) -> None:
    """While one value is hammered beyond its limit, every request of the other is granted."""
    in_force(dynamo_engine, scoped(over(LARGE, 5, 2), own=quota(1000)))
    store = Cells(dynamo_engine)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: (n % 2, persistent(store, 1, (LARGE, SMALL)[n % 2]).granted), range(200)))
    assert Counter(kind for kind, granted in answers if granted) == {0: 5, 1: 100}


def test_a_decision_over_scopes_is_one_request_and_one_unit(dynamo_engine: DynamoEngine, dynamodb: Any) -> None:
    """Seven scoped limits with two windows each beside the customer's own, all of which have been used."""
    limits = [
        Limit(
            name=f"m{n}",
            scope={"model": f"m{n}"},
            quotas=(quota(1000, ordinal=10 + n), quota(1000, ordinal=30 + n, every="day")),
        )
        for n in range(7)
    ]
    in_force(dynamo_engine, scoped(*limits, own=quota(10**6), rates=(rate(5000),)))
    store, memory = Cells(dynamo_engine), Memory(ticks=lambda: 0.0)
    for n in range(7):
        consume(store, memory, asking(1, {"model": f"m{n}"}), now=NOW, entropy=os.urandom)
    with counting(dynamodb) as cost:
        decision = consume(store, memory, asking(1, {"model": "m3"}), now=NOW, entropy=os.urandom)
    assert decision.granted
    assert len(decision.limits) == 4
    assert (dict(cost.requests), cost.write_units) == ({"UpdateItem": 1}, 1.0)


def test_the_fullest_cell_costs_two_units_at_most(dynamo_engine: DynamoEngine, dynamodb: Any) -> None:
    """32 windows, of which a request meets 15."""
    shared = Limit(
        name="all",
        quotas=tuple(quota(10**17, ordinal=2 + n) for n in range(5)),
        rates=tuple(rate(10**6, ordinal=40 + n) for n in range(7)),
    )
    limits = [Limit(name=f"m{n}", scope={"model": f"m{n}"}, quotas=(quota(10**17, ordinal=10 + n),)) for n in range(18)]
    in_force(dynamo_engine, scoped(shared, *limits, own=quota(10**17), rates=(rate(10**6),)))
    store, memory = Cells(dynamo_engine), Memory(ticks=lambda: 0.0)
    for n in range(18):
        assert persistent(store, 1, {"model": f"m{n}"}).granted
    with counting(dynamodb) as cost:
        decision = consume(store, memory, asking("0.000000001", {"model": "m3"}), now=NOW, entropy=os.urandom)
    assert decision.granted
    assert len(decision.limits) == 7 + 8
    assert cost.requests["UpdateItem"] == 1
    assert cost.write_units <= 2.0


def test_one_values_denials_cost_the_others_nothing() -> None:
    """While one model is full, a request for another is still one write."""
    engine = MemoryEngine()
    in_force(engine, scoped(over({"model": "large"}, 1, 2), own=quota(1000)))
    container = Clocked(engine)
    large, small = (replace(wanted(), dimensions={"model": model}) for model in ("large", "small"))
    assert container.consume(large).granted
    assert not container.consume(large).granted
    before = engine.requests
    assert container.consume(small).granted
    assert engine.requests == before + 1
    assert not container.consume(large).granted
    assert engine.requests == before + 2, "asked again by a read, and not written"
