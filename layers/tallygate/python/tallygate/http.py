"""The HTTP API's event and answer (payload format 2.0), and what every route does the same way.

    event ─read─> Request ─(principal, scope)─> the route's own function ─> Answer ─render─> result
                                     any TallygateError ─problem─> Answer (RFC 9457)

The authorizer lets every request through with a context; who may do what is decided here, so that a refusal is a
problem document like every other error. Everything that a function answers carries the caller's `traceparent`.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl

from tallygate.contracts.base.answers import fields_of
from tallygate.contracts.base.requests import TRACEPARENT, acceptable, broken_conditions, broken_path, broken_query
from tallygate.contracts.base.routes import Row, planned_routes
from tallygate.domain.base.json import read_json, write_json
from tallygate.domain.customers.api_keys import MANAGE, READ
from tallygate.errors import (
    BodyTooLarge,
    FieldError,
    Forbidden,
    InvalidRequest,
    InvariantBroken,
    MalformedRequest,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    TallygateError,
    Unauthenticated,
    invalid,
)

PROBLEM = "application/problem+json"
DOCS = "docs/problems.md"
"""Where a problem's code is explained, in the project itself."""
BODY_BYTES_MAX = 1_000_000
IDEMPOTENCY_KEY_LENGTH_MAX = 255
App = TypeVar("App")
"""What a function's routes work with: its store, clock and sources of ids, put together in its app.py."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who calls: an API key's id, its scopes, and the one customer it is bound to (None: any)."""

    key_id: str
    scopes: frozenset[str]
    customer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call. Header names are lower case; `path` holds the route's path parameters; `traceparent` is W3C's.

    `url_path` is the path as it was asked, for what no route names; `repeated` are the query parameters that are there
    more than once, whose values the gateway joins.
    """

    route: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    url_path: str = ""
    repeated: frozenset[str] = frozenset()
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
            raise invalid("!idempotency-key", "length", detail)
        return key

    def json(self) -> Any:
        """The body as JSON, numbers exact (int or Decimal). Raises MalformedRequest."""
        try:
            return read_json(self.body.decode())
        except (ValueError, RecursionError) as error:
            raise MalformedRequest(f"the body is not JSON: {str(error)[:200]}") from None


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
class Route(Row, Generic[App]):
    """One row of a function's table: what is asked, who may ask it, and the operation that answers.

    `contracts.base.requests` declares its path, query and headers. `respond` reads the body. `customer_in` says where a
    request names its customer, which decides what a key of one customer may reach.
    """

    respond: Callable[[App, Request], Answer]
    customer_in: CustomerIn | None = None

    @property
    def reach(self) -> CustomerIn:
        """Where a request of this route names its customer: in its path, unless the route says otherwise."""
        if self.customer_in is not None:
            return self.customer_in
        return CustomerIn.PATH if "{customer}" in self.path else CustomerIn.NOWHERE


def answered(row: Row, respond: Callable[[App, Request], Answer], customer_in: CustomerIn) -> Route[App]:
    """The route of a declared row."""
    return Route(row.key, row.scope, row.summary, row.contract, respond=respond, customer_in=customer_in)


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
        url_path=event.get("rawPath", ""),
        repeated=_repeated(event.get("rawQueryString") or ""),
        path=event.get("pathParameters") or {},
        query=event.get("queryStringParameters") or {},
        headers=headers,
        body=body,
        principal=_principal(context.get("authorizer")),
        traceparent=given if TRACEPARENT.fullmatch(given) else _new_traceparent(request_id),
        request_id=request_id,
    )


def _repeated(query: str) -> frozenset[str]:
    names = Counter(name for name, _ in parse_qsl(query, keep_blank_values=True))
    return frozenset(name for name, count in names.items() if count > 1)


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

    `defect` receives what should never happen, from within the except clause, so that a logger finds the trace.
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


def dispatch(
    routes: Mapping[str, Route[App]], app: App, request: Request, *, elsewhere: Collection[str] = ()
) -> Answer:
    """The answer of the request's route, if the principal has its scope and the route takes what it is given.

    `elsewhere` are the keys of other functions' routes, for whoever answers the gateway's `$default`. Raises 401, 403,
    404, 405, 406, 413 and 422. What is wrong with path, query and headers is found here, by the route's declarations,
    before anything is done.
    """
    route = routes.get(request.route)
    if route is None:
        raise unknown_route(request, (*routes, *elsewhere))
    if route.scope is not None:
        if request.principal is not None:
            _within_reach(route, request.principal, request)
        permit(request.principal, route.scope)
    _require_sound(route, request)
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


def _require_sound(route: Route[App], request: Request) -> None:
    if not acceptable(request.headers.get("accept")):
        detail = "an answer is application/json; no other form is available in this version"
        raise NotAcceptable(detail, errors=(FieldError(pointer="!accept", code="not_available", detail=detail),))
    if len(request.body) > BODY_BYTES_MAX:
        raise BodyTooLarge(f"the body has more than {BODY_BYTES_MAX} bytes")
    queries = broken_query(request.route, request.query, request.repeated)
    conditions = broken_conditions(request.route, request.headers)
    errors = (*broken_path(request.path), *queries, *conditions, *_unread_body(route, request))
    if errors:
        raise InvalidRequest(f"{errors[0].pointer or 'the body'}: {errors[0].detail}", errors=errors)


def _unread_body(route: Route[App], request: Request) -> tuple[FieldError, ...]:
    """A body that says something to a route that reads none. Clients send `null` or `{}` where they have nothing."""
    if route.contract is not None or request.body.strip() in (b"", b"null", b"{}"):
        return ()
    return (FieldError(pointer="", code="not_allowed", detail="this route takes no body"),)


def unknown_route(request: Request, known: Collection[str]) -> InvalidRequest:
    """What `$default` answers: 405 with `Allow` where other methods of the path are known, else 404: `not_available`
    for what is planned."""
    if allowed := allowed_methods(known, request.url_path):
        return MethodNotAllowed(allowed)
    if allowed_methods(planned_routes(), request.url_path):
        return NotFound("this route is planned and not available in this version", code="not_available")
    return NotFound("there is no such route", code="route_not_found")


def allowed_methods(known: Collection[str], path: str) -> tuple[str, ...]:
    """The methods of the routes whose path this is; of `GET /v1/keys/{key}` the parameter is any one segment."""
    steps = path.split("/")
    found = {method for method, _, pattern in (key.partition(" ") for key in known) if _is_path(pattern, steps)}
    return tuple(sorted(found))


def _is_path(pattern: str, steps: list[str]) -> bool:
    wanted = pattern.split("/")
    if len(wanted) != len(steps):
        return False
    return all(step == want or (want.startswith("{") and step != "") for want, step in zip(wanted, steps, strict=True))


def problem_answer(
    code: str,
    status: int,
    detail: str,
    *,
    trace_id: str,
    retryable: bool,
    docs: str,
    errors: Sequence[FieldError] = (),
) -> dict[str, Any]:
    """A problem document (RFC 9457)."""
    return {
        "type": f"urn:tallygate:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
        "code": code,
        "errors": [fields_of(error, "pointer code detail") for error in errors],
        "trace_id": trace_id,
        "retryable": retryable,
        "docs": docs,
    }


def problem(error: TallygateError, trace_id: str) -> Answer:
    """An error as a problem document. A defect of ours shows the caller nothing but the trace."""
    ours = error.status == 500
    body = problem_answer(
        error.code,
        error.status,
        "Something broke on our side; the trace_id leads to it." if ours else error.detail,
        errors=error.errors,
        trace_id=trace_id,
        retryable=error.retryable,
        docs=f"{DOCS}#{error.code}",
    )
    headers = {"content-type": PROBLEM}
    if error.retryable:
        headers["retry-after"] = "1"
    if isinstance(error, MethodNotAllowed):
        headers["allow"] = ", ".join(error.allowed)
    return Answer(status=error.status, body=body, headers=headers)


def render(result: Answer, request: Request | None) -> dict[str, Any]:
    """The Lambda proxy result."""
    headers = {"content-type": "application/json", **result.headers}
    if request is not None:
        headers["traceparent"] = request.traceparent
    body = "" if result.body is None else write_json(result.body)
    return {"statusCode": result.status, "headers": headers, "body": body}
