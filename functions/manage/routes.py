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
from tallygate.contracts.admission.check import CHECK, CONSUME, SETTLE
from tallygate.contracts.admission.entitlements import EntitlementAnswer
from tallygate.contracts.admission.records import DecisionRecord
from tallygate.contracts.base.parameters import IDENTIFIER, NAME, PAGE, SWITCH, TEXT, TIME, Parameter, Query
from tallygate.contracts.base.routes import Answers, Row
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
from tallygate.contracts.metering.ingest import EVENTS
from tallygate.contracts.openapi import document
from tallygate.contracts.schemas import EventSchemas, event_schemas
from tallygate.contracts.usage.usage import AuditAnswer, ImpactAnswer, UsageSums
from tallygate.domain.customers.key_scopes import MANAGE, READ
from tallygate.domain.usage.events import STATUSES
from tallygate.domain.usage.queries import WINDOWS
from tallygate.http import Answer, CustomerIn, Request, Route, answered


@cache
def _document(revocation_s: int) -> dict[str, Any]:
    """Built once per container: the document changes only with a deployment."""
    return document((*ROUTES.values(), *OTHERS), version=__version__, revocation_s=revocation_s)


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
    note: str = "",
    query: Query | None = None,
    example: Any = None,
    shows: Any = None,
    **answers: Any,
) -> Route[App]:
    """Return a route of the control plane. A GET needs the scope read, every other method the scope manage.

    Every POST takes an Idempotency-Key.

    example, shows: examples of the body and of the answer
    answers: other fields of `contracts.base.routes.Answers`
    """
    method = key.partition(" ")[0]
    row = Row(
        key,
        None if public else READ if method == "GET" else MANAGE,
        summary,
        contract,
        Answers(**answers, example=shows),
        note=note,
        query=query or {},
        by_key=method == "POST",
        example=example,
    )
    return answered(row, respond, customer_in)


# Customer, limit, endpoint.
_C = "/v1/customers/{customer}"
_L = f"{_C}/limits/{{name}}"
_E = "/v1/webhook-endpoints/{endpoint}"
_FOUND, _QUERY = CustomerIn.FOUND, CustomerIn.QUERY
_REFUSED = (409,)
_PUT: dict[str, Any] = {"status": (200, 201), "versioned": True, "refusals": _REFUSED}
_DRY_RUN: Query = {"dry_run": Parameter("List the changes and write nothing.", SWITCH, "1")}
_DEEP: Query = {"deep": Parameter("Send a probe through the stream and measure its latency.", SWITCH, "1")}
_ADJUSTMENTS: Query = {"feature": Parameter("Only adjustments of this feature.", NAME, "ai-tokens"), **PAGE}
_AUDIT: Query = {
    "customer": Parameter("The customer whose entries to list; without it, entries of the stack.", NAME, "acme"),
    **PAGE,
}
_IMPACT: Query = {
    "from": Parameter(
        "Only windows that end after this time (RFC 3339 or a date); default 30 days before `to`.", TIME, "2026-11-01"
    ),
    "to": Parameter("Only windows that begin before this time (RFC 3339 or a date); default now.", TIME, "2026-12-01"),
}
_PERIODS: Query = {
    "feature": Parameter("Only periods of this feature.", NAME, "ai-tokens"),
    "limit": Parameter(
        "Only periods of this limit; by default those of the entitlements' own quotas, which are billed. If the "
        "value is a number and no limit has this name, it is read as page_size.",
        NAME,
        "ai-tokens",
    ),
    "page_size": PAGE["limit"],
    "cursor": PAGE["cursor"],
}
_EVENTS: Query = {
    "customer": Parameter(
        "The customer of the events. Without it: rejected events without a known customer.", NAME, "acme"
    ),
    "from": Parameter(
        "Only events received at or after this time (RFC 3339 or a date); default 35 days ago.", TIME, "2026-11-01"
    ),
    "to": Parameter(
        "Only events received before this time (RFC 3339 or a date); default now. Without `to`, the list includes "
        "events that were counted more than 15 minutes after their receipt.",
        TIME,
        "2026-12-01",
    ),
    "status": Parameter("Only events with this status.", TEXT, "rejected", STATUSES),
    "type": Parameter("Only events of this type.", IDENTIFIER, "llm.completion"),
    "id": Parameter("Only events with this id.", IDENTIFIER, "e1"),
    **PAGE,
}
_USAGE: Query = {
    "customer": Parameter("The customer.", NAME, "acme"),
    "feature": Parameter("The feature. Give either feature or meter.", NAME, "ai-tokens"),
    "meter": Parameter("The meter. Give either feature or meter.", NAME, "tokens"),
    "from": Parameter(
        "Start (RFC 3339, or a date in `tz`); default: the start of the current month.", TIME, "2026-11-01"
    ),
    "to": Parameter("End, exclusive (RFC 3339, or a date in `tz`); default: now.", TIME, "2026-12-01"),
    "window": Parameter("Length of the windows; none: one sum. Default none.", TEXT, "day", WINDOWS),
    "tz": Parameter("Time zone of the windows; default UTC.", TEXT, "Europe/Paris"),
    "group_by": Parameter("Dimensions, separated by commas.", TEXT, "model,team"),
    "filter[dimension]": Parameter("Only usage with this value of the dimension.", IDENTIFIER, "large"),
}
_CATALOG = {
    "meters": [
        {
            "key": "tokens",
            "event_type": "llm.completion",
            "aggregation": "sum",
            "value": "$.tokens",
            "dimensions": {"model": "$.model"},
        }
    ],
    "features": [{"key": "ai-tokens", "type": "metered", "meter": "tokens"}],
    "plans": [
        {
            "key": "pro",
            "entitlements": [{"feature": "ai-tokens", "limit": 100000, "period": {"every": "month"}}],
        }
    ],
}

