"""Changes of plan through the product: when they act, what becomes of the running periods, and that nothing refills."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallygate.domain.base.instants import DAY, HOUR, MINUTE, format_instant, parse_instant
from tallygate.domain.customers.customers import SubscriptionChange, taken
from tallygate.domain.facts.audits import announced
from tallygate.domain.limits.overrides import OwnLimit
from tallygate.errors import InvalidRequest
from tallygate.operations.admission.memory import Memory
from tallygate.operations.catalog.ports import CatalogStore
from tallygate.operations.customers.customers import ChangedBy, put_subscription
from tallygate.operations.customers.own_limits import put_limit
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.catalog.catalog import Catalogs
from tallygate.storage.facts.audits import Audits
from tests.given import FEATURE
from tests.shops import Shop, month
from tests.truth import container, drain

SMALL: dict[str, Any] = {"limit": 100}
LARGE: dict[str, Any] = {"limit": 200}
HALF = parse_instant("2026-04-16T00:00:00Z")
"""The middle of a month of thirty days."""


def numbers(answer: dict[str, Any]) -> tuple[Any, ...]:
    return answer["limit"], answer["used"], answer["breakdown"]["base"]


def errors(shop: Shop, plan: str, **how: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as raised:
        shop.subscribe(plan, **how)
    return [(error.pointer, error.code) for error in raised.value.errors]


def pending(shop: Shop) -> tuple[str, str] | None:
    """The plan that follows, and when, as a reader is told now."""
    record = shop.stores.customers.customer(shop.customer)
    assert record is not None
    subscription = taken(record, shop.now).subscription
    assert subscription is not None
    to_come = subscription.pending
    return None if to_come is None else (to_come.plan[0], format_instant(to_come.at)[:10])


# The next period


def test_a_plan_follows_at_the_end_of_the_period_with_no_job_and_by_every_container_at_once(engine: Engine) -> None:
    shop = Shop(engine, pro=LARGE, basic=SMALL)
    shop.now = month(4, 10)
    shop.consume(150)
    changed = shop.subscribe("basic", when="next_period")
    assert (changed.active_plan, pending(shop)) == (("pro", 1), ("basic", "2026-05-01"))
    assert numbers(shop.consume(40)) == (200, 190, 200), "until then all is as it was"
    shop.now = month(5)
    assert shop.consume(10, at=month(5) - 1)["granted"], "to the last millisecond"
    assert numbers(shop.consume(100)) == (100, 100, 100), "by a container that remembers, without a word from anybody"
    assert not shop.consume(memory=Memory())["granted"]
    assert pending(shop) is None


def test_a_feature_may_begin_and_end_with_the_plan_that_follows(engine: Engine) -> None:
    shop = Shop(engine, pro=LARGE, none=None)
    shop.now = month(4, 10)
    shop.subscribe("none", when="next_period")
    assert shop.consume()["granted"]
    shop.now = month(5)
    assert shop.consume()["reason"] == "not_entitled"
    shop.subscribe("pro")
    assert shop.consume()["granted"]


@pytest.mark.parametrize("end", ["plan", "put", "delete"])
def test_what_follows_is_dropped_by_the_present_plan_now_and_with_the_subscription(engine: Engine, end: str) -> None:
    shop = Shop(engine, pro=LARGE, basic=SMALL)
    shop.now = month(4, 10)
    shop.subscribe("basic", when="next_period")
    shop.put(name="Acme", plan="pro")
    assert pending(shop) == ("basic", "2026-05-01"), "a profile that names the plan says nothing of when"
    match end:
        case "plan":
            shop.subscribe("pro")
        case "put":
            shop.put(plan="pro", plan_when="now")
        case "delete":
            shop.unsubscribe()
    assert pending(shop) is None
    shop.now = month(5)
    assert shop.consume(150)["granted"] == (end != "delete")


def test_another_plan_that_follows_replaces_the_first_and_asking_again_changes_nothing(engine: Engine) -> None:
    shop = Shop(engine, pro=LARGE, basic=SMALL, huge={"limit": 300})
    shop.now = month(4, 10)
    shop.put(plan="basic", plan_when="next_period")
    shop.subscribe("huge", when="next_period")
    first = shop.stores.customers.customer("acme")
    shop.subscribe("huge", when="next_period")
    assert shop.stores.customers.customer("acme") == first
    shop.now = month(5)
    assert shop.consume(300)["granted"]


def test_every_other_change_keeps_what_follows_and_compiles_it_anew(engine: Engine) -> None:
    shop = Shop(engine, pro=LARGE, basic=SMALL)
    shop.now = month(4, 10)
    shop.subscribe("basic", when="next_period")
    own = OwnLimit(name=FEATURE, form={"limit": 120})
    put_limit(shop.stores, "acme", own, lambda *_: None, expected=None, now=shop.now)
    shop.put(metadata={"a": "b"})
    assert pending(shop) == ("basic", "2026-05-01")
    shop.now = month(5)
    assert numbers(shop.consume(120)) == (120, 120, 120), "an override stays through the change"
    shop.put(name="Acme")
    record = shop.stores.customers.customer("acme")
    assert record is not None and record.active_plan == ("basic", 1), "what was due is stored with the next change"
    assert numbers(shop.state()) == (120, 120, 120)


def test_customers_of_a_plan_are_counted_where_the_change_is_stored_and_both_plans_are_in_use(engine: Engine) -> None:
    shop = Shop(engine, pro=LARGE, basic=SMALL)
    catalogs: CatalogStore = Catalogs(engine)
    shop.subscribe("basic", when="next_period")
    assert catalogs.read().in_use == {("pro", 1), ("basic", 1)}
    shop.now = month(2)
    assert shop.consume(101)["reason"] == "quota_exceeded"
    assert catalogs.customers().get(("basic", 1), 0) == 0
    shop.put(name="Acme")
    assert (catalogs.customers()[("basic", 1)], catalogs.customers()[("pro", 1)]) == (1, 0)


def test_the_next_period_is_the_longest_of_those_that_the_customer_has(engine: Engine) -> None:
    shop = Shop(
        engine,
        day={**SMALL, "period": {"every": "day"}},
        year={**SMALL, "period": {"every": "year"}},
        life={**SMALL, "period": {"every": "never"}},
        rolls={**SMALL, "period": {"every": "P30D", "anchor": "rolling"}},
        none=None,
    )
    shop.now = month(4, 10) + HOUR
    for plan, end in (("day", "2026-04-11"), ("year", "2027-01-01")):
        shop.subscribe(plan)
        shop.subscribe("life", when="next_period")
        assert pending(shop) == ("life", end)
    for plan in ("life", "rolls", "none"):
        shop.subscribe(plan)
        assert errors(shop, "day", when="next_period") == [("/effective", "not_allowed")]
    shop.unsubscribe()
    assert errors(shop, "day", when="next_period") == [("/effective", "not_allowed")]
    assert errors(shop, "gold", when="next_period") == [("/plan", "plan_not_found")]


def test_a_start_is_for_a_plan_from_now_on(engine: Engine) -> None:
    shop = Shop(engine, pro=LARGE, basic=SMALL)
    started, shop.now = shop.now, month(4, 10)
    assert errors(shop, "basic", when="next_period", started_at=month(4)) == [("/started_at", "not_allowed")]
    shop.subscribe("basic", when="next_period", started_at=started)
    assert pending(shop) == ("basic", "2026-05-01")


def test_carryover_goes_on_through_the_plan_that_follows(engine: Engine) -> None:
    shop = Shop(engine, pro={**LARGE, "carryover": {}}, basic={**SMALL, "carryover": {}})
    shop.consume(50)
    shop.subscribe("basic", when="next_period")
    shop.now = month(2)
    assert numbers(shop.consume(1)) == (250, 1, 100), "150 of January's 200 beside February's 100"
    shop.now = month(3)
    assert numbers(shop.consume(1)) == (349, 1, 100)


# The base of the running period


@pytest.mark.parametrize(("base", "limit"), [("full", 200), ("prorated", 150)])
def test_the_base_of_a_running_period_is_whole_or_prorated(engine: Engine, base: str, limit: int) -> None:
    shop = Shop(engine, basic=SMALL, pro=LARGE)
    shop.now = month(4)
    shop.consume(100)
    shop.now = HALF
    shop.subscribe("pro", base=base)
    assert numbers(shop.state()) == (limit, 100, limit)
    assert shop.consume(limit - 100)["granted"]
    denied = shop.consume(160)
    assert (denied["granted"], denied["retry_at"]) == (False, "2026-05-01T00:00:00Z"), "that fits the next period"
    shop.put(timezone="UTC", metadata={"a": "b"})
    put_limit(
        shop.stores, "acme", OwnLimit(name="others", form={"limit": 7}), lambda *_: None, expected=None, now=shop.now
    )
    assert numbers(shop.state()) == (limit, limit, limit), "whatever else changes"
    shop.now = month(5)
    assert numbers(shop.consume(200)) == (200, 200, 200)


def test_a_rate_below_the_limit_leaves_a_prorated_one_hard(engine: Engine) -> None:
    slow = {"at": 80, "level": "slow", "policy": "rate_limit", "limit": 1000, "per": "minute"}
    shop = Shop(engine, basic={"limit": 10}, pro={"limit": 100, "tiers": [slow]})
    shop.now = HALF
    shop.subscribe("pro", base="prorated")
    assert shop.state(400)["reason"] == "quota_exceeded"
    assert [shop.consume(amount)["granted"] for amount in (56, 55, 1)] == [False, True, False]


def test_who_returns_at_the_same_instant_has_what_he_had(engine: Engine) -> None:
    shop = Shop(engine, basic={"limit": "100.1"}, pro={"limit": 7}, none=None, huge={"limit": 999})
    shop.now = parse_instant("2026-04-11T07:11:13Z")
    for plan in ("pro", "none", "huge", "none", "pro", "basic"):
        shop.subscribe(plan, base="prorated")
    assert numbers(shop.state()) == (Decimal("100.1"), 0, Decimal("100.1"))
    shop.subscribe("pro", base="prorated")
    shop.unsubscribe()
    shop.subscribe("basic", base="prorated")
    assert numbers(shop.state()) == (Decimal("100.1"), 0, Decimal("100.1")), "also who has had no subscription between"
    shop.subscribe("pro")
    assert numbers(shop.state()) == (7, 0, 7), "in full it is the plan's"


def test_a_feature_that_comes_in_the_middle_has_its_part_and_one_without_a_limit_none(engine: Engine) -> None:
    shop = Shop(engine, none=None, basic=SMALL, endless={"limit": None})
    shop.now = HALF
    shop.subscribe("basic", base="prorated")
    assert shop.state()["limit"] == 50
    shop.subscribe("endless", base="prorated")
    assert shop.consume(10_000)["reason"] == "unlimited"
    shop.subscribe("basic", base="prorated")
    assert numbers(shop.state()) == (100, 10_000, 100), "there is no base to take the rest from: the limit is whole"


def test_what_never_ends_or_rolls_is_whole(engine: Engine) -> None:
    plans: dict[str, Any] = {
        "life": {**SMALL, "period": {"every": "never"}},
        "rolls": {**SMALL, "period": {"every": "P30D", "anchor": "rolling"}},
    }
    shop = Shop(engine, none=None, **plans)
    for plan in ("life", "rolls"):
        shop.subscribe("none")
        shop.subscribe(plan, base="prorated")
        assert shop.state()["limit"] == 100


def test_what_a_prorated_period_leaves_carries_over(engine: Engine) -> None:
    carrying: dict[str, Any] = {"carryover": {}}
    shop = Shop(engine, none=None, basic={**SMALL, **carrying}, pro={**LARGE, **carrying})
    shop.now = month(4)
    shop.subscribe("basic")
    shop.now = HALF
    shop.subscribe("pro", base="prorated")
    assert shop.consume(30)["limit"] == 150
    shop.now = month(5)
    assert numbers(shop.state()) == (320, 0, 200)
    shop.now = month(6)
    assert numbers(shop.state()) == (520, 0, 200)


# Nothing refills


@pytest.mark.parametrize("base", ["full", "prorated"])
def test_a_year_in_between_does_not_refill_the_month(engine: Engine, base: str) -> None:
    """The month's usage is used of the year too, and is still used of the month for who returns."""
    shop = Shop(engine, monthly=SMALL, yearly={"limit": 1200, "period": {"every": "year"}})
    shop.consume(100)
    for _ in range(3):
        shop.now += DAY
        shop.subscribe("yearly", base=base)
        shop.subscribe("monthly", base=base)
        assert not shop.consume()["granted"]
    shop.subscribe("yearly")
    assert shop.state()["used"] == 100
    assert shop.consume(shop.state()["remaining"])["granted"]
    assert not shop.consume()["granted"]


