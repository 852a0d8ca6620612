"""Declaring the catalog: only what differs is written, and nothing that usage was counted by can change."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tallygate.domain.catalog.catalog import Catalog, ExpectedVersion, Feature, Plan, PlanLimit, QuotaTerms, name_of
from tallygate.domain.catalog.units import Unit
from tallygate.domain.metering.meters import Meter
from tallygate.domain.metering.settings import Settings
from tallygate.errors import Conflict, Contended, InvalidRequest, PreconditionFailed
from tallygate.operations.catalog.catalog import Declared, declare_catalog
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Cancelled, Committed, Engine, Require, Write
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.catalog.catalog import Catalogs, mark_in_use

NOW = 1_700_000_000_000
METER = Meter(key="tokens", event_type="llm", aggregation="sum", value=("tokens",), dimensions={"model": ("m",)})
LIMIT = PlanLimit(name="tokens", feature="tokens", quotas=(QuotaTerms(limit=None, every="month"),))
PRO = Plan(key="pro", version=1, entitlements=(LIMIT,))
CATALOG = Catalog(meters=(METER,), features=(Feature(key="tokens", meter="tokens"),), plans=(PRO,))


def declare(
    engine: Engine, wanted: Catalog, expected: ExpectedVersion | None = None, *, dry_run: bool = False
) -> Declared:
    return declare_catalog(Catalogs(engine), wanted, expected=expected, dry_run=dry_run, now=NOW)


def test_only_what_differs_is_written() -> None:
    engine = MemoryEngine()
    assert declare(engine, CATALOG).version == 1
    written = len(engine.stream)
    assert declare(engine, CATALOG) == Declared(version=1, changes=())
    assert len(engine.stream) == written
    declared = declare(engine, replace(CATALOG, plans=(PRO, Plan(key="pro", version=2))))
    assert (declared.version, [change.action for change in declared.changes]) == (2, ["added"])
    assert len(engine.stream) == written + 2


def test_a_change_of_the_settings_alone_is_a_change_that_concerns_nobody(engine: Engine) -> None:
    declare(engine, CATALOG)
    accepting = replace(CATALOG, settings=Settings(unknown_events="accept"))
    for dry_run in (True, False):
        (change,) = declare(engine, accepting, dry_run=dry_run).changes
        assert (change.action, name_of(change.entry)) == ("changed", {"kind": "settings", "key": "settings"})
    assert Catalogs(engine).read().catalog == accepting
    assert declare(engine, accepting) == Declared(version=2, changes=())
    assert declare(engine, CATALOG).version == 3
    assert Catalogs(engine).read().catalog.settings == Settings()


def test_a_dry_run_says_what_would_change_and_writes_nothing() -> None:
    engine = MemoryEngine()
    declare(engine, CATALOG)
    written = len(engine.stream)
    declared = declare(engine, replace(CATALOG, plans=()), dry_run=True)
    assert (declared.version, [change.action for change in declared.changes]) == (1, ["removed"])
    assert len(engine.stream) == written


def test_another_version_than_the_expected_one_is_refused(engine: Engine) -> None:
    with pytest.raises(PreconditionFailed):
        declare(engine, CATALOG, ExpectedVersion(None))
    declare(engine, CATALOG, ExpectedVersion(frozenset({0})))
    declare(engine, CATALOG, ExpectedVersion(None))
    with pytest.raises(PreconditionFailed):
        declare(engine, replace(CATALOG, plans=()), ExpectedVersion(frozenset({0})))
    declare(engine, replace(CATALOG, plans=()), ExpectedVersion(frozenset({7, 1})))


class SentTwice(MemoryEngine):
    """The answer of each transaction is lost, and it is sent again."""

    def transact(self, writes: Sequence[Write | Require], *, repeatable: bool = False) -> Committed | Cancelled:
        assert repeatable
        super().transact(writes)
        return super().transact(writes)


def test_a_declaration_that_was_sent_twice_is_answered_as_made_once() -> None:
    engine = SentTwice()
    declared = declare(engine, CATALOG, ExpectedVersion(frozenset({0})))
    assert (declared.version, len(declared.changes)) == (1, 3)


@pytest.mark.parametrize("plans", [(), (Plan(key="pro", version=1),)])
def test_a_plan_that_customers_have_neither_changes_nor_goes(plans: tuple[Plan, ...]) -> None:
    engine = MemoryEngine()
    declare(engine, CATALOG)
    engine.write(mark_in_use(PRO.id, 1))
    with pytest.raises(Conflict) as caught:
        declare(engine, replace(CATALOG, plans=plans))
    assert caught.value.code == "plan_in_use"
    assert "pro version 1" in caught.value.detail


def test_a_new_version_stands_beside_the_one_in_use() -> None:
    engine = MemoryEngine()
    declare(engine, CATALOG)
    engine.write(mark_in_use(PRO.id, 1))
    assert declare(engine, replace(CATALOG, plans=(Plan(key="pro", version=2), PRO))).version == 2


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        (replace(CATALOG, meters=(replace(METER, event_type="x"),)), "/meters/0/event_type"),
        (replace(CATALOG, meters=(replace(METER, aggregation="count", value=None),)), "/meters/0/aggregation"),
        (replace(CATALOG, meters=(replace(METER, value=("x",)),)), "/meters/0/value"),
        (replace(CATALOG, meters=(replace(METER, dimensions={}),)), "/meters/0/dimensions"),
        (replace(CATALOG, features=(Feature(key="tokens", meter="other"),)), "/features/0/meter"),
        (replace(CATALOG, features=(Feature(key="tokens", type="boolean"),), plans=()), "/features/0/type"),
    ],
)
def test_what_usage_was_counted_by_cannot_change(wanted: Catalog, pointer: str) -> None:
    engine = MemoryEngine()
    declare(engine, CATALOG)
    with pytest.raises(Conflict) as caught:
        declare(engine, wanted)
    assert pointer in [error.pointer for error in caught.value.errors]
    assert {error.code for error in caught.value.errors} == {"immutable"}


def test_what_was_removed_comes_back_as_what_it_was_or_not_at_all(engine: Engine) -> None:
    declare(engine, CATALOG)
    assert len(declare(engine, Catalog()).changes) == 3
    with pytest.raises(Conflict) as caught:
        declare(engine, Catalog(meters=(replace(METER, aggregation="count", value=None),)))
    assert {error.pointer for error in caught.value.errors} == {"/meters/0/aggregation", "/meters/0/value"}
    other = Meter(key="calls", event_type="llm", aggregation="count")
    with pytest.raises(Conflict):
        declare(engine, Catalog(meters=(METER, other), features=(Feature(key="tokens", meter="calls"),)))
    declare(engine, CATALOG)
    assert Catalogs(engine).read().catalog == CATALOG


def test_a_meter_may_gain_dimensions_and_a_feature_a_unit() -> None:
    engine = MemoryEngine()
    declare(engine, CATALOG)
    meter = replace(METER, dimensions={"model": ("m",), "team": ("t",)})
    feature = Feature(key="tokens", meter="tokens", unit=Unit(name="token", display="token"))
    assert declare(engine, replace(CATALOG, meters=(meter,), features=(feature,))).version == 2


def test_a_plan_that_no_item_holds_is_refused(engine: Engine) -> None:
    limits = tuple(replace(LIMIT, name=f"{n}-{'x' * 240}") for n in range(1500))
    with pytest.raises(InvalidRequest) as caught:
        declare(engine, replace(CATALOG, plans=(replace(PRO, limits=limits),)))
    assert caught.value.code == "too_large"


def test_two_who_declare_at_once_end_as_if_one_came_after_the_other(dynamo_engine: DynamoEngine) -> None:
    """Both replace the same version; the later one is planned afresh, and nobody's change is half there."""
    outcomes: list[object] = []
    start = threading.Barrier(6)

    def call(name: str) -> None:
        start.wait()
        try:
            outcomes.append(
                declare(dynamo_engine, Catalog(plans=(Plan(key=name, version=1), Plan(key=name, version=2))))
            )
        except Contended as error:
            outcomes.append(error)

    threads = [threading.Thread(target=call, args=(f"plan-{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = Catalogs(dynamo_engine).read()
    declared = [outcome for outcome in outcomes if isinstance(outcome, Declared)]
    assert len(outcomes) == 6
    assert stored.version == len(declared)
    assert [plan.version for plan in stored.catalog.plans] == [1, 2]
    assert len({plan.key for plan in stored.catalog.plans}) == 1
