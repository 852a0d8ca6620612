"""A customer's own limits: field by field over the plan's, at the very next decision, through every change of plan."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tallygate.contracts.base.reading import read
from tallygate.contracts.catalog.catalog import read_catalog
from tallygate.contracts.limits.own_limits import OwnLimitBody, judge, own_limit_answer
from tallygate.domain.admission.decision import Decision
from tallygate.domain.base.json import write_json
from tallygate.domain.catalog.carryover import Cap, Carryover
from tallygate.domain.catalog.catalog import ExpectedVersion
from tallygate.domain.catalog.tiers import NotifyOnly, SuspendUsage, tier_of
from tallygate.domain.customers.customers import CustomerRecord, ProfileChange
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.limits import Limit
from tallygate.domain.limits.overrides import OwnLimit
from tallygate.errors import Contended, InvalidRequest, NotFound, PreconditionFailed
from tallygate.operations.admission.check import check
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.operations.base import known_customers
from tallygate.operations.catalog.catalog import declare_catalog
from tallygate.operations.customers import customers, own_limits
from tallygate.operations.customers.customers import Stores
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.catalog.catalog import Catalogs
from tallygate.storage.customers.customers import Customers
from tallygate.storage.journal.past_usage import CellVersions
from tests.given import NOW, wanted

MONTH, DAY = {"every": "month"}, {"every": "day"}
TIERS = [{"at": "80%", "level": "warning"}, {"at": "100%", "level": "critical"}]
CATALOG: dict[str, Any] = {
    "meters": [{"key": "m", "event_type": "e", "aggregation": "count", "dimensions": {"model": "$.model"}}],
    "features": [
        {"key": "images", "type": "metered", "meter": "m"},
        {"key": "tokens", "type": "metered", "meter": "m"},
        {"key": "sso", "type": "boolean"},
        {"key": "region", "type": "config"},
    ],
    "plans": [
        {
            "key": "free",
            "entitlements": [
                {"feature": "images", "limit": 2, "period": MONTH, "tiers": TIERS},
                {"feature": "sso", "enabled": False},
                {"feature": "region", "value": "us"},
            ],
        },
        {
            "key": "pro",
            "entitlements": [
                {
                    "feature": "images",
                    "windows": [
                        {"limit": 50, "period": MONTH},
                        {"limit": 5, "period": DAY},
                        {"rate": {"limit": 9, "per": "minute"}},
                    ],
                },
                {
                    "feature": "tokens",
                    "limit": 100,
                    "period": MONTH,
                    "tiers": [{"at": "100%", "level": "over", "policy": "allow_with_overage", "max_overage": 50}],
                    "carryover": {"max": {"periods": 2}},
                },
            ],
            "limits": [
                {"name": "large", "feature": "images", "scope": {"model": "large"}, "limit": 1, "period": MONTH},
                {"name": "fast", "feature": "tokens", "rate": {"limit": 10, "per": "minute"}},
            ],
        },
        {"key": "lifetime", "entitlements": [{"feature": "images", "limit": 2, "period": {"every": "never"}}]},
    ],
}


def stores(engine: Engine) -> Stores:
    return Stores(catalog=Catalogs(engine), customers=Customers(engine), cells=CellVersions(engine))


def subscribe(engine: Engine, plan: str) -> CustomerRecord:
    return customers.put_customer(stores(engine), "acme", ProfileChange(plan=plan), expected=None, now=NOW)[0]


def put(engine: Engine, name: str, *, expected: ExpectedVersion | None = None, **given: Any) -> CustomerRecord:
    own = OwnLimit(name=name, form=read(OwnLimitBody, given).form())
    return own_limits.put_limit(stores(engine), "acme", own, judge, expected=expected, now=NOW)[0]


def delete(engine: Engine, name: str) -> CustomerRecord:
    return own_limits.delete_limit(stores(engine), "acme", name, expected=None, now=NOW)


def told(engine: Engine, name: str) -> dict[str, Any]:
    record = known_customers.customer(Customers(engine), "acme")
    plan = customers.plan_in_force(record.subscription, Catalogs(engine).read().catalog)
    answer = own_limit_answer(record, own_limits.own_limit(record, name), plan)
    found: dict[str, Any] = json.loads(write_json(answer))
    return found


def in_force(engine: Engine, feature: str) -> Limit:
    """The entitlement's own limit."""
    return known_customers.customer(Customers(engine), "acme").effective.entitlements[feature].limits[0]


