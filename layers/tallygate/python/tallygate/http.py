"""The HTTP API's event and answer (payload format 2.0), and the steps that every route shares.

    event ─read─> Request ─(principal, scope)─> the route's own function ─> Answer ─render─> result
                                     any TallygateError ─problem─> Answer (RFC 9457)

The authorizer lets every request through and adds a context. This module checks scopes and the key's customer, so a
refusal is a problem document like every other error. Every answer carries the caller's `traceparent`.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl

from tallygate.contracts.base.requests import TRACEPARENT, acceptable, broken_conditions, broken_path, broken_query
from tallygate.contracts.base.routes import Row, planned_routes
from tallygate.domain.base.json import read_json, write_json
from tallygate.domain.base.values import value
from tallygate.domain.customers.key_scopes import MANAGE, READ
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
    OutcomeUnknown,
    TallygateError,
    Unauthenticated,
    invalid,
)
from tallygate.problems import PROBLEM, page, problem_of

BODY_BYTES_MAX = 1_000_000
IDEMPOTENCY_KEY_LENGTH_MAX = 255
App = TypeVar("App")
"""The object that a function's routes work with: its store, clock and id sources, built in its app.py."""


@value()
class Principal:
    """The caller.

    key_id: the id of its API key
    scopes: the key's scopes
    customer: the only customer that the key may reach; None: any
    """

    key_id: str
    scopes: frozenset[str]
    customer: str | None = None


@value()
class Request:
    """One request.

    path: the route's path parameters
    headers: by lower-case name
    url_path: the requested path; used where no route matched
    repeated: names of query parameters that occur more than once; the gateway joins their values
    principal: None for a request without a valid key
    traceparent: in W3C form; a new one where the caller sent none
    docs_url: the address of the project's pages; empty: none is known
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
    docs_url: str = ""

    def page(self, path: str) -> str:
        """Return the link to a page of the project."""
        return page(path, self.docs_url)

    @property
    def trace_id(self) -> str:
        return self.traceparent[3:35]

    @property
    def given_trace(self) -> str | None:
        """The caller's own traceparent. A trace made here would lead nowhere, so it is not recorded."""
        return self.traceparent if self.headers.get("traceparent") else None

    @property
    def idempotency_key(self) -> str | None:
        """The Idempotency-Key, sent bare or as a quoted structured field.

        Raises InvalidRequest outside 1 to 255 characters.
        """
        raw = self.headers.get("idempotency-key")
        if raw is None:
            return None
        key = raw[1:-1] if len(raw) >= 2 and raw[0] == raw[-1] == '"' else raw
        if not 1 <= len(key) <= IDEMPOTENCY_KEY_LENGTH_MAX:
            detail = f"Idempotency-Key must have 1 to {IDEMPOTENCY_KEY_LENGTH_MAX} characters, like order-1042"
            raise invalid("!idempotency-key", "length", detail)
        return key

    def json(self) -> Any:
        """The body as JSON, with exact numbers (int or Decimal). Raises MalformedRequest."""
        try:
            return read_json(self.body.decode())
        except (ValueError, RecursionError) as error:
            raise MalformedRequest(f"the body is not JSON: {str(error)[:200]}") from None


@value()
class Answer:
    """A response: its status, JSON body (None: empty) and headers."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class CustomerIn(Enum):
    """The part of a request that names its customer."""

    PATH = "path"
    QUERY = "query"
    FOUND = "found"
    """In the body, or in the item that the path names.

    The route's own function calls `permit` once the customer is known.
    """
    NOWHERE = "nowhere"
    """The request concerns all customers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Row, Generic[App]):
    """One route of a function: its row, and the operation that answers.

    respond: answers the request; reads the body
    customer_in: where a request names its customer, which decides what a customer-bound key may reach; None: see
        `reach`
    """

    respond: Callable[[App, Request], Answer]
    customer_in: CustomerIn | None = None

    @property
    def reach(self) -> CustomerIn:
        """Where a request of this route names its customer: in its path, unless `customer_in` says otherwise."""
        if self.customer_in is not None:
            return self.customer_in
        return CustomerIn.PATH if "{customer}" in self.path else CustomerIn.NOWHERE


