"""A decision's id holds its parts and proves that it was answered; no other text is taken for one."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.domain.admission.decision_ids import (
    LENGTH_MAX,
    PREFIX,
    DecisionId,
    format_decision_id,
    granted_by,
    granted_decision,
    no_secret,
)

NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=100)
SECRET = bytes(range(32))
PARTS = DecisionId(customer="acme", feature="ai-tokens", minute=29_406_840, digest=b"123456")


def known() -> bytes:
    return SECRET


def never() -> bytes | None:
    raise AssertionError("the secret is asked for only where there is something to verify")


@given(customer=NAMES, feature=NAMES, minute=st.integers(0, 10**9), digest=st.binary(min_size=6, max_size=6))
def test_an_id_gives_its_parts_back(customer: str, feature: str, minute: int, digest: bytes) -> None:
    parts = DecisionId(customer=customer, feature=feature, minute=minute, digest=digest)
    assert granted_decision(format_decision_id(parts, SECRET), known) == parts


@pytest.mark.parametrize(
    "text", ["", "dec_", "dec_!!!!", "abc", "dec_YQ", "dec_YQpiCjEKYWE", "dec_" + "A" * 3000, 7, None, ["dec_"]]
)
def test_any_other_value_is_none_and_asks_for_no_secret(text: object) -> None:
    assert granted_decision(text, never) is None


@given(st.text(max_size=60))
def test_no_text_raises(text: str) -> None:
    assert granted_decision("dec_" + text, known) is None


@given(st.binary(max_size=80))
def test_no_bytes_raise(raw: bytes) -> None:
    assert granted_decision(PREFIX + base64.urlsafe_b64encode(raw).decode().rstrip("="), known) is None


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_breaks_it(at: int, by: int) -> None:
    coded = format_decision_id(PARTS, SECRET).removeprefix(PREFIX)
    raw = bytearray(base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)))
    raw[at % len(raw)] ^= by
    assert granted_decision(PREFIX + base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("="), known) is None


def test_no_other_spelling_of_an_id_is_one() -> None:
    made = format_decision_id(PARTS, SECRET)
    for other in (made + "=", made + "\n", " " + made, made.replace("dec_", "DEC_"), made + "A"):
        assert granted_decision(other, known) is None


def test_another_secret_or_none_proves_nothing() -> None:
    made = format_decision_id(PARTS, SECRET)
    assert granted_decision(made, lambda: bytes(32)) is None
    assert granted_decision(made, no_secret) is None


def test_parts_cannot_be_shifted_between_customer_and_feature() -> None:
    """`a` and `bc` sign as something else than `ab` and `c`."""
    one, two = (replace(PARTS, customer=customer, feature=feature) for customer, feature in (("a", "bc"), ("ab", "c")))
    assert one.signed != two.signed


def test_the_longest_id_fits() -> None:
    longest = replace(PARTS, customer="\U0001f600" * 255, feature="\U0001f600" * 255)
    made = format_decision_id(longest, SECRET)
    assert len(made) <= LENGTH_MAX
    assert granted_decision(made, known) == longest


def test_an_event_names_a_decision_of_its_own_customer_or_an_unknown_one() -> None:
    made, granted = format_decision_id(PARTS, SECRET), granted_by(known)
    assert granted(PARTS.customer, made) == PARTS.feature
    assert granted("umbrella", made) is None
    assert granted(PARTS.customer, "x") is None
