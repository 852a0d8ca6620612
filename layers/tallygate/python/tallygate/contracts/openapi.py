"""The OpenAPI 3.1 document, generated from the route tables and from the contracts with which functions read bodies.

Route tables are part of their functions. The function that serves the document passes its own table. The rows of other
functions are imported from their contracts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from tallygate.contracts.admission.asks import Ask
from tallygate.contracts.admission.check import CHECK, CONSUME, SETTLE
from tallygate.contracts.base.names import IDENTIFIER_LENGTH_MAX, NAME_LENGTH_MAX
from tallygate.contracts.base.requests import CONDITIONAL, QUERIES
from tallygate.contracts.base.routes import Row
from tallygate.contracts.corrections.settlements import SettleBody
from tallygate.contracts.metering.ingest import EVENTS
from tallygate.domain.admission import decision_ids

ELSEWHERE = (replace(CHECK, contract=Ask), replace(CONSUME, contract=Ask), replace(SETTLE, contract=SettleBody), EVENTS)
"""The routes of other functions."""
_REF = "#/components/schemas/{model}"
_PARAMETER = re.compile(r"\{(\w+)\}")
_REPEATABLE = (CHECK.key, EVENTS.key, SETTLE.key)
"""POST routes that are safe to repeat and therefore have no Idempotency-Key."""
_LENGTHS = {
    "decision_id": decision_ids.LENGTH_MAX,
    "key": IDENTIFIER_LENGTH_MAX,
    "endpoint": IDENTIFIER_LENGTH_MAX,
}

_TEXT = {"type": "string"}
_RULE: Mapping[str, Any] = {
    "pointer": {
        "type": "string",
        "description": "JSON pointer of a field of the body; ?name of a query parameter, {name} of a path parameter, "
        "!name of a header.",
    },
    "code": _TEXT,
    "detail": _TEXT,
}
_PROBLEM: Mapping[str, Any] = {
    "type": {"type": "string", "format": "uri"},
    "title": _TEXT,
    "status": {"type": "integer"},
    "detail": _TEXT,
    "code": _TEXT,
    "errors": {"type": "array", "items": {"type": "object", "required": list(_RULE), "properties": _RULE}},
    "trace_id": _TEXT,
    "retryable": {"type": "boolean"},
    "docs": {"type": "string", "format": "uri"},
}
PROBLEM_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem details. `code` is stable. `errors` lists every broken rule with its field.",
    "required": list(_PROBLEM),
    "properties": _PROBLEM,
}


def document(rows: Iterable[Row], *, version: str, revocation_s: int) -> dict[str, Any]:
    """Return the whole document. `revocation_s`: how long a revoked key may still be accepted, in seconds."""
    listed = sorted(rows, key=lambda row: (row.path, row.method))
    contracts = {
        row.contract for row in listed if isinstance(row.contract, type) and issubclass(row.contract, BaseModel)
    }
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
                    "description": "The request is invalid, or the service cannot answer now.",
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
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", row.key.lower().replace("/v1", "")).strip("_"),
        "summary": row.summary.replace("{revocation_s}", str(revocation_s)),
        "parameters": [*_path_parameters(row.path), *_query_parameters(row.key), *_header_parameters(row)],
        "responses": {
            "2XX": {"description": "Success.", "content": {"application/json": {"schema": {}}}},
            "default": {"$ref": "#/components/responses/Problem"},
        },
        "security": [] if row.scope is None else [{"key": []}],
    }
    if row.scope is not None:
        operation["description"] = f"Requires an API key with the scope `{row.scope}`."
    if row.contract is not None:
        schema = {"$ref": _REF.format(model=row.contract_name)}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _path_parameters(path: str) -> list[dict[str, Any]]:
    lengths = {name: _LENGTHS.get(name, NAME_LENGTH_MAX) for name in _PARAMETER.findall(path)}
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1, "maxLength": most}}
        for name, most in lengths.items()
    ]


def _query_parameters(key: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "description": parameter.text, "schema": parameter.schema}
        for name, parameter in QUERIES.get(key, {}).items()
    ]


def _header_parameters(row: Row) -> list[dict[str, Any]]:
    found = []
    if row.method == "POST" and row.key not in _REPEATABLE:
        text = "A repeated key within 24 hours returns the stored answer again, with secrets replaced by null."
        found.append(("Idempotency-Key", text, {"type": "string", "minLength": 1, "maxLength": 255}))
    if row.key in CONDITIONAL:
        text = "The ETag as read. If the resource has another ETag now, the request is refused with 412."
        found.append(("If-Match", text, {"type": "string"}))
    return [{"name": name, "in": "header", "description": text, "schema": schema} for name, text, schema in found]
