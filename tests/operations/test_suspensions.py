"""Suspensions by hand: a customer, feature or scope is denied from the very next decision on, until it is resumed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tallygate.contracts.admission.entitlements import entitlement_answer
from tallygate.contracts.catalog.catalog import read_catalog
from tallygate.contracts.limits.suspensions import judge, suspension_answer
from tallygate.domain.admission.decision import Decision, Reason
from tallygate.domain.base.instants import format_instant
from tallygate.domain.customers.customers import CustomerRecord, ProfileChange
from tallygate.domain.entries.notices import ResumeEntry
from tallygate.domain.facts.audits import EVERY_FEATURE, announced
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.suspensions import SUSPENSIONS_MAX, Suspension
from tallygate.errors import InvalidRequest, NotFound
from tallygate.operations.admission.check import check
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.entitlements import entitlement, entitlements
from tallygate.operations.admission.memory import Memory
from tallygate.operations.base import known_customers
from tallygate.operations.base.receipts import Body, Outcome, Planned, once
from tallygate.operations.catalog.catalog import declare_catalog
from tallygate.operations.customers import customers, suspensions
from tallygate.operations.customers.audits import list_audits
from tallygate.storage.admission import cell_image
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base import items, keys
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.expressions import Set
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.base.receipts import Receipts
from tallygate.storage.catalog.catalog import Catalogs
from tallygate.storage.corrections.controls import CellControls
from tallygate.storage.customers.customers import Customers
from tallygate.storage.entries.entries import entry_of
from tallygate.storage.entries.writes import LAST, CellWrite
from tallygate.storage.facts.audits import Audits
from tallygate.storage.facts.outbox import fact_of
from tallygate.storage.journal.past_usage import CellVersions
from tests.given import ENTRY, NOW, wanted
from tests.truth import container, drain

MONTH = {"every": "month"}
CATALOG: dict[str, Any] = {
    "meters": [{"key": "m", "event_type": "e", "aggregation": "count", "dimensions": {"model": "$.model"}}],
    "features": [
        {"key": "images", "type": "metered", "meter": "m"},
        {"key": "tokens", "type": "metered", "meter": "m"},
        {"key": "sso", "type": "boolean"},
        {"key": "extra", "type": "metered", "meter": "m"},
    ],
    "plans": [
        {
            "key": "pro",
            "entitlements": [
                {"feature": "images", "limit": 10, "period": MONTH},
                {"feature": "tokens", "limit": 10, "period": MONTH},
                {"feature": "sso", "enabled": True},
            ],
            "limits": [{"name": "l", "feature": "images", "scope": {"model": "large"}, "limit": 5, "period": MONTH}],
        },
        {"key": "free", "entitlements": [{"feature": "images", "limit": 3, "period": MONTH}]},
    ],
}
LARGE = {"model": "large"}


@pytest.fixture
def store(engine: Engine) -> Engine:
    """A customer of the plan pro."""
    declare_catalog(Catalogs(engine), read_catalog(CATALOG), expected=None, dry_run=False, now=NOW)
    customers.put_customer(plain(engine), "acme", ProfileChange(plan="pro"), expected=None, now=NOW)
    return engine


def plain(engine: Engine) -> customers.Stores:
    return customers.Stores(catalog=Catalogs(engine), customers=Customers(engine), cells=CellVersions(engine))


def stores(engine: Engine) -> suspensions.Stores:
    return suspensions.Stores(
        catalog=Catalogs(engine),
        customers=Customers(engine),
        cells=CellVersions(engine),
        controls=CellControls(engine),
        audits=Audits(engine),
    )


def post(
    move: Callable[..., Planned],
    engine: Engine,
    feature: str | None = None,
    scope: dict[str, str] | None = None,
    *,
    key: str | None = None,
    reason: str = "abuse",
    actor: str = "ops",
    now: int = NOW,
    customer: str = "acme",
) -> Outcome:
    """As the route does it: planned, committed with its receipt, and told to the cells."""

    def plan() -> Planned:
        asked = suspensions.SuspensionRequest(
            id=f"audit_{os.urandom(6).hex()}",
            customer=customer,
            feature=feature,
            scope=scope or {},
            reason=reason,
            actor=actor,
        )
        return move(stores(engine), asked, judge, suspension_answer, now=now)

    def finish(body: Body) -> Body:
        suspensions.tell(stores(engine), customer, now)
        return body

    receipts, fingerprint = Receipts(engine), f"{feature}{scope}{reason}"
    return once(receipts, plan, operation="o", idempotency_key=key, fingerprint=fingerprint, now=now, finish=finish)


def suspend(engine: Engine, feature: str | None = None, scope: dict[str, str] | None = None, **more: Any) -> Outcome:
    return post(suspensions.suspend, engine, feature, scope, **more)


def resume(engine: Engine, feature: str | None = None, scope: dict[str, str] | None = None, **more: Any) -> Outcome:
    return post(suspensions.resume, engine, feature, scope, **more)


def ask(engine: Engine, memory: Memory, feature: str = "images", **more: Any) -> Decision:
    request = replace(wanted(1, feature=feature), **{"dimensions": {}, **more})
    return consume(Cells(engine), memory, request, now=NOW, entropy=os.urandom)


def peek(engine: Engine, memory: Memory, feature: str = "images", amount: int = 1, **more: Any) -> Decision:
    request = replace(wanted(amount, feature=feature), **{"dimensions": {}, **more})
    return check(Cells(engine), memory, request, now=NOW)


def record(engine: Engine) -> CustomerRecord:
    return known_customers.customer(Customers(engine), "acme")


def suspend_cell(engine: Engine, feature: str, name: str = "sus", until: int = NOW + 1000) -> None:
    """As a tier's write leaves the cell."""
    entry = replace(ENTRY, feature=feature)
    engine.write(CellWrite(CellName("acme", feature), (Set(name, until),), entry).update)