def ask(engine: Engine, memory: Memory, feature: str = "images", dimensions: dict[str, str] | None = None) -> Decision:
    request = replace(wanted(1, feature=feature), dimensions=dimensions or {})
    return consume(Cells(engine), memory, request, now=NOW, entropy=os.urandom)


def declared(engine: Engine) -> Engine:
    declare_catalog(Catalogs(engine), read_catalog(CATALOG), expected=None, dry_run=False, now=NOW)
    return engine


@pytest.fixture
def store(engine: Engine) -> Engine:
    """A customer of the plan free."""
    subscribe(declared(engine), "free")
    return engine


def test_an_override_acts_at_the_very_next_decision_and_keeps_what_was_used(store: Engine) -> None:
    memory = Memory()
    assert [ask(store, memory).granted for _ in range(3)] == [True, True, False]
    put(store, "images", limit=4)
    assert [ask(store, memory).granted for _ in range(3)] == [True, True, False]
    put(store, "images", limit=3)
    denied = ask(store, memory)
    assert (denied.granted, denied.limits[0].limit, denied.limits[0].used) == (False, 3, 4)
    delete(store, "images")
    assert ask(store, memory).limits[0].limit == 2


BASE = {"limit": 2, "period": {"every": "month", "anchor": "calendar"}, "enforcement": "hard"}


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({"limit": 9}, {"limit": 9}),
        ({"limit": 0}, {"limit": 0}),
        ({"period": DAY}, {"period": {"every": "day", "anchor": "calendar"}}),
        ({"enforcement": "soft"}, {"enforcement": "soft"}),
        ({"rate": {"limit": 5, "per": "minute"}}, {"rate": {"limit": 5, "per": "minute", "burst": 5}}),
        (
            {"windows": [{"limit": 7, "period": DAY}]},
            {"limit": 7, "period": {"every": "day", "anchor": "calendar"}},
        ),
    ],
)
def test_only_the_fields_that_are_given_differ(store: Engine, given: dict[str, Any], changed: dict[str, Any]) -> None:
    put(store, "images", **given)
    effective = told(store, "images")["effective"]
    effective.pop("tiers")
    assert effective == {"feature": "images", **BASE, **changed}


def test_tiers_are_overridden_by_level(store: Engine) -> None:
    put(store, "images", tiers=[{"at": "50%", "level": "warning"}, {"at": "90%", "level": "high"}])
    tiers = told(store, "images")["effective"]["tiers"]
    assert [(tier["level"], tier["at"]) for tier in tiers] == [
        ("warning", "50%"),
        ("critical", "100%"),
        ("high", "90%"),
    ]


def test_a_tier_that_is_overridden_keeps_nothing_of_the_plans(store: Engine) -> None:
    subscribe(store, "pro")
    over = {"at": "100%", "level": "over", "policy": "allow_with_overage", "max_overage": 50}
    assert in_force(store, "tokens").tiers == (tier_of(over),)
    put(store, "tokens", tiers=[{"at": "100%", "level": "over", "policy": {"suspend_usage": {}}}])
    assert told(store, "tokens")["tiers"] == [
        {"at": "100%", "level": "over", "policy": "suspend_usage", "until": "resumed"}
    ]
    assert [tier.policy for tier in in_force(store, "tokens").tiers] == [SuspendUsage(until="resumed")]
    put(store, "tokens", tiers=[{"at": "110%", "level": "over"}])
    assert [tier.policy for tier in in_force(store, "tokens").tiers] == [NotifyOnly()]
    delete(store, "tokens")
    assert in_force(store, "tokens").tiers == (tier_of(over),)


