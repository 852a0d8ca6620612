"""Holds every answer of a function to the contract of its route: status, media type, headers, and each field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import ModuleType
from typing import Any

from pydantic import TypeAdapter

from tallygate.contracts.base.problems import Problem
from tallygate.contracts.base.routes import Row
from tallygate.contracts.catalog.catalog import declared_in
from tallygate.contracts.openapi import PROBLEM_TYPE, answers_of, headers_of
from tallygate.domain.base.json import read_json

Handler = Callable[[dict[str, Any], object], dict[str, Any]]


def keeping(app: ModuleType) -> Handler:
    """The function's handler, which fails where an answer has no contract, or breaks it."""
    handler: Handler = app.handler
    rows: dict[str, Row] = app.ROUTES

    def kept(event: dict[str, Any], context: object) -> dict[str, Any]:
        result = handler(event, context)
        keep(rows.get(event.get("routeKey", "$default")), result)
        return result

    return kept


def keep(row: Row | None, result: Mapping[str, Any]) -> None:
    """Check one answer. `row`: None: no route matched."""
    status, media, text = result["statusCode"], result["headers"]["content-type"], result["body"]
    if row is None:
        kinds: Mapping[str, Any] = {PROBLEM_TYPE: Problem}
        allowed = {"allow", "traceparent"}
    else:
        answers = answers_of(row)
        assert status in answers, f"{row.key} does not state the status {status}: {text}"
        kinds = answers[status]
        allowed = {name.lower() for name in headers_of(row, status)}
    assert result["headers"].keys() - {"content-type"} <= allowed, (row, status)
    if not text:
        assert not kinds, f"an answer without a body: {row}"
        return
    assert media in kinds, f"no contract of {media}: {row}"
    body = read_json(text)
    _adapter(kinds[media]).validate_python(body, context=declared_in(body))


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
