"""Every reason has its page, in the documented order, and what a page shows is what the code answers."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tallygate.contracts.admission.check import decision_answer, reason_page
from tallygate.domain.admission.decision import GRANTING, NOT_YET, Reason
from tallygate.operations.admission.consume import consume
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.memory import MemoryEngine
from tests.given import FEATURE, wanted
from tests.shops import Shop

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "reasons"
LINES_MAX = 40


def gateways() -> ModuleType:
    """The function's own module."""
    spec = importlib.util.spec_from_file_location("gateways", ROOT / "functions" / "check" / "gateways.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def text_of(reason: Reason) -> str:
    return (ROOT / reason_page(reason)).read_text()


def ran(engine: Engine, plan: dict[str, Any] | None, steps: list[str]) -> dict[str, Any]:
    """What the last step answers: `consume 20`, `consume 1 of images`, `consume 1 as nobody`, or ending the plan."""
    shop, answer = Shop(engine, pro=plan), {}
    for number, step in enumerate(steps):
        if step == "end the subscription":
            shop.unsubscribe()
            continue
        told = re.fullmatch(r"consume (\d+)(?: of ([\w-]+))?(?: as (\w+))?", step)
        assert told, step
        asked = wanted(told[1], feature=told[2] or FEATURE, customer=told[3] or shop.customer)
        decision = consume(Cells(engine), shop.memory, asked, now=shop.now, entropy=number.to_bytes)
        answer = decision_answer(decision, detail=True)
    return answer


def test_each_reason_has_one_page_and_the_list_is_in_the_documented_order() -> None:
    listed = re.findall(r"^\d+\. \[`(\w+)`\]\((\w+)\.md\)", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert all(name == page for name, page in listed)
    assert [name for name, _ in listed] == [reason.value for reason in Reason]
    assert {path.stem for path in FOLDER.glob("*.md")} - {"README"} == {reason.value for reason in Reason}


@pytest.mark.parametrize("reason", Reason)
def test_a_page_is_short_and_says_whether_the_reason_grants(reason: Reason) -> None:
    lines = text_of(reason).splitlines()
    assert len(lines) <= LINES_MAX
    assert lines[0] == f"# {reason.value}"
    assert lines[2].startswith("Grants. " if reason in GRANTING else "Denies. ")
    assert ("Not in this version" in lines[2]) == (reason in NOT_YET)


def test_each_page_has_the_status_that_the_gateway_answers() -> None:
    for reason in Reason:
        status = re.search(r"^HTTP status.*?: (\d+)", text_of(reason), re.MULTILINE)
        assert status, reason
        assert int(status[1]) == (200 if reason in GRANTING else gateways().status_of(reason)), reason


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason not in NOT_YET])
def test_the_worked_example_is_what_the_code_answers(reason: Reason) -> None:
    plan, steps, answer = re.findall(r"^```\w+\n(.*?)^```", text_of(reason), re.MULTILINE | re.DOTALL)
    shown = json.loads(answer)
    found = ran(MemoryEngine(), json.loads(plan), steps.splitlines())
    assert shown["reason"] == reason.value
    assert {name: found[name] for name in shown} == shown