def test_carryover_replaces_the_plans_and_null_ends_it(store: Engine) -> None:
    subscribe(store, "pro")
    assert in_force(store, "tokens").carryover == Carryover(most=Cap(periods=2))
    put(store, "tokens", carryover={"max": "50%"})
    assert in_force(store, "tokens").carryover == Carryover(most=Cap(percent=Decimal(50)))
    assert told(store, "tokens")["carryover"] == {"max": "50%", "expires_after": None, "overage": "forgive"}
    put(store, "tokens", limit=7)
    assert in_force(store, "tokens").carryover == Carryover(most=Cap(periods=2)), "what is left out is the plan's"
    put(store, "tokens", carryover=None)
    assert in_force(store, "tokens").carryover is None
    assert (told(store, "tokens")["carryover"], "carryover" in told(store, "tokens")["effective"]) == (None, False)
    for elsewhere in ({"limit": None}, {"period": {"every": "never"}}, {"period": {"every": "minute"}}):
        put(store, "tokens", **elsewhere)
        assert in_force(store, "tokens").carryover is None, "nothing is left of such periods"


def test_carryover_of_ones_own_rests_under_a_plan_whose_periods_leave_nothing(store: Engine) -> None:
    put(store, "images", carryover={"overage": "deduct"})
    assert in_force(store, "images").carryover == Carryover(overage="deduct")
    subscribe(store, "lifetime")
    assert in_force(store, "images").carryover is None
    subscribe(store, "free")
    assert in_force(store, "images").carryover == Carryover(overage="deduct")


def test_unlimited_is_a_state_of_its_own_and_drops_the_thresholds(store: Engine) -> None:
    put(store, "images", limit=None)
    memory = Memory()
    answers = [ask(store, memory) for _ in range(5)]
    assert {(answer.reason, answer.limits[0].limit) for answer in answers} == {("unlimited", None)}
    answer = told(store, "images")
    assert (answer["limit"], answer["effective"]["limit"], "tiers" in answer["effective"]) == (None, None, False)


def test_one_of_several_windows_is_overridden_by_its_period_or_it_is_the_first(store: Engine) -> None:
    subscribe(store, "pro")
    put(store, "images", limit=60)
    windows = told(store, "images")["effective"]["windows"]
    assert [window.get("limit") for window in windows] == [60, 5, None]
    put(store, "images", limit=7, period=DAY)
    windows = told(store, "images")["effective"]["windows"]
    assert [window.get("limit") for window in windows] == [50, 7, None]
    put(store, "images", limit=70, period={"every": "week"})
    windows = told(store, "images")["effective"]["windows"]
    assert [window.get("limit") for window in windows] == [50, 5, 70, None]


def test_a_plans_limit_over_a_scope_is_overridden_by_its_name(store: Engine) -> None:
    subscribe(store, "pro")
    memory, large = Memory(), {"model": "large"}
    assert [ask(store, memory, dimensions=large).granted for _ in range(2)] == [True, False]
    put(store, "large", limit=2)
    assert [ask(store, memory, dimensions=large).granted for _ in range(2)] == [True, False]
    assert told(store, "large")["effective"]["scope"] == large


def test_a_limit_of_ones_own_stands_beside_the_plans(store: Engine) -> None:
    put(store, "mine", feature="images", scope={"model": "small"}, limit=1, period=DAY)
    memory, small = Memory(), {"model": "small"}
    assert ask(store, memory, dimensions=small).granted
    denied = ask(store, memory, dimensions=small)
    assert (denied.granted, denied.denied_by.name if denied.denied_by else None) == (False, "mine")
    assert ask(store, memory).granted
    answer = told(store, "mine")
    assert (answer["role"], answer["effective"]["limit"], answer["scope"]) == ("adds", 1, small)


