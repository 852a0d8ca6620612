"""Explanations: what each limit says of a request, in words that agree with the decision."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tallygate.contracts.admission.explanations import explanation_answer
from tallygate.domain.admission.decision import Decision
from tallygate.domain.admission.sentences import sentence
from tallygate.domain.base.instants import DAY, MINUTE, Instant
from tallygate.domain.catalog.tiers import Enforcement
from tallygate.domain.limits.limits import Effective, Limit
from tallygate.domain.limits.suspensions import Suspension
from tallygate.operations.admission.check import check
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.engine import Engine
from tests.given import FEATURE, NOW, effective, in_force, quota, rate, scoped, wanted
from tests.shops import OPENED, Shop, month

RESETS = "resets 2026-12-01T00:00Z"


class Desk:
    """One container that consumes and explains; its requests have these dimensions."""

    def __init__(self, engine: Engine, **dimensions: str) -> None:
        self.engine, self.memory, self.dimensions, self._drawn = engine, Memory(), dimensions, 0

    def consume(self, amount: int, *, now: Instant = NOW, **request: Any) -> Decision:
        self._drawn += 1
        asked = replace(wanted(amount, **request), dimensions=self.dimensions)
        return consume(Cells(self.engine), self.memory, asked, now=now, entropy=self._drawn.to_bytes)

    def explain(self, amount: int, *, now: Instant = NOW, **request: Any) -> dict[str, Any]:
        return self.told(self.consume(amount, now=now, **request))

    def explain_check(self, amount: int, *, now: Instant = NOW) -> dict[str, Any]:
        asked = replace(wanted(amount), dimensions=self.dimensions)
        return self.told(check(Cells(self.engine), Memory(), asked, now=now))

    def told(self, decision: Decision) -> dict[str, Any]:
        return explanation_answer(decision, self.dimensions)


def said(explained: dict[str, Any]) -> list[tuple[bool, str]]:
    return [(limit["met"], limit["why"]) for limit in explained["limits"]]


def test_every_limit_says_what_was_left_before_the_request(engine: Engine) -> None:
    in_force(engine, effective(quota(100)))
    desk = Desk(engine, team="eng")
    desk.consume(30)
    words = [(True, f"20 requested, 70 of 100 left this month; {RESETS}")]
    checked, consumed = desk.explain_check(20), desk.explain(20)
    assert said(checked) == said(consumed) == words
    assert consumed == {
        "limits": [
            {
                "name": FEATURE,
                "scope": {},
                "window": {"kind": "quota", "start": "2026-11-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"},
                "met": True,
                "why": words[0][1],
            }
        ],
        "unmatched": [],
    }


def test_a_replay_does_not_pretend_to_know_what_was_before(engine: Engine) -> None:
    in_force(engine, effective(quota(100)))
    desk = Desk(engine)
    desk.consume(20, request_id="r1")
    desk.consume(30)
    explained = desk.explain(20, request_id="r1")
    assert said(explained) == [(True, f"20 were counted before; 50 of 100 left this month; {RESETS}")]


def test_a_part_is_explained_by_what_of_it_was_granted(engine: Engine) -> None:
    in_force(engine, effective(quota(100)))
    desk = Desk(engine)
    desk.consume(90)
    asked = replace(wanted(50), dimensions={}, allow_partial=True)
    part = consume(Cells(engine), desk.memory, asked, now=NOW, entropy=(9).to_bytes)
    assert part.granted_amount == 10
    assert said(desk.told(part)) == [(True, f"10 requested, 10 of 100 left this month; {RESETS}")]


def test_the_limit_that_denies_says_the_words_of_the_message(engine: Engine) -> None:
    large = Limit(name="large", scope={"model": "large"}, quotas=(quota(10, ordinal=2),))
    in_force(engine, scoped(large))
    desk = Desk(engine, model="large")
    denied = desk.consume(20)
    own, other = desk.told(denied)["limits"]
    assert (own["met"], other["met"]) == (True, False)
    assert own["why"] == f"20 requested, 1,000 of 1,000 left this month; {RESETS}"
    assert sentence(denied) == f"Denied by large (model=large): {other['why']}"


def test_limits_of_other_scopes_are_told_with_why_they_do_not_govern(engine: Engine) -> None:
    scope = {"model": "large", "region": "eu"}
    large = Limit(name="large", scope=scope, quotas=(quota(10, ordinal=2),))
    in_force(engine, scoped(large))
    explained = Desk(engine, model="small", region="eu").explain(50)
    assert [limit["name"] for limit in explained["limits"]] == [FEATURE]
    assert explained["unmatched"] == [
        {"name": "large", "scope": scope, "dimension": "model", "wanted": "large", "given": "small"}
    ]
    without = Desk(engine).explain(50)["unmatched"]
    assert [(each["dimension"], each["given"]) for each in without] == [("model", None), ("region", None)]


@pytest.mark.parametrize(
    ("enforcement", "words"),
    [
        (Enforcement.OBSERVE, "the limit only observes"),
        (Enforcement.SOFT, "the limit is soft and denies nothing by itself"),
        (Enforcement.OFF, "the limit is off and only counts"),
    ],
)
def test_a_limit_that_does_not_deny_is_not_met_either_and_says_why(
    engine: Engine, enforcement: Enforcement, words: str
) -> None:
    watch = Limit(name="watch", quotas=(quota(5, ordinal=3, every="day"),), enforcement=enforcement)
    in_force(engine, scoped(watch))
    decision = Desk(engine).consume(20)
    assert decision.granted
    _, (met, why) = said(explanation_answer(decision, {}))
    assert not met
    assert why.startswith("20 requested, ")
    assert why.endswith(words)


def test_the_parts_of_a_limit_are_told_where_it_is_not_the_plan_s(engine: Engine) -> None:
    tiers = [{"at": "80%", "level": "warning"}, {"at": "100%", "level": "full", "policy": "deny"}]
    Shop(engine, pro={"limit": 1000, "carryover": {}, "tiers": tiers})
    desk = Desk(engine)
    desk.consume(500, now=OPENED)
    ((met, why),) = said(desk.explain(1200, now=month(2)))
    assert met
    assert why.startswith("1,200 requested, 1,500 of 1,500 left this month; ")
    assert "the limit is 1,000 of the plan and 500 carried over" in why


def test_a_grace_is_told_with_its_level_and_end(engine: Engine) -> None:
    tier = {"at": "100%", "level": "over", "policy": "allow_with_grace", "grace_amount": 20, "grace_for": "P3D"}
    Shop(engine, pro={"limit": 100, "tiers": [tier]})
    desk = Desk(engine)
    assert "over" not in said(desk.explain(100, now=OPENED))[0][1]
    ((met, why),) = said(desk.explain(5, now=OPENED + DAY))
    assert met
    assert why.endswith("; the level over applies with a grace until 2026-01-05T00:00Z")
    again = said(desk.explain(5, now=OPENED + 2 * DAY))[0][1]
    assert again.endswith("until 2026-01-05T00:00Z"), "from its beginning, not from the request"
    assert not said(desk.explain(5, now=OPENED + 5 * DAY))[0][0]


@pytest.mark.parametrize(("used", "amount", "fits"), [(60, 40, True), (60, 41, False), (0, 101, False)])
def test_a_rate_says_what_it_had_left(engine: Engine, used: int, amount: int, fits: bool) -> None:
    in_force(engine, effective(quota(10**6), rates=(rate(100, per=MINUTE, burst=100),)))
    desk = Desk(engine)
    if used:
        desk.consume(used)
    _, (met, why) = said(desk.explain(amount))
    assert met is fits
    assert why.startswith(f"{amount} requested, {100 - used} of 100 left at the rate of 100 per minute")
    assert ("can never fit this rate" in why) is (amount > 100)


def test_the_rate_of_a_tier_names_its_level(engine: Engine) -> None:
    slow = {"at": "50%", "level": "slow", "policy": "rate_limit", "limit": 10, "per": "minute", "burst": 10}
    Shop(engine, pro={"limit": 100, "tiers": [slow]})
    desk = Desk(engine)
    desk.consume(50, now=OPENED)
    desk.consume(8, now=OPENED)
    _, (met, why) = said(desk.explain(5, now=OPENED))
    assert not met
    assert why.startswith("5 requested, 2 of 10 left at the rate of 10 per minute from the level slow on")


@pytest.mark.parametrize(
    ("until", "ends"),
    [
        ("next_period", "until 2026-02-01T00:00Z"),
        ("resumed", "until an operator resumes it"),
        ("top_up", "until a top-up"),
    ],
)
def test_a_suspension_by_a_tier_is_told_when_it_begins_and_while_it_applies(
    engine: Engine, until: str, ends: str
) -> None:
    tier = {"at": "100%", "level": "over", "policy": "suspend_usage", "until": until}
    Shop(engine, pro={"limit": 100, "tiers": [tier]})
    desk = Desk(engine)
    assert desk.consume(100, now=OPENED).granted
    for explained in (desk.explain(1, now=OPENED), desk.explain(1, now=OPENED)):
        ((met, why),) = said(explained)
        assert not met
        assert why == (
            "1 requested, but usage is suspended by the level over since 2026-01-01T00:00Z "
            f"(100 of 100 used this month), {ends}"
        )


def by_hand(limits: Effective) -> Effective:
    return replace(limits, suspensions=(Suspension(reason="unpaid", actor="ann", since=NOW - DAY),))


def test_a_suspension_by_hand_leaves_each_limit_its_own_words(engine: Engine) -> None:
    in_force(engine, by_hand(effective(quota(100))))
    ((met, why),) = said(Desk(engine).explain(200))
    assert not met, "it would have been denied all the same"
    assert why.startswith("200 requested, 100 of 100 left this month")


def test_without_limits_nothing_is_explained(engine: Engine) -> None:
    in_force(engine, effective(quota(100), subscribed=False))
    assert Desk(engine).explain(1) == Desk(engine).explain(1, customer="nobody") == {"limits": [], "unmatched": []}
