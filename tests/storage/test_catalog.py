"""The catalog's items: read whole, replaced in one transaction, guarded by HEAD and by the plans' marks."""

from __future__ import annotations

from decimal import Decimal

from tallygate.domain.catalog.catalog import (
    Catalog,
    CatalogChange,
    Feature,
    Plan,
    PlanLimit,
    QuotaTerms,
    RateTerms,
    changes,
)
from tallygate.domain.catalog.tiers import Tier, percent
from tallygate.domain.metering.meters import Filter, Meter
from tallygate.operations.catalog.ports import (
    Applying,
    CatalogMoved,
    PlansTaken,
    Replaced,
)
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Engine, Refused
from tallygate.storage.catalog.catalog import Catalogs, mark_in_use

NOW = 1_700_000_000_000
METER = Meter(
    key="tokens",
    event_type="llm",
    aggregation="sum",
    value=("tokens",),
    dimensions={"model": ("model",)},
    filters=(
        Filter(property=("n",), op="gt", value=Decimal("1.5")),
        Filter(property=("m",), op="in", value=("a", 1, Decimal("2.5"), True, None)),
    ),
)
LIMIT = PlanLimit(
    name="tokens",
    feature="tokens",
    quotas=(
        QuotaTerms(limit=Decimal("1000.5"), every="month"),
        QuotaTerms(limit=None, every="day", zone="Asia/Kathmandu"),
    ),
    rates=(RateTerms(limit=Decimal(10), per="second", burst=Decimal(30)),),
    tiers=(Tier(level="warning", at=percent("79.5")),),
)
PLAN = Plan(key="pro", version=1, entitlements=(LIMIT,), upgrade_to="pro")
WHOLE = Applying("digest", 0)
CATALOG = Catalog(meters=(METER,), features=(Feature(key="tokens", meter="tokens"),), plans=(PLAN,))


def plan(version: int, key: str = "pro") -> Plan:
    return Plan(key=key, version=version)


def test_nothing_declared_is_an_empty_catalog_of_version_0(engine: Engine) -> None:
    stored = Catalogs(engine).read()
    assert (stored.version, stored.catalog, stored.in_use) == (0, Catalog(), frozenset())


def test_what_was_declared_is_read_back_equal(engine: Engine) -> None:
    catalogs = Catalogs(engine)
    assert catalogs.replace(changes(Catalog(), CATALOG), 0, WHOLE, NOW) == Replaced(1, 3)
    assert catalogs.read().catalog == CATALOG


def test_a_change_planned_on_another_version_is_refused_whole(engine: Engine) -> None:
    catalogs = Catalogs(engine)
    catalogs.replace(changes(Catalog(), CATALOG), 0, WHOLE, NOW)
    more = (CatalogChange(action="added", entry=plan(2)),)
    assert catalogs.replace(more, 0, WHOLE, NOW) == CatalogMoved()
    assert catalogs.read().catalog == CATALOG
    assert catalogs.replace(more, 1, WHOLE, NOW) == Replaced(2, 1)
    assert catalogs.read().catalog.plans == (PLAN, plan(2))


def test_a_plan_in_use_is_neither_replaced_nor_removed(engine: Engine) -> None:
    catalogs = Catalogs(engine)
    catalogs.replace(changes(Catalog(), CATALOG), 0, WHOLE, NOW)
    engine.write(mark_in_use(PLAN.id, 1))
    assert catalogs.read().in_use == {("pro", 1)}
    for action in ("removed", "changed"):
        change = CatalogChange(action=action, entry=plan(1))
        assert catalogs.replace((change, CatalogChange(action="added", entry=plan(2))), 1, WHOLE, NOW) == PlansTaken(
            (("pro", 1),)
        )
    assert catalogs.read().catalog == CATALOG


def test_a_plan_that_was_removed_cannot_be_marked(engine: Engine) -> None:
    assert isinstance(engine.write(mark_in_use(("gone", 1), 1)), Refused)
    assert engine.get(keys.catalog_plan("gone", 1)) is None


def test_a_plan_that_was_replaced_cannot_be_marked_by_whoever_read_the_earlier_one(engine: Engine) -> None:
    """Its customer would keep limits that no plan in the catalog states, for ever: a plan in use is immutable."""
    catalogs = Catalogs(engine)
    catalogs.replace(changes(Catalog(), CATALOG), 0, WHOLE, NOW)
    catalogs.replace((CatalogChange(action="changed", entry=plan(1)),), 1, WHOLE, NOW)
    assert isinstance(engine.write(mark_in_use(PLAN.id, 1)), Refused)
    catalogs.replace((CatalogChange(action="added", entry=plan(2)),), 2, WHOLE, NOW)
    assert not isinstance(engine.write(mark_in_use(PLAN.id, 2)), Refused)


def test_versions_of_a_plan_are_read_in_order_of_their_numbers(engine: Engine) -> None:
    catalogs = Catalogs(engine)
    catalogs.replace(tuple(CatalogChange(action="added", entry=plan(n)) for n in (10, 2, 1)), 0, WHOLE, NOW)
    catalog = catalogs.read().catalog
    assert [found.version for found in catalog.plans] == [1, 2, 10]
    assert catalog.plan("pro") == plan(10)
    assert catalog.plan("pro", 2) == plan(2)
    assert catalog.plan("pro", 3) is None
