"""Refusals teach: each names the field that was meant, or shows a value that the contract takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from tallygate.contracts.base.reading import Contract, broken_rules
from tallygate.contracts.base.teaching import right_value
from tallygate.contracts.catalog.catalog import CatalogBody, declared_in
from tallygate.contracts.delivery.endpoints import ALLOW_PRIVATE
from tallygate.contracts.metering.ingest import CloudEventIn, EventIn
from tallygate.domain.base.closest import closest
from tallygate.domain.base.json import read_json
from tools.routes import rows

EXAMPLE = re.compile(r"; for example (.+)$")


def contracts() -> list[type[BaseModel]]:
    list(rows())
    waiting, found = [Contract], []
    while waiting:
        waiting += (inner := waiting.pop().__subclasses__())
        found += inner
    own = {each for each in found if each.__module__.startswith("tallygate.")}
    return sorted(own, key=lambda each: each.__name__)


def refusals(contract: type[BaseModel], body: Any) -> dict[str, tuple[str, str]]:
    """Code and detail of each broken rule, by its place."""
    try:
        contract.model_validate(body, context={ALLOW_PRIVATE: False, **declared_in({})})
    except ValidationError as failed:
        return {each.pointer: (each.code, each.detail) for each in broken_rules(failed, model=contract)}
    return {}


def shown() -> Iterator[Any]:
    for contract in contracts():
        for name in contract.model_fields:
            if found := EXAMPLE.search(right_value(contract, (name,), "type", "must be something else")):
                yield pytest.param(contract, name, read_json(found[1]), id=f"{contract.__name__}.{name}")


@pytest.mark.parametrize(("contract", "name", "value"), list(shown()))
def test_the_value_that_a_refusal_shows_is_right(contract: type[BaseModel], name: str, value: Any) -> None:
    """Only the catalog can say whether a feature or plan of this name exists."""
    found = refusals(contract, {name: value}).items()
    assert [each for at, each in found if at.startswith(f"/{name}") and each[0] != "unknown_reference"] == []


def test_a_missing_field_is_shown() -> None:
    assert refusals(EventIn, {"id": "e1"})["/subject"] == ("required", 'is required; for example "acme"')


@pytest.mark.parametrize(
    ("body", "at", "meant"),
    [
        ({"metres": []}, "/metres", "did you mean meters?"),
        ({"meters": [{"key": "a", "event_typ": "b", "aggregation": "count"}]}, "/meters/0/event_typ", "event_type?"),
        ({"features": [{"key": "a", "type": "Meterd"}]}, "/features/0/type", "did you mean metered?"),
        (
            {"plans": [{"key": "a", "entitlements": [{"feature": "b", "limit": 1, "period": {"evry": "month"}}]}]},
            "/plans/0/entitlements/0/period/evry",
            "did you mean every?",
        ),
        ({"zzz": 1}, "/zzz", "its fields are settings, meters, features"),
    ],
)
def test_a_misspelt_name_is_met_with_the_right_one(body: Any, at: str, meant: str) -> None:
    assert meant in refusals(CatalogBody, body)[at][1]


def test_a_misspelt_literal_is_met_with_the_right_one() -> None:
    event = {"id": "a", "source": "b", "type": "c", "subject": "d", "specversion": "1.O"}
    assert "did you mean 1.0?" in refusals(CloudEventIn, event)["/specversion"][1]


def test_nothing_is_meant_by_what_resembles_nothing() -> None:
    assert closest("zzz", ("model", "team")) is None
    assert closest("x" * 100_000, ("model", "team")) is None
    assert closest(17, ("17",)) is None
    assert closest("MODEL", ("model", "team")) == "model"
