"""The OpenAPI 3.1 document, generated from the route tables and the contracts that the functions read with.

Route tables live with their functions. Whoever serves the document has its own at hand, and the rows of the other
functions stand here (a test holds them against theirs).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from tallygate.contracts.check import Ask
from tallygate.contracts.decisions import SettleBody
from tallygate.contracts.headers import CONDITIONAL
from tallygate.contracts.identifiers import IDENTIFIER_LENGTH_MAX, NAME_LENGTH_MAX
from tallygate.contracts.ingest import EventIn
from tallygate.contracts.queries import QUERIES
from tallygate.domain import decision_ids

_REF = "#/components/schemas/{model}"
_PARAMETER = re.compile(r"\{(\w+)\}")
_WITH_RECEIPT = "POST"
_SETTLE = "/v1/consume/{decision_id}/settle"
_REPEATABLE = ("/v1/check", "/v1/events", _SETTLE)
"""POSTs that are safe to repeat by themselves, and so know no Idempotency-Key."""
_LENGTHS = {
    "decision_id": decision_ids.LENGTH_MAX,
    "key": IDENTIFIER_LENGTH_MAX,
    "endpoint": IDENTIFIER_LENGTH_MAX,
}

PROBLEM_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem details. `code` is stable; `errors` names every field that broke a rule.",
    "required": ["type", "title", "status", "detail", "code", "errors", "trace_id", "retryable", "docs"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer; ?name for a query parameter."},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
        "trace_id": {"type": "string"},
        "retryable": {"type": "boolean"},
        "docs": {"type": "string", "format": "uri"},
    },
}


class Row(Protocol):
    """What the document says of a route; `http.Route` is one."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def scope(self) -> str | None: ...
    @property
    def contract(self) -> type | None: ...
    @property
    def summary(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """A row of another function's table."""

    method: str
    path: str
    scope: str | None
    contract: type | None
    summary: str


ELSEWHERE = (
    Elsewhere(
        method="POST",
        path="/v1/check",
        scope="check",
        contract=Ask,
        summary="Ask whether an amount would be granted; changes nothing",
    ),
    Elsewhere(method="POST", path="/v1/consume", scope="check", contract=Ask, summary="Check and count in one step"),
    Elsewhere(
        method="POST",
        path=_SETTLE,
        scope="check",
        contract=SettleBody,
        summary="Correct what a granted consume counts, once: from an estimate to what it came to",
    ),
    Elsewhere(
        method="POST",
        path="/v1/events",
        scope="ingest",
        contract=EventIn,
        summary="Post usage events, up to 500; each has its own result and sending them again is always safe",
    ),
)


def document(rows: Iterable[Row], *, version: str, revocation_s: int) -> dict[str, Any]:
    """The whole document. `revocation_s`: so long the stack may honour a key that was revoked, seconds."""
    listed = sorted(rows, key=lambda row: (row.path, row.method))
    contracts = {row.contract for row in listed if row.contract is not None and issubclass(row.contract, BaseModel)}
    paths: dict[str, dict[str, Any]] = {}
    for row in listed:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, revocation_s)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tallygate",
            "version": version,
            "description": "Usage metering, quotas and entitlements. Times are RFC 3339 in UTC; quantities are exact.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key."}},
            "schemas": {"Problem": dict(PROBLEM_SCHEMA), **_schemas(contracts)},
            "responses": {
                "Problem": {
                    "description": "Something is wrong with the request, or the service cannot answer now.",
                    "content": {"application/problem+json": {"schema": {"$ref": _REF.format(model="Problem")}}},
                }
            },
        },
    }


def _schemas(contracts: set[type[BaseModel]]) -> dict[str, Any]:
    ordered = sorted(contracts, key=lambda contract: contract.__name__)
    _, definitions = models_json_schema([(contract, "validation") for contract in ordered], ref_template=_REF)
    found: dict[str, Any] = definitions.get("$defs", {})
    return found


def _operation(row: Row, revocation_s: int) -> dict[str, Any]:
    key = f"{row.method} {row.path}"
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", key.lower().replace("/v1", "")).strip("_"),
        "summary": row.summary.replace("{revocation_s}", str(revocation_s)),
        "parameters": [*_path_parameters(row.path), *_query_parameters(key), *_header_parameters(row)],
        "responses": {
            "2XX": {"description": "Done.", "content": {"application/json": {"schema": {}}}},
            "default": {"$ref": "#/components/responses/Problem"},
        },
        "security": [] if row.scope is None else [{"key": []}],
    }
    if row.scope is not None:
        operation["description"] = f"Needs a key with the scope `{row.scope}`."
    if row.contract is not None:
        schema = {"$ref": _REF.format(model=row.contract.__name__)}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1, "maxLength": _LENGTHS.get(name, NAME_LENGTH_MAX)},
        }
        for name in _PARAMETER.findall(path)
    ]


def _query_parameters(key: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "description": parameter.text, "schema": parameter.schema}
        for name, parameter in QUERIES.get(key, {}).items()
    ]


def _header_parameters(row: Row) -> list[dict[str, Any]]:
    found = []
    if row.method == _WITH_RECEIPT and row.path not in _REPEATABLE:
        text = "The same key again within 24 hours replays the answer. Secrets in it are null then."
        found.append(("Idempotency-Key", text, {"type": "string", "minLength": 1, "maxLength": 255}))
    if f"{row.method} {row.path}" in CONDITIONAL:
        found.append(("If-Match", "The ETag that was read; another one now is refused with 412.", {"type": "string"}))
    return [{"name": name, "in": "header", "description": text, "schema": schema} for name, text, schema in found]
