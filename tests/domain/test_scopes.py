"""Scopes: which limits govern a request, and that the bound counts the worst request there can be."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.domain.scopes import (
    QUOTAS_PER_WRITE_MAX,
    RATES_PER_WRITE_MAX,
    WINDOWS_PER_CELL_MAX,
    Sized,
    crowded,
    governs,
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


@given(st.lists(st.tuples(scopes, st.integers(0, 3), st.integers(0, 3)), max_size=9))
def test_no_request_meets_more_than_a_write_can_state(limits: list[Sized]) -> None:
    if crowded(limits) is not None:
        return
    assert sum(quotas + rates for _, quotas, rates in limits) <= WINDOWS_PER_CELL_MAX
    for request in REQUESTS:
        met = [limit for limit in limits if governs(limit[0], request)]
        assert sum(quotas for _, quotas, _ in met) <= QUOTAS_PER_WRITE_MAX
        assert sum(rates for _, _, rates in met) <= RATES_PER_WRITE_MAX
