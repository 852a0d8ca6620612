"""What a denial says in words: who denies, the numbers, and until when."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tallygate.contracts.catalog.catalog import read_catalog
from tallygate.domain.admission import decide
from tallygate.domain.admission.decision import Decision, Reason
from tallygate.domain.admission.sentences import sentence
from tallygate.domain.base.instants import HOUR, Instant, parse_instant
from tallygate.domain.catalog.features import Switch
from tallygate.domain.limits.compiled import Dates, compile_effective
from tallygate.domain.limits.limits import Effective
from tallygate.domain.limits.suspensions import Suspension
from tallygate.operations.admission.check import check
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.memory import MemoryEngine
from tests.given import FEATURE, METER, effective, in_force, quota, wanted

Form = dict[str, Any]
NOW = parse_instant("2026-11-21T10:30:00Z")
DAY, MONTH = {"every": "day"}, {"every": "month"}


def compiled(declared: Form, *further: Form) -> Effective:
    meter: Form = {"key": METER, "event_type": METER, "aggregation": "count", "dimensions": {"team": "$.team"}}
    catalog = read_catalog(
        {
            "meters": [meter],
            "features": [{"key": FEATURE, "type": "metered", "meter": METER}],
            "plans": [
                {
                    "key": "pro",
                    "entitlements": [{"feature": FEATURE, "period": MONTH, **declared}],
                    "limits": [{"feature": FEATURE, **form} for form in further],
                }
            ],
        }
    )
    dates = Dates(zone="UTC", now=NOW)
    return compile_effective(customer="acme", previous=None, dates=dates, plan=catalog.plan("pro"), catalog=catalog)


def said(limits: Effective, *amounts: int | str, at: Instant = NOW, then: Instant | None = None, **more: Any) -> str:
    """What the last of these requests is told, and check before it: the same."""
    engine, memory = MemoryEngine(), Memory()
    in_force(engine, limits)
    *before, last = (replace(wanted(amount), **more) for amount in amounts)
    for n, request in enumerate(before):
        assert consume(Cells(engine), memory, request, now=at, entropy=(n + 1).to_bytes).granted
    then = at if then is None else then
    checked = check(Cells(engine), Memory(), last, now=then)
    decision = consume(Cells(engine), memory, last, now=then, entropy=(99).to_bytes)
    assert not decision.granted
    assert sentence(decision) == sentence(checked)
    return sentence(decision)


def test_a_quota_says_its_name_scope_numbers_and_reset() -> None:
    daily = {"name": "eng-team", "scope": {"team": "eng"}, "limit": 5000, "period": DAY}
    limits = compiled({"limit": 100_000}, daily)
    used = "1,000 of 5,000 left today; resets 2026-11-22T00:00Z"
    assert said(limits, 4000, 1500) == f"Denied by eng-team (team=eng): 1,500 requested, {used}"


def test_an_amount_that_can_never_fit_says_so() -> None:
    daily = {"name": "eng-team", "scope": {"team": "eng"}, "limit": 5000, "period": DAY}
    assert said(compiled({"limit": 100_000}, daily), 6000) == (
        "Denied by eng-team (team=eng): 6,000 requested, 5,000 of 5,000 left today; "
        "resets 2026-11-22T00:00Z; 6,000 can never fit"
    )


@pytest.mark.parametrize(
    ("period", "words"),
    [
        ({"every": "hour"}, "0 of 10 left this hour; resets 2026-11-21T11:00Z"),
        ({"every": "week"}, "0 of 10 left this week; resets 2026-11-23T00:00Z"),
        ({"every": "month"}, "0 of 10 left this month; resets 2026-12-01T00:00Z"),
        ({"every": "year"}, "0 of 10 left this year; resets 2027-01-01T00:00Z"),
        ({"every": "never"}, "0 of 10 left in all; never resets"),
        ({"every": "hour", "anchor": "first_use"}, "0 of 10 left in this period; resets 2026-11-21T11:30Z"),
    ],
)
def test_a_quota_names_its_period(period: Form, words: str) -> None:
    assert said(compiled({"limit": 10, "period": period}), 10, 1) == f"Denied by {FEATURE}: 1 requested, {words}"


def test_a_rolling_period_says_from_when_a_retry_fits() -> None:
    told = said(compiled({"limit": 10, "period": {"every": "PT12H", "anchor": "rolling"}}), 10, 1)
    assert told.startswith(f"Denied by {FEATURE}: 1 requested, 0 of 10 left in the rolling period; retry at 2026-11-2")


def test_numbers_are_exact_with_commas_between_thousands() -> None:
    told = said(compiled({"limit": "1234567.5"}), "1234567.25", "0.5")
    assert "0.5 requested, 0.25 of 1,234,567.5 left this month" in told


def test_what_is_carried_may_fit_another_period() -> None:
    told = said(compiled({"limit": 10, "carryover": {}}), 25)
    assert told.endswith("resets 2026-12-01T00:00Z; the next period has no room for it either")


def test_a_tier_that_ends_the_limit_elsewhere_is_named() -> None:
    stop = {"at": "120%", "level": "stop", "policy": "deny"}
    assert said(compiled({"limit": 100, "tiers": [stop]}), 110, 11) == (
        f"Denied by {FEATURE}: 11 requested, 10 of 120 left this month (limit 100, level stop); "
        "resets 2026-12-01T00:00Z"
    )


def test_a_rate_says_its_pace_and_from_when_a_retry_fits() -> None:
    limits = compiled({"limit": 1000, "rate": {"limit": 10, "per": "minute", "burst": 10}})
    assert said(limits, 8, 3, at=NOW + 500) == (
        f"Denied by {FEATURE}: 3 requested, 2 of 10 left at the rate of 10 per minute; "
        "retry at 2026-11-21T10:31:07.500Z"
    )


def test_a_rate_that_can_never_fit_says_so() -> None:
    limits = compiled({"limit": 1000, "rate": {"limit": 10, "per": "minute", "burst": 10}})
    assert said(limits, 11) == (
        f"Denied by {FEATURE}: 11 requested, 10 of 10 left at the rate of 10 per minute; "
        "11 at once can never fit this rate"
    )


def test_the_rate_of_a_tier_says_so_and_when_its_period_ends() -> None:
    slow = {"at": "80%", "level": "slow", "policy": "rate_limit", "limit": 5, "per": "minute"}
    limits = compiled({"limit": 100, "tiers": [slow]})
    assert said(limits, 80, 6) == (
        f"Denied by {FEATURE}: 6 requested, 5 of 5 left at the rate of 5 per minute from the level slow on; "
        "6 at once can never fit this rate; retry at 2026-12-01T00:00Z, when the period ends"
    )
    assert said(limits, 80, 5, 1).endswith(
        "0 of 5 left at the rate of 5 per minute from the level slow on; retry at 2026-11-21T10:31:12Z"
    )


@pytest.mark.parametrize(
    ("until", "words"),
    [
        ("resumed", "until an operator resumes it"),
        ("top_up", "until a top-up"),
        ("next_period", "until 2026-12-01T00:00Z"),
        ("PT1H", "until 2026-11-21T11:30Z"),
    ],
)
def test_a_suspension_by_a_tier_says_what_was_used_and_until_when(until: str, words: str) -> None:
    stop = {"at": "80%", "level": "stop", "policy": "suspend_usage", "until": until}
    assert said(compiled({"limit": 100, "tiers": [stop]}), 80, 5) == (
        f"Denied by {FEATURE}: 5 requested, but usage is suspended by the level stop since 2026-11-21T10:30Z "
        f"(80 of 100 used this month), {words}"
    )


def test_a_suspension_of_a_scope_names_the_scope() -> None:
    stop = {"at": "100%", "level": "stop", "policy": "suspend_usage"}
    eng = {"name": "eng", "scope": {"team": "eng"}, "limit": 10, "period": DAY, "tiers": [stop]}
    told = said(compiled({"limit": 100}, eng), 10, 1)
    assert told.startswith("Denied by eng (team=eng): 1 requested, but usage is suspended by the level stop since")


@pytest.mark.parametrize(
    ("feature", "scope", "what"),
    [
        (None, {}, "all usage of the customer is"),
        (FEATURE, {}, f"{FEATURE} is"),
        (FEATURE, {"team": "eng"}, f"{FEATURE} (team=eng) is"),
    ],
)
def test_an_operator_s_suspension_keeps_reason_and_actor_to_the_operators(
    feature: str | None, scope: dict[str, str], what: str
) -> None:
    held = Suspension(feature=feature, scope=scope, reason="unpaid", actor="ann", since=NOW - HOUR)
    found = decide.suspended(effective(quota(10)), FEATURE, held, requested=Decimal(3), now=NOW)
    assert sentence(found) == (
        f"Denied: 3 requested, but {what} suspended by an operator since 2026-11-21T09:30Z, "
        "until an operator resumes it"
    )


def absent(reason: Reason, limits: Effective | None = None) -> Decision:
    return decide.absent(reason, customer="acme", feature=FEATURE, requested=Decimal(1), now=NOW, effective=limits)


def test_what_needs_no_numbers_names_what_is_missing() -> None:
    limits = effective(quota(10))
    assert sentence(absent(Reason.CUSTOMER_NOT_FOUND)) == "Denied: there is no customer acme"
    assert sentence(absent(Reason.FEATURE_NOT_FOUND)) == f"Denied: there is no feature {FEATURE}"
    assert sentence(absent(Reason.NO_ACTIVE_SUBSCRIPTION)) == "Denied: customer acme has no active subscription"
    assert sentence(absent(Reason.NOT_ENTITLED, limits)) == f"Denied: the plan pro does not include {FEATURE}"
    off = decide.unmetered(limits, Switch(feature="sso", enabled=False), requested=Decimal(1), now=NOW)
    assert sentence(off) == "Denied: the plan pro does not include sso"


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_one_sentence_without_a_stop(reason: Reason) -> None:
    granted = list(Reason).index(reason) >= list(Reason).index(Reason.UNLIMITED)
    decision = Decision(
        granted=granted,
        reason=reason,
        customer="acme",
        feature=FEATURE,
        requested=Decimal(1),
        granted_amount=Decimal(1 if granted else 0),
        as_of=NOW,
    )
    told = sentence(decision)
    assert told.startswith("Granted" if granted else "Denied")
    assert "\n" not in told
    assert not told.endswith(".")


def test_a_spend_limit_says_what_is_left_to_spend() -> None:
    limits = compiled({"limit": 200})
    engine = MemoryEngine()
    in_force(engine, limits)
    found = check(Cells(engine), Memory(), wanted(300), now=NOW)
    assert sentence(replace(found, reason=Reason.BUDGET_EXCEEDED)) == (
        f"Denied by {FEATURE}: 300 requested, 200 of 200 left to spend this month; "
        "resets 2026-12-01T00:00Z; 300 can never fit"
    )
