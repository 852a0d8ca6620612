"""Every code that an answer can have has a page in docs/problems, and nothing else has."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tallygate.contracts.base.problems import BrokenRule, Problem
from tallygate.contracts.metering.answers import EventResult, WarningAnswer
from tallygate.domain.admission.decision import Reason
from tallygate.domain.metering import dimensions
from tallygate.domain.metering.judgement import EventCode
from tallygate.errors import TallygateError
from tallygate.operations.admission import entitlements
from tallygate.operations.journal import append
from tallygate.problems import PAGES

FOLDER = Path("docs/problems")
LINES_MAX = 40

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


def listed() -> list[str]:
    """The codes of the list of pages; each links to its own page."""
    links = re.findall(r"^- \[`(\w+)`\]\((\w+)\.md\)", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert all(name == page for name, page in links)
    return [name for name, _ in links]


def shown(code: str) -> dict[str, Any]:
    """The example answer of a page."""
    (example,) = re.findall(r"^```json\n(.*?)^```", (FOLDER / f"{code}.md").read_text(), re.MULTILINE | re.DOTALL)
    found: dict[str, Any] = json.loads(example)
    return found


def test_every_code_has_one_page_and_every_page_a_code() -> None:
    assert len(listed()) == len(set(listed()))
    assert set(listed()) == codes() == {path.stem for path in FOLDER.glob("*.md")} - {"README"}


def test_the_problem_of_a_code_links_to_its_page() -> None:
    assert Path(PAGES) == FOLDER


@pytest.mark.parametrize("code", sorted(codes()))
def test_a_page_is_short_and_says_what_it_means_why_and_what_to_do(code: str) -> None:
    text = (FOLDER / f"{code}.md").read_text()
    assert len(text.splitlines()) <= LINES_MAX
    assert re.match(rf"# {code}\n\n\S", text)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Why", "What to do", "Example"]


@pytest.mark.parametrize("code", sorted(codes()))
def test_the_example_of_a_page_is_an_answer_with_the_code(code: str) -> None:
    found = shown(code)
    assert found["code"] == code
    text = (FOLDER / f"{code}.md").read_text()
    if "status" not in found:
        (BrokenRule if "pointer" in found else WarningAnswer).model_validate(found)
    elif isinstance(found["status"], str):
        EventResult.model_validate(found)
    else:
        Problem.model_validate({"type": f"urn:tallygate:problem:{code}", "title": code, **found})
        assert f"HTTP status: {found['status']}. Retryable: {'yes' if found['retryable'] else 'no'}" in text
        assert found["docs"] == f"docs/problems/{code}.md"


def test_what_is_retryable_is_what_the_code_says() -> None:
    raised = {each.code: each for each in descendants(TallygateError) if "code" in vars(each)}
    for code, kind in raised.items():
        found = shown(code)
        if isinstance(found.get("status"), int):
            assert (found["status"], found["retryable"]) == (kind.status, kind.retryable), code


def descendants(kind: type[TallygateError]) -> list[type[TallygateError]]:
    return [each for child in kind.__subclasses__() for each in (child, *descendants(child))]