def test_a_suspension_acts_at_the_next_decision_of_a_container_that_remembers_and_a_resume_too(store: Engine) -> None:
    memory, other = Memory(), Memory()
    assert ask(store, memory).granted and peek(store, other).granted
    suspend(store, "images")
    denied, peeked = ask(store, memory), peek(store, other)
    assert (denied.reason, peeked.reason) == (Reason.SUSPENDED, Reason.SUSPENDED)
    assert (denied.retry_at, denied.max_grantable, denied.limits[0].used) == (None, 0, 1)
    assert ask(store, memory, "tokens").granted
    resume(store, "images")
    assert ask(store, memory).limits[0].used == 2
    assert peek(store, other).granted


def test_a_whole_customer_is_denied_every_feature_in_any_amount(store: Engine) -> None:
    memory = Memory()
    assert peek(store, memory, "sso").granted
    suspend(store)
    for feature, amount in [("images", 0), ("images", 1), ("sso", 0), ("sso", 1), ("extra", 1)]:
        denied = peek(store, memory, feature, amount)
        assert (denied.granted, denied.reason, denied.suspension) == (
            False,
            Reason.SUSPENDED,
            record(store).effective.suspensions[0],
        )
    assert peek(store, memory, "nope").reason is Reason.FEATURE_NOT_FOUND
    assert peek(store, memory, customer="nobody").reason is Reason.CUSTOMER_NOT_FOUND
    assert peek(store, memory, "sso").fixed is not None
    with pytest.raises(InvalidRequest, match="boolean"):
        ask(store, memory, "sso")
    resume(store)
    assert peek(store, memory, "sso").granted and ask(store, memory).granted


def test_a_scope_is_denied_where_it_governs_and_nowhere_else(store: Engine) -> None:
    memory = Memory()
    suspend(store, "images", LARGE)
    assert ask(store, memory, dimensions=LARGE).reason is Reason.SUSPENDED
    assert ask(store, memory, dimensions={"model": "small"}).granted
    assert ask(store, memory).granted
    suspend(store, "images", {"api_key": "key_1"})
    assert ask(store, memory, api_key="key_1").reason is Reason.SUSPENDED
    assert ask(store, memory, api_key="key_2").granted


def test_suspension_needs_no_subscription_and_comes_before_its_absence(store: Engine) -> None:
    customers.end_subscription(plain(store), "acme", expected=None, now=NOW)
    suspend(store)
    assert peek(store, Memory()).reason is Reason.SUSPENDED
    with pytest.raises(NotFound, match="no active subscription"):
        entitlement(Cells(store), "acme", "images", now=NOW)
    customers.put_customer(plain(store), "fresh", ProfileChange(), expected=None, now=NOW)
    assert suspend(store, customer="fresh").body["changed"]
    assert record(store).effective.suspensions


