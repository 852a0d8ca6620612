"""Scopes: which limits govern a request, and that the bound counts the worst request there can be."""

from __future__ import annotations

from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.domain.base.instants import HOUR, MINUTE
from tallygate.domain.catalog.rates import Rate
from tallygate.domain.catalog.scopes import governs
from tallygate.domain.catalog.tiers import AllowWithGrace, RateLimit, Tier, percent
from tallygate.domain.limits.capacity import (
    ALWAYS,
    QUOTAS_PER_WRITE_MAX,
    RATES_PER_WRITE_MAX,
    WINDOWS_PER_CELL_MAX,
    Sized,
    crowded,
)


@pytest.mark.parametrize(
    ("scope", "dimensions", "governed"),
    [
        ({}, {}, True),
        ({}, {"model": "large"}, True),
        ({"model": "large"}, {"model": "large"}, True),
        ({"model": "large"}, {"model": "large", "team": "a"}, True),
        ({"model": "large"}, {"model": "Large"}, False),
        ({"model": "large"}, {}, False),
        ({"model": "large", "team": "a"}, {"model": "large"}, False),
        ({"model": "large", "team": "a"}, {"team": "a", "model": "large"}, True),
    ],
)
def test_a_scope_governs_the_requests_that_have_all_its_values(
    scope: dict[str, str], dimensions: dict[str, str], governed: bool
) -> None:
    assert governs(scope, dimensions) == governed


NAMES, VALUES = ("a", "b", "c"), ("1", "2")
scopes = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES))
REQUESTS = [
    {name: value for name, value in zip(NAMES, values, strict=True) if value}
    for values in product((*VALUES, ""), repeat=3)
]


sized = st.builds(Sized, scope=scopes, quotas=st.integers(0, 3), rates=st.integers(0, 3))


@given(st.lists(sized, max_size=9))
def test_no_request_meets_more_than_a_write_can_state(limits: list[Sized]) -> None:
    if crowded(limits) is not None:
        return
    assert sum(limit.quotas + limit.rates for limit in limits) <= WINDOWS_PER_CELL_MAX
    for request in REQUESTS:
        met = [limit for limit in limits if governs(limit.scope, request)]
        assert sum(limit.quotas for limit in met) <= QUOTAS_PER_WRITE_MAX
        assert sum(limit.rates for limit in met) <= RATES_PER_WRITE_MAX
        assert sum((limit.weight for limit in met), ALWAYS).fits


def test_eight_plain_quotas_and_eight_rates_fit_one_write_and_so_do_two_that_roll_among_them() -> None:
    assert crowded([Sized(quotas=8, rates=8)]) is None
    assert crowded([Sized(quotas=8, rates=8, rolling=2)]) is None
    assert crowded([Sized(quotas=8, rates=8, carries=True)]) is None
    assert crowded([Sized(quotas=9)]) == "9 quotas for one request; at most 8 can be held together"


SLOW = RateLimit(rate=Rate(ordinal=0, limit=Decimal(1), per=MINUTE, burst=Decimal(1)))


def test_what_a_condition_cannot_state_is_named_by_its_weight() -> None:
    grace = AllowWithGrace(amount=Decimal(1), lasts=HOUR)
    graced = (Tier(level="warning", at=percent(80)), Tier(level="late", at=percent(90), policy=grace))
    assert crowded([Sized(quotas=8, rates=5, tiers=graced)]) is None
    crowd = crowded([Sized(quotas=8, rates=8, tiers=graced)])
    assert crowd is not None and "331 operators" in crowd and "fewer windows, rates or tiers" in crowd
    slowed = Tier(level="slow", at=percent(80), policy=SLOW)
    assert crowded([Sized(quotas=8, rates=7, tiers=(slowed,))]) is None


def test_limits_that_no_request_meets_together_are_not_weighed_together() -> None:
    grace = AllowWithGrace(amount=Decimal(1), lasts=HOUR)
    graced = (Tier(level="late", at=percent(90), policy=grace),)
    limits = [Sized(scope={"a": value}, quotas=2, rates=2, tiers=graced) for value in ("1", "2", "3", "4", "5")]
    assert crowded(limits) is None
