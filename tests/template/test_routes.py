"""The gateway's routes and those that the functions answer are the same."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
TABLES = sorted((REPOSITORY / "functions").glob("*/routes.py"))


def routes_of(path: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The table's keys, its module loaded as Lambda would: its folder is the root of its imports."""
    monkeypatch.syspath_prepend(str(path.parent))
    routes = runpy.run_path(str(path), run_name=f"routes_of_{path.parent.name}")["ROUTES"]
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(path.parent)):
            # Another function has a module of this name too.
            del sys.modules[name]
    return set(routes)


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.parent.name)
def test_the_gateway_sends_a_function_what_it_answers(
    path: Path, resources: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = {"Fn::Sub": f"integrations/${{{path.parent.name.capitalize()}Integration}}"}
    sent = {
        resource["Properties"]["RouteKey"]
        for resource in resources.values()
        if resource["Type"] == "AWS::ApiGatewayV2::Route" and resource["Properties"]["Target"] == target
    }
    assert sent - {"$default"} == routes_of(path, monkeypatch) - {"$default"}
