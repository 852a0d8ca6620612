"""Every code that an answer can carry is explained in docs/problems.md, and nothing else is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tallygate.domain.admission.decision import Reason
from tallygate.domain.metering import dimensions
from tallygate.domain.metering.judgement import EventCode
from tallygate.operations.admission import entitlements
from tallygate.operations.journal import append

CODE_AT = {"broken": 0, "invalid": 1, "_error": 1, "rejected": 1, "parameter_error": 1}
"""Functions that are given a code, and where in their arguments it stands."""


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for folder in ("layers/tallygate/python/tallygate", "functions"):
        for path in sorted(Path(folder).rglob("*.py")):
            yield path, ast.parse(path.read_text())


def codes() -> set[str]:
    found = {reason.value for reason in Reason if reason in entitlements.ABSENT}
    found |= {dimensions.UNKNOWN, dimensions.REQUIRED, append.UNRESOLVABLE, *(code.value for code in EventCode)}
    for path, module in sources():
        for node in ast.walk(module):
            if isinstance(node, ast.Call):
                found |= set(_given(node))
            elif isinstance(node, ast.ClassDef) and path.name == "errors.py":
                found |= set(_own(node))
            elif isinstance(node, ast.Tuple) and "contracts" in path.parts:
                found |= set(_of_rule(node))
    return found


def _given(call: ast.Call) -> Iterator[str]:
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    values = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
    if name in CODE_AT and len(call.args) > CODE_AT[name]:
        values.append(call.args[CODE_AT[name]])
    for value in values:
        yield from _texts(value)


def _texts(value: ast.expr) -> Iterator[str]:
    if isinstance(value, ast.IfExp):
        yield from _texts(value.body)
        yield from _texts(value.orelse)
    elif isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value


def _own(defined: ast.ClassDef) -> Iterator[str]:
    for statement in defined.body:
        if isinstance(statement, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "code" for t in statement.targets
        ):
            yield from _texts(statement.value)


def _of_rule(rule: ast.Tuple) -> Iterator[str]:
    """`(steps, code, detail)`, as validators of whole objects state their rules."""
    if len(rule.elts) == 3 and isinstance(rule.elts[0], ast.Tuple | ast.Name):
        yield from (text for text in _texts(rule.elts[1]) if re.fullmatch(r"[a-z_]+", text))


def test_every_code_is_explained_once() -> None:
    listed = re.findall(r'<a id="([a-z_]+)"></a>`([a-z_]+)`', Path("docs/problems.md").read_text())
    assert all(anchor == code for anchor, code in listed)
    explained = [code for _, code in listed]
    assert len(explained) == len(set(explained))
    assert set(explained) == codes()
