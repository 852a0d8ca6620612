"""The HTTP API's event and answer (payload format 2.0), and what every route does the same way.

    event ─read─> Request ─(principal, scope)─> the route's own function ─> Answer ─render─> result
                                     any TallygateError ─problem─> Answer (RFC 9457)

The authorizer lets every request through with a context; who may do what is decided here, so that a refusal is a
problem document like every other error. Everything that a function answers carries the caller's `traceparent`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, Generic, TypeVar

from tallygate.domain.api_keys import MANAGE, READ
from tallygate.domain.quantities import format_quantity
from tallygate.errors import (
    FieldError,
    Forbidden,
    InvalidRequest,
    InvariantBroken,
    MalformedRequest,
    NotFound,
    TallygateError,
    Unauthenticated,
)

DOCS = "docs/problems.md"
"""Where a problem's code is explained, in the project itself."""
BODY_BYTES_MAX = 1_000_000
IDEMPOTENCY_KEY_LENGTH_MAX = 255
App = TypeVar("App")
"""What a function's routes work with: its store, clock and sources of ids, put together in its app.py."""
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who calls: an API key's id, its scopes, and the one customer it is bound to (None: any)."""

    key_id: str
    scopes: frozenset[str]
    customer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call. Header names are lower case; `path` holds the route's path parameters; `traceparent` is W3C's."""

    route: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    principal: Principal | None
    traceparent: str
    request_id: str

    @property
    def trace_id(self) -> str:
        return self.traceparent[3:35]

    @property
    def idempotency_key(self) -> str | None:
        """The Idempotency-Key, a quoted structured field or bare. Raises InvalidRequest outside 1..255 characters."""
        raw = self.headers.get("idempotency-key")
        if raw is None:
            return None
        key = raw[1:-1] if len(raw) >= 2 and raw[0] == raw[-1] == '"' else raw
        if not 1 <= len(key) <= IDEMPOTENCY_KEY_LENGTH_MAX:
            detail = f"Idempotency-Key must have 1 to {IDEMPOTENCY_KEY_LENGTH_MAX} characters"
            raise InvalidRequest(detail, errors=(FieldError(pointer="!idempotency-key", code="length", detail=detail),))
        return key

    def json(self) -> Any:
        """The body as JSON, numbers exact (int or Decimal). Raises MalformedRequest."""
        if len(self.body) > BODY_BYTES_MAX:
            raise MalformedRequest(f"the body has more than {BODY_BYTES_MAX} bytes", code="body_too_large")
        try:
            value = _DECODER.decode(self.body.decode())
        except InvalidOperation:
            raise MalformedRequest("a number of the body has an exponent that no number here can have") from None
        except (ValueError, RecursionError) as error:
            raise MalformedRequest(f"the body is not JSON: {str(error)[:200]}") from None
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status, JSON body (None: empty) and headers of a response."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class CustomerIn(Enum):
    """Where a request names the customer that it concerns."""

    PATH = "path"
    QUERY = "query"
    FOUND = "found"
    """In its body, or in what its path names: the route's own function asks `permit` once it knows."""
    NOWHERE = "nowhere"
    """It concerns all customers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Generic[App]):
    """One row of a function's table: what is asked, who may ask it, and the operation that answers.

    `scope` None is public. `contract` is the body's contract, for the OpenAPI document; `respond` reads it itself.
    `customer_in` says where a request names its customer, which decides what a key of one customer may reach.
    """

    method: str
    path: str
    scope: str | None
    respond: Callable[[App, Request], Answer]
    contract: type | None = None
    summary: str = ""
    customer_in: CustomerIn | None = None

    @property
    def reach(self) -> CustomerIn:
        """Where a request of this route names its customer: in its path, unless the route says otherwise."""
        if self.customer_in is not None:
            return self.customer_in
        return CustomerIn.PATH if "{customer}" in self.path else CustomerIn.NOWHERE

    @property
    def key(self) -> str:
        """The HTTP API's name of the route."""
        return f"{self.method} {self.path}"


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of the body. A name that stands twice would mean what its reader happens to take."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=Decimal, parse_constant=_no_constant)


def read(event: Mapping[str, Any]) -> Request:
    """The Request of an HTTP API event."""
    context = event["requestContext"]
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    raw = event.get("body") or ""
    body = base64.b64decode(raw) if event.get("isBase64Encoded") else raw.encode()
    request_id = context.get("requestId", "")
    given = headers.get("traceparent", "")
    return Request(
        route=event.get("routeKey", "$default"),
        path=event.get("pathParameters") or {},
        query=event.get("queryStringParameters") or {},
        headers=headers,
        body=body,
        principal=_principal(context.get("authorizer")),
        traceparent=given if _TRACEPARENT.fullmatch(given) else _new_traceparent(request_id),
        request_id=request_id,
    )