def test_no_change_of_plan_or_profile_lifts_it(store: Engine) -> None:
    memory = Memory()
    suspend(store, "images")
    for change in (ProfileChange(plan="free"), ProfileChange(timezone="Europe/Paris", at_once=True)):
        customers.put_customer(plain(store), "acme", change, expected=None, now=NOW)
        assert ask(store, memory).reason is Reason.SUSPENDED
    customers.end_subscription(plain(store), "acme", expected=None, now=NOW)
    assert ask(store, memory).reason is Reason.SUSPENDED


def test_a_granted_request_is_repeated_to_its_retry_although_suspended_since(store: Engine) -> None:
    memory = Memory()
    first = ask(store, memory, request_id="r1")
    keyed = ask(store, memory, idempotency_key="k1")
    suspend(store)
    for again, before in [
        (ask(store, memory, request_id="r1"), first),
        (ask(store, memory, idempotency_key="k1"), keyed),
    ]:
        assert (again.granted, again.replayed, again.decision_id) == (True, True, before.decision_id)
    assert ask(store, memory, request_id="r2").reason is Reason.SUSPENDED


def test_suspending_again_replaces_reason_and_actor_and_keeps_since(store: Engine) -> None:
    first = suspend(store, "images")
    version = record(store).version
    assert suspend(store, "images", now=NOW + 1).body["changed"] is False
    assert record(store).version == version
    again = suspend(store, "images", reason="fraud", actor="cfo", now=NOW + 2)
    assert again.body["suspended"] == {**first.body["suspended"], "reason": "fraud", "actor": "cfo"}
    assert record(store).effective.suspensions == (
        Suspension(feature="images", reason="fraud", actor="cfo", since=NOW),
    )


def test_a_resume_lifts_its_own_target_only_and_nothing_where_nothing_is_suspended(store: Engine) -> None:
    before = record(store)
    assert resume(store, "images").body["changed"] is False
    assert record(store) == before
    suspend(store)
    suspend(store, "images")
    suspend(store, "images", LARGE)
    resume(store)
    assert ask(store, Memory()).reason is Reason.SUSPENDED
    resume(store, "images")
    assert ask(store, Memory()).granted
    assert ask(store, Memory(), dimensions=LARGE).reason is Reason.SUSPENDED
    resume(store, "images", LARGE)
    assert ask(store, Memory(), dimensions=LARGE).granted


@pytest.mark.parametrize("target", [None, "images"])
def test_a_resume_lifts_what_a_tier_has_suspended_too_and_says_so_in_the_journal(
    store: Engine, target: str | None
) -> None:
    suspend_cell(store, "images")
    suspend_cell(store, "tokens")
    before = cell_image.cell_of(store.get(keys.cell(CellName("acme", "images"))))
    assert ask(store, Memory()).reason is Reason.SUSPENDED
    lifted = resume(store, target).body
    assert (lifted["changed"], lifted["lifted"]) == (True, ["images", "tokens"] if target is None else ["images"])
    assert ask(store, Memory()).granted
    assert ask(store, Memory(), "tokens").granted is (target is None)
    image = store.get(keys.cell(CellName("acme", "images"))) or {}
    assert "sus" not in image and cell_image.cell_of(image).revision == before.revision + 2
    assert resume(store, target).body["changed"] is False


def test_the_journal_entry_of_a_resume_says_who_and_why(store: Engine) -> None:
    suspend_cell(store, "images")
    resume(store, "images", reason="paid", actor="ops")
    image = store.get(keys.cell(CellName("acme", "images"))) or {}
    expected = ResumeEntry(feature="images", time=NOW, actor="ops", reason="paid")
    assert entry_of(items.text(image, LAST)) == ("acme", expected)


def test_a_resume_of_a_scope_lifts_what_the_tiers_of_its_limits_suspended_and_no_more(store: Engine) -> None:
    ordinal = record(store).effective.entitlements["images"].limits[1].quotas[0].ordinal
    suspend_cell(store, "images", f"sus.{ordinal}")
    suspend_cell(store, "images", "sus")
    assert resume(store, "images", LARGE).body["lifted"] == ["images"]
    image = store.get(keys.cell(CellName("acme", "images"))) or {}
    assert ("sus" in image, f"sus.{ordinal}" in image) == (True, False)


def test_what_a_tier_has_suspended_until_now_is_not_lifted_again(store: Engine) -> None:
    suspend_cell(store, "images", until=NOW)
    assert resume(store, "images").body["changed"] is False


