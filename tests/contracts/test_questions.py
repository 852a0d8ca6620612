"""The body of check and consume, read plainly: nothing is accepted that the contract refuses or reads otherwise."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.contracts.admission import questions
from tallygate.contracts.admission.asks import Ask
from tallygate.contracts.admission.check import read_question
from tallygate.contracts.base.reading import read
from tallygate.errors import InvalidRequest

TEXTS = st.sampled_from(["acme", "a" * 64, "a" * 65, "a" * 200, "a" * 201, "a" * 255, "a" * 256, "", " a", "a/b", "."])
ODD_TEXTS = st.sampled_from(["a\x00", "e\u0301", "\u00e9", "a\u200b", "\ud800"])
AMOUNTS = st.sampled_from(
    [0, 1, -1, True, None, "1.5", "-0", "0.0000000001", "x", 10**18, Decimal("0.10"), Decimal("NaN")]
)
ANYTHING = st.one_of(TEXTS, ODD_TEXTS, AMOUNTS, st.booleans(), st.just([]), st.just({}))
DIMENSIONS = st.dictionaries(st.one_of(TEXTS, ODD_TEXTS), st.one_of(TEXTS, ODD_TEXTS, st.just(1)), max_size=11)
FULL = {
    "customer": "acme",
    "feature": "calls",
    "amount": "1.50000000001",
    "dimensions": {"team": "a/b"},
    "request_id": "r/1",
    "detail": False,
    "allow_partial": True,
    "explain": True,
}


@st.composite
def bodies(draw: st.DrawFn) -> Any:
    """A correct body with some members replaced, removed or added."""
    body: dict[str, Any] = {"customer": "acme", "feature": "calls"}
    for name in draw(st.sets(st.sampled_from([*FULL, "value", "other"]))):
        body[name] = draw(st.one_of(st.just(FULL.get(name)), ANYTHING))
    if draw(st.booleans()):
        body["dimensions"] = draw(DIMENSIONS)
    for name in draw(st.sets(st.sampled_from(["customer", "feature"]), max_size=1)):
        del body[name]
    return draw(st.sampled_from([body, body, body, body, [body], None]))


@given(bodies())
def test_a_plainly_read_body_is_read_alike_by_the_contract(body: Any) -> None:
    plain = questions.plain_question(body)
    if plain is not None:
        assert plain == read(Ask, body).question


@pytest.mark.parametrize("body", [FULL, {"customer": "acme", "feature": "calls"}], ids=["full", "short"])
def test_a_correct_body_is_read_plainly(body: dict[str, Any]) -> None:
    assert questions.plain_question(body) == read(Ask, body).question


@pytest.mark.parametrize("name", FULL)
def test_every_member_is_read(name: str) -> None:
    """The contract has no member that the plain reader would take for its default."""
    assert set(FULL) == questions._FIELDS == set(Ask.model_fields) - {"value"}
    rest = {member: value for member, value in FULL.items() if member != name}
    assert questions.plain_question(rest) != questions.plain_question(FULL)


def test_a_broken_rule_is_named_by_the_contract() -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_question({"customer": "a/b", "amount": -1, "other": 1}, at="/2")
    assert {(error.pointer, error.code) for error in refused.value.errors} == {
        ("/2/customer", "invalid"),
        ("/2/feature", "required"),
        ("/2/amount", "out_of_range"),
        ("/2/other", "unknown_field"),
    }
