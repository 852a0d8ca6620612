"""Units through the product: what is shown and billed is rounded, what is enforced is not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from bench.cost import counting
from tallygate.domain.catalog.catalog import Feature
from tallygate.domain.catalog.units import unit_of
from tallygate.errors import StoreUnavailable
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.entitlements import entitlement
from tallygate.operations.admission.memory import FEATURE_KEPT_SECONDS, Memory
from tallygate.operations.admission.ports import SoldFeature
from tallygate.operations.facts.closing import reset
from tallygate.operations.facts.periods import list_periods
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Engine
from tallygate.storage.facts.closings import Closings
from tests.answers import detailed
from tests.closings import END, add_usage, governed
from tests.given import FEATURE, METER, NOW, effective, in_force, quota, sold, wanted

GB: dict[str, Any] = {
    "name": "byte",
    "display": "GB",
    "divide_by": 10**9,
    "precision": 2,
    "billing": {"increment": 1, "rounding": "up"},
}
USE = 20_000_000


def in_units(engine: Engine, form: dict[str, Any] | None) -> None:
    sold(engine, Feature(key=FEATURE, meter=METER, unit=None if form is None else unit_of(form)))


def closed(engine: Engine) -> dict[str, Any]:
    """What is stated of the one period that is over."""
    (fact,) = reset(Closings(engine), now=END, grace=0, time_left=lambda: True).closed
    return dict(fact.data)


def billed(stated: dict[str, Any]) -> dict[str, Any]:
    return {name: stated[name] for name in ("raw", "presented", "billable", "included", "overage", "unit")}


@pytest.fixture
def limited(engine: Engine) -> Engine:
    """A customer with a limit of 10 GB."""
    in_force(engine, effective(quota(10**10)))
    return engine


def presented(engine: Engine) -> Any:
    """How the customer's entitlement is shown."""
    store = Cells(engine)
    state = entitlement(store, "acme", FEATURE, now=NOW)
    return detailed(state, store.unit(FEATURE))["presented"]


def used(engine: Engine, amount: int) -> bool:
    return consume(Cells(engine), Memory(), wanted(amount), now=NOW, entropy=bytes).granted


def test_an_entitlement_shows_what_was_used_of_it(limited: Engine) -> None:
    assert presented(limited) is None
    in_units(limited, GB)
    assert used(limited, USE)
    assert presented(limited) == {"unit": "GB", "used": Decimal("0.02"), "limit": 10, "remaining": Decimal("9.98")}
    assert used(limited, USE)
    assert presented(limited) == {"unit": "GB", "used": Decimal("0.04"), "limit": 10, "remaining": Decimal("9.96")}


def test_what_is_rounded_away_is_enforced_all_the_same(limited: Engine) -> None:
    in_units(limited, {**GB, "precision": 0})
    assert used(limited, 10**10 - 1)
    assert presented(limited) == {"unit": "GB", "used": 10, "limit": 10, "remaining": 0}
    assert not used(limited, 2)
    assert used(limited, 1)
    assert not used(limited, 1)


def test_another_unit_changes_no_limit(limited: Engine) -> None:
    in_units(limited, {**GB, "display": "MB", "divide_by": 10**6})
    assert presented(limited)["limit"] == 10_000
    assert used(limited, 10**10)
    assert not used(limited, 1)


def test_a_container_reads_a_feature_and_its_meter_once_a_minute(dynamodb: Any, dynamo_engine: DynamoEngine) -> None:
    in_force(dynamo_engine, effective(quota(10**10)))
    now, store = [0.0], Cells(dynamo_engine)
    memory = Memory(ticks=lambda: now[0])
    with counting(dynamodb) as cost:
        assert [memory.unit(store, FEATURE), memory.unit(store, FEATURE)] == [None, None]
    assert (dict(cost.requests), cost.read_units) == ({"GetItem": 2}, 1.0), "that there is none is remembered too"
    in_units(dynamo_engine, GB)
    now[0] = FEATURE_KEPT_SECONDS
    assert memory.unit(store, FEATURE) == unit_of(GB)


class Failing(Cells):
    """Features cannot be read."""

    def sold(self, feature: str, *, fresh: bool) -> SoldFeature | None:
        raise StoreUnavailable("busy")


def test_a_unit_that_cannot_be_read_again_is_shown_as_it_was(engine: Engine) -> None:
    now = [0.0]
    memory = Memory(ticks=lambda: now[0])
    with pytest.raises(StoreUnavailable):
        memory.unit(Failing(engine), FEATURE)
    in_units(engine, GB)
    memory.unit(Cells(engine), FEATURE)
    now[0] = FEATURE_KEPT_SECONDS
    assert memory.unit(Failing(engine), FEATURE) == unit_of(GB)


def test_two_uses_in_one_period_are_one_line_that_is_rounded_once(limited: Engine) -> None:
    in_units(limited, GB)
    for _ in range(2):
        add_usage(limited, USE, under=governed(10**10))
    assert billed(closed(limited)) == {
        "raw": 40_000_000,
        "presented": {"unit": "GB", "quantity": Decimal("0.04"), "included": Decimal("0.04"), "overage": 0},
        "billable": 1,
        "included": 1,
        "overage": 0,
        "unit": "GB",
    }


def test_what_lies_beyond_the_limit_is_rounded_by_itself(limited: Engine) -> None:
    in_units(limited, GB)
    add_usage(limited, 10**10 + USE, under=governed(10**10))
    assert billed(closed(limited)) == {
        "raw": 10_020_000_000,
        "presented": {"unit": "GB", "quantity": Decimal("10.02"), "included": 10, "overage": Decimal("0.02")},
        "billable": 11,
        "included": 10,
        "overage": 1,
        "unit": "GB",
    }


def test_without_a_unit_a_statement_is_raw(limited: Engine) -> None:
    in_units(limited, None)
    add_usage(limited, USE, under=governed(10**10))
    stated = {"presented": None, "billable": USE, "included": USE, "overage": 0, "unit": None}
    assert billed(closed(limited)) == {"raw": USE, **stated}


def test_a_feature_that_is_no_longer_sold_is_stated_raw(engine: Engine) -> None:
    add_usage(engine, USE, under=governed(10**10))
    stated = closed(engine)
    assert (stated["billable"], stated["presented"], stated["unit"]) == (USE, None, None)


def listed(engine: Engine) -> tuple[Any, Any]:
    """What the one closed period is listed with."""
    (each,), _ = list_periods(Closings(engine), "acme", None, after=None, limit=10)
    return each["billable"], each["unit"]


def test_a_closed_period_stays_in_the_unit_that_it_was_stated_in(limited: Engine) -> None:
    in_units(limited, GB)
    add_usage(limited, USE, under=governed(10**10))
    assert billed(closed(limited))["billable"] == 1
    in_units(limited, {**GB, "display": "MB", "divide_by": 10**6})
    assert listed(limited) == (1, "GB")
    add_usage(limited, 10**9, under=governed(10**10))
    assert listed(limited) == (2, "GB"), "late usage is stated anew in the same unit"
    in_units(limited, None)
    assert listed(limited) == (2, "GB")
