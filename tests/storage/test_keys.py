"""Keys of the table: whatever a caller names, the key is one that DynamoDB takes, and nobody else's."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.contracts.base.names import broken_identifier, broken_name
from tallygate.domain.limits.counters import CellName
from tallygate.storage.base import keys
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Key, Put

PARTITION_KEY_BYTES_MAX = 2_048
OWN = {
    "fact_id": "f" * 64,
    "digest": "d" * 64,
    "probe_id": "probe_" + "0" * 24,
    "audit_id": "audit_" + "0" * 24,
    "adjustment_id": "adj_" + "0" * 24,
    "endpoint": "we_" + "0" * 24,
    "day": "2026-11-21",
    "owner": "😀" * 200,
}
"""Ids that the system makes itself, and a customer as it is in keys already."""
NUMBERS = {"version": 999_999, "ordinal": 999_999, "start": 10**15 - 1, "at": 10**15 - 1, "created_at": 10**15 - 1}
NUMBERS |= {"since": 10**15 - 1, "minute": 10**10 - 1}
BUILDERS: dict[str, Callable[..., Key]] = {
    name: built
    for name, built in inspect.getmembers(keys, inspect.isfunction)
    if built.__module__ == keys.__name__ and inspect.signature(built).return_annotation == "Key" and name != "former"
}
LONG = {
    "four bytes a character": "😀" * 200,
    "the longest identifier": "é" * 255,
    "escaped to three times its length": "%" * 200,
    "hashed": "#" * 255,
}


def built(name: str, foreign: str) -> Key:
    """The key with the foreign id in every place."""
    values: dict[str, object] = {}
    for parameter, declared in inspect.signature(BUILDERS[name]).parameters.items():
        if declared.annotation == "CellName":
            values[parameter] = CellName(foreign, foreign)
        elif parameter in OWN and name not in (parameter, "rejection"):
            values[parameter] = OWN[parameter]
        elif parameter == "what":
            continue  # codes and digests of the system's own
        elif parameter == "operation":
            values[parameter] = f"POST /v1/customers/{{customer}}/suspend {json.dumps({'customer': foreign})}"
        elif parameter == "cell_name":
            values[parameter] = CellName(foreign, foreign)
        elif parameter == "dimensions":
            values[parameter] = json.dumps({f"d{n}": foreign for n in range(16)}, ensure_ascii=False)
        else:
            values[parameter] = NUMBERS.get(parameter, 10**15 - 1 if parameter == "number" else foreign)
    return BUILDERS[name](**values)


def test_every_builder_is_tried() -> None:
    assert len(BUILDERS) >= 20
    assert {"receipt", "cell", "event", "total", "usage", "adjustment", "subject"} <= set(BUILDERS)


@pytest.mark.parametrize("foreign", LONG.values(), ids=LONG)
@pytest.mark.parametrize("name", BUILDERS)
def test_a_key_of_the_longest_ids_is_taken(dynamo_engine: DynamoEngine, name: str, foreign: str) -> None:
    key = built(name, foreign)
    assert len(key.pk.encode()) <= PARTITION_KEY_BYTES_MAX
    assert len(key.sk.encode()) <= keys.SORT_KEY_BYTES_MAX
    for each in (key, keys.former(key)) if key.pk == keys.CATALOG_PARTITION else (key,):
        assert len(each.sk.encode()) <= keys.SORT_KEY_BYTES_MAX
        dynamo_engine.write(Put(key=each, item={"it": name}))
        assert (dynamo_engine.get(each) or {}).get("it") == name


@given(
    one=st.text(min_size=1, max_size=255) | st.text("%#é😀", min_size=195, max_size=205),
    other=st.text(min_size=1, max_size=255) | st.text("%#é😀", min_size=195, max_size=205),
)
def test_two_ids_never_share_a_key(one: str, other: str) -> None:
    for name in BUILDERS:
        assert (built(name, one) == built(name, other)) == (one == other) or not _foreign(name)


@given(text=st.text(max_size=260))
def test_what_the_rules_of_identifiers_allow_is_read_back(text: str) -> None:
    if broken_identifier(text) is None or broken_name(text) is None:
        escaped = keys.escaped(text)
        assert keys.unescaped(escaped) == (text if len(text) <= keys.PLAIN_LENGTH_MAX else None)
        assert "#" not in escaped


def _foreign(name: str) -> bool:
    """Whether the key has a place for a foreign id at all; the counters of a plan are shared by design."""
    places = set(inspect.signature(BUILDERS[name]).parameters) - set(OWN) - set(NUMBERS) - {"number", "what"}
    return bool(places) or name == "rejection"
