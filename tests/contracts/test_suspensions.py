"""Suspensions on the wire: what a request must say, and what an answer tells."""

from __future__ import annotations

from typing import Any

import pytest

from tallygate.contracts.base.reading import read
from tallygate.contracts.catalog.catalog import read_catalog
from tallygate.contracts.limits.suspensions import SuspensionBody, judge, suspension_answer
from tallygate.contracts.usage.usage import audit_answer
from tallygate.domain.facts.audits import SUSPENDED, Audit
from tallygate.domain.limits.suspensions import Suspension
from tallygate.errors import InvalidRequest

GIVEN: dict[str, Any] = {"reason": "abuse", "actor": "ops"}
CATALOG = read_catalog(
    {
        "meters": [{"key": "m", "event_type": "e", "aggregation": "count", "dimensions": {"model": "$.model"}}],
        "features": [{"key": "images", "type": "metered", "meter": "m"}, {"key": "sso", "type": "boolean"}],
        "plans": [],
    }
)


@pytest.mark.parametrize(
    ("changed", "pointer", "code"),
    [
        ({"reason": None}, "/reason", "type"),
        ({"reason": ""}, "/reason", "length"),
        ({"reason": "x" * 256}, "/reason", "length"),
        ({"reason": " "}, "/reason", "invalid"),
        ({"actor": ""}, "/actor", "length"),
        ({"scope": {"model": "large"}}, "/scope", "not_allowed"),
        ({"scope": {}}, "/scope", "not_allowed"),
        ({"feature": "images", "scope": {}}, "/scope", "length"),
        ({"feature": "images", "scope": {"model": ""}}, "/scope/model", "length"),
        ({"feature": "images", "scope": {"model": "*"}}, "/scope/model", "not_available"),
        ({"until": "tomorrow"}, "/until", "unknown_field"),
    ],
)
def test_every_field_is_checked(changed: dict[str, Any], pointer: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(SuspensionBody, {**GIVEN, **changed})
    assert [(error.pointer, error.code) for error in caught.value.errors] == [(pointer, code)]


@pytest.mark.parametrize("missing", ["reason", "actor"])
def test_reason_and_actor_are_required(missing: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(SuspensionBody, {name: text for name, text in GIVEN.items() if name != missing})
    assert [(error.pointer, error.code) for error in caught.value.errors] == [(f"/{missing}", "required")]


def test_a_scope_must_name_what_the_meter_has_or_the_api_key() -> None:
    judge(CATALOG, "images", {"model": "large", "api_key": "key_1"})
    judge(CATALOG, "sso", {"region": "eu"})
    with pytest.raises(InvalidRequest) as caught:
        judge(CATALOG, "images", {"a/b": "c"})
    assert [(error.pointer, error.code) for error in caught.value.errors] == [("/scope/a~1b", "unknown_reference")]
    with pytest.raises(InvalidRequest) as caught:
        judge(CATALOG, "tokens", {})
    assert [(error.pointer, error.code) for error in caught.value.errors] == [("/feature", "feature_not_found")]


def test_the_whole_customer_is_told_as_no_feature() -> None:
    told = suspension_answer(Suspension(reason="abuse", actor="ops", since=1_700_000_000_000))
    assert told == {
        "feature": None,
        "scope": {},
        "reason": "abuse",
        "actor": "ops",
        "since": "2023-11-14T22:13:20Z",
        "by": "operator",
        "limit": None,
        "level": None,
        "until": None,
    }


def test_an_entry_of_the_trail_says_who_what_when_and_why() -> None:
    audit = Audit(
        id="audit_1",
        customer="acme",
        at=1_700_000_000_000,
        action=SUSPENDED,
        actor="ops",
        key_id="key_1",
        reason="abuse",
        feature="images",
        about={"scope": {"model": "large"}},
        after={"reason": "abuse"},
    )
    assert audit_answer(audit) == {
        "id": "audit_1",
        "customer": "acme",
        "at": "2023-11-14T22:13:20Z",
        "action": "suspended",
        "feature": "images",
        "actor": "ops",
        "key_id": "key_1",
        "reason": "abuse",
        "scope": {"model": "large"},
        "before": None,
        "after": {"reason": "abuse"},
    }