def test_a_limit_is_kept_over_changes_of_plan_and_sleeps_where_it_fits_nothing(store: Engine) -> None:
    subscribe(store, "pro")
    put(store, "fast", rate={"limit": 1, "per": "minute"})
    put(store, "mine", feature="tokens", limit=3, period=DAY)
    put(store, "images", limit=4)
    assert [told(store, name)["role"] for name in ("fast", "mine", "images")] == ["overrides", "adds", "overrides"]
    subscribe(store, "free")
    assert [told(store, name)["role"] for name in ("fast", "mine", "images")] == ["dormant", "dormant", "overrides"]
    assert told(store, "mine")["effective"] is None
    assert ask(store, Memory()).limits[0].limit == 4
    customers.end_subscription(stores(store), "acme", expected=None, now=NOW)
    assert told(store, "images")["role"] == "dormant"
    subscribe(store, "pro")
    memory = Memory()
    assert [ask(store, memory, "tokens").reason for _ in range(2)] == ["ok", "rate_limited"]
    assert told(store, "mine")["role"] == "adds"


def test_switches_and_settings_are_overridden_where_the_plan_names_them(store: Engine) -> None:
    memory = Memory()
    assert not check(Cells(store), memory, wanted(1, feature="sso"), now=NOW).granted
    put(store, "sso", enabled=True)
    put(store, "region", value=["eu", Decimal("0.5")])
    assert check(Cells(store), memory, wanted(1, feature="sso"), now=NOW).granted
    assert told(store, "region")["effective"] == {"feature": "region", "value": ["eu", 0.5]}
    subscribe(store, "pro")
    assert told(store, "sso")["role"] == "dormant"
    assert check(Cells(store), memory, wanted(1, feature="sso"), now=NOW).reason == "not_entitled"


@pytest.mark.parametrize(
    ("plan", "name", "given", "errors"),
    [
        ("free", "images", {}, {"": "required"}),
        ("free", "images", {"feature": "images"}, {"": "required"}),
        ("free", "images", {"period": None}, {"/period": "type"}),
        ("free", "images", {"limit": 1, "windows": [{"limit": 1, "period": MONTH}]}, {"/limit": "not_allowed"}),
        ("free", "images", {"scope": {"model": "x"}, "limit": 1}, {"/scope": "not_allowed"}),
        ("free", "images", {"enabled": True}, {"/enabled": "not_allowed"}),
        ("free", "images", {"limit": -1}, {"/limit": "out_of_range"}),
        ("free", "images", {"speed": 1}, {"/speed": "unknown_field"}),
        ("free", "images", {"tiers": [{"at": "100%", "level": "warning"}]}, {"/tiers/1/at": "repeated"}),
        ("free", "sso", {"limit": 1}, {"/limit": "not_allowed", "/period": "not_allowed"}),
        ("free", "sso", {"value": "x"}, {"/value": "not_allowed"}),
        ("free", "mine", {"limit": 1}, {"/feature": "required"}),
        ("free", "mine", {"feature": "images", "limit": 1}, {"/period": "required"}),
        ("free", "mine", {"feature": "images", "enforcement": "soft"}, {"/limit": "required"}),
        ("free", "mine", {"feature": "nope", "limit": None}, {"/feature": "unknown_reference"}),
        (
            "free",
            "mine",
            {"feature": "images", "limit": 1, "period": MONTH, "scope": {"modle": "x"}},
            {"/scope/modle": "unknown_reference"},
        ),
        ("pro", "sso", {"enabled": True}, {"/feature": "required"}),
        (
            "free",
            "images",
            {"tiers": [{"at": "5%", "level": "a"}, {"at": "6%", "level": "a"}]},
            {"/tiers/1/level": "repeated"},
        ),
        ("free", "images", {"tiers": [{"at": 2, "level": "a"}]}, {"/tiers/2/at": "repeated"}),
        (
            "free",
            "images",
            {"tiers": [{"at": "5%", "level": "a", "policy": "rate_limit"}]},
            {"/tiers/0/limit": "required", "/tiers/0/per": "required"},
        ),
        ("free", "images", {"carryover": {"max": -1}}, {"/carryover/max": "out_of_range"}),
        ("free", "images", {"carryover": {}, "period": {"every": "never"}}, {"/carryover": "not_allowed"}),
        ("free", "images", {"carryover": {}, "limit": None}, {"/carryover": "not_allowed"}),
        (
            "free",
            "mine",
            {"carryover": {}, "feature": "images", "rate": {"limit": 9, "per": "day"}},
            {"/carryover": "not_allowed"},
        ),
        ("pro", "tokens", {"limit": 0, "carryover": {}}, None),
        (
            "pro",
            "tokens",
            {"tiers": [{"at": "150%", "level": "over", "policy": "allow_with_overage", "max_overage": 50}]},
            {"/tiers/0/max_overage": "out_of_range"},
        ),
        ("pro", "images", {"tiers": [{"at": "80%", "level": "x"}], "limit": None}, None),
        ("pro", "tokens", {"tiers": [{"at": "80%", "level": "x"}], "limit": None}, {"/tiers": "not_allowed"}),
    ],
)
def test_what_would_be_no_sound_limit_is_refused_at_its_place(
    store: Engine, plan: str, name: str, given: dict[str, Any], errors: dict[str, str] | None
) -> None:
    subscribe(store, plan)
    if errors is None:
        put(store, name, **given)
        return
    with pytest.raises(InvalidRequest) as caught:
        put(store, name, **given)
    assert {error.pointer: error.code for error in caught.value.errors} == errors


