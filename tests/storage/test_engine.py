"""The engine's contract, held by memory and by the real engine alike."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.engine import Dynoxide, engine_at
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import (
    Cancelled,
    Committed,
    Delete,
    Engine,
    Key,
    Page,
    Put,
    Refused,
    Require,
    Update,
    Written,
)
from tallygate.storage.base.expressions import (
    Absent,
    All,
    Any,
    Compare,
    Condition,
    Contains,
    Copy,
    Include,
    Increase,
    Item,
    Not,
    Present,
    Remove,
    Set,
    SetOnce,
    absent_or,
    changed,
    holds,
)
from tallygate.storage.base.memory import MemoryEngine

KEY = Key("P", "a")


@pytest.fixture(params=["memory", "small client", "boto3"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each storage engine in turn, through each of its clients."""
    if request.param == "memory":
        return MemoryEngine()
    dynoxide: Dynoxide = request.getfixturevalue("dynoxide")
    return engine_at(dynoxide.url, request.getfixturevalue("table"), boto3=request.param == "boto3")


def test_every_kind_of_value_comes_back_as_it_went_in(engine: Engine) -> None:
    item: Item = {
        "text": "ü#",
        "number": Decimal("-123456789012345678.123456789"),
        "whole": 7,
        "bytes": b"\x00\xff",
        "set": frozenset({b"a", b"b"}),
        "yes": True,
        "none": None,
    }
    engine.write(Put(key=KEY, item=item))
    assert engine.get(KEY) == {**item, "pk": "P", "sk": "a"}


def test_an_update_creates_and_answers_the_new_image(engine: Engine) -> None:
    changes = (Increase("n", 2), Set("s", "x"), SetOnce("first", 1), Include("ids", frozenset({b"1"})))
    assert engine.write(Update(key=KEY, changes=changes)) == Written(
        {"pk": "P", "sk": "a", "n": 2, "s": "x", "first": 1, "ids": frozenset({b"1"})}
    )
    again = (Increase("n", Decimal("-0.5")), SetOnce("first", 9), Include("ids", frozenset({b"2"})), Copy("s", "n"))
    assert engine.write(Update(key=KEY, changes=again)) == Written(
        {"pk": "P", "sk": "a", "n": Decimal("1.5"), "s": 2, "first": 1, "ids": frozenset({b"1", b"2"})}
    )


def test_an_update_answers_no_image_that_nobody_needs(engine: Engine) -> None:
    update = Update(key=KEY, changes=(Increase("n", 2),), condition=absent_or(Compare("n", "<", 2)), shows=False)
    assert engine.write(update) == Written(None)
    assert engine.get(KEY) == {"pk": "P", "sk": "a", "n": 2}
    assert engine.write(update) == Refused({"pk": "P", "sk": "a", "n": 2})


def test_a_refused_write_changes_nothing_and_shows_the_image(engine: Engine) -> None:
    put = Put(key=KEY, item={"n": 1}, condition=Absent("pk"))
    assert engine.write(put) == Written(None)
    assert engine.write(put) == Refused({"pk": "P", "sk": "a", "n": 1})
    over = Update(key=KEY, changes=(Increase("n", 1),), condition=Compare("n", ">", 5))
    assert engine.write(over) == Refused({"pk": "P", "sk": "a", "n": 1})
    nobody = Update(key=Key("P", "z"), changes=(Set("x", 1),), condition=Present("pk"))
    assert engine.write(nobody) == Refused(None)
    assert engine.get(Key("P", "z")) is None
    assert engine.write(Delete(key=KEY, condition=Compare("n", "=", 1))) == Written(None)
    assert engine.get(KEY) is None


def test_a_transaction_is_all_or_nothing_and_says_which_condition_failed(engine: Engine) -> None:
    first = Put(key=KEY, item={"n": 1}, condition=Absent("pk"))
    second = Update(key=Key("Q", "b"), changes=(Increase("n", 1),), condition=absent_or_below("n", 1))
    assert engine.transact((first, second)) == Committed()
    third = Update(key=Key("Q", "c"), changes=(Increase("n", 1),))
    outcome = engine.transact((first, third, Require(key=Key("Q", "b"), condition=Compare("n", "=", 1))))
    assert engine.get(Key("Q", "c")) is None
    assert outcome == Cancelled((True, False, False), ({"pk": "P", "sk": "a", "n": 1}, None, None))
    assert engine.get(Key("Q", "b")) == {"pk": "Q", "sk": "b", "n": 1}


def absent_or_below(name: str, bound: int) -> Condition:
    return Any((Absent(name), Compare(name, "<", bound)))


