"""Late changes of windows that the counter item no longer shows: what is carried is as if all had been in time."""

from __future__ import annotations

from typing import Any

from tallygate.domain.instants import DAY, HOUR
from tests.carried import CarriedShop
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
    assert shop.carried() == "1146.999"


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
