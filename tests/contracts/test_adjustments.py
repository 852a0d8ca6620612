"""Adjustments on the wire: what a request must say, and what an answer tells."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tallygate.contracts.base.reading import read
from tallygate.contracts.corrections.corrections import AdjustmentBody, adjustment_answer
from tallygate.domain.facts.adjustments import Adjustment, LimitParts
from tallygate.domain.periods.boundaries import NEVER_ENDS
from tallygate.domain.periods.recurrence import Window
from tallygate.errors import InvalidRequest

GIVEN: dict[str, Any] = {"feature": "images", "amount": 200, "reason": "outage", "actor": "ops"}


@pytest.mark.parametrize(
    ("changed", "pointer", "code"),
    [
        ({"amount": 0}, "/amount", "out_of_range"),
        ({"amount": "0.000"}, "/amount", "out_of_range"),
        ({"amount": None}, "/amount", "type"),
        ({"amount": True}, "/amount", "type"),
        ({"amount": 10**18}, "/amount", "out_of_range"),
        ({"amount": -(10**18)}, "/amount", "out_of_range"),
        ({"amount": "0.0000000001"}, "/amount", "too_small"),
        ({"amount": "many"}, "/amount", "invalid"),
        ({"feature": ""}, "/feature", "length"),
        ({"feature": 1}, "/feature", "type"),
        ({"reason": ""}, "/reason", "length"),
        ({"reason": "x" * 256}, "/reason", "length"),
        ({"reason": "a\nb"}, "/reason", "invalid"),
        ({"reason": "  "}, "/reason", "invalid"),
        ({"actor": "\u00a0"}, "/actor", "invalid"),
        ({"actor": ""}, "/actor", "length"),
        ({"category": ""}, "/category", "length"),
        ({"category": 1}, "/category", "type"),
        ({"scope": {"model": "large"}}, "/scope", "unknown_field"),
    ],
)
def test_every_field_is_checked(changed: dict[str, Any], pointer: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(AdjustmentBody, {**GIVEN, **changed})
    assert [(error.pointer, error.code) for error in caught.value.errors] == [(pointer, code)]


@pytest.mark.parametrize("missing", ["feature", "amount", "reason", "actor"])
def test_all_but_the_category_are_required(missing: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(AdjustmentBody, {name: value for name, value in GIVEN.items() if name != missing})
    assert [(error.pointer, error.code) for error in caught.value.errors] == [(f"/{missing}", "required")]


@pytest.mark.parametrize("amount", [-5, "-0.5", "999999999999999999.999999999", 200])
def test_amounts_are_exact_and_signed(amount: int | str) -> None:
    assert read(AdjustmentBody, {**GIVEN, "amount": amount}).amount == Decimal(amount)


def test_an_answer_says_what_the_limit_is_made_of_after_it() -> None:
    made = Adjustment(
        id="adj_1",
        customer="acme",
        feature="images",
        amount=Decimal("-0.5"),
        reason="outage",
        actor="ops",
        category=None,
        at=1_700_000_000_000,
        name="images",
        ordinal=1,
        window=Window(1_699_999_200_000, NEVER_ENDS),
        after=LimitParts(base=Decimal(1000), carried=Decimal(300), adjusted=Decimal("-0.5")),
    )
    assert adjustment_answer(made) == {
        "id": "adj_1",
        "customer": "acme",
        "feature": "images",
        "amount": Decimal("-0.5"),
        "reason": "outage",
        "actor": "ops",
        "category": None,
        "at": "2023-11-14T22:13:20Z",
        "period": {"start": "2023-11-14T22:00:00Z", "end": None},
        "limit": Decimal("1299.5"),
        "breakdown": {"base": 1000, "carried": 300, "adjusted": Decimal("-0.5")},
        "resumed": False,
    }
