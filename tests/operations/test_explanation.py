"""Explanations: what a decision met, in numbers that agree with the decision and with one another."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tallygate.contracts.admission.explanations import explanation_answer
from tallygate.domain.admission.decision import NOT_YET, Decision, Reason
from tallygate.domain.admission.explanation import explanation
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
        return explanation_answer(explanation(decision, self.dimensions))


def only_window(explained: dict[str, Any]) -> dict[str, Any]:
    (limit,) = explained["limits"]
    window: dict[str, Any] = limit["windows"][0]
    return window


def numbers(window: dict[str, Any]) -> tuple[object, object, object]:
    return window["used_before"], window["used_after"], window["remaining_after"]


def held(explained: dict[str, Any]) -> set[str]:
    return {each["reason"] for each in explained["reason_order"] if each["held"]}


def test_a_grant_is_explained_with_the_numbers_before_and_after_it(engine: Engine) -> None:
    in_force(engine, effective(quota(100)))
    desk = Desk(engine, team="eng")
    desk.consume(30)
    explained = desk.explain(20)
    assert (explained["plan"], explained["plan_version"], explained["limits_version"]) == ("pro", 1, 1)
    assert (explained["timezone"], explained["dimensions"]) == ("UTC", {"team": "eng"})
    assert (explained["counted"], numbers(only_window(explained))) == (True, (30, 50, 50))
    assert only_window(explained)["breakdown"] == {"base": 100, "carried": 0, "adjusted": 0, "followed": 0}
    assert (held(explained), explained["docs"]) == ({"ok"}, "docs/reasons/ok.md")
    assert explained["retry"]["waits_for"] == "nothing"


def test_a_check_is_explained_with_what_a_consume_would_leave(engine: Engine) -> None:
    in_force(engine, effective(quota(100)))
    desk = Desk(engine)
    desk.consume(30)
    explained = desk.explain_check(20)
    assert (explained["counted"], numbers(only_window(explained))) == (False, (30, 50, 50))


def test_a_replay_does_not_pretend_to_know_what_was_before(engine: Engine) -> None:
    in_force(engine, effective(quota(100)))
    desk = Desk(engine)
    desk.consume(20, request_id="r1")
    desk.consume(30)
    explained = desk.explain(20, request_id="r1")
    assert (explained["counted"], numbers(only_window(explained))) == (False, (None, 50, 50))
    assert only_window(explained)["level_before"] is None


def test_a_part_is_explained_by_what_of_it_was_granted(engine: Engine) -> None:
    in_force(engine, effective(quota(100)))
    desk = Desk(engine)
    desk.consume(90)
    asked = replace(wanted(50), dimensions={}, allow_partial=True)
    part = consume(Cells(engine), desk.memory, asked, now=NOW, entropy=(9).to_bytes)
    assert part.granted_amount == 10
    assert numbers(only_window(desk.told(part))) == (90, 100, 0)


def test_a_denial_names_what_binds_where_it_would_have_landed_and_what_a_retry_waits_for(engine: Engine) -> None:
    in_force(engine, effective(quota(100)))
    desk = Desk(engine)
    desk.consume(90)
    explained = desk.explain(20)
    window = only_window(explained)
    assert (explained["counted"], window["granted"], numbers(window)) == (False, False, (90, 90, 10))
    assert window["rung"] == {"above": 100, "upto": None, "level": None, "grants": False, "policy": "deny"}
    assert (explained["binding"]["name"], held(explained)) == (FEATURE, {"quota_exceeded"})
    assert explained["retry"] == {
        "at": "2026-12-01T00:00:00Z",
        "waits_for": "period_end",
        "limit": FEATURE,
        "window": {"kind": "quota", "start": "2026-11-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"},
        "detail": "The period ends then, and the next one has room.",
    }
    assert desk.explain(101)["retry"]["waits_for"] == "larger_limit"


def test_limits_of_other_scopes_are_told_with_their_numbers_and_why_they_do_not_govern(engine: Engine) -> None:
    large = Limit(name="large", scope={"model": "large", "region": "eu"}, quotas=(quota(10, ordinal=2),))
    in_force(engine, scoped(large))
    Desk(engine, model="large", region="eu").consume(4)
    explained = Desk(engine, model="small", region="eu").explain(50)
    own, other = explained["limits"]
    assert (own["governs"], own["unmatched"], numbers(own["windows"][0])) == (True, [], (4, 54, 946))
    assert (other["name"], other["governs"]) == ("large", False)
    assert other["unmatched"] == [{"dimension": "model", "wanted": "large", "given": "small"}]
    (window,) = other["windows"]
    assert (numbers(window), window["granted"], window["decides"], window["rung"]) == ((4, 4, 6), None, False, None)
    assert explained["binding"]["name"] == FEATURE
    without = Desk(engine).explain(50)["limits"][1]["unmatched"]
    assert [(each["dimension"], each["given"]) for each in without] == [("model", None), ("region", None)]


def test_of_a_grant_the_binding_one_is_the_tightest_that_decides(engine: Engine) -> None:
    eng = Limit(name="eng", scope={"team": "eng"}, quotas=(quota(50, ordinal=2),))
    watch = Limit(name="watch", quotas=(quota(5, ordinal=3, every="day"),), enforcement=Enforcement.OBSERVE)
    in_force(engine, scoped(eng, watch))
    explained = Desk(engine, team="eng").explain(20)
    assert explained["binding"]["name"] == "eng"
    assert held(explained) == {"observed"}


def test_thresholds_are_of_the_base_with_what_was_carried(engine: Engine) -> None:
    tiers = [{"at": "80%", "level": "warning"}, {"at": "100%", "level": "full", "policy": "deny"}]
    Shop(engine, pro={"limit": 1000, "carryover": {}, "tiers": tiers})
    desk = Desk(engine)
    desk.consume(500, now=OPENED)
    window = only_window(desk.explain(1200, now=month(2)))
    assert (window["limit"], window["breakdown"]) == (
        1500,
        {"base": 1000, "carried": 500, "adjusted": 0, "followed": 0},
    )
    told = [(each["at"], each["threshold"], each["reached"]) for each in window["tiers"]]
    assert told == [("80%", 1200, True), ("100%", 1500, False)]
    assert (window["level_before"], window["level_after"], numbers(window)) == ("normal", "warning", (0, 1200, 300))
    assert (window["rung"]["upto"], window["rung"]["grants"]) == (1500, True)


def test_a_grace_is_told_with_its_beginning_and_end(engine: Engine) -> None:
    tier = {"at": "100%", "level": "over", "policy": "allow_with_grace", "grace_amount": 20, "grace_for": "P3D"}
    Shop(engine, pro={"limit": 100, "tiers": [tier]})
    desk = Desk(engine)
    assert only_window(desk.explain(100, now=OPENED))["grace"] == {"began": None, "ends": None}
    window = only_window(desk.explain(5, now=OPENED + DAY))
    assert window["grace"] == {"began": "2026-01-02T00:00:00Z", "ends": "2026-01-05T00:00:00Z"}
    assert (window["rung"]["above"], window["rung"]["upto"], window["rung"]["level"]) == (100, 120, "over")
    later = desk.explain(5, now=OPENED + 5 * DAY)
    assert (held(later), only_window(later)["rung"]["policy"]) == ({"quota_exceeded"}, "deny")


@pytest.mark.parametrize(("used", "amount", "fits"), [(60, 40, True), (60, 41, False), (0, 101, False)])
def test_a_rate_is_told_in_numbers_that_its_rule_can_be_checked_by(
    engine: Engine, used: int, amount: int, fits: bool
) -> None:
    in_force(engine, effective(quota(10**6), rates=(rate(100, per=MINUTE, burst=100),)))
    desk = Desk(engine)
    if used:
        desk.consume(used)
    explained = desk.explain(amount)
    window = explained["limits"][0]["windows"][1]
    assert window["rate"] == {"limit": 100, "per": "minute", "burst": 100}
    weighted = Decimal(window["previous"]) * Decimal(window["left_seconds"]) / Decimal(window["width_seconds"])
    assert (window["current"] + amount + weighted <= window["rate"]["burst"]) is fits
    assert (window["current_max"] is not None and window["current"] <= window["current_max"]) is fits
    assert (window["granted"], window["asked_by"], window["used_before"]) == (fits, "limit", used)
    waits = "nothing" if fits else "rate" if amount <= 100 else "larger_limit"
    assert explained["retry"]["waits_for"] == waits


def test_the_rate_of_a_tier_is_told_as_such_and_its_ordinal_to_nobody(engine: Engine) -> None:
    slow = {"at": "50%", "level": "slow", "policy": "rate_limit", "limit": 10, "per": "minute", "burst": 10}
    Shop(engine, pro={"limit": 100, "tiers": [slow]})
    desk = Desk(engine)
    desk.consume(50, now=OPENED)
    desk.consume(8, now=OPENED)
    explained = desk.explain(5, now=OPENED)
    quota_window, rate_window = explained["limits"][0]["windows"]
    assert (rate_window["asked_by"], rate_window["current"], rate_window["current_max"]) == ("tier", 8, 5)
    assert held(explained) == {"rate_limited"} | ({"quota_exceeded"} if not quota_window["granted"] else set())
    assert "ordinal" not in str(explained)


@pytest.mark.parametrize(
    ("until", "ends", "waits"),
    [
        ("next_period", "2026-02-01T00:00:00Z", "suspension_end"),
        ("resumed", None, "resume"),
        ("top_up", None, "top_up"),
    ],
)
def test_a_suspension_by_a_tier_is_told_when_it_begins_and_while_it_stands(
    engine: Engine, until: str, ends: str | None, waits: str
) -> None:
    tier = {"at": "100%", "level": "over", "policy": "suspend_usage", "until": until}
    Shop(engine, pro={"limit": 100, "tiers": [tier]})
    desk = Desk(engine)
    assert desk.consume(100, now=OPENED).granted
    begins, stands = desk.explain(1, now=OPENED), desk.explain(1, now=OPENED)
    for explained in (begins, stands):
        told = {name: explained["suspension"][name] for name in ("limit", "level", "since")}
        assert told == {"limit": FEATURE, "level": "over", "since": "2026-01-01T00:00:00Z"}
        assert (explained["suspension"]["by"], explained["suspension"]["until"]) == ("tier", ends)
        assert (explained["retry"]["waits_for"], held(explained)) == (waits, {"suspended"})


def by_hand(limits: Effective) -> Effective:
    return replace(limits, suspensions=(Suspension(reason="unpaid", actor="ann", since=NOW - DAY),))


def test_a_suspension_by_hand_keeps_its_actor_and_reason_to_the_operators(engine: Engine) -> None:
    in_force(engine, by_hand(effective(quota(100))))
    explained = Desk(engine).explain(200)
    assert explained["suspension"] == {
        "by": "operator",
        "feature": None,
        "scope": {},
        "limit": None,
        "level": None,
        "since": "2026-11-19T10:00:00Z",
        "until": None,
    }
    assert explained["retry"]["waits_for"] == "resume"
    assert held(explained) == {"suspended", "quota_exceeded"}, "it would have been denied all the same"
    assert "ann" not in str(explained)
    assert "unpaid" not in str(explained)


def test_of_a_customer_without_a_right_the_reasons_are_told_that_were_asked(engine: Engine) -> None:
    in_force(engine, effective(quota(100), subscribed=False))
    explained = Desk(engine).explain(1)
    asked = {each["reason"]: each["held"] for each in explained["reason_order"]}
    assert list(asked) == [reason.value for reason in Reason]
    assert (asked["suspended"], asked["no_active_subscription"], asked["not_entitled"]) == (False, True, None)
    assert {asked[reason.value] for reason in NOT_YET} == {False}
    assert (explained["limits"], explained["binding"], explained["limits_version"]) == ([], None, 1)


def test_an_unknown_customer_is_explained_by_nothing(engine: Engine) -> None:
    explained = Desk(engine).explain(1, customer="nobody")
    assert (explained["plan"], explained["limits"], held(explained)) == (None, [], {"customer_not_found"})
