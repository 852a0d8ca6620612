"""The routes of manage in one table: key, handler, and summary for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from api_keys import delete_key, list_keys, post_key, rotate_key
from catalogs import get_catalog, put_catalog
from corrections import list_adjustments, post_adjustment, post_reset
from customers import (
    delete_limit,
    delete_subscription,
    get_customer,
    get_entitlement,
    get_limit,
    list_entitlements,
    list_limits,
    put_customer,
    put_limit,
    put_subscription,
    resume,
    suspend,
)
from endpoints import delete_endpoint, get_endpoint, list_deliveries, list_endpoints, post_endpoint, post_rotation
from records import get_decision, get_events, get_impact, get_usage, list_audit, list_periods
from replies import App
from stack import get_health, post_test_clock

from tallygate import __version__
from tallygate.contracts.admission.entitlements import EntitlementAnswer
from tallygate.contracts.admission.records import DecisionRecord
from tallygate.contracts.base.routes import Answers
from tallygate.contracts.catalog.answers import CatalogChanges
from tallygate.contracts.catalog.catalog import CatalogBody
from tallygate.contracts.corrections.corrections import AdjustmentAnswer, AdjustmentBody, ResetAnswer, ResetBody
from tallygate.contracts.customers.customers import CustomerAnswer, CustomerBody, SubscriptionAnswer, SubscriptionBody
from tallygate.contracts.customers.keys import (
    ClockAnswer,
    HealthAnswer,
    KeyAnswer,
    KeyBody,
    KeyShown,
    RotationBody,
    TestClockBody,
)
from tallygate.contracts.delivery.endpoints import (
    DeliveryAnswer,
    EndpointAnswer,
    EndpointRequest,
    EndpointRotationBody,
    EndpointShown,
)
from tallygate.contracts.facts.statements import PeriodAnswer
from tallygate.contracts.limits.own_limits import OwnLimitAnswer, OwnLimitBody
from tallygate.contracts.limits.suspensions import SuspensionBody, SuspensionChange
from tallygate.contracts.metering.answers import EventRowAnswer
from tallygate.contracts.openapi import ELSEWHERE, document
from tallygate.contracts.schemas import EventSchemas, event_schemas
from tallygate.contracts.usage.usage import AuditAnswer, ImpactAnswer, UsageSums
from tallygate.domain.customers.key_scopes import MANAGE, READ
from tallygate.http import Answer, CustomerIn, Request, Route


@cache
def _document(revocation_s: int) -> dict[str, Any]:
    """Built once per container: the document changes only with a deployment."""
    return document((*ROUTES.values(), *ELSEWHERE), version=__version__, revocation_s=revocation_s)


def _openapi(app: App, _request: Request) -> Answer:
    return Answer(body=_document(app.settings.authorizer_cache_s))


def _schemas(_app: App, _request: Request) -> Answer:
    return Answer(body=event_schemas())


def _route(
    key: str,
    respond: Callable[[App, Request], Answer],
    summary: str,
    contract: type | None = None,
    *,
    public: bool = False,
    customer_in: CustomerIn | None = None,
    **answers: Any,
) -> Route[App]:
    """Return a route of the control plane. A GET needs the scope read, every other method the scope manage.

    answers: fields of `contracts.base.routes.Answers`
    """
    scope = None if public else READ if key.startswith("GET ") else MANAGE
    return Route(key, scope, summary, contract, Answers(**answers), respond=respond, customer_in=customer_in)


# Customer, limit, endpoint.
_C = "/v1/customers/{customer}"
_L = f"{_C}/limits/{{name}}"
_E = "/v1/webhook-endpoints/{endpoint}"
_FOUND, _QUERY = CustomerIn.FOUND, CustomerIn.QUERY
_REFUSED = (409,)
_PUT: dict[str, Any] = {"status": (200, 201), "versioned": True, "refusals": _REFUSED}

_ROWS = (
    _route(
        "PUT /v1/catalog",
        put_catalog,
        "Declare the whole catalog",
        CatalogBody,
        body=CatalogChanges,
        versioned=True,
        refusals=_REFUSED,
    ),
    _route(
        "GET /v1/catalog", get_catalog, "The catalog, to be changed and put again", body=CatalogBody, versioned=True
    ),
    _route(f"PUT {_C}", put_customer, "Create or change a customer", CustomerBody, body=CustomerAnswer, **_PUT),
    _route(f"GET {_C}", get_customer, "A customer with its subscription", body=CustomerAnswer, versioned=True),
    _route(
        f"PUT {_C}/subscription",
        put_subscription,
        "Subscribe to a plan, now or from the next period",
        SubscriptionBody,
        body=SubscriptionAnswer,
        versioned=True,
        refusals=_REFUSED,
    ),
    _route(
        f"DELETE {_C}/subscription",
        delete_subscription,
        "End the subscription now",
        body=SubscriptionAnswer,
        versioned=True,
        refusals=_REFUSED,
    ),
    _route(
        f"PUT {_L}",
        put_limit,
        "Set a limit of the customer's own, or override its plan's",
        OwnLimitBody,
        body=OwnLimitAnswer,
        **_PUT,
    ),
    _route(
        f"GET {_L}",
        get_limit,
        "A limit of the customer's own, and the limit in force with it",
        body=OwnLimitAnswer,
        versioned=True,
    ),
    _route(
        f"DELETE {_L}",
        delete_limit,
        "Remove a limit of the customer's own; the plan's applies again",
        status=(204,),
        versioned=True,
        refusals=_REFUSED,
    ),
    _route(f"GET {_C}/limits", list_limits, "Limits of the customer's own", body=OwnLimitAnswer, paged=True),
    _route(f"GET {_L}/impact", get_impact, "What a limit counted, and what it would have denied", body=ImpactAnswer),
    _route(
        f"POST {_C}/suspend",
        suspend,
        "Deny a customer, a feature or a scope",
        SuspensionBody,
        body=SuspensionChange,
    ),
    _route(f"POST {_C}/resume", resume, "Lift a suspension, also one by a tier", SuspensionBody, body=SuspensionChange),
    _route(
        f"POST {_C}/adjustments",
        post_adjustment,
        "Raise or lower a running quota",
        AdjustmentBody,
        body=AdjustmentAnswer,
        status=(201,),
        refusals=_REFUSED,
    ),
    _route(
        f"GET {_C}/adjustments",
        list_adjustments,
        "Manual adjustments, newest first",
        body=AdjustmentAnswer,
        paged=True,
    ),
    _route(
        f"POST {_C}/reset", post_reset, "Reset a feature's usage to zero for enforcement", ResetBody, body=ResetAnswer
    ),
    _route(
        f"GET {_C}/entitlements", list_entitlements, "What the customer may consume", body=EntitlementAnswer, paged=True
    ),
    _route(f"GET {_C}/entitlements/{{feature}}", get_entitlement, "The state of one feature", body=EntitlementAnswer),
    _route(
        f"GET {_C}/periods",
        list_periods,
        "Closed periods, with all corrections so far",
        body=PeriodAnswer,
        paged=True,
    ),
    _route(
        "GET /v1/audit",
        list_audit,
        "Changes of a customer, or of the stack itself: by whom, when and why",
        body=AuditAnswer,
        paged=True,
        refusals=(404,),
    ),
    _route(
        "GET /v1/events",
        get_events,
        "Received events and their outcomes, newest first",
        customer_in=_QUERY,
        body=EventRowAnswer,
        paged=True,
        refusals=(404,),
    ),
    _route(
        "GET /v1/usage",
        get_usage,
        "A customer's usage, over time and by dimension",
        customer_in=_QUERY,
        body=UsageSums,
        refusals=(404,),
    ),
    _route(
        "GET /v1/decisions/{decision_id}",
        get_decision,
        "A granted consume as recorded, with its settlement",
        customer_in=_FOUND,
        body=DecisionRecord,
    ),
    _route("POST /v1/keys", post_key, "Make an API key; its text is shown once", KeyBody, body=KeyShown, status=(201,)),
    _route("GET /v1/keys", list_keys, "API keys, without their texts", body=KeyAnswer, paged=True),
    _route(
        "POST /v1/keys/{key}/rotate",
        rotate_key,
        "Replace an API key's text, shown once",
        RotationBody,
        body=KeyShown,
        refusals=_REFUSED,
    ),
    _route(
        "DELETE /v1/keys/{key}",
        delete_key,
        "Revoke an API key with all its texts, within {revocation_s} seconds",
        status=(204,),
    ),
    _route(
        "POST /v1/webhook-endpoints",
        post_endpoint,
        "Register a webhook endpoint",
        EndpointRequest,
        body=EndpointShown,
        status=(201,),
    ),
    _route("GET /v1/webhook-endpoints", list_endpoints, "Webhook endpoints", body=EndpointAnswer, paged=True),
    _route(f"GET {_E}", get_endpoint, "A webhook endpoint, without its secret", body=EndpointAnswer),
    _route(f"DELETE {_E}", delete_endpoint, "Remove a webhook endpoint", status=(204,)),
    _route(
        f"POST {_E}/rotate",
        post_rotation,
        "Replace an endpoint's secret, shown once",
        EndpointRotationBody,
        body=EndpointShown,
    ),
    _route(
        f"GET {_E}/deliveries",
        list_deliveries,
        "Deliveries to it, newest first",
        body=DeliveryAnswer,
        paged=True,
    ),
    _route(
        "GET /v1/webhooks/schemas",
        _schemas,
        "The contract of each type of event: JSON schema and example",
        public=True,
        body=EventSchemas,
    ),
    _route(
        "POST /v1/test-clock",
        post_test_clock,
        "Move the stack's time, where that is enabled",
        TestClockBody,
        body=ClockAnswer,
        refusals=(404, 409),
    ),
    _route(
        "GET /v1/health",
        get_health,
        "Whether the service answers; with deep, how far the stream is behind",
        public=True,
        body=HealthAnswer,
        status=(200, 503),
        refusals=(401, 403),
    ),
    _route("GET /v1/openapi.json", _openapi, "This document", public=True, body=dict[str, Any]),
)
ROUTES: dict[str, Route[App]] = {route.key: route for route in _ROWS}
OTHERS = frozenset(row.key for row in ELSEWHERE)
"""Keys of the other functions' routes. A request for their paths with another method arrives at `$default` too."""
