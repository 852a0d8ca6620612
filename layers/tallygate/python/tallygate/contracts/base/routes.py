"""Routes: the rows of route tables, and every path of the planned API, implemented or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a route answers, as the OpenAPI document shows it.

    body: contract of a success; None: no body
    paged: whether the answer is a page of such bodies
    several: most elements of a body that is a list, answered by a list; 0: the body is no list
    status: statuses of a success
    refusals: statuses of problems, besides those that every route may answer
    versioned: whether a success has an ETag
    decides: whether it is a decision, with its headers, and a denial may be answered as a problem
    """

    body: Any = None
    paged: bool = False
    several: int = 0
    status: tuple[int, ...] = (200,)
    refusals: tuple[int, ...] = ()
    versioned: bool = False
    decides: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a function's route table, as the OpenAPI document shows it.

    key: method and path, as in the HTTP API
    scope: the scope that the API key needs; None: the route is public
    answers: contracts of the answers; `contracts.openapi` adds those of functions that must not load them
    contract: the contract of the body, read by the route's function; its name, if only a body that breaks a rule loads
        it; None: the route takes no body
    """

    key: str
    scope: str | None
    summary: str
    contract: type | str | None = None
    answers: Answers = Answers()

    @property
    def contract_name(self) -> str | None:
        return self.contract.__name__ if isinstance(self.contract, type) else self.contract

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
