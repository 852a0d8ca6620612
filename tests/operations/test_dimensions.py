"""Dimensions of requests: a misspelt or missing one is refused, by what the container remembers, and never passes."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bench.cost import counting
from tallygate.contracts.catalog.catalog import read_catalog
from tallygate.domain.catalog.catalog import Feature
from tallygate.domain.catalog.forms import catalog_form
from tallygate.errors import FieldError, InvalidRequest, StoreUnavailable
from tallygate.operations.admission.attempts import Consume
from tallygate.operations.admission.dimensions import require_declared
from tallygate.operations.admission.memory import FEATURE_KEPT_SECONDS, FEATURE_READ_AGAIN_SECONDS, Memory
from tallygate.operations.admission.ports import SoldFeature
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Delete, Engine
from tallygate.storage.base.keys import catalog_meter
from tests.given import COUNTED, FEATURE, METER, effective, in_force, metered, quota, sold


def asked(feature: str, **dimensions: str) -> Consume:
    return Consume(customer="acme", feature=feature, amount=Decimal(1), dimensions=dimensions)


class Asker:
    """One container that asks, and its monotonic clock."""

    def __init__(self, engine: Engine) -> None:
        self.ticks, self.store = 0.0, Cells(engine)
        self.memory = Memory(ticks=lambda: self.ticks)

    def broken(self, feature: str = FEATURE, at: str = "", **dimensions: str) -> list[tuple[str, str]]:
        """The rules that a request breaks: pointer and code."""
        try:
            require_declared(self.store, self.memory, [(at, asked(feature, **dimensions))])
        except InvalidRequest as refused:
            return [(error.pointer, error.code) for error in refused.errors]
        return []


@pytest.fixture
def sells(engine: Engine) -> Engine:
    in_force(engine, effective(quota(10)))
    return engine


def test_a_misspelt_or_differently_named_dimension_is_refused(sells: Engine) -> None:
    asker = Asker(sells)
    assert asker.broken(model="large", team="eng", api_key="key_1") == []
    assert asker.broken(modle="large") == [("/dimensions/modle", "unknown_dimension")]
    assert asker.broken(Model="large", model="x") == [("/dimensions/Model", "unknown_dimension")]
    assert asker.broken(at="/3", **{"a/b~": "x"}) == [("/3/dimensions/a~1b~0", "unknown_dimension")]


def test_a_required_dimension_must_be_given(sells: Engine) -> None:
    sold(sells, Feature(key=FEATURE, meter=METER, require=("model", "team")))
    asker = Asker(sells)
    assert asker.broken(model="large", team="eng") == []
    assert asker.broken(model="large") == [("/dimensions/team", "dimension_required")]
    assert asker.broken(modle="large") == [
        ("/dimensions/modle", "unknown_dimension"),
        ("/dimensions/model", "dimension_required"),
        ("/dimensions/team", "dimension_required"),
    ]


def test_the_refusal_says_what_the_meter_declares(sells: Engine) -> None:
    with pytest.raises(InvalidRequest, match=r"did you mean model.*model, team, user") as refused:
        require_declared(Cells(sells), Memory(), [("", asked(FEATURE, modle="x"))])
    assert (refused.value.status, refused.value.code) == (422, "unknown_dimension")


def test_an_unknown_feature_and_one_that_is_not_counted_take_any_dimension(sells: Engine) -> None:
    sold(sells, Feature(key="sso", type="boolean"))
    asker = Asker(sells)
    assert asker.broken("sso", whatever="x") == []
    assert asker.broken("nothing", whatever="x") == []


def test_a_feature_that_was_unknown_is_not_remembered_as_such(sells: Engine) -> None:
    asker = Asker(sells)
    assert asker.broken("images", modle="x") == []
    sold(sells, Feature(key="images", meter=METER))
    assert asker.broken("images", modle="x") == [("/dimensions/modle", "unknown_dimension")]


def test_a_dimension_that_was_declared_a_moment_ago_is_found_within_a_second(sells: Engine) -> None:
    asker = Asker(sells)
    assert asker.broken(region="eu") != []
    assert asker.broken(region="eu") != [], "and has been read again by now"
    metered(sells, replace(COUNTED, dimensions={**COUNTED.dimensions, "region": ("region",)}))
    asker.ticks = FEATURE_READ_AGAIN_SECONDS - 0.1
    assert asker.broken(region="eu") != [], "read less than a second ago"
    asker.ticks = FEATURE_READ_AGAIN_SECONDS
    assert asker.broken(region="eu") == []


def test_what_is_required_no_more_denies_for_a_second_at_most(sells: Engine) -> None:
    sold(sells, Feature(key=FEATURE, meter=METER, require=("model",)))
    asker = Asker(sells)
    assert asker.broken() != []
    sold(sells, Feature(key=FEATURE, meter=METER))
    asker.ticks = FEATURE_READ_AGAIN_SECONDS
    assert asker.broken() == []


def test_what_is_required_since_a_moment_ago_is_required_everywhere_within_a_minute(sells: Engine) -> None:
    asker = Asker(sells)
    assert asker.broken() == []
    sold(sells, Feature(key=FEATURE, meter=METER, require=("model",)))
    asker.ticks = FEATURE_KEPT_SECONDS
    assert asker.broken() == [("/dimensions/model", "dimension_required")]


def test_nothing_is_read_where_the_feature_is_remembered_and_once_a_second_where_it_refuses(
    dynamo_engine: DynamoEngine, dynamodb: Any
) -> None:
    in_force(dynamo_engine, effective(quota(10)))
    asker = Asker(dynamo_engine)
    asker.broken(model="large")
    with counting(dynamodb) as warm:
        for _ in range(5):
            asker.broken(model="large")
    assert warm.total == 0
    with counting(dynamodb) as refused:
        for _ in range(5):
            asker.broken(modle="large")
    assert dict(refused.requests) == {"GetItem": 2}


class Failing(Cells):
    def sold(self, feature: str, *, fresh: bool) -> SoldFeature | None:
        raise StoreUnavailable("busy")


def test_nothing_is_refused_by_a_feature_that_cannot_be_read_again(sells: Engine) -> None:
    asker = Asker(sells)
    assert asker.broken(model="large") == []
    asker.store, asker.ticks = Failing(sells), FEATURE_READ_AGAIN_SECONDS
    with pytest.raises(StoreUnavailable):
        asker.broken(modle="large")
    asker.ticks = FEATURE_KEPT_SECONDS
    assert asker.broken(model="large") == [], "what is known lets a request through"


def test_a_meter_that_is_missing_declares_nothing(sells: Engine) -> None:
    sells.write(Delete(key=catalog_meter(METER)))
    assert Asker(sells).broken(model="large") == [("/dimensions/model", "unknown_dimension")]


CATALOG: dict[str, Any] = {
    "meters": [
        {"key": "m", "event_type": "e", "aggregation": "count", "dimensions": {"model": "$.model"}},
        {"key": "bare", "event_type": "e", "aggregation": "count"},
    ],
    "features": [
        {"key": "f", "type": "metered", "meter": "m", "require": ["model"]},
        {"key": "g", "type": "metered", "meter": "bare"},
        {"key": "sso", "type": "boolean"},
    ],
    "plans": [],
}


def changed(index: int, **fields: Any) -> dict[str, Any]:
    features = [dict(feature) for feature in CATALOG["features"]]
    features[index] |= fields
    return {**CATALOG, "features": features}


def errors_of(body: object) -> list[FieldError]:
    with pytest.raises(InvalidRequest) as refused:
        read_catalog(body)
    return list(refused.value.errors)


def test_a_feature_requires_dimensions_of_its_meter_and_gives_them_back() -> None:
    read = read_catalog(CATALOG)
    assert read.features[0].require == ("model",)
    form = catalog_form(read)
    assert form["features"][0]["require"] == ["model"]
    assert "require" not in form["features"][1]
    assert read_catalog(form) == read


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        (changed(0, require=["modle"]), "/features/0/require/0", "unknown_reference"),
        (changed(0, require=["model", "api_key"]), "/features/0/require/1", "unknown_reference"),
        (changed(0, require=["model", "model"]), "/features/0/require/1", "repeated"),
        (changed(0, require="model"), "/features/0/require", "type"),
        (changed(1, require=["model"]), "/features/1/require/0", "unknown_reference"),
        (changed(2, require=["model"]), "/features/2/require", "not_allowed"),
    ],
)
def test_what_is_required_must_be_declared(body: dict[str, Any], pointer: str, code: str) -> None:
    assert [(error.pointer, error.code) for error in errors_of(body)] == [(pointer, code)]
