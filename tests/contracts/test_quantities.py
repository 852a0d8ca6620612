"""The published pattern of a quantity says the same as the reader: what matches is accepted, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tallygate.contracts.base.fields import Amount, PositiveQuantity, Quantity

KINDS: dict[str, TypeAdapter[Decimal]] = {
    "any": TypeAdapter(Quantity),
    "not negative": TypeAdapter(Amount),
    "positive": TypeAdapter(PositiveQuantity),
}
DIGITS = st.text("0123456789", max_size=22) | st.text("0", max_size=12) | st.text("9", max_size=20)
ENDS = st.sampled_from(["", "5", "50", "51", "4999", "05"])


@st.composite
def near_quantities(draw: Callable[..., Any]) -> str:
    """Texts around the edges: signs, long integers, fractions that round to nothing or to one digit more."""
    sign = draw(st.sampled_from(["", "-", "+", "--", " "]))
    whole = draw(DIGITS)
    point = draw(st.sampled_from(["", ".", "..", ","]))
    fraction = draw(st.sampled_from(["", "0" * 9, "9" * 9, "0" * 8, "9" * 8]) | DIGITS) + draw(ENDS)
    text: str = (
        sign + whole + (point + fraction if point else "") + draw(st.sampled_from(["", "", "", "e3", "\n", " "]))
    )
    return text


def schema_of(kind: str) -> tuple[str, dict[str, Any]]:
    schemas: list[dict[str, Any]] = KINDS[kind].json_schema()["anyOf"]
    number, text = schemas
    assert (number["type"], text["type"]) == ("number", "string")
    # In JSON Schema `$` is the end of the text; Python's is before a last line break too.
    pattern = str(text["pattern"])
    return pattern.replace("$", r"\Z"), number


def accepts(kind: str, value: object) -> bool:
    try:
        KINDS[kind].validate_python(value)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("kind", KINDS)
@given(text=near_quantities() | st.text(max_size=20))
def test_the_pattern_matches_if_and_only_if_the_reader_accepts(kind: str, text: str) -> None:
    pattern, _ = schema_of(kind)
    assert bool(re.search(pattern, text)) == accepts(kind, text), text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "text",
    [
        *("0", "-0", "-0.0", "00", "1", "-1", "0.000000001", "0.0000000005", "0.00000000050", "0.00000000051"),
        *("-0.0000000005", "0.0000000004", "999999999999999999.9999999994", "999999999999999999.9999999995"),
        *("-999999999999999999.9999999995", "0001", "0" * 30 + "1", "1" * 19, "1e3", "+5", "5.", ".5", "1" * 18 + ".5"),
    ],
)
def test_the_pattern_holds_at_the_edges(kind: str, text: str) -> None:
    pattern, _ = schema_of(kind)
    assert bool(re.search(pattern, text)) == accepts(kind, text), text


@pytest.mark.parametrize("kind", KINDS)
@given(number=st.integers(-(10**19), 10**19))
def test_the_bounds_of_numbers_are_published(kind: str, number: int) -> None:
    _, schema = schema_of(kind)
    above = number >= schema["minimum"] if "minimum" in schema else number > schema["exclusiveMinimum"]
    assert (above and number < schema["exclusiveMaximum"]) == accepts(kind, number)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", ["0.0000000001", Decimal("1e-10"), Decimal("1e-999999999")])
def test_what_would_be_rounded_to_0_is_too_small(kind: str, value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        KINDS[kind].validate_python(value)
    assert [error["type"] for error in refused.value.errors()] == ["too_small"]
