"""A function is granted nothing that no call of that function needs: read off the code, from its handler down.

A method is reached where something reached calls its name on an object, and its class is imported by the function or by
what the function imports. That is more than what really runs, never less: so a grant that is not reached is not needed.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tallygate.domain.limits.counters import CellName
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Key
from tests.template.conftest import policies_of
from tests.template.privileges import PRIVILEGES

REPOSITORY = Path(__file__).resolve().parents[2]
LAYER = REPOSITORY / "layers" / "tallygate" / "python"
VERBS = sorted(path.parent.name for path in (REPOSITORY / "functions").glob("*/app.py"))
# What an engine is asked for, and the action that it takes.
ACTIONS = {
    "get": "GetItem",
    "get_many": "BatchGetItem",
    "query": "Query",
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
}
OTHERS = {
    "send_message": "sqs:SendMessage",
    "put_events": "events:PutEvents",
    "get_parameter": "ssm:GetParameter",
    "put_parameter": "ssm:PutParameter",
    "delete_parameter": "ssm:DeleteParameter",
}
# What Lambda does in a function's name, and no code calls.
BY_LAMBDA = {
    "aggregate": {
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:DescribeStream",
        "dynamodb:ListStreams",
        "sqs:SendMessage",
    },
    "reset": {"sqs:SendMessage"},
    "deliver": {"sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"},
}


FIELDS: set[str] = set()


# Keys that come whole from the index due, and are named by no code.
BY_INDEX = {"reset": {"TOTAL"}}


@dataclass(slots=True)
class Module:
    """A module's functions and methods by name, its classes, and the modules of the layer that it imports."""

    path: Path
    classes: set[str] = field(default_factory=set)
    functions: dict[str, list[ast.AST]] = field(default_factory=dict)
    methods: dict[str, list[ast.AST]] = field(default_factory=dict)
    top: list[ast.AST] = field(default_factory=list)
    imported: set[Path] = field(default_factory=set)


@cache
def module(path: Path) -> Module:
    found = Module(path=path)
    tree = ast.parse(path.read_text())
    for statement in tree.body:
        node: ast.AST = statement
        if isinstance(node, ast.ClassDef):
            found.classes.add(node.name)
            for part in node.body:
                if isinstance(part, ast.FunctionDef):
                    found.methods.setdefault(part.name, []).append(part)
        elif isinstance(node, ast.FunctionDef):
            found.functions.setdefault(node.name, []).append(node)
        else:
            found.top.append(node)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.imported |= {target for name in (node.module, *_parts(node)) if (target := _file(path, name))}
    return found


def _parts(node: ast.ImportFrom) -> list[str]:
    return [f"{node.module}.{alias.name}" for alias in node.names]


def _file(importer: Path, name: str) -> Path | None:
    for candidate in (importer.parent / f"{name}.py", LAYER / f"{name.replace('.', '/')}.py"):
        if candidate.exists() and (name.startswith("tallygate") or candidate.parent == importer.parent):
            return candidate
    return None


@cache
def modules_of(verb: str) -> dict[Path, Module]:
    """Whatever is loaded with the function."""
    waiting, found = [REPOSITORY / "functions" / verb / "app.py"], dict[Path, Module]()
    while waiting:
        path = waiting.pop()
        if path not in found:
            found[path] = module(path)
            waiting += found[path].imported
    return found


def named(nodes: list[ast.AST]) -> set[str]:
    """What these nodes call, hand on or read: `f`, `.f` for a method or a module's function, `.f?` for what may be a
    property."""
    found: set[str] = set()
    for node in nodes:
        for part in ast.walk(node):
            if isinstance(part, ast.Call):
                handed_on = [*part.args, *(keyword.value for keyword in part.keywords)]
                found |= {f".{a.attr}" for a in handed_on if isinstance(a, ast.Attribute) and a.attr not in FIELDS}
                if isinstance(part.func, ast.Attribute):
                    found.add(f".{part.func.attr}")
            elif isinstance(part, ast.Attribute):
                found.add(f".{part.attr}?")
            elif isinstance(part, ast.Name):
                found.add(part.id)
    return found


def fields_of_dataclasses() -> set[str]:
    """Names that are data wherever they stand as an attribute, though a method somewhere has the same."""
    return {
        part.target.id
        for path in LAYER.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        for part in node.body
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
    }


def is_property(node: ast.AST) -> bool:
    return any(getattr(d, "id", "") == "property" for d in getattr(node, "decorator_list", []))


