"""The template grants each function exactly the privileges on the table that `privileges` states.

The stack tests try the same on the emulator, as each function's role, and every stack test runs with IAM enforced:
what a function does but may not would fail there. This test keeps a function from being allowed more.
"""

from __future__ import annotations

import ast
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tallygate.storage.base.boto import METHODS
from tallygate.storage.base.keys import DECISION_SECRET
from tests.template.conftest import policies_of
from tests.template.privileges import PRIVILEGES, SECRET

REPOSITORY = Path(__file__).resolve().parents[2]

# A transaction is authorized as the actions it is made of.
ACTIONS_OF_CALLS = {
    "BatchGetItem": {"BatchGetItem"},
    "GetItem": {"GetItem"},
    "Query": {"Query"},
    "PutItem": {"PutItem"},
    "UpdateItem": {"UpdateItem"},
    "DeleteItem": {"DeleteItem"},
    "TransactWriteItems": {"PutItem", "UpdateItem", "DeleteItem"},
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
    source = (REPOSITORY / "layers/tallygate/python/tallygate/storage/base/dynamo.py").read_text()
    texts = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    calls = {text for text in texts if isinstance(text, str) and text in METHODS}
    assert calls <= set(ACTIONS_OF_CALLS), "say in this test which actions these calls need"
    used = set().union(*(ACTIONS_OF_CALLS[call] for call in calls))
    given = set().union(*(actions for function in PRIVILEGES.values() for actions in function.values()))
    assert given == used