def test_more_than_a_cell_holds_is_refused_when_it_is_given_and_when_a_plan_brings_it(store: Engine) -> None:
    for n in range(7):
        put(store, f"q{n}", feature="images", limit=10 + n, period={"every": f"P{n + 2}D"})
    with pytest.raises(InvalidRequest) as caught:
        put(store, "one-more", feature="images", limit=1, period=DAY)
    assert [error.code for error in caught.value.errors] == ["too_many"]
    with pytest.raises(InvalidRequest) as caught:
        subscribe(store, "pro")
    assert [error.code for error in caught.value.errors] == ["too_many"]
    assert known_customers.customer(Customers(store), "acme").active_plan == ("free", 1)


def test_the_same_limit_again_changes_nothing() -> None:
    engine = MemoryEngine()
    subscribe(declared(engine), "free")
    first = put(engine, "images", limit=5, tiers=[{"at": "80%", "level": "warning"}])
    written = len(engine.stream)
    assert put(engine, "images", limit="5", tiers=[{"at": "80%", "level": "warning"}]) == first
    assert len(engine.stream) == written
    assert put(engine, "images", limit=6).version == first.version + 1


def test_limits_are_listed_read_and_taken_away_under_the_customers_etag(store: Engine) -> None:
    long = "x" * 200
    for name in ("b", "a#%"):
        put(store, name, feature="images", limit=1, period={"every": "week"})
    record = put(store, long, feature="images", limit=1, period={"every": "week"})
    page, more = own_limits.list_limits(record, after=None, limit=2)
    assert ([own.name for own in page], more) == (["a#%", "b"], "b")
    page, more = own_limits.list_limits(record, after=more, limit=2)
    assert ([own.name for own in page], more) == ([long], None)
    assert known_customers.customer(Customers(store), "acme") == record
    with pytest.raises(PreconditionFailed):
        put(store, "b", expected=ExpectedVersion(frozenset({record.version - 1})), limit=3)
    assert delete(store, long).version == record.version + 1
    for call in (lambda: delete(store, long), lambda: told(store, long)):
        with pytest.raises(NotFound) as caught:
            call()
        assert caught.value.code == "limit_not_found"


def test_overrides_set_at_once_are_all_in_force(dynamo_engine: DynamoEngine) -> None:
    subscribe(declared(dynamo_engine), "pro")
    start = threading.Barrier(4)
    names = ["images", "tokens", "large", "fast"]

    def call(name: str) -> None:
        start.wait()
        while True:
            try:
                put(dynamo_engine, name, enforcement="soft")
            except Contended:
                continue
            return

    threads = [threading.Thread(target=call, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    record = known_customers.customer(Customers(dynamo_engine), "acme")
    assert [own.name for own in record.limits] == sorted(names)
    limits = [limit for entitlement in record.effective.entitlements.values() for limit in entitlement.limits]
    assert {limit.enforcement.value for limit in limits} == {"soft"}
    assert Cells(dynamo_engine).read(CellName("acme", "images")).version == record.effective.version
