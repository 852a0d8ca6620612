"""A client of the manage function."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from types import ModuleType
from typing import Any

CATALOG = json.loads(Path("events/catalog.json").read_text())
SAMPLE = json.loads(Path("events/manage.json").read_text())


class Client:
    """Calls the handler as the gateway would: route, path parameters, query and key in their places."""

    def __init__(self, app: ModuleType) -> None:
        self.app = app

    def __call__(
        self,
        method: str,
        route: str,
        body: Any = None,
        *,
        scopes: str = "manage",
        bound_to: str = "",
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
        **path: str,
    ) -> dict[str, Any]:
        event = copy.deepcopy(SAMPLE)
        event["routeKey"] = f"{method} {route}"
        event["pathParameters"] = path
        event["queryStringParameters"] = query or {}
        event["headers"] = {**event["headers"], **(headers or {})}
        event["requestContext"]["authorizer"]["lambda"] = {"key_id": "k", "scopes": scopes, "customer": bound_to}
        event["body"] = body if isinstance(body, str) else json.dumps(body)
        result: dict[str, Any] = self.app.handler(event, None)
        return {**result, "json": json.loads(result["body"]) if result["body"] else None}


def problem(result: dict[str, Any], status: int, code: str) -> dict[str, Any]:
    assert result["statusCode"] == status, result
    assert result["headers"]["content-type"] == "application/problem+json"
    assert (result["json"]["status"], result["json"]["code"]) == (status, code)
    assert result["json"]["trace_id"] == result["headers"]["traceparent"][3:35]
    found: dict[str, Any] = result["json"]
    return found
