"""Customers: what a plan lets them consume is in force when the answer is given, whatever happened in between."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tallygate.contracts.catalog.catalog import read_catalog
from tallygate.domain.base.instants import DAY, HOUR, of_datetime
from tallygate.domain.catalog.catalog import ExpectedVersion
from tallygate.domain.customers.customers import CustomerRecord, ProfileChange, SubscriptionChange
from tallygate.domain.limits.counters import CellName
from tallygate.domain.periods.recurrence import window_at
from tallygate.errors import Conflict, InvalidRequest, NotFound, PreconditionFailed
from tallygate.operations.admission.attempts import Consume
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.operations.base import known_customers
from tallygate.operations.catalog.catalog import declare_catalog
from tallygate.operations.customers import customers as operations
from tallygate.operations.customers.customers import Stores
from tallygate.operations.limits.in_force import announce_limits
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base import keys
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.catalog.catalog import Catalogs
from tallygate.storage.customers.customers import Customers
from tallygate.storage.journal.past_usage import CellVersions
from tallygate.storage.limits.versions import effective_of

NOW = of_datetime(datetime(2026, 3, 10, tzinfo=UTC))


def catalog(*plans: dict[str, Any]) -> Any:
    return read_catalog(
        {
            "meters": [{"key": "m", "event_type": "e", "aggregation": "count"}],
            "features": [{"key": key, "type": "metered", "meter": "m"} for key in ("images", "tokens")],
            "plans": [*plans, {"key": "none"}],
        }
    )


def plan(key: str, *limits: tuple[str, int], version: int = 1) -> dict[str, Any]:
    entitlements = [{"feature": f, "limit": limit, "period": {"every": "month"}} for f, limit in limits]
    return {"key": key, "version": version, "entitlements": entitlements}


FREE = plan("free", ("images", 2))
PRO = plan("pro", ("images", 5), ("tokens", 100))


def declare(engine: Engine, *plans: dict[str, Any]) -> None:
    declare_catalog(Catalogs(engine), catalog(*plans), expected=None, dry_run=False, now=NOW)


def stores(engine: Engine) -> Stores:
    return Stores(catalog=Catalogs(engine), customers=Customers(engine), cells=CellVersions(engine))


def put(
    engine: Engine, customer: str = "acme", *, expected: ExpectedVersion | None = None, now: int = NOW, **change: Any
) -> CustomerRecord:
    record, _ = operations.put_customer(stores(engine), customer, ProfileChange(**change), expected=expected, now=now)
    return record


def subscribe(engine: Engine, key: str, version: int | None = None, **more: Any) -> CustomerRecord:
    change = SubscriptionChange(plan=key, version=version, **more)
    return operations.put_subscription(stores(engine), "acme", change, expected=None, now=NOW)


def ask(engine: Engine, memory: Memory, feature: str = "images", customer: str = "acme", now: int = NOW) -> Any:
    request = Consume(
        customer=customer, feature=feature, amount=Decimal(1), dimensions={}, request_id=None, idempotency_key=None
    )
    return consume(Cells(engine), memory, request, now=now, entropy=lambda n: b"\x07" * n)


@pytest.fixture
def store(engine: Engine) -> Engine:
    """An engine with a catalog of two plans."""
    declare(engine, FREE, PRO)
    return engine


def test_a_customer_is_read_back_as_it_was_put(store: Engine) -> None:
    record = put(
        store,
        name="Acme",
        timezone="Asia/Tokyo",
        subject_keys=frozenset({"u1", "acme", "u#2"}),
        stripe_customer_id="cus_1",
        metadata={"tier": "gold"},
        plan="free",
    )
    assert record.version == 1
    assert record.customer.subject_keys == {"u1", "u#2"}
    assert known_customers.customer(Customers(store), "acme") == record


def test_an_unknown_customer_is_not_found(store: Engine) -> None:
    calls: list[Callable[[], object]] = [
        lambda: known_customers.customer(Customers(store), "nobody"),
        lambda: operations.end_subscription(stores(store), "nobody", expected=None, now=NOW),
        lambda: subscribe(store, "free"),
    ]
    for call in calls:
        with pytest.raises(NotFound) as caught:
            call()
        assert caught.value.code == "customer_not_found"


def test_the_same_request_again_changes_nothing() -> None:
    engine = MemoryEngine()
    declare(engine, FREE)
    first = put(engine, plan="free", timezone="Asia/Tokyo")
    written = len(engine.stream)
    assert put(engine, plan="free", timezone="Asia/Tokyo", now=NOW + DAY) == first
    assert len(engine.stream) == written


def test_what_is_left_out_stays_and_null_clears(store: Engine) -> None:
    put(store, name="Acme", timezone="Asia/Tokyo", metadata={"a": "b"}, subject_keys=frozenset({"u1"}), plan="free")
    record = put(store, metadata={"c": "d"})
    assert (record.customer.name, record.customer.timezone, record.customer.metadata) == (
        "Acme",
        "Asia/Tokyo",
        {"c": "d"},
    )
    assert record.active_plan == ("free", 1)
    record = put(store, name=None, timezone=None, metadata=None, subject_keys=None)
    assert (record.customer.name, record.customer.timezone, record.customer.metadata) == (None, "UTC", {})
    assert store.get(keys.subject("u1")) is None


def test_a_plan_is_in_force_when_the_answer_is_given(store: Engine) -> None:
    memory = Memory()
    put(store)
    assert ask(store, memory).reason == "no_active_subscription"
    put(store, plan="free")
    assert [ask(store, memory).granted for _ in range(3)] == [True, True, False]
    put(store, plan="pro")
    assert [ask(store, memory).granted for _ in range(4)] == [True, True, True, False]


def test_a_remembered_plan_is_refused_as_soon_as_it_is_gone(store: Engine) -> None:
    """Also for a feature that the new plan does not have: its cell is told all the same."""
    put(store, plan="pro")
    memory = Memory()
    assert ask(store, memory, "tokens").granted
    put(store, plan="free")
    assert ask(store, memory, "tokens").reason == "not_entitled"
    operations.end_subscription(stores(store), "acme", expected=None, now=NOW)
    assert ask(store, memory).reason == "no_active_subscription"


def test_a_change_of_plan_keeps_what_was_used_and_leaving_refills_nothing(store: Engine) -> None:
    memory = Memory()
    put(store, plan="free")
    assert [ask(store, memory).granted for _ in range(3)] == [True, True, False]
    operations.end_subscription(stores(store), "acme", expected=None, now=NOW)
    put(store, plan="free")
    assert not ask(store, memory).granted
    put(store, plan="pro")
    assert [ask(store, memory).granted for _ in range(4)] == [True, True, True, False]


def test_the_shorthand_keeps_the_version_and_takes_the_newest_of_another_plan(store: Engine) -> None:
    put(store, plan="free")
    declare(store, FREE, plan("free", ("images", 9), version=2), plan("pro", ("images", 9), version=3), PRO)
    assert put(store, plan="free").active_plan == ("free", 1)
    assert put(store, plan="pro").active_plan == ("pro", 3)
    assert subscribe(store, "free").active_plan == ("free", 2)
    assert subscribe(store, "free", 1).active_plan == ("free", 1)


@pytest.mark.parametrize(("key", "version", "pointer"), [("gold", None, "/plan"), ("free", 7, "/version")])
def test_an_unknown_plan_is_named(store: Engine, key: str, version: int | None, pointer: str) -> None:
    put(store)
    with pytest.raises(InvalidRequest) as caught:
        subscribe(store, key, version)
    assert [(error.pointer, error.code) for error in caught.value.errors] == [(pointer, "plan_not_found")]


def test_a_subscription_goes_on_through_a_change_of_plan_and_begins_anew_after_its_end(store: Engine) -> None:
    put(store, plan="free", now=NOW - DAY)
    assert subscribe(store, "pro").subscription.started_at == NOW - DAY  # type: ignore[union-attr]  # it has one
    ended = operations.end_subscription(stores(store), "acme", expected=None, now=NOW)
    again = operations.end_subscription(stores(store), "acme", expected=None, now=NOW + 1)
    assert ended == again
    assert subscribe(store, "pro").subscription.started_at == NOW  # type: ignore[union-attr]  # it has one
    assert subscribe(store, "pro", started_at=NOW - 9).subscription.started_at == NOW - 9  # type: ignore[union-attr]
    with pytest.raises(InvalidRequest):
        subscribe(store, "pro", started_at=NOW + 1)


def test_there_is_no_subscription_to_end_where_there_never_was_one(store: Engine) -> None:
    put(store)
    with pytest.raises(NotFound) as caught:
        operations.end_subscription(stores(store), "acme", expected=None, now=NOW)
    assert caught.value.code == "no_active_subscription"


def test_a_plan_that_was_given_away_can_no_longer_change(store: Engine) -> None:
    put(store, plan="free")
    with pytest.raises(Conflict) as caught:
        declare(store, plan("free", ("images", 3)), PRO)
    assert caught.value.code == "plan_in_use"
    declare(store, FREE)


@dataclass(slots=True)
class Between(MemoryEngine):
    """Lets something happen once, just before the next transaction; or sends each transaction twice."""

    between: list[Callable[[], object]] = field(default_factory=list)
    twice: bool = False

    def transact(self, writes: Any, *, repeatable: bool = False) -> Any:
        if self.between:
            self.between.pop()()
        outcome = MemoryEngine.transact(self, writes, repeatable=repeatable)
        return MemoryEngine.transact(self, writes, repeatable=repeatable) if self.twice and repeatable else outcome


def test_limits_are_those_of_the_plan_that_the_catalog_has_in_the_end() -> None:
    """The plan is replaced after it was read and before it is given away, from when on it can no longer change."""
    engine = Between()
    declare(engine, FREE, PRO)
    engine.between.append(lambda: declare(engine, plan("free", ("images", 3)), PRO))
    assert put(engine, plan="free").effective.entitlements["images"].quota.limit == 3


def test_a_change_that_was_sent_twice_is_answered_as_made_once() -> None:
    engine = Between(twice=True)
    declare(engine, FREE, PRO)
    record, created = operations.put_customer(
        stores(engine), "acme", ProfileChange(plan="free"), expected=ExpectedVersion(frozenset({0})), now=NOW
    )
    assert (record.version, created) == (1, True)
    changed = put(engine, name="Acme", expected=ExpectedVersion(frozenset({1})))
    assert (changed.version, changed.customer.name) == (2, "Acme")


def test_subject_keys_belong_to_one_customer(store: Engine) -> None:
    put(store, subject_keys=frozenset({"u1", "u2"}))
    with pytest.raises(Conflict) as caught:
        put(store, "bolt", subject_keys=frozenset({"u0", "u2"}))
    assert "u2" in caught.value.detail
    assert [error.pointer for error in caught.value.errors] == ["/subject_keys"]
    assert store.get(keys.subject("u0")) is None
    put(store, subject_keys=frozenset({"u1"}))
    put(store, "bolt", subject_keys=frozenset({"u0", "u2"}))


def test_an_id_and_a_subject_key_never_name_two_customers(store: Engine) -> None:
    put(store, subject_keys=frozenset({"u1"}))
    with pytest.raises(Conflict):
        put(store, "u1")
    with pytest.raises(Conflict):
        put(store, "bolt", subject_keys=frozenset({"acme"}))
    assert store.get(keys.profile("u1")) is None


def test_a_zone_acts_from_the_end_of_the_period_that_has_begun(store: Engine) -> None:
    put(store, plan="free", timezone="America/New_York")
    window = window_at(put(store).effective.entitlements["images"].quota.schedule, NOW)
    changed = put(store, timezone="Asia/Tokyo").effective.entitlements["images"].quota.schedule
    assert window_at(changed, NOW) == window
    assert window_at(changed, window.end).start == window.end


def test_another_version_than_the_expected_one_is_refused(store: Engine) -> None:
    with pytest.raises(PreconditionFailed):
        put(store, expected=ExpectedVersion(None))
    version = put(store, plan="free").version
    subscribe(store, "pro")
    with pytest.raises(PreconditionFailed):
        put(store, name="x", expected=ExpectedVersion(frozenset({version})))
    assert put(store, name="x", expected=ExpectedVersion(frozenset({version + 1}))).version == version + 2


@dataclass(slots=True)
class Dying(MemoryEngine):
    """Dies at the first write to a cell: after the limits were written, before any cell was told."""

    alive: list[bool] = field(default_factory=lambda: [True])

    def write(self, write: Any, *, repeatable: bool = False) -> Any:
        if self.alive and write.key.pk.startswith("CELL#") and not self.alive[0]:
            raise KeyboardInterrupt
        return MemoryEngine.write(self, write, repeatable=repeatable)


@pytest.mark.parametrize("mended_by", ["stream", "retry"])
def test_a_crash_before_the_cells_were_told_is_mended(mended_by: str) -> None:
    engine = Dying()
    declare(engine, FREE, PRO)
    put(engine, plan="pro")
    memory = Memory()
    assert ask(engine, memory, "tokens").granted
    engine.alive[0] = False
    with pytest.raises(KeyboardInterrupt):
        put(engine, plan="free")
    engine.alive[0] = True
    assert ask(engine, memory, "tokens").granted, "remembered limits still hold: nobody has told the cell"
    if mended_by == "stream":
        announce_limits(CellVersions(engine), effective_of(engine.items[keys.effective("acme")]), NOW)
    else:
        put(engine, plan="free")
    assert ask(engine, memory, "tokens").reason == "not_entitled"


def test_many_who_change_one_customer_at_once_lose_nothing(dynamo_engine: DynamoEngine) -> None:
    declare(dynamo_engine, FREE, PRO)
    put(dynamo_engine, plan="free")
    start = threading.Barrier(4)
    outcomes: list[CustomerRecord | Exception] = []

    def call(change: dict[str, Any]) -> None:
        start.wait()
        try:
            outcomes.append(put(dynamo_engine, **change))
        except Exception as error:  # noqa: BLE001  # examined below
            outcomes.append(error)

    changes: list[dict[str, Any]] = [
        {"name": "A"},
        {"timezone": "Asia/Tokyo"},
        {"plan": "pro"},
        {"metadata": {"a": "b"}},
    ]
    threads = [threading.Thread(target=call, args=(change,)) for change in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    record = known_customers.customer(Customers(dynamo_engine), "acme")
    assert not [outcome for outcome in outcomes if not isinstance(outcome, CustomerRecord)]
    assert record.version == 5
    assert (record.customer.name, record.customer.timezone, record.customer.metadata) == ("A", "Asia/Tokyo", {"a": "b"})
    assert record.active_plan == ("pro", 1)
    cell = Cells(dynamo_engine).read(CellName("acme", "images"))
    assert cell.version == record.effective.version


def test_of_two_who_claim_a_subject_key_at_once_one_gets_it(dynamo_engine: DynamoEngine) -> None:
    declare(dynamo_engine)
    start = threading.Barrier(4)
    outcomes: list[str] = []

    def call(customer: str) -> None:
        start.wait()
        try:
            put(dynamo_engine, customer, subject_keys=frozenset({"shared"}))
            outcomes.append("claimed")
        except Conflict as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=call, args=(f"c{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["claimed", *["subject_taken"] * 3]


def test_a_plan_is_either_removed_or_given_away_never_both(dynamo_engine: DynamoEngine) -> None:
    for number in range(6):
        key, customer = f"gift-{number}", f"c{number}"
        given_before = Catalogs(dynamo_engine).read().in_use
        declare(dynamo_engine, *(_gift(n) for n in range(number) if (f"gift-{n}", 1) in given_before), _gift(number))
        start = threading.Barrier(2)
        outcomes: dict[str, str] = {}

        def run(what: str, call: Callable[[], object], start: threading.Barrier, outcomes: dict[str, str]) -> None:
            start.wait()
            try:
                call()
                outcomes[what] = "done"
            except InvalidRequest as error:
                outcomes[what] = error.errors[0].code

        def remove(kept: int = number) -> None:
            given = Catalogs(dynamo_engine).read().in_use
            declare(dynamo_engine, *(_gift(n) for n in range(kept) if (f"gift-{n}", 1) in given))

        def give(customer: str = customer, key: str = key) -> None:
            put(dynamo_engine, customer, plan=key)

        threads = [
            threading.Thread(target=run, args=(what, call, start, outcomes))
            for what, call in (("remove", remove), ("give", give))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes in (
            {"remove": "done", "give": "plan_not_found"},
            {"remove": "plan_in_use", "give": "done"},
        )
        held = Catalogs(dynamo_engine).read()
        assert ((key, 1) in held.in_use) == (outcomes["give"] == "done")
        declare(dynamo_engine, *(_gift(n) for n in range(number + 1) if (f"gift-{n}", 1) in held.in_use))


def _gift(number: int) -> dict[str, Any]:
    return plan(f"gift-{number}", ("images", 1))


def test_a_change_of_plan_at_once_leaves_the_running_windows(engine: Engine) -> None:
    def anchored(key: str, at: str) -> dict[str, Any]:
        entitled = {"feature": "images", "limit": 2, "period": {"every": "month", "anchor": at}}
        return {"key": key, "entitlements": [entitled]}

    declare(engine, anchored("a", "2026-01-01T00:00:00Z"), anchored("b", "2026-01-02T00:00:00Z"))
    put(engine, plan="a")
    granted = 0
    for hour, (key, zone) in enumerate([("a", "UTC"), ("b", "UTC"), ("a", "UTC"), ("b", "UTC")]):
        now = NOW + hour * HOUR
        put(engine, plan=key, timezone=zone, at_once=True, now=now)
        granted += sum(ask(engine, Memory(), now=now + i).granted for i in range(1, 5))
    assert granted == 2, "no refill by switching plans"
    moved = put(engine, plan="a", timezone="Asia/Tokyo", at_once=True, now=NOW + DAY)
    window = window_at(moved.effective.entitlements["images"].quota.schedule, NOW + DAY)
    assert window.start < NOW, "nor by another zone, beside a change of plan"
    assert put(engine, plan="a", timezone="Asia/Tokyo", at_once=True, now=NOW + DAY + HOUR) == moved
