"""The gateway's routes and the rows of the functions are the same: key, function, and whether a key is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tools.routes import rows, rows_of

REPOSITORY = Path(__file__).resolve().parents[2]
TABLES = sorted((REPOSITORY / "functions").glob("*/routes.py"))
Resources = dict[str, dict[str, Any]]


def routes(resources: Resources) -> list[dict[str, Any]]:
    return [each["Properties"] for each in resources.values() if each["Type"] == "AWS::ApiGatewayV2::Route"]


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.parent.name)
def test_the_gateway_sends_a_function_what_it_answers(path: Path, resources: Resources) -> None:
    target = {"Fn::Sub": f"integrations/${{{path.parent.name.capitalize()}Integration}}"}
    sent = {route["RouteKey"] for route in routes(resources) if route["Target"] == target}
    assert sent - {"$default"} == set(rows_of(path))


def test_the_gateway_asks_for_a_key_where_the_row_has_a_scope(resources: Resources) -> None:
    asking = {route["RouteKey"] for route in routes(resources) if route["AuthorizationType"] != "NONE"}
    assert asking == {key for key, row in rows().items() if row.scope is not None}


def test_a_row_is_repeated_by_key_only_where_it_writes() -> None:
    for key, row in rows().items():
        assert not row.by_key or row.method == "POST", key
        assert not row.request_id or row.by_key, key
        assert row.contract is None or row.method not in ("GET", "DELETE"), key