def test_cancelling_and_coming_back_on_another_day_grants_no_more_than_the_days(engine: Engine) -> None:
    shop = Shop(engine, pro={"limit": 31, "period": {"every": "billing_period"}})
    granted = 0
    for day in range(1, 62):
        shop.now = month(1) + day * DAY
        shop.unsubscribe()
        shop.subscribe("pro")
        granted += _use_up(shop)
    assert 31 <= granted <= 31 * 3, "two months have passed, and a third has begun"


def test_five_rounds_over_the_zones_at_once_are_five_and_not_twenty_five(engine: Engine) -> None:
    shop = Shop(
        engine,
        a={"limit": 5, "period": {"every": "day", "timezone": "UTC"}},
        b={"limit": 5, "period": {"every": "day"}},
    )
    shop.now = month(4, 10) + 12 * HOUR
    granted = 0
    for zone in ("Asia/Tokyo", "Asia/Kathmandu", "America/New_York", "Pacific/Apia", "Asia/Kolkata"):
        shop.now += 10 * MINUTE
        shop.subscribe("a")
        shop.put(timezone=zone, at_once=True)
        shop.subscribe("b")
        granted += _use_up(shop)
    assert granted == 5


def test_following_midnight_around_the_world_grants_one_day_a_day(engine: Engine) -> None:
    """Each hour to the zone in which the next day begins: every boundary comes sooner, and each day is granted once."""
    shop, granted = Shop(engine, pro={"limit": 24, "period": {"every": "day"}}), 0
    for hour in range(72):
        shop.now = month(4) + hour * HOUR + 30 * MINUTE
        offset = (23 - hour) % 24
        shop.put(timezone=f"Etc/GMT{-offset:+d}" if offset < 13 else f"Etc/GMT{24 - offset:+d}", at_once=True)
        granted += _use_up(shop)
    assert 72 <= granted <= 72 + 2 * 24


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 24),
        st.sampled_from(["small", "own-zone", "anchored", "cancel", "next", "zone", "zone-now", "started"]),
        st.sampled_from(["UTC", "Asia/Tokyo", "America/St_Johns", "Pacific/Kiritimati", "Pacific/Pago_Pago"]),
        st.sampled_from(["full", "prorated"]),
    ),
    min_size=1,
    max_size=25,
)
"""How much later in twelfths of the period, what is changed, to which zone, and with which base."""
N = 12
SHORTEST = {"hour": HOUR, "day": 23 * HOUR, "week": 7 * DAY - HOUR, "month": 28 * DAY}
"""With the hour that clocks may be moved by."""


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(CHANGES, st.sampled_from([*SHORTEST]))
def test_no_sequence_of_changes_grants_more_than_the_time_that_has_passed(
    history: list[tuple[int, str, str, str]], every: str
) -> None:
    """Each kind of anchor has a counter. Of each no more is granted than N for a period, one for the window that began
    before the customer, and one for that which runs or was granted ahead."""
    further = {"small": {}, "own-zone": {"timezone": "Asia/Kolkata"}, "anchored": {"anchor": "subscription_start"}}
    plans: dict[str, Any] = {key: {"limit": N, "period": {"every": every, **more}} for key, more in further.items()}
    engine = MemoryEngine()
    shop, parts, folded = Shop(engine, **plans), container(engine), 0
    began, granted = shop.now, {"calendar": 0, "subscription_start": 0}
    for twelfths, what, zone, base in history:
        shop.now += twelfths * SHORTEST[every] // 12
        folded = drain(engine, parts, after=folded, now=shop.now)
        _change(shop, what, zone, base)
        answer = shop.state()
        if answer["period"] is not None:
            granted[answer["period"]["anchor"]] += _use_up(shop)
        most = N * (shop.now - began + 2 * SHORTEST[every])
        assert all(of_one * SHORTEST[every] <= most for of_one in granted.values()), granted


