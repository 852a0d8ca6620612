"""A decision's id holds its parts, and no other text is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.domain.decision_ids import DecisionId, format_decision_id, parse_decision_id

IDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=100)


@given(customer=IDS, feature=IDS, minute=st.integers(0, 10**9), digest=st.binary(min_size=6, max_size=6))
def test_an_id_gives_its_parts_back(customer: str, feature: str, minute: int, digest: bytes) -> None:
    parts = DecisionId(customer=customer, feature=feature, minute=minute, digest=digest)
    assert parse_decision_id(format_decision_id(parts)) == parts


@pytest.mark.parametrize("text", ["", "dec_", "dec_!!!!", "abc", "dec_YQ", "dec_YQpiCjEKYWE", "dec_" + "A" * 3000])
def test_any_other_text_is_none(text: str) -> None:
    assert parse_decision_id(text) is None


@given(st.text(max_size=60))
def test_no_text_raises(text: str) -> None:
    parse_decision_id("dec_" + text)
