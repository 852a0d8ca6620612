"""The OpenAPI 3.1 document, generated from the rows of route tables and the contracts that they name.

Route tables are part of their functions. The function that serves the document passes its own rows and those of the
others. Contracts that a row names as text are loaded here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from pydantic import create_model

from tallygate.contracts.admission.answers import Denial
from tallygate.contracts.base.answers import JSON
from tallygate.contracts.base.bodies import Page
from tallygate.contracts.base.examples import example
from tallygate.contracts.base.parameters import PATH, Parameter, Query
from tallygate.contracts.base.problems import GatewayMessage, Problem
from tallygate.contracts.base.routes import Row
from tallygate.contracts.facts.events import events
from tallygate.contracts.schemas import schemas_of

JSON_TYPE, PROBLEM_TYPE = "application/json", "application/problem+json"
_PARAMETER = re.compile(r"\{(\w+)\}")
TAGS: Mapping[str, tuple[str, str]] = {
    "Decisions": ("check consume decisions", "Ask whether usage is allowed, and count it."),
    "Usage": ("events usage", "Send usage events, and read usage."),
    "Catalog": ("catalog", "Meters, features and plans."),
    "Customers": ("customers", "Customers with their subscriptions, limits, quotas and periods."),
    "Access": ("keys audit", "API keys and the audit trail."),
    "Webhooks": ("webhook-endpoints webhooks", "Receivers of events, and the contracts of events."),
    "Stack": ("health openapi.json test-clock", "The stack itself."),
}
_GATEWAY = (401, 403, 429)
"""The statuses with which API Gateway refuses requests itself, with a body of its own."""
_EVERYWHERE = (400, 406, 413, 422, 429, 500, 503)
_DENIED = (402, 403, 429)
_SUCCESSES: Mapping[int, str] = {200: "Success.", 201: "Created.", 204: "Success, without a body."}
_PROBLEMS: Mapping[int, tuple[str, str]] = {
    400: ("Malformed", "The request cannot be read."),
    401: ("Unauthenticated", "The API key is missing, unknown, expired or revoked."),
    402: ("PaymentRequired", "A denial for lack of credits, if the caller asked for HTTP errors."),
    403: ("Forbidden", "The key lacks the scope or is bound to another customer, or is not of the form of a key."),
    404: ("NotFound", "There is no such resource."),
    405: ("MethodNotAllowed", "The path exists with other methods."),
    406: ("NotAcceptable", "The Accept header excludes JSON."),
    409: ("Conflict", "The state of the resource does not allow the change."),
    412: ("PreconditionFailed", "The resource has another ETag now."),
    413: ("TooLarge", "The body is too large."),
    422: ("Invalid", "The request breaks rules. `errors` lists all of them."),
    429: ("Throttled", "Too many requests: API Gateway throttles."),
    500: ("Internal", "An internal error. The logs name it under `trace_id`."),
    503: ("Unavailable", "No answer now. `retryable` says whether a retry is harmless."),
}
"""The name of each problem in the components, and its description."""
_DENIAL = "If the caller asked for HTTP errors: a denial, with the decision. Otherwise: "
_TEXT = {"type": "string"}
_HEADERS: Mapping[str, tuple[str, JSON]] = {
    "traceparent": ("W3C trace of the request; a new one where the caller sent none.", _TEXT),
    "ETag": ("Version of the resource, for If-Match.", {**_TEXT, "examples": ['"7"']}),
    "Idempotent-Replayed": (
        "`true`: an earlier request with the same id gave this answer.",
        {"enum": ["true"], **_TEXT},
    ),
    "RateLimit-Policy": (
        "IETF draft. Quota `q` and window `w` in seconds of each hard limit that governs the request.",
        {**_TEXT, "examples": ['"ai-tokens";q=100000;w=2592000']},
    ),
    "RateLimit": (
        "IETF draft. Remaining quantity `r` of each limit, and the seconds `t` until it resets.",
        {**_TEXT, "examples": ['"ai-tokens";r=58000;t=86400']},
    ),
    "Retry-After": ("Seconds to wait before a retry.", {"type": "integer", "minimum": 0}),
    "Preference-Applied": ("`http-status`: the denial is an HTTP error.", _TEXT),
    "Allow": ("The methods of the path.", {**_TEXT, "examples": ["GET, PUT"]}),
}
_INTRODUCTION = """Usage metering, quotas and entitlements. Times are RFC 3339 in UTC. Quantities are exact: a JSON
number of at most 15 significant digits, else a string. Clients must ignore unknown fields of answers.

