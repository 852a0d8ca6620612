"""Routes: the rows of route tables, and every path of the planned API, implemented or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tallygate.contracts.base.parameters import Query


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a route answers.

    body: contract of a success; None: no body
    paged: whether the answer is a page of such bodies
    status: statuses of a success
    refusals: statuses of problems, besides those that follow from the rest of the row
    creates: whether it creates what its path names, so that nothing can be missing
    versioned: whether a success has an ETag; a write then honours If-Match
    decides: whether it is a decision, with its headers, and a denial may be answered as a problem
    replays: whether a repeated request is answered with Idempotent-Replayed, also without a key
    example: a body of a success; None: the example of the contract
    """

    body: Any = None
    paged: bool = False
    status: tuple[int, ...] = (200,)
    refusals: tuple[int, ...] = ()
    creates: bool = False
    versioned: bool = False
    decides: bool = False
    replays: bool = False
    example: Any = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a function's route table: all that callers, documents and the dispatcher know of the route.

    A contract may be named as text, `<room>.<module>.<name>` in `contracts`, so that a function need not load it.

    key: method and path, as in the HTTP API
    scope: the scope that the API key needs; None: the route is public
    summary: what it does, in a few words
    contract: the contract of the body, read by the route's function; None: the route takes no body
    answers: what it answers
    note: what else a caller should know, as sentences
    several: most elements of a body that may also be a list; 0: the body is never a list
    query: its query parameters by name
    by_key: whether it is repeated safely with an Idempotency-Key, and only so. All other routes are safe to repeat
    request_id: whether `request_id` in the body makes a repetition safe as well
    example: a body; None: the example of the contract
    """

    key: str
    scope: str | None
    summary: str
    contract: type | str | None = None
    answers: Answers = Answers()
    note: str = ""
    several: int = 0
    query: Query = field(default_factory=dict)
    by_key: bool = False
    request_id: bool = False
    example: Any = None

    @property
    def contract_name(self) -> str | None:
        named = self.contract
        return named.__name__ if isinstance(named, type) else named and named.rpartition(".")[2]

    @property
    def conditional(self) -> bool:
        """Whether the route honours If-Match."""
        return self.answers.versioned and self.method != "GET"

    @property
    def method(self) -> str:
        return self.key.partition(" ")[0]

    @property
    def path(self) -> str:
        return self.key.partition(" ")[2]


_CUSTOMER = "/v1/customers/{customer}"
_POOL = f"{_CUSTOMER}/pools/{{pool}}"
_ENDPOINT = "/v1/webhook-endpoints/{endpoint}"

ROUTES: Mapping[str, str] = {
    "/api/v1/events": "POST",
    "/v1/audit": "GET",
    "/v1/billing/meter_events": "POST",
    "/v1/catalog": "PUT GET",
    "/v1/check": "POST",
    "/v1/consume": "POST",
    "/v1/consume/{decision_id}/settle": "POST",
    "/v1/credits/transfer": "POST",
    "/v1/customers": "GET",
    _CUSTOMER: "PUT GET DELETE",
    f"{_CUSTOMER}/adjustments": "POST GET",
    f"{_CUSTOMER}/alerts/{{name}}": "PUT GET DELETE",
    f"{_CUSTOMER}/dimensions/{{dimension}}/{{value}}": "PUT GET DELETE",
    f"{_CUSTOMER}/entitlements": "GET",
    f"{_CUSTOMER}/entitlements/{{feature}}": "GET",
    f"{_CUSTOMER}/ledger": "GET",
    f"{_CUSTOMER}/limits": "GET",
    f"{_CUSTOMER}/limits/{{name}}": "PUT GET DELETE",
    f"{_CUSTOMER}/limits/{{name}}/impact": "GET",
    f"{_CUSTOMER}/periods": "GET",
    _POOL: "PUT GET",
    f"{_POOL}/grants": "POST",
    f"{_POOL}/grants/{{grant}}/void": "POST",
    f"{_POOL}/resume": "POST",
    f"{_POOL}/suspend": "POST",
    f"{_POOL}/withdraw": "POST",
    f"{_CUSTOMER}/reset": "POST",
    f"{_CUSTOMER}/resume": "POST",
    f"{_CUSTOMER}/subscription": "PUT DELETE",
    f"{_CUSTOMER}/suspend": "POST",
    "/v1/decisions/{decision_id}": "GET",
    "/v1/denials": "GET",
    "/v1/estimate": "POST",
    "/v1/events": "POST GET",
    "/v1/events/amend": "POST",
    "/v1/events/void": "POST",
    "/v1/health": "GET",
    "/v1/integrations/stripe": "PUT GET DELETE",
    "/v1/keys": "POST GET",
    "/v1/keys/{key}": "DELETE",
    "/v1/keys/{key}/rotate": "POST",
    "/v1/leases": "POST",
    "/v1/leases/{lease}/close": "POST",
    "/v1/leases/{lease}/renew": "POST",
    "/v1/openapi.json": "GET",
    "/v1/portal-tokens": "POST",
    "/v1/reservations": "POST GET",
    "/v1/reservations/{reservation}": "GET",
    "/v1/reservations/{reservation}/commit": "POST",
    "/v1/reservations/{reservation}/extend": "POST",
    "/v1/reservations/{reservation}/release": "POST",
    "/v1/stripe/exports": "GET",
    "/v1/stripe/exports/run": "POST",
    "/v1/stripe/reconciliation": "GET",
    "/v1/stripe/webhook": "POST",
    "/v1/test-clock": "POST",
    "/v1/usage": "POST GET",
    "/v1/verify": "POST",
    "/v1/webhook-endpoints": "POST GET",
    _ENDPOINT: "GET PATCH DELETE",
    f"{_ENDPOINT}/deliveries": "GET",
    f"{_ENDPOINT}/deliveries/{{delivery}}/retry": "POST",
    f"{_ENDPOINT}/replay": "POST",
    f"{_ENDPOINT}/rotate": "POST",
    f"{_ENDPOINT}/test": "POST",
    "/v1/webhooks/schemas": "GET",
}
"""Every planned path with its methods. A route without a row in a route table is not implemented."""


def planned_routes() -> frozenset[str]:
    """Return the keys of all planned routes."""
    return frozenset(f"{method} {path}" for path, methods in ROUTES.items() for method in methods.split())