def answered(row: Row, respond: Callable[[App, Request], Answer], customer_in: CustomerIn | None = None) -> Route[App]:
    """Return the route of a row."""
    stated = {each.name: getattr(row, each.name) for each in fields(Row)}
    return Route(**stated, respond=respond, customer_in=customer_in)


def read(event: Mapping[str, Any], docs_url: str = "") -> Request:
    """Return the Request of an HTTP API event."""
    context = event["requestContext"]
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    raw = event.get("body") or ""
    body = base64.b64decode(raw) if event.get("isBase64Encoded") else raw.encode()
    request_id = context.get("requestId", "")
    given = headers.get("traceparent", "")
    return Request(
        route=event.get("routeKey", "$default"),
        url_path=event.get("rawPath", ""),
        repeated=_repeated(event["rawQueryString"]) if event.get("rawQueryString") else frozenset(),
        path=event.get("pathParameters") or {},
        query=event.get("queryStringParameters") or {},
        headers=headers,
        body=body,
        principal=_principal(context.get("authorizer")),
        traceparent=given if TRACEPARENT.fullmatch(given) else _new_traceparent(request_id),
        request_id=request_id,
        docs_url=docs_url,
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
    """Return the principal if it has the scope and may reach the customer. Raises Unauthenticated or Forbidden.

    The scope manage includes read. A key of one customer never has manage, whatever scopes its item holds.
    """
    if principal is None:
        raise Unauthenticated("the API key is missing, unknown, expired or revoked: send Authorization: Bearer tg_…")
    held = principal.scopes if principal.customer is None else principal.scopes - {MANAGE}
    if scope not in held and not (scope == READ and MANAGE in held):
        raise Forbidden(f"this key lacks the scope {scope}: use a key that has it", code="scope_missing")
    if customer is not None and principal.customer not in (None, customer):
        raise Forbidden("this key is bound to another customer", code="other_customer")
    return principal


def answer(
    event: Mapping[str, Any],
    respond: Callable[[Request], Answer],
    defect: Callable[[str], object],
    docs_url: str = "",
) -> dict[str, Any]:
    """Read the event, respond, and render the answer. An error becomes its problem document.

    defect: receives errors that should never happen, within the except clause, so that a logger finds the stack trace
    docs_url: the address of the project's pages; empty: links are paths of the project
    """
    try:
        request = read(event, docs_url)
    except (KeyError, ValueError, UnicodeError):
        request = _unreadable(event, docs_url)
        unread = MalformedRequest("the request could not be read: it must be valid UTF-8 and, where encoded, base64")
        return render(problem(unread, request), request)
    try:
        result = respond(request)
    except TallygateError as error:
        if error.status == InvariantBroken.status:
            defect(error.detail)
        result = problem(error, request)
    except Exception as error:  # noqa: BLE001  # outermost boundary: the caller gets a problem, the log the trace
        defect(type(error).__name__)
        result = problem(InvariantBroken(type(error).__name__), request)
    return render(result, request)


def _unreadable(event: Mapping[str, Any], docs_url: str) -> Request:
    """Return an empty request in place of one that cannot be read, so that its answer has a trace too."""
    context = event.get("requestContext") or {}
    request_id = str(context.get("requestId") or id(event))
    return Request(
        route="$default",
        path={},
        query={},
        headers={},
        body=b"",
        principal=None,
        traceparent=_new_traceparent(request_id),
        request_id=request_id,
        docs_url=docs_url,
    )


def dispatch(
    routes: Mapping[str, Route[App]], app: App, request: Request, *, elsewhere: Collection[str] = ()
) -> Answer:
    """Answer by the request's route, if the principal may use it and the request matches the route's declarations.

    elsewhere: keys of other functions' routes, for the function that answers the gateway's `$default`

    Raises errors of status 401, 403, 404, 405, 406, 413 and 422. Path, query and headers are checked before the route's
    own function runs.
    """
    route = routes.get(request.route)
    if route is None:
        raise unknown_route(request, (*routes, *elsewhere))
    if route.scope is not None:
        if request.principal is not None and request.principal.customer is not None:
            _within_reach(route, request.principal, request)
        permit(request.principal, route.scope)
    _require_sound(route, request)
    try:
        return route.respond(app, request)
    except OutcomeUnknown as unknown:
        # If the first attempt was written, a repetition without an id would count or change a second time.
        if route.by_key and not _names_itself(route, request):
            unknown.retryable = False
            ids = "request_id or an Idempotency-Key" if route.request_id else "an Idempotency-Key"
            unknown.detail += f"; look whether it happened before you send it again, and then send {ids}"
        raise


def _names_itself(route: Route[App], request: Request) -> bool:
    """Return whether the request has an id by which a repetition is recognized."""
    if request.idempotency_key is not None:
        return True
    body = request.json() if route.request_id else None
    return isinstance(body, dict) and body.get("request_id") is not None


def _within_reach(route: Route[App], principal: Principal, request: Request) -> None:
    """Check that a customer-bound key stays with its customer. Raises Forbidden."""
    if route.reach is CustomerIn.FOUND:
        return
    if route.reach is CustomerIn.NOWHERE:
        raise Forbidden("this key is bound to one customer; this route concerns all", code="other_customer")
    named = (request.path if route.reach is CustomerIn.PATH else request.query).get("customer")
    if named != principal.customer:
        raise Forbidden("this key is bound to another customer", code="other_customer")


def _require_sound(route: Route[App], request: Request) -> None:
    if not acceptable(request.headers.get("accept")):
        detail = "must allow application/json: this version answers nothing else"
        raise NotAcceptable(detail, errors=(FieldError(pointer="!accept", code="not_available", detail=detail),))
    if len(request.body) > BODY_BYTES_MAX:
        raise BodyTooLarge(f"the body has more than {BODY_BYTES_MAX} bytes: send less at once")
    errors = [
        *(broken_path(request.path) if request.path else ()),
        *(broken_query(route.query, request.query, request.repeated) if request.query else ()),
        *broken_conditions(route, request.headers),
    ]
    # Clients may send `null` or `{}` for an empty body.
    if route.contract is None and request.body.strip() not in (b"", b"null", b"{}"):
        errors.append(FieldError(pointer="", code="not_allowed", detail="this route takes no body: send none, or {}"))
    if errors:
        raise InvalidRequest(f"{errors[0].pointer or 'the body'}: {errors[0].detail}", errors=tuple(errors))


def unknown_route(request: Request, known: Collection[str]) -> InvalidRequest:
    """Return the error for a request that matched no route.

    MethodNotAllowed        the path exists with other methods; the answer has `Allow`
    NotFound not_available  the route is planned
    NotFound                every other path
    """
    if allowed := allowed_methods(known, request.url_path):
        return MethodNotAllowed(allowed)
    if allowed_methods(planned_routes(), request.url_path):
        return NotFound("this route is planned and not available in this version", code="not_available")
    return NotFound("there is no such route", code="route_not_found")


def allowed_methods(known: Collection[str], path: str) -> tuple[str, ...]:
    """Return the methods of the known routes that match this path. A parameter like `{key}` matches any non-empty
    segment.
    """
    steps = path.split("/")
    found = {method for method, _, pattern in (key.partition(" ") for key in known) if _is_path(pattern, steps)}
    return tuple(sorted(found))


def _is_path(pattern: str, steps: list[str]) -> bool:
    wanted = pattern.split("/")
    if len(wanted) != len(steps):
        return False
    return all(step == want or (want.startswith("{") and step != "") for want, step in zip(wanted, steps, strict=True))


def problem(error: TallygateError, request: Request) -> Answer:
    """Return an error as a problem document."""
    body = problem_of(
        error, trace_id=request.trace_id, docs_url=request.docs_url, path=request.path, query=request.query
    )
    headers = {"content-type": PROBLEM}
    if error.retryable:
        headers["retry-after"] = "1"
    if isinstance(error, MethodNotAllowed):
        headers["allow"] = ", ".join(error.allowed)
    return Answer(status=error.status, body=body, headers=headers)


def render(result: Answer, request: Request) -> dict[str, Any]:
    """Return the Lambda proxy result."""
    headers = {"content-type": "application/json", **result.headers, "traceparent": request.traceparent}
    body = "" if result.body is None else write_json(result.body)
    return {"statusCode": result.status, "headers": headers, "body": body}
