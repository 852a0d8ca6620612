"""A declaration of many changes: whole at every step, resumed by the same call, exact about whom it touches."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.domain.catalog.catalog import (
    Catalog,
    CatalogChange,
    CatalogEntry,
    ExpectedVersion,
    Feature,
    Plan,
    PlanLimit,
    QuotaTerms,
    changes,
)
from tallygate.domain.catalog.features import Switch
from tallygate.domain.catalog.units import Unit
from tallygate.domain.customers.customers import ProfileChange, SubscriptionChange
from tallygate.domain.facts.audits import Author
from tallygate.domain.metering.meters import Meter
from tallygate.domain.metering.settings import Settings
from tallygate.errors import Contended, PreconditionFailed, StoreUnavailable
from tallygate.operations.catalog.catalog import Declared, declare_catalog
from tallygate.operations.customers.customers import Stores, end_subscription, put_customer, put_subscription
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Cancelled, Committed, Engine, Require, Write
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.catalog.catalog import Catalogs
from tallygate.storage.customers.customers import Customers
from tallygate.storage.facts.audits import Audits
from tallygate.storage.journal.past_usage import CellVersions
from tests.given import NOW


def month(feature: str, limit: int | None = 1) -> PlanLimit:
    quota = QuotaTerms(limit=None if limit is None else Decimal(limit), every="month")
    return PlanLimit(name=feature, feature=feature, quotas=(quota,))


def large(count: int, prefix: str = "") -> Catalog:
    """A catalog of so many meters, features and plans; each plan names its own feature and a switch."""
    names = [f"{prefix}{n}" for n in range(count)]
    return Catalog(
        meters=tuple(Meter(key=name, event_type="e", aggregation="count") for name in names),
        features=(*(Feature(key=name, meter=name) for name in names), Feature(key=f"{prefix}s", type="boolean")),
        plans=tuple(
            Plan(key=name, version=1, entitlements=(month(name),), fixed=(Switch(feature=f"{prefix}s", enabled=True),))
            for name in names
        ),
    )


def whole(catalog: Catalog) -> bool:
    """Whether everything that is referred to is there."""
    meters, features = {meter.key for meter in catalog.meters}, {feature.key for feature in catalog.features}
    counted = all(feature.meter is None or feature.meter in meters for feature in catalog.features)
    return counted and all(plan.features <= features for plan in catalog.plans)


def ids(catalog: Catalog) -> set[object]:
    return {(type(entry).__name__, entry.key) for entry in _listed(catalog)}


def declare(
    engine: Engine, wanted: Catalog, expected: ExpectedVersion | None = None, *, dry_run: bool = False
) -> Declared:
    return declare_catalog(Catalogs(engine), wanted, expected=expected, dry_run=dry_run, now=NOW)


@dataclass(slots=True)
class Observed(MemoryEngine):
    """Looks at the catalog after every transaction, and dies at the one with the number `dies_at`."""

    transactions: int = 0
    dies_at: int | None = None
    always_whole: bool = True

    def transact(self, writes: Sequence[Write | Require], *, repeatable: bool = False) -> Committed | Cancelled:
        self.transactions += 1
        if self.transactions == self.dies_at:
            raise StoreUnavailable("the power went")
        outcome = MemoryEngine.transact(self, writes, repeatable=repeatable)
        self.always_whole &= whole(Catalogs(self).read().catalog)
        return outcome


def test_many_changes_take_several_transactions_and_the_catalog_is_whole_after_each() -> None:
    engine = Observed()
    first, second = large(100), large(100, "other-")
    declared = declare(engine, first)
    assert (len(declared.changes), engine.transactions, declared.version) == (301, 4, 4)
    assert Catalogs(engine).read().applying is None
    declare(engine, second)
    assert engine.always_whole
    stored = Catalogs(engine).read()
    assert (ids(stored.catalog), stored.applying) == (ids(second), None)
    assert declare(engine, second).changes == ()


@pytest.mark.parametrize("dies_at", [1, 3, None])
def test_the_trail_names_exactly_what_each_transaction_changed_also_of_a_declaration_that_died(
    dies_at: int | None,
) -> None:
    engine = Observed(dies_at=dies_at)
    wanted = replace(large(100), settings=Settings(unknown_events="accept"))

    def declared(audit_id: str) -> None:
        by = Author(id=audit_id, key_id="key_1", at=NOW)
        declare_catalog(Catalogs(engine), wanted, expected=None, dry_run=False, now=NOW, by=by, audits=Audits(engine))

    with nullcontext() if dies_at is None else pytest.raises(StoreUnavailable):
        declared("first")
    entries, _ = Audits(engine).page(None, after=None, limit=100)
    assert len(entries) == (4 if dies_at is None else dies_at - 1)
    assert sum(len(entry.about["changes"]) for entry in entries) == len(
        changes(Catalog(), Catalogs(engine).read().catalog)
    )
    declared("second")
    entries, _ = Audits(engine).page(None, after=None, limit=100)
    named = [(change["kind"], change["key"]) for entry in entries for change in entry.about["changes"]]
    assert len(named) == len(set(named)) == 302, "each change once, whoever finished the declaration"
    assert {(entry.action, entry.key_id, entry.customer) for entry in entries} == {("catalog_changed", "key_1", None)}


@pytest.mark.parametrize("dies_at", [1, 2, 3, 4])
def test_the_same_call_goes_on_where_the_first_died_also_with_the_version_it_expected(dies_at: int) -> None:
    engine = Observed(dies_at=dies_at)
    wanted = large(100)
    expected = ExpectedVersion(frozenset({0}))
    with pytest.raises(StoreUnavailable):
        declare(engine, wanted, expected)
    stored = Catalogs(engine).read()
    assert whole(stored.catalog)
    assert (stored.applying is not None) == (dies_at > 1)
    if dies_at > 1:
        with pytest.raises(PreconditionFailed):
            declare(engine, replace(wanted, plans=()), expected)
    declared = declare(engine, wanted, expected)
    assert (declared.resumed, declared.version) == (dies_at > 1, 4)
    stored = Catalogs(engine).read()
    assert (ids(stored.catalog), stored.applying) == (ids(wanted), None)
    with pytest.raises(PreconditionFailed):
        declare(engine, wanted, expected)


def test_another_declaration_takes_over_what_was_left_half_applied() -> None:
    engine = Observed(dies_at=3)
    with pytest.raises(StoreUnavailable):
        declare(engine, large(100))
    other = large(3, "other-")
    declared = declare(engine, other)
    assert not declared.resumed
    assert engine.always_whole
    assert ids(Catalogs(engine).read().catalog) == ids(other)


def test_plans_too_large_for_one_transaction_together_go_in_several(engine: Engine) -> None:
    base = large(1)
    limits = tuple(replace(month("0"), name=f"{n}-{'x' * 240}") for n in range(900))
    plans = tuple(Plan(key=f"p{n}", version=1, entitlements=(month("0"),), limits=limits) for n in range(14))
    declared = declare(engine, replace(base, plans=plans))
    assert declared.version == 2
    assert len(Catalogs(engine).read().catalog.plans) == 14


def test_readers_and_writers_beside_a_large_declaration_see_whole_catalogs(dynamo_engine: DynamoEngine) -> None:
    declare(dynamo_engine, large(120))
    done = threading.Event()
    seen: list[bool] = []

    def look() -> None:
        while not done.is_set():
            try:
                seen.append(whole(Catalogs(dynamo_engine).read().catalog))
            except Contended:
                continue

    readers = [threading.Thread(target=look) for _ in range(3)]
    for reader in readers:
        reader.start()
    declare(dynamo_engine, large(120, "other-"))
    done.set()
    for reader in readers:
        reader.join()
    assert seen
    assert all(seen)


KEYS = ("a", "b", "c")


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    meters = draw(st.lists(st.sampled_from(KEYS), unique=True))
    features = [
        Feature(key=f"f{key}", meter=key) if key in meters else Feature(key=f"s{key}", type="boolean")
        for key in draw(st.lists(st.sampled_from(KEYS), unique=True))
    ]
    plans = []
    for key in draw(st.lists(st.sampled_from(KEYS), unique=True)):
        named = draw(st.lists(st.sampled_from(features), unique_by=lambda f: f.key)) if features else []
        counted = tuple(month(f.key, draw(st.integers(0, 3))) for f in named if f.meter is not None)
        fixed = tuple(Switch(feature=f.key, enabled=True) for f in named if f.meter is None)
        plans.append(Plan(key=key, version=1, entitlements=counted, fixed=fixed))
    counting = tuple(Meter(key=key, event_type="e", aggregation="count") for key in meters)
    return Catalog(meters=counting, features=tuple(features), plans=tuple(plans))


@given(catalogs(), catalogs())
def test_every_prefix_of_the_changes_leaves_a_whole_catalog(before: Catalog, after: Catalog) -> None:
    entries: dict[object, CatalogEntry] = {_name(e): e for e in _listed(before)}
    assert whole(before)
    for change in changes(before, after):
        entries = _made(entries, change)
        held = tuple(entries.values())
        assert whole(
            Catalog(
                meters=tuple(e for e in held if isinstance(e, Meter)),
                features=tuple(e for e in held if isinstance(e, Feature)),
                plans=tuple(e for e in held if isinstance(e, Plan)),
            )
        )
    assert set(entries) == {_name(e) for e in _listed(after)}


def _listed(catalog: Catalog) -> tuple[CatalogEntry, ...]:
    return (*catalog.meters, *catalog.features, *catalog.plans)


def _name(entry: CatalogEntry) -> object:
    return type(entry), entry.key


def _made(entries: dict[object, CatalogEntry], change: CatalogChange) -> dict[object, CatalogEntry]:
    if change.action == "removed":
        return {name: entry for name, entry in entries.items() if name != _name(change.entry)}
    return {**entries, _name(change.entry): change.entry}


METER = Meter(key="m", event_type="e", aggregation="count")
OFFER = Catalog(
    meters=(METER,),
    features=(Feature(key="f", meter="m"), Feature(key="s", type="boolean")),
    plans=(
        Plan(key="free", version=1, entitlements=(month("f"),), upgrade_to="pro"),
        Plan(key="pro", version=1, entitlements=(month("f", 10),), fixed=(Switch(feature="s", enabled=True),)),
    ),
)


def stores(engine: Engine) -> Stores:
    return Stores(catalog=Catalogs(engine), customers=Customers(engine), cells=CellVersions(engine))


def give(engine: Engine, customer: str, plan: str) -> None:
    put_customer(stores(engine), customer, ProfileChange(plan=plan), expected=None, now=NOW)


def test_customers_of_each_plan_are_counted_in_the_transaction_that_gives_it(engine: Engine) -> None:
    declare(engine, OFFER)
    for n in range(5):
        give(engine, f"c{n}", "free")
    give(engine, "c0", "pro")
    give(engine, "c0", "pro")
    end_subscription(stores(engine), "c1", expected=None, now=NOW)
    end_subscription(stores(engine), "c1", expected=None, now=NOW)
    change = SubscriptionChange(plan="pro")
    put_subscription(stores(engine), "c2", change, expected=None, now=NOW)
    put_subscription(stores(engine), "c2", SubscriptionChange(plan="free"), expected=None, now=NOW)
    put_customer(stores(engine), "c9", ProfileChange(), expected=None, now=NOW)
    assert dict(Catalogs(engine).customers()) == {("free", 1): 3, ("pro", 1): 1}
    assert Catalogs(engine).read().catalog == OFFER, "counters are no part of the catalog"


TOKEN = Unit(name="token", display="token")


@pytest.mark.parametrize(
    ("wanted", "concerned", "customers"),
    [
        (OFFER, {}, 0),
        (replace(OFFER, meters=(replace(METER, dimensions={"a": ("a",)}),)), {"m": 5}, 5),
        (
            replace(
                OFFER,
                features=(replace(OFFER.features[0], unit=TOKEN), OFFER.features[1]),
            ),
            {"f": 5},
            5,
        ),
        (
            replace(OFFER, plans=(*OFFER.plans, Plan(key="pro", version=2, entitlements=(month("f", 99),)))),
            {"pro": 3},
            3,
        ),
        (replace(OFFER, plans=(*OFFER.plans, replace(OFFER.plans[1], version=2))), {"pro": 0}, 0),
        (replace(OFFER, plans=(*OFFER.plans, Plan(key="else", version=1))), {"else": 0}, 0),
    ],
)
def test_a_dry_run_says_how_many_customers_each_change_touches(
    wanted: Catalog, concerned: dict[str, int], customers: int
) -> None:
    engine = MemoryEngine()
    declare(engine, OFFER)
    for n in range(3):
        give(engine, f"free-{n}", "free")
    for n in range(2):
        give(engine, f"pro-{n}", "pro")
    written = len(engine.stream)
    declared = declare(engine, wanted, dry_run=True)
    assert len(engine.stream) == written
    told = {change.entry.key: count for change, count in zip(declared.changes, declared.concerned, strict=True)}
    assert (told, declared.customers) == (concerned, customers)


def test_customers_who_come_all_at_once_are_counted_once_each(dynamo_engine: DynamoEngine) -> None:
    declare(dynamo_engine, OFFER)
    start = threading.Barrier(24)

    def come(number: int) -> None:
        start.wait()
        while True:
            try:
                give(dynamo_engine, f"c{number}", "free")
                give(dynamo_engine, f"c{number}", "pro" if number % 3 else "free")
            except Contended:
                continue
            return

    threads = [threading.Thread(target=come, args=(n,)) for n in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {plan: n for plan, n in Catalogs(dynamo_engine).customers().items() if n} == {
        ("free", 1): 8,
        ("pro", 1): 16,
    }