def _change(shop: Shop, what: str, zone: str, base: str) -> None:
    record = shop.stores.customers.customer(shop.customer)
    assert record is not None
    match what:
        case "cancel":
            shop.unsubscribe()
        case "zone":
            shop.put(timezone=zone)
        case "zone-now":
            shop.put(timezone=zone, at_once=True)
        case "next":
            if taken(record, shop.now).active_plan is not None:
                shop.subscribe("small", when="next_period")
        case "started":
            shop.subscribe("anchored", started_at=shop.now - HOUR, base=base, at_once=base == "full")
        case plan:
            shop.subscribe(plan, base=base)


def _use_up(shop: Shop) -> int:
    """Consume one by one, then all that is left: what was granted."""
    left = shop.state()["remaining"]
    granted = 0
    if left and shop.consume(left)["granted"]:
        granted = int(Decimal(left))
    assert not shop.consume()["granted"]
    return granted


# What it makes known


def test_each_change_is_told_once_and_says_what_it_replaces(engine: Engine) -> None:
    shop = Shop(engine, pro=LARGE, basic=SMALL)
    shop.now = HALF
    audits = Audits(engine)

    def put(number: int, plan: str, **how: Any) -> None:
        by = ChangedBy(audits=audits, id=f"audit_{number}", actor="key_1")
        change = SubscriptionChange(plan=plan, **how)
        put_subscription(shop.stores, "acme", change, expected=None, now=shop.now, by=by)

    put(1, "basic", when="next_period")
    put(2, "basic", when="next_period")
    put(3, "basic", base="prorated")
    put(4, "basic", base="prorated")
    shop.now = month(6)
    put(5, "pro", when="next_period")
    shop.now = month(7)
    put(6, "pro", when="next_period")
    put(7, "basic")
    found, _ = audits.page("acme", after=None, limit=10)
    facts = [fact for audit in reversed(found) if (fact := announced(audit)) is not None]
    assert len({fact.id for fact in facts}) == len(facts)
    told = [
        (f.data["previous_plan"], f.data["plan"], f.data["effective"], f.data["at"][:10], f.data["base"]) for f in facts
    ]
    assert told == [
        ("pro", "basic", "next_period", "2026-05-01", "full"),
        ("pro", "basic", "now", "2026-04-16", "prorated"),
        ("basic", "pro", "next_period", "2026-07-01", "full"),
        ("pro", "basic", "now", "2026-07-01", "full"),
    ]
    assert facts[1].data["replaces"] == {"plan": "basic", "version": 1, "at": "2026-05-01T00:00:00Z"}
    assert [fact.data["replaces"] for fact in (facts[0], facts[2], facts[3])] == [None] * 3
    assert {(f.type, f.data["actor"], f.data["usage"], f.data["previous_plan_version"]) for f in facts} == {
        ("subscription.changed", "key_1", "keep", 1)
    }
    assert {f.data["plan_version"] for f in facts} == {1}


@pytest.mark.parametrize(("at_once", "until"), [(False, month(6)), (True, month(5, 21))])
def test_another_start_acts_after_the_running_period_or_at_once_and_refills_nothing(
    engine: Engine, at_once: bool, until: int
) -> None:
    shop = Shop(engine, pro={"limit": 31, "period": {"every": "month", "anchor": "subscription_start"}})
    shop.now = month(5, 12)
    shop.consume(30)
    shop.subscribe("pro", started_at=month(3, 21), at_once=at_once)
    state = shop.state()
    assert (state["used"], state["limit"], state["resets_at"]) == (30, 31, format_instant(until)), "it goes on"
    shop.now = until
    after = shop.state()
    assert (after["used"], after["period"]["start"]) == (0, format_instant(until))
    assert after["limit"] < 31, "a part of this period was granted by the one that was cut, or it is cut itself"
