"""Reading a contract names every broken rule at its JSON pointer."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import pytest
from pydantic import Field, WithJsonSchema

from tallygate.contracts.base.fields import Amount, Id, NotAvailable, PositiveQuantity, Quantity, Time, Zone, one_of
from tallygate.contracts.base.reading import ERRORS_MAX, Contract, pointer, read
from tallygate.errors import InvalidRequest


class Inner(Contract):
    limit: PositiveQuantity
    every: Annotated[str, one_of(("day", "month"), ("hour",)), WithJsonSchema({"enum": ["day", "month"]})] = "month"


class Outer(Contract):
    key: Id
    amount: Amount = Decimal(1)
    delta: Quantity | None = None
    at: Time | None = None
    zone: Zone = "UTC"
    flag: bool = False
    names: dict[Id, str] = Field(default_factory=dict)
    inner: list[Inner] = Field(default=[], max_length=2)
    carryover: NotAvailable = None


def broken(data: object) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as caught:
        read(Outer, data)
    return [(error.pointer, error.code) for error in caught.value.errors]


def test_a_good_body_is_read_exactly() -> None:
    read_value = read(Outer, {"key": "a", "amount": "0.10", "at": "1970-01-01T00:00:01Z", "inner": [{"limit": 3}]})
    assert read_value.amount == Decimal("0.1")
    assert read_value.at == 1000
    assert read_value.inner[0] == Inner(limit=Decimal(3), every="month")


def test_every_broken_rule_is_named_at_its_pointer() -> None:
    body = {
        "amount": -1,
        "delta": True,
        "at": "yesterday",
        "zone": "Mars/Olympus",
        "flag": 1,
        "names": {"a/b~": 5, "": "x"},
        "inner": [{"limit": 0}, {"limit": "1e3x", "every": "hour"}],
        "carryover": {},
        "limt": 5,
    }
    assert broken(body) == [
        ("/key", "required"),
        ("/amount", "out_of_range"),
        ("/delta", "type"),
        ("/at", "invalid"),
        ("/zone", "invalid"),
        ("/flag", "type"),
        ("/names/a~1b~0", "type"),
        ("/names/", "length"),
        ("/inner/0/limit", "out_of_range"),
        ("/inner/1/limit", "invalid"),
        ("/inner/1/every", "not_available"),
        ("/carryover", "not_available"),
        ("/limt", "unknown_field"),
    ]


@pytest.mark.parametrize("body", [None, 5, "x", [], True, Decimal("1.5")])
def test_a_body_that_is_no_object_is_refused_at_the_root(body: object) -> None:
    assert broken(body) == [("", "type")]


@pytest.mark.parametrize("key", ["", "a" * 256, "a\x00b", "\x7f", "a\nb", "\ud800", 5, None, ["a"]])
def test_an_id_is_a_string_of_1_to_255_characters_without_control_characters(key: object) -> None:
    assert [found for found, _ in broken({"key": key})] == ["/key"]


@pytest.mark.parametrize("key", ["a", "é" * 255, "a#b%/~", "日本"])
def test_foreign_ids_keep_every_other_character(key: str) -> None:
    assert read(Outer, {"key": key}).key == key


@pytest.mark.parametrize(
    "amount",
    ["NaN", "Infinity", "1e400", "1" * 19, "0.0000000001", "", " 1", "１", None, [], {}, False],
)
def test_quantities_are_exact_and_bounded(amount: object) -> None:
    assert [found for found, _ in broken({"key": "a", "amount": amount})] == ["/amount"]


def test_a_lone_surrogate_in_a_name_does_not_reach_the_answer() -> None:
    for found, _ in broken({"key": "a", "\ud800": 1}):
        found.encode()
    pointer("\ud800", 1).encode()


def test_the_number_of_errors_is_bounded() -> None:
    assert len(broken({"key": "a", **{f"x{n}": 1 for n in range(3 * ERRORS_MAX)}})) == ERRORS_MAX


def test_a_part_of_a_body_is_read_at_its_own_pointer() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(Inner, {}, at="/7")
    assert [error.pointer for error in caught.value.errors] == ["/7/limit"]
