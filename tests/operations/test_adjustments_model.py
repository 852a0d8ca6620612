"""Random sequences of consuming, adjusting and months going by, against a model of three numbers.

Two containers consume, each with the limits and the cell as it last saw them itself; a third party adjusts and retries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tallygate.errors import InvalidRequest
from tallygate.operations.admission.memory import Memory
from tallygate.storage.base.memory import MemoryEngine
from tests.operations.adjusting import listed, numbers, post
from tests.shops import Shop, month
from tests.truth import container, drain, facts

BASE = 10
SLOW = {"limit": 1000, "per": "second"}
QUOTAS: dict[str, dict[str, Any]] = {
    "plain": {"limit": BASE},
    "carries": {"limit": BASE, "carryover": {}},
    "capped": {"limit": BASE, "carryover": {"max": 6}},
    "tiers": {
        "limit": BASE,
        "carryover": {},
        "tiers": [
            {"at": "50%", "level": "half"},
            {"at": "80%", "level": "slow", "policy": {"rate_limit": SLOW}},
        ],
    },
    "amounts": {
        "limit": BASE,
        "carryover": {},
        "tiers": [{"at": 4, "level": "some"}, {"at": 8, "level": "slow", "policy": {"rate_limit": SLOW}}],
    },
}


@dataclass
class Model:
    """What a customer may expect, and nothing else."""

    most: int | None
    used: int = 0
    carried: int = 0
    adjusted: int = 0

    @property
    def total(self) -> int:
        return BASE + self.carried + self.adjusted

    def next_month(self) -> None:
        left = max(0, self.total - self.used)
        self.carried = left if self.most is None else min(left, self.most)
        self.used = self.adjusted = 0


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("consume"), st.integers(0, 1), st.integers(1, 12)),
        st.tuples(st.just("adjust"), st.just(0), st.integers(-12, 12).filter(bool)),
        st.tuples(st.just("retry"), st.just(0), st.just(0)),
        st.tuples(st.just("months"), st.just(0), st.integers(1, 3)),
    ),
    min_size=1,
    max_size=24,
)


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted(QUOTAS)), steps=STEPS)
def test_no_more_is_ever_granted_than_base_carried_and_adjusted_and_all_of_that_is(
    name: str, steps: list[tuple[str, int, int]]
) -> None:
    engine = MemoryEngine()
    shop, containers = Shop(engine, pro=QUOTAS[name]), (Memory(), Memory())
    model, made, number = Model(most={"plain": 0, "capped": 6}.get(name)), [], 1
    for step, (kind, which, amount) in enumerate(steps):
        match kind:
            case "consume":
                fits = model.used + amount <= model.total
                assert shop.consume(amount, memory=containers[which])["granted"] is fits
                model.used += amount if fits else 0
            case "adjust" if amount < 0 and model.total + amount < 0:
                try:
                    post(shop, amount, key=f"k{step}")
                    raise AssertionError("lowered below nothing")
                except InvalidRequest:
                    pass
            case "adjust":
                made.append((amount, f"k{step}", post(shop, amount, key=f"k{step}", at=shop.now + step).body))
                model.adjusted += amount
            case "retry" if made:
                asked, key, body = made[-1]
                if body["at"][:7] == f"2026-{number:02d}":
                    again = post(shop, asked, key=key, at=shop.now + step)
                    assert (again.replayed, again.body) == (True, body)
            case "months" if number + amount <= 12:
                number += amount
                shop.now = month(number)
                for _ in range(amount):
                    model.next_month()
        state = shop.state()
        expected = (model.total, BASE, model.carried, model.adjusted, model.used, max(0, model.total - model.used))
        assert numbers(state) == expected
        assert state["overage"] == max(0, model.used - max(0, model.total))
    assert [each["id"] for each in reversed(listed(shop))] == [body["id"] for _, _, body in made]
    drain(engine, container(engine))
    drain(engine, container(engine))
    told = [fact for fact in facts(engine) if fact["type"] == "quota.adjusted"]
    assert [(fact["id"], fact["breakdown"]) for fact in told] == [
        (body["id"], body["breakdown"]) for _, _, body in made
    ]
    totals = [item for key, item in engine.items.items() if key.pk.startswith("TOTAL#")]
    assert sum(item.get("adjusted", 0) for item in totals) == sum(amount for amount, _, _ in made)  # type: ignore[misc]
    assert not any("parked" in str(item) for key, item in engine.items.items() if key.pk.startswith("JOURNAL#"))
