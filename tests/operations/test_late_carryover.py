"""Late changes of windows that the counter item no longer shows: what is carried is as if all had been in time."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tallygate.domain.base.instants import DAY, HOUR, format_instant
from tallygate.operations.journal.carry import REMOVED_AT_ONCE_MAX
from tests.carried import CELLS, SHARDS, TOTALS, CarriedShop
from tests.shops import OPENED

PER_DAY: dict[str, Any] = {"period": {"every": "day"}}
PER_HOUR: dict[str, Any] = {"period": {"every": "hour"}}


def test_a_late_event_keeps_a_top_up_and_the_ages_of_what_is_carried() -> None:
    shop = CarriedShop(pro={"limit": 50, "carryover": {"expires_after": 5}, **PER_DAY})
    for day in range(4):
        shop.now = OPENED + day * DAY + HOUR
        shop.use("0.5")
        shop.use("0.5")
        if day == 1:
            shop.adjust(1000)
        shop.fold()
    assert shop.carried() == 1147
    assert OPENED + DAY not in shop.windows_of_the_cell(), "day 2 is in its total alone"
    shop.event("0.001", OPENED + DAY + HOUR)
    shop.fold()
    assert shop.carried() == Decimal("1146.999")


def test_a_closing_under_close_grace_changes_nothing_of_what_is_carried() -> None:
    shop = CarriedShop(pro={"limit": 50, "carryover": {"expires_after": 24}, **PER_HOUR})
    shop.now = OPENED
    shop.adjust(1000)
    for hour in range(14):
        shop.now = OPENED + hour * HOUR + 30 * 60_000
        shop.use(1)
        shop.fold()
        shop.close(grace=12 * HOUR)
        shop.fold()
        assert shop.carried() == (0 if hour == 0 else 1000 + 50 * hour - hour)
    assert shop.carried() == 1637
    (first,) = shop.stated().values()
    assert first["carried_out"] == 1049


def test_a_late_event_lifts_nothing_that_has_expired() -> None:
    shop = CarriedShop(pro={"limit": 100, "carryover": {"expires_after": 6}, **PER_DAY})
    for day in range(12):
        shop.now = OPENED + day * DAY + HOUR
        shop.use("0.5")
        shop.use("0.5")
        shop.fold()
    assert shop.carried() == 600
    assert OPENED + 9 * DAY not in shop.windows_of_the_cell()
    shop.event("0.001", OPENED + 9 * DAY + HOUR)
    shop.fold()
    assert shop.carried() == 600


@pytest.mark.parametrize("size", [1, 3, 10])
def test_a_fold_that_lags_behind_takes_no_opened_window_for_an_idle_one(size: int) -> None:
    shop = CarriedShop(pro={"limit": 50, "carryover": {"expires_after": 24}, **PER_HOUR})
    for hour in range(12):
        shop.now = OPENED + hour * HOUR + HOUR // 2
        shop.use(30)
        shop.use(10)
    right = shop.layers_of_the_cell()
    assert shop.carried() == 110
    while any(shop.waiting(shard) for shard in SHARDS):
        shop.fold_batch(CELLS, size)
        shop.fold_batch(TOTALS, 100)
        assert shop.layers_of_the_cell() == right
    assert shop.totals()[OPENED + 5 * HOUR].carried == 50


@pytest.mark.parametrize("back", [1, 2, 10])
@pytest.mark.parametrize(("late", "by"), [("event", -5), ("settlement", 6), ("reset", 10), ("adjustment", 1000)])
def test_whatever_is_folded_late_acts_in_its_own_window(late: str, by: int, back: int) -> None:
    """10 of 100 are used a day. Something of day 2 is folded so many days later, when day 2 has been closed."""
    shop = CarriedShop(pro={"limit": 100, "carryover": {"expires_after": 20}, **PER_DAY})
    decision, in_time = None, late in ("reset", "adjustment")
    for day in range(2 + back):
        shop.now = OPENED + day * DAY + HOUR
        made = shop.use(6)
        shop.use(4)
        if day <= 1 or not in_time:
            shop.fold()
        if day == 1:
            decision = made
            if late == "reset":
                shop.take_out()
            elif late == "adjustment":
                shop.adjust(1000)
        shop.close()
    stated = shop.stated()[format_instant(OPENED + DAY)]
    assert (stated["type"], stated["carried_out"]) == ("usage.period_closed", 180)
    if late == "event":
        shop.event(5, OPENED + DAY + HOUR)
    elif late == "settlement":
        shop.settle(decision or "", 0)
    shop.fold()
    shop.close()
    shop.fold()
    assert shop.carried() == 90 * (1 + back) + by
    for day in range(1 + back):
        stated = shop.stated()[format_instant(OPENED + day * DAY)]
        figures = (stated["breakdown"]["carried"], stated["carried_out"])
        assert figures == (90 * day + (by if day > 1 else 0), 90 * (day + 1) + (by if day >= 1 else 0))
    assert shop.stated()[format_instant(OPENED + DAY)]["type"] == "usage.restated"


def test_a_change_of_long_ago_acts_on_what_runs_at_once_and_then_on_all_between() -> None:
    """Of 60 hours that the counter item has removed, as many as one call revises at a time."""
    shop = CarriedShop(pro={"limit": 10, "carryover": {}, **PER_HOUR})
    for hour in range(63):
        shop.now = OPENED + hour * HOUR + HOUR // 2
        shop.use(2)
        shop.use(2)
        shop.fold()
    shop.close()
    shop.fold()
    shop.event(3, OPENED + HOUR)
    while shop.waiting(CELLS):
        shop.fold_batch(CELLS, 100)
    shop.fold_batch(TOTALS, 100)
    assert shop.carried() == 62 * 6 - 3
    assert shop.waiting(CELLS) > REMOVED_AT_ONCE_MAX, "the entries of the first call are on their way"
    shop.fold()
    for hour, total in enumerate(shop.totals().values()):
        assert total.carried == hour * 6 - (3 if hour > 1 else 0)
    carried_out = [said["carried_out"] for _, said in sorted(shop.stated().items())]
    assert carried_out == [(hour + 1) * 6 - (3 if hour >= 1 else 0) for hour in range(62)]


def test_a_changed_cap_acts_on_what_ends_under_it_however_late_something_before_it_changes() -> None:
    shop = CarriedShop(
        pro={"limit": 100, "carryover": {}, **PER_DAY},
        capped={"limit": 100, "carryover": {"max": 120}, **PER_DAY},
    )
    for day in range(8):
        shop.now = OPENED + day * DAY + HOUR
        if day == 4:
            shop.fold()
            shop.subscribe("capped")
        shop.use("5")
        shop.use("5")
        shop.fold()
        shop.close()
    shop.event(1, OPENED + HOUR)
    shop.fold()
    into = {(start - OPENED) // DAY: total.carried for start, total in shop.totals().items()}
    assert into == {0: 0, 1: 89, 2: 179, 3: 269, 4: 359, 5: 120, 6: 120, 7: 120}


def test_what_changes_late_while_the_feature_is_absent_is_there_when_it_comes_back() -> None:
    shop = CarriedShop(pro={"limit": 100, "carryover": {"expires_after": 9}, **PER_DAY}, less=None)
    decision = ""
    for day in range(4):
        shop.now = OPENED + day * DAY + HOUR
        made = shop.use(10)
        shop.use(10)
        decision = (made or "") if day == 0 else decision
        shop.fold()
    shop.subscribe("less")
    shop.now += 3 * DAY
    shop.settle(decision, 0)
    shop.fold()
    shop.subscribe("pro")
    assert shop.carried() == 4 * 80 + 10


@pytest.mark.parametrize(("form", "carried_out"), [({"carryover": {}}, [70, 100]), ({}, [0])])
def test_a_reset_folded_after_the_closing_restates_only_what_carries_over(
    form: dict[str, Any], carried_out: list[int]
) -> None:
    shop = CarriedShop(pro={"limit": 100, **form, **PER_DAY})
    shop.now = OPENED + HOUR
    shop.use(30)
    shop.fold()
    shop.take_out()
    shop.now += DAY
    shop.close()
    shop.fold()
    told = shop.statements()
    assert [said["type"] for said in told] == ["usage.period_closed", "usage.restated"][: len(carried_out)]
    assert [said["carried_out"] for said in told] == carried_out
    assert {(said["raw"], said["billable"], said["overage"]) for said in told} == {(30, 30, 0)}