A known path with another method is 405 with the header Allow; an unknown path is 404. Both are problem documents. API
Gateway answers some requests itself with `{"message"}`: 401 without a key, 403 for a key of another form, 429 if it
throttles."""


def named(contract: Any) -> Any:
    """Return a contract that a row may name as text."""
    if not isinstance(contract, str):
        return contract
    module, _, name = contract.rpartition(".")
    return getattr(import_module(f"tallygate.contracts.{module}"), name)


def answers_of(row: Row) -> dict[int, dict[str, Any]]:
    """Return the contract of each answer of a route, by status and media type. Empty: the answer has no body."""
    success: Any = named(row.answers.body)
    if row.answers.paged:
        success = _page_of(success)
    elif row.several and row.answers.decides:
        success = success | list[success]
    found: dict[int, dict[str, Any]] = {}
    for status in row.answers.status:
        found[status] = {} if success is None or status == 204 else {JSON_TYPE: success}
    for status in _refusals(row):
        denied = row.answers.decides and status in _DENIED
        found[status] = {**found.get(status, {}), **_refusal(status, Denial | Problem if denied else Problem)}
    return found


def _refusal(status: int, problem: Any = Problem) -> dict[str, Any]:
    """Return the contract of a problem by media type. API Gateway itself answers some statuses as well."""
    if status not in _GATEWAY:
        return {PROBLEM_TYPE: problem}
    return dict.fromkeys((PROBLEM_TYPE, JSON_TYPE), problem | GatewayMessage)


def headers_of(row: Row, status: int) -> tuple[str, ...]:
    """Return the names of the headers that an answer of the route may have."""
    found = ["traceparent"]
    succeeds = status < 400
    if succeeds and row.answers.versioned:
        found.append("ETag")
    if succeeds and (row.by_key or row.answers.replays):
        found.append("Idempotent-Replayed")
    if row.answers.decides and (succeeds or status in _DENIED):
        found += ["RateLimit-Policy", "RateLimit", "Retry-After"]
    if row.answers.decides and status in _DENIED:
        found.append("Preference-Applied")
    return (*found, "Retry-After") if status == 503 else tuple(found)


@cache
def _page_of(body: type) -> Any:
    return create_model(f"{body.__name__}Page", __base__=Page, __doc__=Page.__doc__, data=(list[body], ...))  # type: ignore[valid-type]


def _refusals(row: Row) -> list[int]:
    """Return the statuses of all problems with which the route may answer."""
    found = {*_EVERYWHERE, *row.answers.refusals}
    if row.scope is not None:
        found |= {401, 403}
    if "{" in row.path and not row.answers.creates:
        found.add(404)
    if row.conditional:
        found.add(412)
    if row.answers.decides:
        found |= {*_DENIED}
    return sorted(found - set(row.answers.status) | {503})


class _Schemas:
    """The schemas of all contracts of the document."""

    def __init__(self, types: Iterable[Any]) -> None:
        self._types = list(dict.fromkeys(types))
        self._found, self.named = schemas_of(self._types)

    def content(self, kinds: Mapping[str, Any]) -> JSON:
        """Return the schema and an example of each media type."""
        found = {media: self._found[self._types.index(kind)] for media, kind in kinds.items()}
        return {media: {"schema": of, "example": example(of, self.named)} for media, of in found.items()}


def document(rows: Iterable[Row], *, version: str, revocation_s: int) -> JSON:
    """Return the whole document. `revocation_s`: how long a revoked key may still be accepted, in seconds."""
    listed = sorted(rows, key=lambda row: (row.path, row.method))
    types = [kind for row in listed for kinds in answers_of(row).values() for kind in kinds.values()]
    bodies = [_body_of(row) for row in listed if row.contract is not None]
    schemas = _Schemas([*bodies, *types, *events().values(), Problem, Problem | GatewayMessage])
    paths: dict[str, JSON] = {}
    for row in listed:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, schemas, revocation_s)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tallygate",
            "version": version,
            "description": _INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The root of the API that serves this document."}],
        "tags": [{"name": name, "description": text} for name, (_, text) in TAGS.items()],
        "paths": paths,
        "webhooks": {kind: {"post": _webhook(kind, contract, schemas)} for kind, contract in events().items()},
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key."}},
            "schemas": dict(sorted(schemas.named.items())),
            "headers": {name: {"description": text, "schema": schema} for name, (text, schema) in _HEADERS.items()},
            "responses": _refusals_shared(schemas),
        },
    }


def _operation(row: Row, schemas: _Schemas, revocation_s: int) -> JSON:
    operation: JSON = {
        "operationId": re.sub(r"\W+", "_", row.key.lower().replace("/v1", "")).strip("_"),
        "summary": row.summary.replace("{revocation_s}", str(revocation_s)),
        "tags": [next(name for name, (paths, _) in TAGS.items() if row.path.split("/")[2] in paths.split())],
        "parameters": [*_path_parameters(row.path), *_query_parameters(row.query), *_header_parameters(row)],
        "responses": {str(status): _response(row, status, kinds, schemas) for status, kinds in answers_of(row).items()},
        "security": [] if row.scope is None else [{"key": [row.scope]}],
    }
    needs = "" if row.scope is None else f"Requires an API key with the scope `{row.scope}`."
    if description := f"{row.note} {needs}".strip():
        operation["description"] = description
    if row.contract is not None:
        content = schemas.content({JSON_TYPE: _body_of(row)})
        if row.example is not None:
            content[JSON_TYPE]["example"] = row.example
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _response(row: Row, status: int, kinds: Mapping[str, Any], schemas: _Schemas) -> JSON:
    if status >= 400 and kinds == _refusal(status):
        return {"$ref": f"#/components/responses/{_PROBLEMS[status][0]}"}
    text = _SUCCESSES[status] if status in _SUCCESSES else _PROBLEMS[status][1]
    if row.answers.decides and status in _DENIED:
        text = _DENIAL + text
    response: JSON = {"description": text, "headers": _headers(headers_of(row, status))}
    if kinds:
        response["content"] = schemas.content(kinds)
    if status in row.answers.status and row.answers.example is not None:
        response["content"][JSON_TYPE]["example"] = row.answers.example
    return response


def _refusals_shared(schemas: _Schemas) -> JSON:
    """Return the problems that are equal on all routes."""
    more = {405: ("Allow",), 503: ("Retry-After",)}
    return {
        name: {
            "description": text,
            "headers": _headers(("traceparent", *more.get(status, ()))),
            "content": schemas.content(_refusal(status)),
        }
        for status, (name, text) in _PROBLEMS.items()
    }


def _headers(names: Iterable[str]) -> JSON:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _body_of(row: Row) -> Any:
    contract: Any = named(row.contract)
    return contract | list[contract] if row.several else contract


def _webhook(kind: str, contract: type, schemas: _Schemas) -> JSON:
    return {
        "operationId": f"receive_{kind.replace('.', '_')}",
        "summary": str(contract.__doc__),
        "tags": ["Webhooks"],
        "requestBody": {"required": True, "content": schemas.content({JSON_TYPE: contract})},
        "responses": {"2XX": {"description": "Received. Any other answer causes another attempt."}},
    }


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [{**_parameter("path", name, PATH[name]), "required": True} for name in _PARAMETER.findall(path)]


def _query_parameters(query: Query) -> list[dict[str, Any]]:
    return [_parameter("query", name, parameter) for name, parameter in query.items()]


def _parameter(place: str, name: str, parameter: Parameter) -> dict[str, Any]:
    schema = parameter.schema
    example = int(parameter.example) if schema["type"] == "integer" else parameter.example
    return {"name": name, "in": place, "description": parameter.text, "schema": schema, "example": example}


def _header_parameters(row: Row) -> list[dict[str, Any]]:
    found = []
    if row.by_key:
        text = "A repeated key within 24 hours returns the stored answer again, with secrets replaced by null."
        found.append(("Idempotency-Key", text, {"type": "string", "minLength": 1, "maxLength": 255}))
    if row.answers.decides:
        text = "`http-status`: answer a denial with 429, 402 or 403 instead of 200."
        found.append(("Prefer", text, {"type": "string"}))
    if row.conditional:
        text = "The ETag as read. If the resource has another ETag now, the request is refused with 412."
        found.append(("If-Match", text, {"type": "string"}))
    return [{"name": name, "in": "header", "description": text, "schema": schema} for name, text, schema in found]