@cache
def reached(verb: str) -> list[ast.AST]:
    """Every function and method that the function's handler may come to."""
    known = modules_of(verb)
    begin = [node for path, m in known.items() if "functions" in path.parts for node in m.top]
    begin += [n for path, m in known.items() if path.name == "app.py" for nodes in m.functions.values() for n in nodes]
    found: dict[int, ast.AST] = {id(node): node for node in begin}
    waiting = list(begin)
    while waiting:
        for name in named([waiting.pop()]):
            for candidate in candidates(known, name):
                if id(candidate) not in found:
                    found[id(candidate)] = candidate
                    waiting.append(candidate)
    return list(found.values())


def candidates(known: dict[Path, Module], name: str) -> Iterator[ast.AST]:
    """What a name may stand for."""
    bare = name.strip(".?")
    for m in known.values():
        if name.endswith("?"):
            yield from (node for node in m.methods.get(bare, []) if is_property(node))
        elif name.startswith("."):
            yield from m.methods.get(bare, []) + m.functions.get(bare, [])
        else:
            yield from m.functions.get(bare, [])
            yield from m.methods.get("__init__", []) if bare in m.classes else []


@cache
def prefixes_of_keys() -> dict[str, str]:
    """What each function and constant of storage.keys names: its partition's prefix, as the template writes it."""
    cell, key = CellName("x", "x"), Key("CATALOG", "x")
    examples: dict[str, Any] = {"str": "x", "int": 1, "str | None": None, "Key": key, "CellName": cell}
    found: dict[str, str] = {}
    for name, value in vars(keys).items():
        if inspect.isfunction(value) and value.__module__ == keys.__name__:
            parameters = inspect.signature(value).parameters.values()
            if any(str(p.annotation) not in examples for p in parameters):
                continue
            made = value(*(examples[str(p.annotation)] for p in parameters if p.kind is not p.KEYWORD_ONLY))
        else:
            made = value
        partition = made.pk if isinstance(made, Key) else made
        if isinstance(partition, str) and partition.split("#")[0].isupper():
            found[name] = partition.split("#")[0]
    return found


def keys_in(nodes: list[ast.AST]) -> set[str]:
    """Prefixes that these nodes name through `keys.…`, or through names that were imported from there."""
    prefixes = prefixes_of_keys()
    found = set()
    for node in nodes:
        for part in ast.walk(node):
            if isinstance(part, ast.Attribute) and getattr(part.value, "id", "") == "keys":
                found |= {prefixes[part.attr]} & set(prefixes.values()) if part.attr in prefixes else set()
    return found


FIELDS |= fields_of_dataclasses()


@pytest.mark.parametrize("verb", VERBS)
def test_every_prefix_that_a_function_may_touch_is_one_that_its_calls_name(verb: str) -> None:
    granted = {prefix.split("#")[0] for prefix in PRIVILEGES[verb]}
    assert granted - keys_in(reached(verb)) - BY_INDEX.get(verb, set()) == set()


@pytest.mark.parametrize("verb", VERBS)
def test_every_action_on_the_table_is_one_that_its_calls_make(verb: str) -> None:
    calls = named(reached(verb))
    made = {action for call, action in ACTIONS.items() if {call, f".{call}"} & calls}
    assert set().union(*PRIVILEGES[verb].values()) - made == set()


@pytest.mark.parametrize("verb", VERBS)
def test_every_other_action_is_one_that_its_calls_or_lambda_make(
    verb: str, functions: dict[str, dict[str, Any]]
) -> None:
    granted: set[str] = set()
    for policy in policies_of(functions[verb]):
        for statement in policy["Statement"]:
            listed = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            granted |= set(listed)
    calls = named(reached(verb))
    made = {action for call, action in OTHERS.items() if f".{call}" in calls}
    table = {f"dynamodb:{action}" for action in ACTIONS.values()}
    others = {action for action in granted - table if not action.startswith("kms:")}
    assert others - made - BY_LAMBDA.get(verb, set()) == set()


@pytest.mark.parametrize("verb", VERBS)
def test_every_variable_that_a_function_is_given_is_one_that_it_reads(
    verb: str, functions: dict[str, dict[str, Any]], template: dict[str, Any]
) -> None:
    text = "".join(path.read_text() for path in modules_of(verb))
    given = set(functions[verb]["Environment"]["Variables"])
    given |= set(template["Globals"]["Function"]["Environment"]["Variables"])
    # RESET_FUNCTION and DELIVER_FUNCTION are put together from the verb.
    unread = {name for name in given if name not in text and "_FUNCTION" not in name}
    assert unread <= {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL", "PYTHONTZPATH"}