def test_a_replayed_resume_lifts_no_suspension_that_began_since(store: Engine) -> None:
    suspend(store, "images")
    assert resume(store, "images", key="k").body["changed"]
    suspend(store, "images", reason="again")
    suspend_cell(store, "images")
    assert resume(store, "images", key="k").replayed
    assert record(store).effective.suspensions
    assert "sus" in (store.get(keys.cell(CellName("acme", "images"))) or {})


def test_a_key_replays_the_answer_and_makes_one_entry(store: Engine) -> None:
    first, again = suspend(store, "images", key="k"), suspend(store, "images", key="k", now=NOW + 5)
    assert (again.replayed, again.body) == (True, first.body)
    same = suspend(store, "images", key="l")
    assert (same.body["changed"], suspend(store, "images", key="l").replayed) == (False, True)
    assert len(trail(store)) == 1


def test_a_crash_before_the_cells_were_told_is_mended_by_the_retry(store: Engine) -> None:
    memory = Memory()
    assert ask(store, memory).granted
    asked = suspensions.SuspensionRequest(id="audit_1", customer="acme", reason="r", actor="a")
    planned = suspensions.suspend(stores(store), asked, judge, suspension_answer, now=NOW)
    assert Receipts(store).commit(planned.moves)
    suspend(store, reason="r", actor="a")
    assert ask(store, memory).reason is Reason.SUSPENDED


def test_what_there_is_not_is_refused(store: Engine) -> None:
    with pytest.raises(NotFound):
        suspend(store, customer="nobody")
    for move in (suspend, resume):
        with pytest.raises(InvalidRequest) as caught:
            move(store, "nope")
        assert [(e.pointer, e.code) for e in caught.value.errors] == [("/feature", "feature_not_found")]
        with pytest.raises(InvalidRequest) as caught:
            move(store, "images", {"modle": "large"})
        assert [(e.pointer, e.code) for e in caught.value.errors] == [("/scope/modle", "unknown_reference")]


def test_a_customer_has_a_bounded_number_of_suspensions(store: Engine) -> None:
    seen = record(store)
    many = tuple(
        Suspension(feature="images", scope={"model": f"{n:04}"}, reason="r", actor="a", since=NOW)
        for n in range(SUSPENSIONS_MAX)
    )
    full = replace(seen, version=seen.version + 1, effective=replace(seen.effective, version=9, suspensions=many))
    assert Receipts(store).commit(Customers(store).change(seen, full))
    assert record(store) == full
    with pytest.raises(InvalidRequest, match="at most 200"):
        suspend(store)
    assert suspend(store, "images", {"model": "0000"}, reason="other").body["changed"]


def test_of_two_changes_at_once_neither_is_lost() -> None:
    engine = MemoryEngine()
    declare_catalog(Catalogs(engine), read_catalog(CATALOG), expected=None, dry_run=False, now=NOW)
    customers.put_customer(plain(engine), "acme", ProfileChange(plan="pro"), expected=None, now=NOW)
    raced: list[bool] = []

    def racing(*given: Any, **more: Any) -> Planned:
        planned = suspensions.suspend(*given, **more)
        if not raced:
            raced.append(True)
            suspend(engine, "tokens")
        return planned

    post(racing, engine, "images")
    assert [s.feature for s in record(engine).effective.suspensions] == ["images", "tokens"]


def test_a_suspended_consume_writes_nothing_and_reads_limits_and_cell_once() -> None:
    engine = MemoryEngine()
    declare_catalog(Catalogs(engine), read_catalog(CATALOG), expected=None, dry_run=False, now=NOW)
    customers.put_customer(plain(engine), "acme", ProfileChange(plan="pro"), expected=None, now=NOW)
    memory = Memory()
    ask(engine, memory)
    suspend(engine)
    ask(engine, memory)
    requests, written = engine.requests, len(engine.stream)
    assert ask(engine, memory).reason is Reason.SUSPENDED
    assert (engine.requests - requests, len(engine.stream) - written) == (2, 0)


def trail(engine: Engine) -> list[Any]:
    return list(list_audits(Audits(engine), Customers(engine), "acme", after=None, limit=20)[0])


