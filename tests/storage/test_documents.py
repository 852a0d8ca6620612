"""Documents: what a value is stored as, and that it is read back as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.errors import InvariantBroken
from tallygate.storage.base.documents import Codec, Form, compact, in_order, read_document


class Colour(StrEnum):
    RED, BLUE = "red", "blue"


class Point(NamedTuple):
    x: int
    height: Decimal = Decimal(0)
    label: str | None = None


ORIGIN = Point(0)


@dataclass(frozen=True, slots=True)
class Circle:
    radius: Decimal


@dataclass(frozen=True, slots=True)
class Square:
    side: Decimal
    inner: tuple[Shape, ...] = ()


Shape = Circle | Square


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A field of every type that a document can hold."""

    text: str
    number: int
    truth: bool = False
    amount: Decimal = Decimal(1)
    limit: Decimal | None = Decimal(100)
    colour: Colour = Colour.RED
    secret: bytes = b""
    point: Point = ORIGIN
    points: tuple[Point, ...] = ()
    pair: tuple[str, Decimal] | None = None
    names: frozenset[str] = frozenset()
    by_name: Mapping[str, Decimal] = field(default_factory=dict)
    by_number: Mapping[int, Shape] = field(default_factory=dict)
    shape: Shape | None = None
    circle: Circle | None = None


SHAPES: dict[str, type] = {"circle": Circle, "square": Square}
NAMES = {
    "text": "t",
    "number": "n",
    "truth": "tr",
    "amount": "a",
    "limit": "l",
    "colour": "c",
    "secret": "se",
    "point": "p",
    "points": "ps",
    "pair": "pa",
    "names": "ns",
    "by_name": "bn",
    "by_number": "bu",
    "shape": "s",
    "circle": "ci",
    "radius": "r",
    "side": "si",
    "inner": "i",
}
SHORT, PLAIN = Codec(SHAPES, NAMES), Codec(SHAPES)

TEXTS = st.text(max_size=5)
NUMBERS = st.integers(-(10**15), 10**15)
AMOUNTS = st.decimals(-(10**18), 10**18, places=9)
POINTS = st.builds(Point, NUMBERS, AMOUNTS | st.just(Decimal(0)), st.none() | TEXTS)
CIRCLES = st.builds(Circle, AMOUNTS)
FORMS: st.SearchStrategy[Any] = st.recursive(
    CIRCLES, lambda inner: st.builds(Square, AMOUNTS, st.lists(inner, max_size=2).map(tuple)), max_leaves=4
)
WHOLES = st.builds(
    Whole,
    text=TEXTS,
    number=NUMBERS,
    truth=st.booleans(),
    amount=AMOUNTS,
    limit=st.none() | AMOUNTS,
    colour=st.sampled_from(Colour),
    secret=st.binary(max_size=4),
    point=POINTS,
    points=st.lists(POINTS, max_size=2).map(tuple),
    pair=st.none() | st.tuples(TEXTS, AMOUNTS),
    names=st.frozensets(TEXTS, max_size=3),
    by_name=st.dictionaries(TEXTS, AMOUNTS, max_size=2),
    by_number=st.dictionaries(NUMBERS, FORMS, max_size=2),
    shape=st.none() | FORMS,
    circle=st.none() | CIRCLES,
)


@pytest.mark.parametrize("codec", [SHORT, PLAIN], ids=["short names", "own names"])
@pytest.mark.parametrize("text", [compact, in_order])
def test_a_value_is_read_back_as_it_was_written(codec: Codec, text: Any) -> None:
    @given(WHOLES)
    def survives(whole: Whole) -> None:
        stored = text(codec.write(whole, Whole))
        assert codec.read(read_document(stored), Whole) == whole
        assert text(codec.write(whole, Whole)) == stored

    survives()


def test_a_field_at_its_default_is_left_out() -> None:
    least = Whole(text="é", number=-3)
    assert SHORT.write(least, Whole) == {"t": "é", "n": -3}
    assert PLAIN.write(least, Whole) == {"text": "é", "number": -3}
    said = replace(least, amount=Decimal(0), limit=None)
    assert SHORT.write(said, Whole) == {"t": "é", "n": -3, "a": "0", "l": None}, "nothing is no default here"


