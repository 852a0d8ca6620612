"""What each function may do to the table, said once more in one look; a change here is a change of privileges.

The stack tests try the same on the emulator, as each function's role, and every stack test runs with IAM enforced:
what a function does but may not would fail there. This test keeps a function from being allowed more.
"""

from __future__ import annotations

import ast
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tallygate.storage.keys import DECISION_SECRET
from tests.template.conftest import policies_of

REPOSITORY = Path(__file__).resolve().parents[2]
EVERYTHING = {"GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query"}
SECRET = "SECRET#decisions"
READ, KEEP = {"GetItem"}, {"GetItem", "PutItem", "UpdateItem"}

PRIVILEGES: dict[str, dict[str, set[str]]] = {
    "authorize": {"KEY#*": {"GetItem", "UpdateItem"}, "CLOCK": READ},
    "check": {
        "CUSTOMER#*": READ,
        "CATALOG": READ,
        "CLOCK": READ,
        "CELL#*": {"GetItem", "PutItem", "UpdateItem"},
        "RECEIPT#*": {"GetItem", "PutItem", "UpdateItem"},
        "JOURNAL#*": {"Query"},
        "TOTAL#*": READ,
        "SECRET#decisions": {"GetItem", "PutItem"},
    },
    "ingest": {
        "EVENT#*": {"GetItem", "PutItem"},
        "REJECTED#*": {"PutItem"},
        "CATALOG": {"Query"},
        "SUBJECT#*": READ,
        "CUSTOMER#*": READ,
        "CLOCK": READ,
        "SECRET#decisions": READ,
    },
    "aggregate": {
        "JOURNAL#*": KEEP | {"Query"},
        "TOTAL#*": KEEP | {"Query"},
        "USAGE#*": KEEP,
        "FEED#*": KEEP,
        "CELL#*": KEEP,
        "OUTBOX#*": KEEP,
        "DELIVERY#*": KEEP,
        "AUDIT#*": KEEP,
        "PROBE": KEEP,
        "REJECTED#*": {"PutItem"},
        "CUSTOMER#*": READ | {"Query"},
        "CLOCK": READ,
        "CATALOG": {"Query"},
        "ENDPOINT": {"Query"},
        "SECRET#decisions": READ,
    },
    "reset": {
        "TOTAL#*": KEEP,
        "FEED#*": KEEP,
        "OUTBOX#*": KEEP,
        "CUSTOMER#*": READ | {"Query"},
        "CELL#*": READ,
        "CATALOG": READ,
        "CLOCK": READ,
        "ADJUSTMENT#*": {"Query"},
    },
    "deliver": {
        "DELIVERY#*": {"GetItem", "UpdateItem"},
        "ENDPOINT": {"GetItem", "UpdateItem"},
        "OUTBOX#*": READ,
        "CLOCK": READ,
    },
    "manage": {
        "CATALOG": EVERYTHING,
        "CUSTOMER#*": EVERYTHING,
        "SUBJECT#*": EVERYTHING,
        "KEY#*": EVERYTHING,
        "KEYS": EVERYTHING,
        "ENDPOINT": EVERYTHING,
        "RECEIPT#*": EVERYTHING,
        "AUDIT#*": EVERYTHING,
        "CELL#*": KEEP,
        "TOTAL#*": {"GetItem", "Query"},
        "USAGE#*": {"GetItem", "Query"},
        "DELIVERY#*": {"GetItem", "Query"},
        "JOURNAL#*": {"GetItem", "Query"},
        "REJECTED#*": {"Query"},
        "ADJUSTMENT#*": KEEP | {"Query"},
        "PROBE": {"GetItem", "PutItem", "DeleteItem"},
        "SECRET#decisions": READ,
        "HEALTH": {"GetItem", "UpdateItem"},
    },
}
# A transaction is authorized as the actions it is made of.
ACTIONS_OF_CALLS = {
    "get_item": {"GetItem"},
    "query": {"Query"},
    "put_item": {"PutItem"},
    "update_item": {"UpdateItem"},
    "delete_item": {"DeleteItem"},
    "transact_write_items": {"PutItem", "UpdateItem", "DeleteItem"},
}


def granted(statements: list[dict[str, Any]]) -> dict[str, set[str]]:
    """Per partition-key prefix, the actions on the table."""
    found: dict[str, set[str]] = {}
    for statement in statements:
        if statement["Resource"] != {"Fn::GetAtt": ["Table", "Arn"]}:
            continue
        listed = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        for prefix in statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]:
            found.setdefault(prefix, set()).update(action.removeprefix("dynamodb:") for action in listed)
    return found


def test_a_function_may_touch_its_own_prefixes_only(functions: dict[str, dict[str, Any]]) -> None:
    found = {
        verb: granted([statement for policy in policies_of(properties) for statement in policy["Statement"]])
        for verb, properties in functions.items()
    }
    assert found == PRIVILEGES


def test_no_prefix_reaches_the_secret_of_decision_ids() -> None:
    """Who may read it could name decisions that were never granted; it is granted by its whole name alone."""
    signing = {verb for verb, granted in PRIVILEGES.items() if "PutItem" in granted.get(SECRET, set())}
    assert signing == {"check"}
    assert {verb for verb, granted in PRIVILEGES.items() if SECRET in granted} == {
        "check",
        "ingest",
        "aggregate",
        "manage",
    }
    wide = {prefix for granted in PRIVILEGES.values() for prefix in granted if prefix != SECRET}
    assert not [prefix for prefix in wide if fnmatchcase(DECISION_SECRET.pk, prefix)]
    assert DECISION_SECRET.pk == SECRET


def test_the_clock_is_moved_only_by_the_test_clock_s_own_policy(resources: dict[str, dict[str, Any]]) -> None:
    statements = resources["TestClockPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    beside = {"AUDIT#*": {"GetItem", "PutItem"}, "RECEIPT#*": {"GetItem", "PutItem"}}
    assert granted(statements) == {"CLOCK": {"GetItem", "PutItem"}, **beside}


def test_every_action_granted_is_one_that_the_code_calls() -> None:
    source = (REPOSITORY / "layers/tallygate/python/tallygate/storage/dynamo.py").read_text()
    calls = {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "_client"
    }
    assert calls <= set(ACTIONS_OF_CALLS), "say in this test which actions these calls need"
    used = set().union(*(ACTIONS_OF_CALLS[call] for call in calls))
    given = set().union(*(actions for function in PRIVILEGES.values() for actions in function.values()))
    assert given == used
