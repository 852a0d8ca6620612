"""Boolean and config features: no counters, no cell; what the plan says of them is the answer, at once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from bench.cost import counting
from tallygate.contracts.admission.check import feature_type
from tallygate.contracts.admission.entitlements import entitlement_answer
from tallygate.contracts.catalog.catalog import read_catalog
from tallygate.domain.admission.decision import Decision
from tallygate.domain.customers.customers import ProfileChange
from tallygate.errors import InvalidRequest, NotFound
from tallygate.operations.admission.check import check
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.entitlements import entitlement, entitlements
from tallygate.operations.admission.memory import Memory
from tallygate.operations.catalog.catalog import declare_catalog
from tallygate.operations.customers.customers import Stores, put_customer
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Engine
from tallygate.storage.catalog.catalog import Catalogs
from tallygate.storage.customers.customers import Customers
from tallygate.storage.journal.past_usage import CellVersions
from tests.answers import detailed
from tests.given import NOW, wanted

CATALOG: dict[str, Any] = {
    "meters": [{"key": "m", "event_type": "e", "aggregation": "count"}],
    "features": [
        {"key": "images", "type": "metered", "meter": "m"},
        {"key": "sso", "type": "boolean"},
        {"key": "audit-log", "type": "boolean"},
        {"key": "region", "type": "config"},
        {"key": "models", "type": "config"},
    ],
    "plans": [
        {
            "key": "pro",
            "entitlements": [
                {"feature": "images", "limit": 5, "period": {"every": "month"}},
                {"feature": "sso", "enabled": True},
                {"feature": "audit-log", "enabled": False},
                {"feature": "region", "value": "eu"},
                {"feature": "models", "value": ["small", Decimal("0.1"), True]},
            ],
        },
        {"key": "free", "entitlements": [{"feature": "sso", "enabled": False}]},
    ],
}


def subscribed(engine: Engine, plan: str) -> None:
    stores = Stores(catalog=Catalogs(engine), customers=Customers(engine), cells=CellVersions(engine))
    put_customer(stores, "acme", ProfileChange(plan=plan), expected=None, now=NOW)


@pytest.fixture
def store(engine: Engine) -> Engine:
    """A customer of the plan pro."""
    declare_catalog(Catalogs(engine), read_catalog(CATALOG), expected=None, dry_run=False, now=NOW)
    subscribed(engine, "pro")
    return engine


def asked(engine: Engine, feature: str, amount: int = 1, memory: Memory | None = None) -> Decision:
    return check(Cells(engine), memory or Memory(), wanted(amount, feature=feature), now=NOW)


@pytest.mark.parametrize(
    ("feature", "amount", "granted", "reason", "kind", "value"),
    [
        ("sso", 1, True, "unlimited", "boolean", None),
        ("sso", 0, True, "unlimited", "boolean", None),
        ("sso", 1000, True, "unlimited", "boolean", None),
        ("audit-log", 1, False, "not_entitled", "boolean", None),
        ("audit-log", 0, False, "not_entitled", "boolean", None),
        ("region", 1, True, "unlimited", "config", "eu"),
        ("models", 1, True, "unlimited", "config", ["small", Decimal("0.1"), True]),
        ("images", 1, True, "ok", "metered", None),
        ("nothing", 1, False, "feature_not_found", None, None),
    ],
)
def test_what_the_plan_says_is_the_answer(
    store: Engine, feature: str, amount: int, granted: bool, reason: str, kind: str | None, value: object
) -> None:
    decision = asked(store, feature, amount)
    answer = detailed(decision)
    assert (answer["granted"], answer["reason"], feature_type(decision)) == (granted, reason, kind)
    assert answer.get("value") == value
    if kind in ("boolean", "config"):
        assert (answer["limits"], answer["period"], answer["used"], answer["decision_id"]) == ([], None, 0, None)
        expected = (None, True, None, None) if granted else (0, False, 0, 0)
        assert (answer["limit"], answer["unlimited"], answer["remaining"], answer["max_grantable"]) == expected


@pytest.mark.parametrize("feature", ["sso", "audit-log", "region"])
def test_nothing_is_consumed_of_a_feature_that_is_not_counted(store: Engine, feature: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        consume(Cells(store), Memory(), wanted(1, feature=feature), now=NOW, entropy=bytes)
    assert caught.value.code == "feature_type_mismatch"


def test_another_plan_acts_at_the_very_next_question(store: Engine) -> None:
    """No cell could prove what a container remembers, so it is read for every answer."""
    memory = Memory()
    assert asked(store, "sso", memory=memory).granted
    subscribed(store, "free")
    assert not asked(store, "sso", memory=memory).granted
    assert asked(store, "region", memory=memory).reason == "not_entitled"
    subscribed(store, "pro")
    assert asked(store, "sso", memory=memory).granted


def test_a_switch_costs_one_read_when_warm(dynamo_engine: DynamoEngine, dynamodb: Any) -> None:
    declare_catalog(Catalogs(dynamo_engine), read_catalog(CATALOG), expected=None, dry_run=False, now=NOW)
    subscribed(dynamo_engine, "pro")
    memory = Memory(ticks=lambda: 0.0)
    asked(dynamo_engine, "sso", memory=memory)
    with counting(dynamodb) as cost:
        asked(dynamo_engine, "sso", memory=memory)
    assert (dict(cost.requests), cost.write_units) == ({"GetItem": 1}, 0.0)


def test_entitlements_tell_every_feature_of_the_plan_in_order(store: Engine) -> None:
    states, more = entitlements(Cells(store), "acme", after=None, limit=10, now=NOW)
    told = [entitlement_answer(state) for state in states]
    assert more is None
    assert [(t["feature"], t["type"], t["enabled"], t["value"]) for t in told] == [
        ("audit-log", "boolean", False, None),
        ("images", "metered", True, None),
        ("models", "config", True, ["small", Decimal("0.1"), True]),
        ("region", "config", True, "eu"),
        ("sso", "boolean", True, None),
    ]
    first, more = entitlements(Cells(store), "acme", after=None, limit=2, now=NOW)
    assert ([state.feature for state in first], more) == (["audit-log", "images"], "images")


def test_a_switch_that_is_off_has_a_state_and_what_the_plan_lacks_has_none(store: Engine) -> None:
    off = entitlement_answer(entitlement(Cells(store), "acme", "audit-log", now=NOW))
    assert (off["enabled"], off["unlimited"], off["limit"]) == (False, False, 0)
    subscribed(store, "free")
    with pytest.raises(NotFound) as caught:
        entitlement(Cells(store), "acme", "region", now=NOW)
    assert caught.value.code == "not_entitled"
