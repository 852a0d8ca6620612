"""A resume of a tier's suspension waives the level in the limit's window: the next unit does not suspend again."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tallygate.contracts.admission.entitlements import entitlement_answer
from tallygate.contracts.admission.explanations import explanation_answer
from tallygate.contracts.catalog.catalog import read_catalog
from tallygate.contracts.customers.customers import customer_answer
from tallygate.domain.base.instants import DAY, format_instant
from tallygate.domain.catalog.tiers import SuspendUsage, tier_of
from tallygate.domain.customers.customers import ProfileChange, SubscriptionChange
from tallygate.domain.entries.total import Total
from tallygate.domain.facts.cell_facts import Note, announcement
from tallygate.domain.facts.consequences import SuspendingTier
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.governing import Governed
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.entitlements import entitlement
from tallygate.operations.admission.memory import Memory
from tallygate.operations.base import known_customers
from tallygate.operations.catalog.catalog import declare_catalog
from tallygate.operations.customers import customers
from tallygate.operations.customers.audits import list_audits
from tallygate.operations.customers.suspensions import current_suspensions
from tallygate.storage.admission import cell_image
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base import items, keys
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.catalog.catalog import Catalogs
from tallygate.storage.corrections.controls import CellControls
from tallygate.storage.customers.customers import Customers
from tallygate.storage.entries.entries import entry_of
from tallygate.storage.entries.writes import LAST
from tallygate.storage.facts.audits import Audits
from tallygate.storage.journal.bring_in import CellEvents
from tallygate.storage.journal.past_usage import CellVersions
from tests.answers import detailed
from tests.given import FEATURE, NOW, wanted
from tests.operator_actions import resume, suspend
from tests.shops import MONTH

STOP: dict[str, Any] = {"at": "80%", "level": "stop", "policy": "suspend_usage"}
MONTH_END, NEXT_MONTH_END = "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"
LARGE = {"model": "large"}


class Desk:
    """One customer of a plan, containers that consume, and what an operator sees and does."""

    def __init__(self, engine: Engine, form: dict[str, Any], *further: dict[str, Any]) -> None:
        self.engine, self.now, self.memory = engine, NOW, Memory()
        self.numbers, self.plans = itertools.count(1), list[dict[str, Any]]()
        self.stores = customers.Stores(
            catalog=Catalogs(engine), customers=Customers(engine), cells=CellVersions(engine)
        )
        self.declare(form, *further, version=1)
        customers.put_customer(self.stores, "acme", ProfileChange(plan="pro"), expected=None, now=NOW)

    def declare(self, form: dict[str, Any], *further: dict[str, Any], version: int) -> None:
        plan = {
            "key": "pro",
            "version": version,
            "entitlements": [{"feature": FEATURE, **({} if "windows" in form else {"period": MONTH}), **form}],
            "limits": [{"feature": FEATURE, "period": MONTH, **limit} for limit in further],
        }
        self.plans.append(plan)
        catalog = {
            "meters": [{"key": "m", "event_type": "e", "aggregation": "count", "dimensions": {"model": "$.model"}}],
            "features": [{"key": FEATURE, "type": "metered", "meter": "m"}],
            "plans": self.plans,
        }
        declare_catalog(Catalogs(self.engine), read_catalog(catalog), expected=None, dry_run=False, now=self.now)

    def take(self, *, version: int) -> None:
        change = SubscriptionChange(plan="pro", version=version)
        customers.put_subscription(self.stores, "acme", change, expected=None, now=self.now)

    def consume(self, amount: int = 1, *, memory: Memory | None = None, **dimensions: str) -> tuple[bool, str]:
        asked = replace(wanted(amount), dimensions=dimensions)
        held = self.memory if memory is None else memory
        found = consume(Cells(self.engine), held, asked, now=self.now, entropy=next(self.numbers).to_bytes)
        return found.granted, found.reason.value

    def resume(self, **how: Any) -> dict[str, Any]:
        return dict(resume(self.engine, "acme", named=f"audit_{next(self.numbers)}", now=self.now, **how))

    def customer(self) -> dict[str, Any]:
        record = known_customers.customer(Customers(self.engine), "acme")
        held = current_suspensions(CellControls(self.engine), record.effective, self.now)
        return customer_answer(record, now=self.now, stops=held.stops, waivers=held.waivers)

    def entitlement(self) -> dict[str, Any]:
        return entitlement_answer(entitlement(Cells(self.engine), "acme", FEATURE, now=self.now))

    def image(self) -> dict[str, Any]:
        return dict(self.engine.get(keys.cell(CellName("acme", FEATURE))) or {})


def suspended(desk: Desk, amount: int = 80, **dimensions: str) -> None:
    """Usage has reached the tier, and the next unit was denied."""
    assert desk.consume(amount, memory=None, **dimensions) == (True, "ok")
    assert desk.consume(1, memory=None, **dimensions) == (False, "suspended")


def test_a_resume_waives_the_level_until_the_window_ends(engine: Engine) -> None:
    desk = Desk(engine, {"limit": 100, "tiers": [STOP]})
    suspended(desk)
    answer = desk.resume()
    assert (answer["changed"], answer["lifted"], answer["waived_until"]) == (True, [FEATURE], MONTH_END)
    form = {"feature": FEATURE, "limit": FEATURE, "scope": {}, "levels": ["stop"], "waived_until": MONTH_END}
    assert answer["waived"] == [form]
    assert [desk.consume(10), desk.consume(10), desk.consume(1)] == [
        (True, "ok"),
        (True, "ok"),
        (False, "quota_exceeded"),
    ]
    desk.now += 11 * DAY
    suspended(desk)


def test_a_container_that_remembers_nothing_grants_by_the_waiver_too(engine: Engine) -> None:
    desk = Desk(engine, {"limit": 100, "tiers": [STOP]})
    suspended(desk)
    desk.resume()
    assert desk.consume(1, memory=Memory()) == (True, "ok")


def test_a_second_resume_changes_nothing_and_says_what_is_waived(engine: Engine) -> None:
    desk = Desk(engine, {"limit": 100, "tiers": [STOP]})
    suspended(desk)
    first, before = desk.resume(key="k"), desk.image()
    assert desk.resume(key="k") == first, "the key replays its answer"
    again = desk.resume()
    assert (again["changed"], again["lifted"], again["waived"]) == (False, [], first["waived"])
    assert desk.image() == before


def test_a_resume_of_nothing_waives_nothing(engine: Engine) -> None:
    desk = Desk(engine, {"limit": 100, "tiers": [STOP]})
    assert desk.consume(80) == (True, "ok")
    answer = desk.resume()
    assert (answer["changed"], answer["waived"], "waived_until" in answer) == (False, [], False)
    assert desk.consume(1) == (False, "suspended")


def test_a_resume_of_an_operator_s_suspension_waives_no_tier(engine: Engine) -> None:
    desk = Desk(engine, {"limit": 100, "tiers": [STOP]})
    assert desk.consume(80) == (True, "ok")
    suspend(engine, "acme", named="audit_0", now=NOW)
    assert desk.resume()["waived"] == []
    assert desk.consume(1) == (False, "suspended")


def test_a_window_that_never_ends_is_waived_for_ever(engine: Engine) -> None:
    desk = Desk(engine, {"limit": 100, "tiers": [STOP], "period": {"every": "never"}})
    suspended(desk)
    assert desk.resume()["waived_until"] is None
    desk.now += 900 * DAY
    assert desk.consume(20) == (True, "ok")


def test_a_suspension_of_an_earlier_window_is_waived_in_the_one_that_runs(engine: Engine) -> None:
    desk = Desk(engine, {"limit": 100, "tiers": [STOP]})
    suspended(desk)
    desk.now += 11 * DAY
    assert desk.resume()["waived_until"] == NEXT_MONTH_END
    assert desk.consume(100) == (True, "ok")
    assert desk.consume(1) == (False, "quota_exceeded")


def test_carried_quota_is_waived_in_a_window_that_is_not_open_yet(engine: Engine) -> None:
    desk = Desk(engine, {"limit": 100, "tiers": [STOP], "carryover": {}})
    suspended(desk)
    desk.now += 11 * DAY
    assert desk.resume()["waived_until"] == NEXT_MONTH_END
    assert desk.consume(100) == (True, "ok"), "of 120, 96 is the tier"
    assert desk.consume(20, memory=Memory()) == (True, "ok")
    assert desk.consume(1) == (False, "quota_exceeded")


@pytest.mark.parametrize("target", [FEATURE, None], ids=["the feature", "the customer"])
def test_one_resume_waives_every_limit_that_would_suspend_the_next_unit(engine: Engine, target: str | None) -> None:
    daily = {"name": "daily", "limit": 80, "period": {"every": "day"}, "tiers": [{**STOP, "at": "100%"}]}
    desk = Desk(engine, {"limit": 100, "tiers": [STOP]}, daily)
    suspended(desk)
    answer = desk.resume(feature=target)
    found = [(each["limit"], each["levels"], each["waived_until"]) for each in answer["waived"]]
    assert found == [(FEATURE, ["stop"], MONTH_END), ("daily", ["stop"], "2026-11-21T00:00:00Z")]
    assert answer["waived_until"] == "2026-11-21T00:00:00Z", "until the first of them ends"
    assert desk.consume(1) == (False, "quota_exceeded"), "the day is full, by its enforcement"
    desk.now += DAY
    assert desk.consume(20) == (True, "ok")


def test_a_tier_above_suspends_of_its_own_and_is_waived_beside_the_first(engine: Engine) -> None:
    upper = {"at": "90%", "level": "upper", "policy": "suspend_usage", "until": "next_period"}
    desk = Desk(engine, {"limit": 100, "tiers": [STOP, upper]})
    suspended(desk)
    desk.resume()
    suspended(desk, 10)
    assert desk.customer()["suspensions"][0]["level"] == "upper"
    assert desk.resume()["waived"][0]["levels"] == ["stop", "upper"]
    assert desk.consume(10) == (True, "ok")


def test_a_scope_is_resumed_and_waived_by_itself(engine: Engine) -> None:
    large = {"name": "large", "scope": LARGE, "limit": 50, "tiers": [STOP]}
    desk = Desk(engine, {"limit": 100, "tiers": [STOP]}, large)
    suspended(desk, 40, model="large")
    suspended(desk, 40, model="small")
    assert desk.consume(1, model="large") == (False, "suspended")
    answer = desk.resume(scope=LARGE)
    assert [(each["limit"], each["scope"]) for each in answer["waived"]] == [("large", LARGE)]
    assert desk.consume(1, model="large") == (False, "suspended"), "with the whole feature"
    desk.resume()
    assert desk.consume(10, model="large") == (True, "ok")
    assert desk.consume(1, model="large") == (False, "quota_exceeded")
    assert desk.consume(10, model="small") == (True, "ok")


def test_a_waived_level_that_denies_since_denies(engine: Engine) -> None:
    desk = Desk(engine, {"limit": 100, "tiers": [STOP]})
    suspended(desk)
    desk.resume()
    desk.declare({"limit": 100, "tiers": [{**STOP, "policy": "deny"}]}, version=2)
    desk.take(version=2)
    assert desk.consume(1) == (False, "quota_exceeded"), "a waiver is of suspending alone"
    assert desk.customer()["waived"] == []


def total(desk: Desk, used: int, upto: int) -> Total:
    quota = known_customers.customer(Customers(desk.engine), "acme").effective.entitlements[FEATURE].quota
    governed = Governed(
        feature=FEATURE, meter="m", name=FEATURE, limit=Decimal(100), tiers=(tier_of(STOP),), every="month"
    )
    start = 1_793_491_200_000
    return Total(
        customer="acme",
        ordinal=quota.ordinal,
        start=start,
        end=start + 30 * DAY,
        value=Decimal(used),
        by_event=Decimal(used - 80),
        upto=upto,
        governed=governed,
    )


def test_usage_by_event_does_not_suspend_again_what_was_resumed(engine: Engine) -> None:
    desk = Desk(engine, {"limit": 100, "tiers": [STOP]})
    tier = tier_of(STOP)
    assert isinstance(tier.policy, SuspendUsage)
    suspending = SuspendingTier(tier=tier, policy=tier.policy)
    assert desk.consume(80) == (True, "ok")
    cells = CellEvents(engine)
    cells.bring_in(total(desk, 85, 3), seen=Decimal(0), now=NOW)
    cells.suspend(total(desk, 85, 3), suspending, NOW)
    assert desk.consume(1) == (False, "suspended")
    desk.resume()
    before = desk.image()
    for upto in (3, 4, 5):
        cells.suspend(total(desk, 85 + upto, upto), suspending, NOW)
    assert desk.image() == before
    assert desk.consume(1) == (True, "ok")


def test_the_customer_s_suspensions_name_the_tier_and_what_is_waived_since(engine: Engine) -> None:
    desk = Desk(engine, {"limit": 100, "tiers": [{**STOP, "until": "next_period"}]})
    assert (desk.customer()["suspensions"], desk.customer()["waived"]) == ([], [])
    suspended(desk)
    stated = {
        "feature": FEATURE,
        "scope": {},
        "by": "tier",
        "reason": f"usage reached the level stop of {FEATURE}",
        "actor": "tier",
        "limit": FEATURE,
        "level": "stop",
        "since": format_instant(NOW),
        "until": MONTH_END,
    }
    assert desk.customer()["suspensions"] == [stated]
    assert desk.entitlement()["suspended"] == stated
    suspend(engine, "acme", named="audit_0", now=NOW)
    assert [each["by"] for each in desk.customer()["suspensions"]] == ["operator", "tier"]
    desk.resume()
    shown = desk.customer()
    assert (shown["suspensions"], shown["waived"][0]["waived_until"]) == ([], MONTH_END)
    assert (desk.entitlement()["suspended"], desk.entitlement()["waived"]) == (None, shown["waived"])
    desk.now += 11 * DAY
    assert desk.customer()["waived"] == []


def test_a_suspension_of_a_scope_is_not_shown_as_one_of_the_feature(engine: Engine) -> None:
    large = {"name": "large", "scope": LARGE, "limit": 50, "tiers": [STOP]}
    desk = Desk(engine, {"limit": 100}, large)
    suspended(desk, 40, model="large")
    (stated,) = desk.customer()["suspensions"]
    assert (stated["scope"], stated["limit"], stated["until"]) == (LARGE, "large", None)
    assert desk.entitlement()["suspended"] is None


@pytest.mark.parametrize("change", [{"enforcement": "observe"}, {"tiers": [{**STOP, "policy": "deny"}]}])
def test_a_scope_stays_suspended_only_while_its_limit_suspends(engine: Engine, change: dict[str, Any]) -> None:
    large = {"name": "large", "scope": LARGE, "limit": 50, "tiers": [STOP]}
    desk = Desk(engine, {"limit": 100}, large)
    suspended(desk, 40, model="large")
    desk.declare({"limit": 100}, {**large, **change}, version=2)
    desk.take(version=2)
    assert desk.customer()["suspensions"] == []
    assert desk.consume(1, model="large")[1] != "suspended"


def test_the_trail_and_the_fact_say_what_was_waived(engine: Engine) -> None:
    desk = Desk(engine, {"limit": 100, "tiers": [STOP]})
    suspended(desk)
    desk.resume()
    (entry,), _ = list_audits(Audits(engine), Customers(engine), "acme", after=None, limit=9)
    assert (entry.action, entry.about["lifted"], entry.about["waived_until"]) == ("resumed", [FEATURE], MONTH_END)
    customer, last = entry_of(items.text(desk.image(), LAST))
    (made,) = last.facts
    note = Note(customer=customer, feature=last.feature, revision=3, time=last.time, fact=made)
    fact = announcement(note, None, {})
    assert (fact.type, fact.data["by"], fact.data["cause"]) == ("entitlement.resumed", "operator", "resume")
    assert (fact.data["waived"], fact.data["waived_until"]) == (entry.about["waived"], MONTH_END)


def test_the_explanation_says_which_tier_is_waived(engine: Engine) -> None:
    desk = Desk(engine, {"limit": 100, "tiers": [STOP, {"at": "100%", "level": "full"}]})
    suspended(desk)
    desk.resume()
    found = consume(Cells(engine), Memory(), replace(wanted(1), dimensions={}), now=NOW, entropy=(999).to_bytes)
    (limit,) = explanation_answer(found, {})["limits"]
    assert limit["why"].count(" is waived ") == 1
    assert f"the level {STOP['level']} is waived until {MONTH_END[:-4]}Z" in limit["why"]
    assert detailed(found)["granted"]


def cost(engine: MemoryEngine, act: Callable[[], object]) -> int:
    before = engine.requests
    act()
    return engine.requests - before


def test_a_warm_consume_beyond_a_waived_tier_is_one_request() -> None:
    memory_engine = MemoryEngine()
    desk = Desk(memory_engine, {"limit": 100, "tiers": [STOP]})
    suspended(desk)
    desk.resume()
    desk.memory = Memory()
    desk.consume(1)
    assert cost(memory_engine, lambda: desk.consume(1)) == 1


def test_a_request_that_suspends_is_two_requests_and_one_write() -> None:
    memory_engine = MemoryEngine()
    desk = Desk(memory_engine, {"limit": 100, "tiers": [STOP]})
    desk.consume(80)
    written = len(memory_engine.stream)
    assert cost(memory_engine, lambda: desk.consume(1)) == 2
    assert len(memory_engine.stream) == written + 1


def test_what_another_limit_denies_by_the_time_of_the_second_write_suspends_nothing() -> None:
    """Others fill the second limit between the refusal and the suspension."""
    memory_engine = MemoryEngine()
    desk = Desk(memory_engine, {"limit": 100, "tiers": [STOP]}, {"name": "large", "scope": LARGE, "limit": 5})
    assert desk.consume(80) == (True, "ok")
    cells, raced = Cells(memory_engine), False
    plain = cells.suspend

    def racing(*given: Any) -> Any:
        nonlocal raced
        if not raced:
            raced = True
            ordinal = (
                known_customers.customer(Customers(memory_engine), "acme").effective.entitlements[FEATURE].limits[1]
            )
            key = keys.cell(CellName("acme", FEATURE))
            name = cell_image.used_name((ordinal.quotas[0].ordinal, 1_793_491_200_000))
            memory_engine.items[key] = {**memory_engine.items[key], name: Decimal(5)}
        return plain(*given)

    cells.suspend = racing  # type: ignore[method-assign, assignment]
    asked = replace(wanted(1), dimensions=LARGE)
    found = consume(cells, Memory(), asked, now=NOW, entropy=(77).to_bytes)
    assert (found.reason.value, raced) == ("quota_exceeded", True)
    assert "sus" not in desk.image()