def test_every_change_leaves_one_entry_with_how_it_stood_before_and_after(store: Engine) -> None:
    suspend(store, "images", LARGE, now=NOW)
    suspend(store, "images", LARGE, now=NOW + 1)
    suspend(store, "images", LARGE, reason="fraud", now=NOW + 2)
    resume(store, "images", LARGE, reason="cleared", actor="cfo", now=NOW + 3)
    resume(store, "images", LARGE, now=NOW + 4)
    resumed, replaced, begun = trail(store)
    assert [a.action for a in (begun, replaced, resumed)] == ["suspended", "suspended", "resumed"]
    assert (begun.before, begun.after["reason"], replaced.before["reason"]) == (None, "abuse", "abuse")
    assert (resumed.before["reason"], resumed.after, resumed.actor, resumed.reason) == ("fraud", None, "cfo", "cleared")
    assert (resumed.feature, resumed.about, resumed.at) == ("images", {"scope": LARGE}, NOW + 3)
    page, after = list_audits(Audits(store), Customers(store), "acme", after=None, limit=1)
    assert page == (resumed,)
    assert list_audits(Audits(store), Customers(store), "acme", after=after, limit=9) == ((replaced, begun), None)


def test_an_entry_makes_known_that_a_suspension_began_or_ended_and_nothing_else(store: Engine) -> None:
    suspend(store, now=NOW)
    suspend(store, reason="fraud", now=NOW + 1)
    resume(store, actor="cfo", reason="paid", now=NOW + 2)
    suspend_cell(store, "images")
    resume(store, now=NOW + 3)
    of_tier, resumed, replaced, begun = [announced(audit) for audit in trail(store)]
    assert of_tier is None and replaced is None, "the cell's own record tells of a tier's"
    assert begun is not None and resumed is not None
    assert (begun.type, resumed.type) == ("entitlement.suspended", "entitlement.resumed")
    assert (begun.feature, begun.data["feature"], begun.data["by"]) == (EVERY_FEATURE, None, "operator")
    assert (resumed.data["reason"], resumed.data["actor"]) == ("paid", "cfo")
    assert resumed.data["since"] == begun.data["since"] == "2026-11-20T10:00:00Z"
    assert begun.id != resumed.id


def test_the_entitlement_says_what_suspends_it_with_its_numbers(store: Engine) -> None:
    ask(store, Memory())
    cells = Cells(store)
    assert entitlement_answer(entitlement(cells, "acme", "images", now=NOW))["suspended"] is None
    suspend(store, "images", LARGE)
    assert entitlement_answer(entitlement(cells, "acme", "images", now=NOW))["suspended"] is None
    suspend(store, "images")
    state = entitlement_answer(entitlement(cells, "acme", "images", now=NOW))
    stands = suspension_answer(Suspension(feature="images", reason="abuse", actor="ops", since=NOW))
    assert state["suspended"] == {**stands, "until": None}
    assert (state["used"], state["limit"], state["type"], len(state["limits"])) == (1, 10, "metered", 2)
    suspend(store)
    listed, _ = entitlements(cells, "acme", after=None, limit=9, now=NOW)
    answers = [entitlement_answer(decision) for decision in listed]
    assert [a["suspended"]["feature"] for a in answers] == [None, None, None]
    assert [a["enabled"] for a in answers] == [True, True, True]


def test_a_tier_s_suspension_is_told_as_one(store: Engine) -> None:
    suspend_cell(store, "images")
    state = entitlement_answer(entitlement(Cells(store), "acme", "images", now=NOW))
    told = state["suspended"]
    assert (told["by"], told["since"], told["until"]) == ("tier", None, format_instant(NOW + 1000))


def test_each_change_is_told_once_however_often_its_record_is_seen() -> None:
    engine = MemoryEngine()
    declare_catalog(Catalogs(engine), read_catalog(CATALOG), expected=None, dry_run=False, now=NOW)
    customers.put_customer(plain(engine), "acme", ProfileChange(plan="pro"), expected=None, now=NOW)
    for feature, scope in ((None, None), ("images", LARGE)):
        suspend(engine, feature, scope)
        suspend(engine, feature, scope, reason="fraud", now=NOW + 1)
        resume(engine, feature, scope, now=NOW + 2)
    for _ in range(2):
        drain(engine, container(engine))
    facts = [fact_of(key.pk, item) for key, item in engine.items.items() if key.pk.startswith("OUTBOX#")]
    told = sorted((fact.feature, fact.sequence, fact.type) for fact in facts)
    both = ("entitlement.suspended", "entitlement.resumed")
    assert told == [(feature, n, kind) for feature in (EVERY_FEATURE, "images") for n, kind in enumerate(both, 1)]
    assert {fact.feature: fact.data["feature"] for fact in facts} == {EVERY_FEATURE: None, "images": "images"}
    feed = engine.get(keys.feed("acme", "images")) or {}
    assert "level" not in feed, "a suspension by hand says nothing of the level"
