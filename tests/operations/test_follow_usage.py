"""Usage follows the customer between kinds of window: enforced in the new one, billed in the one that counted it."""

from __future__ import annotations

from typing import Any

from tallygate.operations.admission import Memory
from tallygate.storage.engine import Engine
from tests.shops import Shop, month

FREE: dict[str, Any] = {"limit": 1000}
PRO: dict[str, Any] = {"limit": 1000, "period": {"every": "month", "anchor": "subscription_start"}}
YEARLY: dict[str, Any] = {"limit": 5000, "period": {"every": "year"}}


def shown(answer: dict[str, Any]) -> tuple[Any, ...]:
    return answer["used"], answer["breakdown"]["followed"], answer["remaining"]


def test_a_third_plan_by_calendar_month_shows_all_of_the_month(engine: Engine) -> None:
    shop = Shop(engine, free=FREE, pro=PRO, enterprise=FREE)
    shop.now = month(3, 5)
    shop.consume(60)
    shop.now = month(3, 10)
    shop.subscribe("pro", started_at=shop.now)
    assert shown(shop.state()) == (0, 0, 1000), "a window that begins at the change begins at nothing"
    shop.consume(300)
    shop.now = month(3, 20)
    shop.subscribe("enterprise")
    assert shown(shop.state()) == (360, 300, 640)
    assert shown(shop.consume(40)) == (400, 300, 600)
    assert not shop.consume(601)["granted"]
    assert shop.consume(600, memory=Memory())["granted"]
    shop.now = month(4)
    assert shown(shop.state()) == (0, 0, 1000)