def _principal(authorizer: Mapping[str, Any] | None) -> Principal | None:
    granted = (authorizer or {}).get("lambda") or {}
    if not granted.get("key_id"):
        return None
    return Principal(
        key_id=granted["key_id"],
        scopes=frozenset(granted.get("scopes", "").split()),
        customer=granted.get("customer") or None,
    )


def _new_traceparent(request_id: str) -> str:
    digest = hashlib.sha256(request_id.encode()).hexdigest()
    return f"00-{digest[:32]}-{digest[32:48]}-01"


def permit(principal: Principal | None, scope: str, customer: str | None = None) -> Principal:
    """The principal, if it has the scope (and, bound to a customer, asks for that one). Raises 401 or 403.

    manage includes read. A key of one customer never has manage, whatever is stored of it.
    """
    if principal is None:
        raise Unauthenticated("the API key is missing, unknown, expired or revoked")
    held = principal.scopes if principal.customer is None else principal.scopes - {MANAGE}
    if scope not in held and not (scope == READ and MANAGE in held):
        raise Forbidden(f"this key lacks the scope {scope}", code="scope_missing")
    if customer is not None and principal.customer not in (None, customer):
        raise Forbidden("this key is bound to another customer", code="other_customer")
    return principal


def answer(
    event: Mapping[str, Any], respond: Callable[[Request], Answer], defect: Callable[[str], object]
) -> dict[str, Any]:
    """Read the event, respond, and render what came of it; an error becomes its problem document.

    `defect` is told of what should never happen (from within the except clause, so that a logger finds the trace).
    """
    try:
        request = read(event)
    except (KeyError, ValueError, UnicodeError):
        return render(problem(MalformedRequest("the request could not be read"), ""), None)
    try:
        result = respond(request)
    except TallygateError as error:
        if error.status == InvariantBroken.status:
            defect(error.detail)
        result = problem(error, request.trace_id)
    except Exception as error:  # noqa: BLE001  # the outermost boundary: a caller gets a problem, we get the trace
        defect(type(error).__name__)
        result = problem(InvariantBroken(type(error).__name__), request.trace_id)
    return render(result, request)


def dispatch(routes: Mapping[str, Route[App]], app: App, request: Request) -> Answer:
    """The answer of the request's route, if the principal has its scope. Raises 401, 403 and 404."""
    route = routes.get(request.route)
    if route is None:
        return unknown_route(request)
    if route.scope is not None:
        if request.principal is not None:
            _within_reach(route, request.principal, request)
        permit(request.principal, route.scope)
    return route.respond(app, request)


def _within_reach(route: Route[App], principal: Principal, request: Request) -> None:
    """Raises Forbidden where a key of one customer asks for another, or for what concerns all of them."""
    if principal.customer is None or route.reach is CustomerIn.FOUND:
        return
    if route.reach is CustomerIn.NOWHERE:
        raise Forbidden("this key is bound to one customer; this route concerns all", code="other_customer")
    named = (request.path if route.reach is CustomerIn.PATH else request.query).get("customer")
    if named != principal.customer:
        raise Forbidden("this key is bound to another customer", code="other_customer")


def unknown_route(_: Request) -> Answer:
    """What `$default` answers."""
    raise NotFound("there is no such route", code="route_not_found")


def problem(error: TallygateError, trace_id: str) -> Answer:
    """An error as RFC 9457 application/problem+json. A defect of ours tells the caller nothing but the trace."""
    ours = error.status == 500
    body = {
        "type": f"urn:tallygate:problem:{error.code}",
        "title": error.code.replace("_", " ").capitalize(),
        "status": error.status,
        "detail": "Something broke on our side; the trace_id leads to it." if ours else error.detail,
        "code": error.code,
        "errors": [{"pointer": e.pointer, "code": e.code, "detail": e.detail} for e in error.errors],
        "trace_id": trace_id,
        "retryable": error.retryable,
        "docs": f"{DOCS}#{error.code}",
    }
    headers = {"content-type": "application/problem+json"}
    if error.retryable:
        headers["retry-after"] = "1"
    return Answer(status=error.status, body=body, headers=headers)


def render(result: Answer, request: Request | None) -> dict[str, Any]:
    """The Lambda proxy result."""
    headers = {"content-type": "application/json", **result.headers}
    if request is not None:
        headers["traceparent"] = request.traceparent
    body = "" if result.body is None else dumps(result.body)
    return {"statusCode": result.status, "headers": headers, "body": body}


def dumps(value: Any) -> str:
    """Compact JSON; decimals in the wire form of quantities."""
    return _ENCODER.encode(value)


def _encode(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format_quantity(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


_ENCODER = json.JSONEncoder(separators=(",", ":"), default=_encode, ensure_ascii=False)
