"""Periods through the product: a plan is declared, a customer subscribes, and a year is consumed to the last unit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bench.cost import counting
from tallygate.contracts.catalog.catalog import read_catalog
from tallygate.domain.base.instants import DAY, HOUR, Instant, format_instant, of_datetime, parse_instant, to_datetime
from tallygate.domain.customers.customers import ProfileChange, SubscriptionChange
from tallygate.domain.limits.compiled import period_changes
from tallygate.operations.admission.check import check
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.memory import Memory
from tallygate.operations.catalog.catalog import declare_catalog
from tallygate.operations.customers.customers import Stores, end_subscription, put_customer, put_subscription
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Engine
from tallygate.storage.catalog.catalog import Catalogs
from tallygate.storage.customers.customers import Customers
from tallygate.storage.journal.past_usage import CellVersions
from tests.answers import detailed
from tests.given import wanted

STARTED = parse_instant("2026-01-31T09:30:00.5Z")
LIMIT = 5


class Shop:
    """One customer of one plan with one limit on one feature, and the clock."""

    def __init__(self, engine: Engine, period: dict[str, Any], zone: str = "UTC") -> None:
        self.engine, self.now, self.memory = engine, STARTED, Memory()
        self.stores = Stores(catalog=Catalogs(engine), customers=Customers(engine), cells=CellVersions(engine))
        catalog = {
            "meters": [{"key": "m", "event_type": "e", "aggregation": "count"}],
            "features": [{"key": "ai-tokens", "type": "metered", "meter": "m"}],
            "plans": [
                {"key": "pro", "entitlements": [{"feature": "ai-tokens", "limit": LIMIT, "period": period}]},
            ],
        }
        declare_catalog(Catalogs(engine), read_catalog(catalog), expected=None, dry_run=False, now=STARTED)
        self.put(timezone=zone, plan="pro")

    def put(self, **fields: Any) -> Any:
        return put_customer(self.stores, "acme", ProfileChange(**fields), expected=None, now=self.now)[0]

    def consume(self, amount: int = 1) -> dict[str, Any]:
        entropy = bytes
        decision = consume(Cells(self.engine), self.memory, wanted(amount), now=self.now, entropy=entropy)
        return detailed(decision)

    def used(self) -> Any:
        return detailed(check(Cells(self.engine), Memory(), wanted(0), now=self.now))["used"]

    def use_up(self) -> dict[str, Any]:
        """Consume until it is denied; the denial."""
        assert self.consume(LIMIT)["granted"]
        denied = self.consume()
        assert not denied["granted"]
        return denied


def test_a_year_from_the_thirty_first_ends_where_it_should(engine: Engine) -> None:
    shop, ends = Shop(engine, {"every": "billing_period"}), []
    for _ in range(13):
        denied = shop.use_up()
        assert denied["period"]["anchor"] == "subscription_start"
        assert denied["retry_at"] == denied["resets_at"] == denied["period"]["end"]
        ends.append(denied["resets_at"])
        shop.now = parse_instant(denied["resets_at"]) - 1
        assert not shop.consume()["granted"], "to the last millisecond"
        shop.now += 1
    assert [end[5:10] for end in ends] == [
        *("02-28", "03-31", "04-30", "05-31", "06-30", "07-31"),
        *("08-31", "09-30", "10-31", "11-30", "12-31", "01-31", "02-28"),
    ]
    assert {end[10:] for end in ends} == {"T09:30:00.500Z"}


@pytest.mark.parametrize(("every", "hours"), [("hour", 1), ("PT5H", 5), ("P1D", 24), ("week", 168), ("P30D", 720)])
def test_what_was_used_up_is_there_again_after_the_period(engine: Engine, every: str, hours: int) -> None:
    shop = Shop(engine, {"every": every, "anchor": "subscription_start"})
    for period in range(3):
        denied = shop.use_up()
        assert denied["period"]["start"] == format_instant(STARTED + period * hours * HOUR)
        shop.now = parse_instant(denied["resets_at"])


def test_what_never_resets_is_used_up_for_ever(engine: Engine) -> None:
    shop = Shop(engine, {"every": "never"})
    denied = shop.use_up()
    assert (denied["resets_at"], denied["retry_at"], denied["period"]["end"]) == (None, None, None)
    shop.now += 40 * 366 * DAY
    assert not shop.consume()["granted"]
    shop.put(timezone="Asia/Tokyo", at_once=True)
    assert not shop.consume()["granted"]


def test_the_last_thirty_days_have_the_limit_at_every_moment(engine: Engine) -> None:
    shop, granted = Shop(engine, {"every": "P30D", "anchor": "rolling"}), []
    for hour in range(0, 120 * 24, 7):
        shop.now = STARTED + hour * HOUR
        if shop.consume()["granted"]:
            granted.append(shop.now)
    assert len(granted) == 4 * LIMIT, "five at once, and five again when they have passed"
    assert all(sum(end - 30 * DAY < at <= end for at in granted) <= LIMIT for end in granted)


def test_a_zone_that_acts_now_ends_the_running_period_sooner_and_refills_nothing(engine: Engine) -> None:
    shop = Shop(engine, {"every": "month"}, zone="America/New_York")
    shop.now = parse_instant("2026-05-10T12:00:00Z")
    shop.use_up()
    moved = shop.put(timezone="Asia/Kathmandu", at_once=True)
    (change,) = period_changes(moved.effective, shop.now)
    assert (format_instant(change.window.start), change.partial) == ("2026-05-31T18:15:00Z", False)
    denied = shop.consume()
    assert (denied["granted"], denied["used"], denied["retry_at"]) == (False, LIMIT, "2026-05-31T18:15:00Z")
    shop.now = change.window.start
    answer = shop.consume(LIMIT - 1)
    assert answer["granted"]
    assert not shop.consume()["granted"], "New York's May was granted to its end, nine hours and more into this period"
    assert answer["period"] == {
        "start": "2026-05-31T18:15:00Z",
        "end": "2026-06-30T18:15:00Z",
        "every": "month",
        "anchor": "calendar",
        "timezone": "Asia/Kathmandu",
    }
    shop.now = parse_instant("2026-06-30T18:15:00Z")
    assert shop.consume(LIMIT)["granted"]


def test_a_zone_that_waits_refills_nothing(engine: Engine) -> None:
    shop = Shop(engine, {"every": "month"}, zone="America/New_York")
    end = parse_instant(shop.use_up()["resets_at"])
    shop.now += HOUR
    shop.put(timezone="Asia/Kathmandu")
    assert not shop.consume()["granted"]
    shop.now = end
    answer = shop.consume()
    assert (answer["period"]["timezone"], answer["limit"]) == ("Asia/Kathmandu", LIMIT - 1), "of a month less ten hours"


def test_ending_and_subscribing_again_refills_nothing_within_the_period(engine: Engine) -> None:
    shop = Shop(engine, {"every": "month", "anchor": "subscription_start"})
    denied = shop.use_up()

    def comes_back(at: Instant) -> None:
        end_subscription(shop.stores, "acme", expected=None, now=shop.now)
        shop.now = at
        put_subscription(shop.stores, "acme", SubscriptionChange(plan="pro"), expected=None, now=at)

    comes_back(STARTED + DAY)
    assert shop.consume()["period"] == denied["period"]
    comes_back(STARTED + 100 * DAY)
    answer = shop.consume(LIMIT)
    assert (answer["granted"], answer["period"]["start"]) == (True, format_instant(shop.now))
    month_later = of_datetime(to_datetime(shop.now) + timedelta(days=31))
    assert answer["period"]["end"] == format_instant(month_later)


@pytest.mark.parametrize(
    "period",
    [{"every": "P30D", "anchor": "rolling"}, {"every": "billing_period"}, {"every": "never"}, {"every": "PT15M"}],
)
def test_every_period_costs_one_request_and_one_unit(dynamo_engine: DynamoEngine, dynamodb: Any, period: Any) -> None:
    shop = Shop(dynamo_engine, period)
    shop.consume()
    for later in (HOUR, 3 * DAY, 40 * DAY):
        shop.now += later
        with counting(dynamodb) as cost:
            assert shop.consume()["granted"]
        assert (cost.total, cost.write_units) == (1, 1)