_ROWS = (
    _route(
        "PUT /v1/catalog",
        put_catalog,
        "Declare the whole catalog",
        CatalogBody,
        body=CatalogChanges,
        versioned=True,
        refusals=_REFUSED,
        query=_DRY_RUN,
        example=_CATALOG,
        note="`dry_run=1` lists the changes and the number of customers that they affect.",
    ),
    _route(
        "GET /v1/catalog",
        get_catalog,
        "The catalog, to be changed and put again",
        body=CatalogBody,
        shows=_CATALOG,
        versioned=True,
    ),
    _route(
        f"PUT {_C}",
        put_customer,
        "Create or change a customer",
        CustomerBody,
        creates=True,
        body=CustomerAnswer,
        **_PUT,
        example={"name": "Acme Inc.", "plan": "pro", "timezone": "Europe/Paris"},
    ),
    _route(f"GET {_C}", get_customer, "A customer with its subscription", body=CustomerAnswer, versioned=True),
    _route(
        f"PUT {_C}/subscription",
        put_subscription,
        "Subscribe to a plan, now or from the next period",
        SubscriptionBody,
        body=SubscriptionAnswer,
        versioned=True,
        refusals=_REFUSED,
        example={"plan": "pro"},
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
        example={"limit": 200000},
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
    _route(
        f"GET {_C}/limits",
        list_limits,
        "Limits of the customer's own",
        body=OwnLimitAnswer,
        paged=True,
        query=PAGE,
    ),
    _route(
        f"GET {_L}/impact",
        get_impact,
        "What a limit counted, and what it would have denied",
        body=ImpactAnswer,
        query=_IMPACT,
    ),
    _route(
        f"POST {_C}/suspend",
        suspend,
        "Deny a customer, a feature or a scope",
        SuspensionBody,
        body=SuspensionChange,
        note="It applies from the next decision on. Reason and actor are kept.",
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
        query=_ADJUSTMENTS,
    ),
    _route(
        f"POST {_C}/reset",
        post_reset,
        "Reset a feature's usage to zero for enforcement",
        ResetBody,
        body=ResetAnswer,
        note="Billing is unaffected.",
    ),
    _route(
        f"GET {_C}/entitlements",
        list_entitlements,
        "What the customer may consume",
        body=EntitlementAnswer,
        paged=True,
        query=PAGE,
    ),
    _route(f"GET {_C}/entitlements/{{feature}}", get_entitlement, "The state of one feature", body=EntitlementAnswer),
    _route(
        f"GET {_C}/periods",
        list_periods,
        "Closed periods, with all corrections so far",
        body=PeriodAnswer,
        paged=True,
        query=_PERIODS,
    ),
    _route(
        "GET /v1/audit",
        list_audit,
        "Changes of a customer, or of the stack itself: by whom, when and why",
        body=AuditAnswer,
        paged=True,
        refusals=(404,),
        query=_AUDIT,
    ),
    _route(
        "GET /v1/events",
        get_events,
        "Received events and their outcomes, newest first",
        customer_in=_QUERY,
        body=EventRowAnswer,
        paged=True,
        refusals=(404,),
        query=_EVENTS,
        note="Without `customer`: events whose customer is unknown.",
    ),
    _route(
        "GET /v1/usage",
        get_usage,
        "A customer's usage, over time and by dimension",
        customer_in=_QUERY,
        body=UsageSums,
        refusals=(404,),
        query=_USAGE,
        note="Windows of an hour, a day, a week or a month in any zone.",
    ),
    _route(
        "GET /v1/decisions/{decision_id}",
        get_decision,
        "A granted consume as recorded, with its settlement",
        customer_in=_FOUND,
        body=DecisionRecord,
    ),
    _route("POST /v1/keys", post_key, "Make an API key; its text is shown once", KeyBody, body=KeyShown, status=(201,)),
    _route(
        "GET /v1/keys",
        list_keys,
        "API keys, without their texts",
        body=KeyAnswer,
        paged=True,
        query=PAGE,
    ),
    _route(
        "POST /v1/keys/{key}/rotate",
        rotate_key,
        "Replace an API key's text, shown once",
        RotationBody,
        body=KeyShown,
        refusals=_REFUSED,
        note="The former text stays valid for the overlap.",
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
    _route(
        "GET /v1/webhook-endpoints",
        list_endpoints,
        "Webhook endpoints",
        body=EndpointAnswer,
        paged=True,
        query=PAGE,
    ),
    _route(f"GET {_E}", get_endpoint, "A webhook endpoint, without its secret", body=EndpointAnswer),
    _route(f"DELETE {_E}", delete_endpoint, "Remove a webhook endpoint", status=(204,)),
    _route(
        f"POST {_E}/rotate",
        post_rotation,
        "Replace an endpoint's secret, shown once",
        EndpointRotationBody,
        body=EndpointShown,
        note="Both secrets sign until the overlap ends.",
    ),
    _route(
        f"GET {_E}/deliveries",
        list_deliveries,
        "Deliveries to it, newest first",
        body=DeliveryAnswer,
        paged=True,
        query=PAGE,
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
        "Move the stack's time",
        TestClockBody,
        body=ClockAnswer,
        refusals=(404, 409),
        note="Only in a stack that was deployed with `TestClock=enabled`.",
    ),
    _route(
        "GET /v1/health",
        get_health,
        "Whether the service answers; with deep, how far the stream is behind",
        public=True,
        body=HealthAnswer,
        status=(200, 503),
        refusals=(401, 403),
        query=_DEEP,
    ),
    _route("GET /v1/openapi.json", _openapi, "This document", public=True, body=dict[str, Any]),
)
ROUTES: dict[str, Route[App]] = {route.key: route for route in _ROWS}
OTHERS = (CHECK, CONSUME, SETTLE, EVENTS)
"""The rows of other functions: for the document, and because `$default` also gets requests for their paths with another
method."""