def test_queries_are_ordered_bounded_and_continue(engine: Engine) -> None:
    for sk in ("a", "b1", "b2", "b3", "c"):
        engine.write(Put(key=Key("P", sk), item={}))
    engine.write(Put(key=Key("Q", "b9"), item={}))

    def names(page: Page) -> list[object]:
        return [item["sk"] for item in page.items]

    assert names(engine.query("P")) == ["a", "b1", "b2", "b3", "c"]
    assert names(engine.query("P", prefix="b")) == ["b1", "b2", "b3"]
    assert names(engine.query("P", newest_first=True, limit=2)) == ["c", "b3"]
    assert names(engine.query("P", after="b1", until="b3")) == ["b2", "b3"]
    first = engine.query("P", prefix="b", limit=2)
    assert names(first) == ["b1", "b2"]
    assert first.next_after == "b2"
    assert names(engine.query("P", prefix="b", after=first.next_after)) == ["b3"]
    assert names(engine.query("P", newest_first=True, after="b2")) == ["b1", "a"]


def test_due_lists_only_what_is_due_in_the_shard(engine: Engine) -> None:
    for sk, shard, at in (("a", "1", 10), ("b", "1", 5), ("c", "1", 11), ("d", "2", 1)):
        engine.write(Put(key=Key("P", sk), item={"due_shard": shard, "due_at": at}))
    engine.write(Put(key=Key("P", "e"), item={}))
    assert engine.due("1", 10, 10) == (Key("P", "b"), Key("P", "a"))
    assert engine.due("1", 10, 1) == (Key("P", "b"),)


NAMES = ("a", "b", "s")
NUMBERS = st.decimals(min_value=-3, max_value=3, places=1)
COMPARISONS = st.builds(
    Compare, st.sampled_from(NAMES), st.sampled_from(["=", "<", "<=", ">", ">="]), NUMBERS | st.just("x")
)
LEAVES = (
    COMPARISONS
    | st.builds(Absent, st.sampled_from(NAMES))
    | st.builds(Present, st.sampled_from(NAMES))
    | st.builds(Contains, st.sampled_from(NAMES), st.sampled_from([b"1", b"2"]))
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(All, st.lists(inner, max_size=3).map(tuple))
        | st.builds(Any, st.lists(inner, max_size=3).map(tuple))
    ),
    max_leaves=6,
)
IMAGES = st.fixed_dictionaries(
    {},
    optional={
        "a": NUMBERS | st.just("x"),
        "b": NUMBERS,
        "s": st.frozensets(st.sampled_from([b"1", b"2"]), min_size=1),
    },
)


def test_a_condition_means_the_same_to_both_engines(dynamo_engine: DynamoEngine) -> None:
    """The rendered text and the evaluation agree on random conditions and images."""

    @settings(max_examples=300, deadline=None)
    @given(CONDITIONS, IMAGES)
    def agree(condition: Condition, image: Item) -> None:
        dynamo_engine.write(Put(key=KEY, item=image))
        outcome = dynamo_engine.write(Update(key=KEY, changes=(Set("done", True),), condition=condition))
        assert isinstance(outcome, Written) == holds(condition, image)

    agree()


CHANGES = st.lists(
    st.builds(Set, st.sampled_from(["a", "b"]), NUMBERS)
    | st.builds(SetOnce, st.sampled_from(["a", "b"]), NUMBERS)
    | st.builds(Increase, st.sampled_from(["a", "b"]), NUMBERS)
    | st.builds(Include, st.just("s"), st.frozensets(st.sampled_from([b"1", b"2"]), min_size=1))
    | st.builds(Remove, st.sampled_from(["a", "b", "s"])),
    min_size=1,
    unique_by=lambda change: change.name,
).map(tuple)


def test_changes_mean_the_same_to_both_engines(dynamo_engine: DynamoEngine) -> None:
    @settings(max_examples=200, deadline=None)
    @given(CHANGES, IMAGES.filter(lambda image: image.get("a") != "x"))
    def agree(changes: tuple[Set, ...], image: Item) -> None:
        dynamo_engine.write(Put(key=KEY, item=image))
        outcome = dynamo_engine.write(Update(key=KEY, changes=changes))
        assert isinstance(outcome, Written)
        assert outcome.image == changed({**image, **KEY.attributes}, {}, changes)

    agree()


def test_many_items_are_read_at_once(engine: Engine) -> None:
    held = [Key(f"P{n}", "a") for n in range(120)]
    for n, key in enumerate(held):
        engine.write(Put(key=key, item={"n": n}))
    found = engine.get_many([*held, Key("P", "missing"), held[0]])
    assert found == {key: {"pk": key.pk, "sk": key.sk, "n": n} for n, key in enumerate(held)}
    assert engine.get_many([]) == {}