def test_only_defaults_at_the_end_of_a_list_are_left_out() -> None:
    points = (Point(1), Point(1, Decimal("2.50")), Point(1, Decimal(0), "top"))
    assert [SHORT.write(point, Point) for point in points] == [[1], [1, "2.5"], [1, "0", "top"]]


def test_every_type_has_its_form() -> None:
    whole = Whole(
        text="t",
        number=1,
        truth=True,
        amount=Decimal("1e3"),
        colour=Colour.BLUE,
        secret=b"\x00\xff",
        pair=("a", Decimal("0.10")),
        names=frozenset({"b", "a"}),
        by_number={7: Square(Decimal(2), (Circle(Decimal(1)),))},
        shape=Circle(Decimal(3)),
        circle=Circle(Decimal(4)),
    )
    assert PLAIN.write(whole, Whole) == {
        "text": "t",
        "number": 1,
        "truth": True,
        "amount": "1000",
        "colour": "blue",
        "secret": "00ff",
        "pair": ["a", "0.1"],
        "names": ["a", "b"],
        "by_number": {"7": {"k": "square", "side": "2", "inner": [{"k": "circle", "radius": "1"}]}},
        "shape": {"k": "circle", "radius": "3"},
        "circle": {"radius": "4"},
    }


def test_a_type_may_have_a_form_of_its_own() -> None:
    codec = Codec(forms={Circle: Form(lambda circle: f"r{circle.radius}", lambda text: Circle(Decimal(text[1:])))})
    whole = Whole(text="t", number=1, circle=Circle(Decimal(2)))
    stored = codec.write(whole.circle, Circle | None)
    assert stored == "r2"
    assert codec.read(stored, Circle | None) == whole.circle


def test_a_member_of_a_union_says_its_kind() -> None:
    square = Square(Decimal(2))
    assert SHORT.write(square) == {"k": "square", "si": "2"}
    assert SHORT.read({"k": "square", "si": "2"}) == square


@pytest.mark.parametrize("document", [{"k": "triangle", "si": "2"}, {"si": "2"}, {"k": "square"}])
def test_an_unknown_kind_and_a_missing_field_are_told(document: dict[str, Any]) -> None:
    with pytest.raises(LookupError):
        SHORT.read(document)


def test_a_stored_field_that_no_field_has_is_refused() -> None:
    """Passed over, a field that lost its name would silently take its default."""
    with pytest.raises(LookupError):
        SHORT.read({"k": "circle", "r": "1", "later": 1})


def test_a_field_without_a_stored_name_is_refused() -> None:
    unnamed = Codec(SHAPES, {name: stored for name, stored in NAMES.items() if name != "side"})
    assert unnamed.write(Circle(Decimal(1))) == {"k": "circle", "r": "1"}
    with pytest.raises(InvariantBroken, match="side of Square"):
        unnamed.write(Square(Decimal(1)))
    with pytest.raises(InvariantBroken, match="side of Square"):
        unnamed.read({"k": "square", "si": "1"})


def test_a_class_of_a_union_without_a_stored_kind_is_refused() -> None:
    with pytest.raises(InvariantBroken):
        Codec({"circle": Circle}).write(Circle(Decimal(1)), Shape)


@pytest.mark.parametrize("kind", [float, object, Circle | str])
def test_a_type_that_no_form_is_known_of_is_refused(kind: Any) -> None:
    with pytest.raises(InvariantBroken):
        PLAIN.form(kind)


@pytest.mark.parametrize("names", [{"side": "s", "inner": "s"}, {"side": "k"}])
def test_a_stored_name_has_one_meaning(names: dict[str, str]) -> None:
    with pytest.raises(AssertionError):
        Codec(SHAPES, names)


def test_compact_text_is_sorted_and_text_in_order_is_as_it_came() -> None:
    value = {"b": [1, Decimal("0.5")], "a": "é"}
    assert compact(value) == '{"a":"é","b":[1,0.5]}'
    assert in_order(value) == '{"b":[1,0.5],"a":"é"}'
    assert read_document(compact(value)) == value


@pytest.mark.parametrize("text", [compact, in_order])
def test_a_number_that_a_double_would_not_keep_is_refused(text: Any) -> None:
    with pytest.raises(TypeError):
        text({"a": Decimal("0.1234567890123456")})
