"""The routes of manage: what is asked, under which scope, with which contract, and the operation that answers."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cache
from typing import Any

from adjustments import list_adjustments, post_adjustment
from event_list import get_events
from health import get_health
from own_limits import delete_limit, get_impact, get_limit, list_limits, put_limit
from replies import App, asked_page, audited, author, customer_of, in_path, paged, posted
from signing import post_endpoint, post_rotation
from suspensions import list_audit, resume, suspend
from usage_resets import post_reset, with_plan

from tallygate import __version__
from tallygate.contracts import etags
from tallygate.contracts.adjustments import AdjustmentBody
from tallygate.contracts.catalog import CatalogBody, changes_answer, read_catalog
from tallygate.contracts.customers import (
    CustomerBody,
    SubscriptionBody,
    customer_answer,
    period_changes_answer,
    subscription_answer,
)
from tallygate.contracts.decisions import decision_record_answer
from tallygate.contracts.endpoints import (
    EndpointRequest,
    EndpointRotationBody,
    delivery_answer,
    endpoint_answer,
    page_asked,
)
from tallygate.contracts.entitlements import entitlement_answer
from tallygate.contracts.keys import KeyBody, RotationBody, key_answer
from tallygate.contracts.openapi import ELSEWHERE, document
from tallygate.contracts.own_limits import OwnLimitBody
from tallygate.contracts.queries import switched_on
from tallygate.contracts.reading import read
from tallygate.contracts.suspensions import SuspensionBody
from tallygate.contracts.test_clock import TestClockBody
from tallygate.contracts.usage import read_usage, usage_answer
from tallygate.contracts.usage_resets import ResetBody
from tallygate.domain.api_keys import MANAGE, PREFIX, READ, ApiKey
from tallygate.domain.catalog_forms import catalog_form
from tallygate.domain.customers import CustomerRecord
from tallygate.domain.decision import Decision
from tallygate.domain.instants import DAY, SECOND
from tallygate.http import Answer, CustomerIn, Request, Route, permit
from tallygate.operations import customers, endpoints, entitlements, keys, test_clock
from tallygate.operations.catalog import declare_catalog
from tallygate.operations.explain import explain
from tallygate.operations.find_decision import decision_named
from tallygate.operations.known_features import require_known
from tallygate.operations.periods import list_periods
from tallygate.operations.receipts import Body, Planned
from tallygate.operations.suspensions import standing
from tallygate.operations.usage import usage
from tallygate.storage.cell_controls import CellControls

KEY_BYTES = 32


def _put_catalog(app: App, request: Request) -> Answer:
    dry_run = switched_on(request.query, "dry_run")
    expected = etags.expected(request.headers)
    wanted = read_catalog(request.json())
    declared = declare_catalog(
        app.catalog, wanted, expected=expected, dry_run=dry_run, now=app.clock.now(), by=author(app, request)
    )
    body = changes_answer(
        declared.changes,
        declared.concerned,
        version=declared.version,
        dry_run=dry_run,
        customers=declared.customers,
        resumed=declared.resumed,
    )
    return Answer(body=body, headers={"etag": etags.etag(declared.version)})


def _get_catalog(app: App, _request: Request) -> Answer:
    stored = app.catalog.read()
    return Answer(body=catalog_form(stored.catalog), headers={"etag": etags.etag(stored.version)})


def _put_customer(app: App, request: Request) -> Answer:
    customer = customer_of(request)
    change = read(CustomerBody, request.json()).change()
    expected = etags.expected(request.headers)
    record, created = customers.put_customer(
        app.stores, customer, change, expected=expected, now=app.clock.now(), by=audited(app, request)
    )
    return _customer(app, record, 201 if created else 200)


def _get_customer(app: App, request: Request) -> Answer:
    return _customer(app, customers.customer(app.customers, customer_of(request)))


def _customer(app: App, record: CustomerRecord, status: int = 200) -> Answer:
    now = app.clock.now()
    held = standing(CellControls(app.engine), record.effective.in_force(now), now)
    body = customer_answer(record, now=now, stops=held.stops, waivers=held.waivers)
    return Answer(status=status, body=body, headers={"etag": etags.etag(record.version)})


def _put_subscription(app: App, request: Request) -> Answer:
    customer = customer_of(request)
    change = read(SubscriptionBody, request.json()).change()
    expected, by = etags.expected(request.headers), audited(app, request)
    record = customers.put_subscription(
        app.stores,
        customer,
        change,
        expected=expected,
        now=app.clock.now(),
        by=by,
        resets=with_plan(app, by.id, by.actor),
    )
    return _subscription(app, record)


def _delete_subscription(app: App, request: Request) -> Answer:
    customer, expected = customer_of(request), etags.expected(request.headers)
    record = customers.end_subscription(
        app.stores, customer, expected=expected, now=app.clock.now(), by=audited(app, request)
    )
    return _subscription(app, record)


def _subscription(app: App, record: CustomerRecord) -> Answer:
    assert record.subscription is not None
    changes = {"period_changes": period_changes_answer(record, now=app.clock.now())}
    body = {"customer": record.customer.id, **subscription_answer(record.subscription), **changes}
    return Answer(body=body, headers={"etag": etags.etag(record.version)})


def _list_entitlements(app: App, request: Request) -> Answer:
    customer, (limit, after) = customer_of(request), asked_page(request)
    states, more = entitlements.entitlements(app.cells, customer, after=after, limit=limit, now=app.clock.now())
    return paged([_entitlement(app, state) for state in states], more)


def _get_entitlement(app: App, request: Request) -> Answer:
    customer, feature = customer_of(request), in_path(request).feature
    assert feature is not None
    return Answer(body=_entitlement(app, entitlements.entitlement(app.cells, customer, feature, now=app.clock.now())))


def _entitlement(app: App, state: Decision) -> dict[str, Any]:
    return entitlement_answer(state, app.cells.unit(state.feature) if state.quota is not None else None)


def _list_periods(app: App, request: Request) -> Answer:
    customer, (size, after) = customer_of(request), asked_page(request, size="page_size")
    listed = list_periods(
        app.closings,
        customer,
        request.query.get("feature"),
        named=request.query.get("limit"),
        size_of=lambda number: page_asked(number, None)[0],
        after=after,
        limit=size,
    )
    require_known(app.usage, request.query.get("feature"), listed, after=after)
    return paged(*listed)


def _get_usage(app: App, request: Request) -> Answer:
    now = app.clock.now()
    asked = read_usage(request.query, now=now)
    return Answer(body=usage_answer(usage(app.usage, asked, now)))


def _get_decision(app: App, request: Request) -> Answer:
    named, now = request.path["decision_id"], app.clock.now()
    wanted = decision_named(named, app.decision_secrets.known, now=now)
    permit(request.principal, READ, wanted.customer)
    return Answer(body=decision_record_answer(explain(app.decisions, named, wanted, now=now)))


def _post_key(app: App, request: Request) -> Answer:
    body = read(KeyBody, request.json())
    now, by = app.clock.now(), author(app, request)
    lifetime_ms = app.settings.key_lifetime_days * DAY if app.settings.key_lifetime_days else None

    def plan() -> Planned:
        key = ApiKey(
            id=app.new_id("key"),
            name=body.name,
            scopes=tuple(body.scopes),
            customer=body.customer,
            expires_at=body.expiry(now=now, lifetime_ms=lifetime_ms),
            created_at=now,
        )
        return keys.make_key(_key_stores(app), key, _key_text(app), key_answer, by=by)

    return posted(app, request, plan)


def _rotate_key(app: App, request: Request) -> Answer:
    body, named = read(RotationBody, request.json()), in_path(request).key or ""
    by, overlap_ms = author(app, request), body.overlap_seconds * SECOND

    def plan() -> Planned:
        return keys.rotate_key(_key_stores(app), named, _key_text(app), key_answer, overlap_ms=overlap_ms, by=by)

    return posted(app, request, plan)


def _list_keys(app: App, request: Request) -> Answer:
    limit, after = asked_page(request)
    found, more = keys.list_keys(app.keys, after=after, limit=limit)
    return paged([key_answer(key, app.clock.now()) for key in found], more)


def _delete_key(app: App, request: Request) -> Answer:
    keys.revoke_key(_key_stores(app), in_path(request).key or "", key_answer, by=author(app, request))
    return Answer(status=204)


def _key_stores(app: App) -> keys.Stores:
    return keys.Stores(keys=app.keys, audits=app.audits)


def _key_text(app: App) -> str:
    """A new text of a key: what its holder shows."""
    return PREFIX + base64.urlsafe_b64encode(app.entropy(KEY_BYTES)).decode().rstrip("=")


def _list_endpoints(app: App, request: Request) -> Answer:
    limit, after = asked_page(request)
    found, more = endpoints.list_endpoints(app.endpoints, after=after, limit=limit)
    return paged([endpoint_answer(endpoint) for endpoint in found], more)


def _get_endpoint(app: App, request: Request) -> Answer:
    return Answer(body=endpoint_answer(endpoints.read_endpoint(app.endpoints, in_path(request).endpoint or "")))


def _delete_endpoint(app: App, request: Request) -> Answer:
    endpoints.delete_endpoint(app.endpoint_stores, in_path(request).endpoint or "", by=author(app, request))
    return Answer(status=204)


def _list_deliveries(app: App, request: Request) -> Answer:
    limit, after = asked_page(request)
    endpoint = in_path(request).endpoint or ""
    found, more = endpoints.list_deliveries(app.endpoints, endpoint, after=after, limit=limit)
    return paged([delivery_answer(fact_type, delivery) for fact_type, delivery in found], more)


def _post_test_clock(app: App, request: Request) -> Answer:
    test_clock.require_enabled(enabled=app.settings.test_clock)
    body, by = read(TestClockBody, request.json()), author(app, request)

    def plan() -> Planned:
        return test_clock.move_clock(app.clock_item, app.audits, body.now, real=app.real(), by=by)

    def finish(answer: Body) -> Body:
        return test_clock.settle_clock(
            answer, wait=app.wait, reset=lambda: app.run("reset"), deliver=lambda: app.run("deliver")
        )

    return posted(app, request, plan, finish)


@cache
def _document(revocation_s: int) -> dict[str, Any]:
    """Built once for each container: it says the same until the next deployment."""
    return document((*ROUTES.values(), *ELSEWHERE), version=__version__, revocation_s=revocation_s)


def _openapi(app: App, _request: Request) -> Answer:
    return Answer(body=_document(app.settings.authorizer_cache_s))


def _route(
    key: str,
    respond: Callable[[App, Request], Answer],
    summary: str,
    contract: type | None = None,
    *,
    public: bool = False,
    customer_in: CustomerIn | None = None,
) -> Route[App]:
    """A route of the control plane: what reads needs the scope read, what changes anything the scope manage."""
    method, path = key.split()
    scope = None if public else READ if method == "GET" else MANAGE
    return Route(
        method=method,
        path=path,
        scope=scope,
        respond=respond,
        contract=contract,
        summary=summary,
        customer_in=customer_in,
    )


_CUSTOMER = "/v1/customers/{customer}"
_LIMIT = f"{_CUSTOMER}/limits/{{name}}"
_ENDPOINT = "/v1/webhook-endpoints/{endpoint}"

ROUTES: dict[str, Route[App]] = {
    route.key: route
    for route in (
        _route("PUT /v1/catalog", _put_catalog, "Declare the whole catalog", CatalogBody),
        _route("GET /v1/catalog", _get_catalog, "The catalog, to be changed and put again"),
        _route(f"PUT {_CUSTOMER}", _put_customer, "Create or change a customer", CustomerBody),
        _route(f"GET {_CUSTOMER}", _get_customer, "A customer with its subscription"),
        _route(
            f"PUT {_CUSTOMER}/subscription",
            _put_subscription,
            "Subscribe to a plan, now or from the next period",
            SubscriptionBody,
        ),
        _route(f"DELETE {_CUSTOMER}/subscription", _delete_subscription, "End the subscription now"),
        _route(f"PUT {_LIMIT}", put_limit, "Give the customer a limit, or override its plan's by field", OwnLimitBody),
        _route(f"GET {_LIMIT}", get_limit, "A limit of the customer's own, and what is in force with it"),
        _route(f"DELETE {_LIMIT}", delete_limit, "Take it away: what the plan says is in force again"),
        _route(f"GET {_CUSTOMER}/limits", list_limits, "Limits of the customer's own"),
        _route(f"POST {_CUSTOMER}/suspend", suspend, "Deny the customer, a feature or a scope of it", SuspensionBody),
        _route(f"POST {_CUSTOMER}/resume", resume, "Lift a suspension, by hand or by a tier", SuspensionBody),
        _route(f"POST {_CUSTOMER}/adjustments", post_adjustment, "Raise or lower a running quota", AdjustmentBody),
        _route(f"POST {_CUSTOMER}/reset", post_reset, "Let what was used of a feature count no more", ResetBody),
        _route(f"GET {_CUSTOMER}/adjustments", list_adjustments, "Adjustments by hand, the newest first"),
        _route(f"GET {_LIMIT}/impact", get_impact, "What a limit counted, and what it would have denied"),
        _route(f"GET {_CUSTOMER}/entitlements", _list_entitlements, "What the customer may consume"),
        _route(f"GET {_CUSTOMER}/entitlements/{{feature}}", _get_entitlement, "The state of one feature"),
        _route(f"GET {_CUSTOMER}/periods", _list_periods, "Closed periods, as they are stated now"),
        _route(
            "GET /v1/audit", list_audit, "What was changed of a customer, or without one of the stack, by whom and why"
        ),
        _route(
            "GET /v1/events",
            get_events,
            "What events arrived, and what became of them, the newest first",
            customer_in=CustomerIn.QUERY,
        ),
        _route(
            "GET /v1/usage",
            _get_usage,
            "What a customer used, over time and by dimension",
            customer_in=CustomerIn.QUERY,
        ),
        _route(
            "GET /v1/decisions/{decision_id}",
            _get_decision,
            "A granted consume as it was recorded, and settled",
            customer_in=CustomerIn.FOUND,
        ),
        _route("POST /v1/keys", _post_key, "Make an API key; its text is shown once", KeyBody),
        _route("GET /v1/keys", _list_keys, "API keys, without their texts"),
        _route("POST /v1/keys/{key}/rotate", _rotate_key, "Another text for an API key, shown once", RotationBody),
        _route(
            "DELETE /v1/keys/{key}", _delete_key, "Revoke an API key with all its texts, within {revocation_s} seconds"
        ),
        _route("POST /v1/webhook-endpoints", post_endpoint, "Register a receiver of webhooks", EndpointRequest),
        _route("GET /v1/webhook-endpoints", _list_endpoints, "Receivers of webhooks"),
        _route(f"GET {_ENDPOINT}", _get_endpoint, "A receiver of webhooks, without its secret"),
        _route(f"DELETE {_ENDPOINT}", _delete_endpoint, "Remove a receiver of webhooks"),
        _route(
            f"POST {_ENDPOINT}/rotate",
            post_rotation,
            "Give a receiver another secret, shown once",
            EndpointRotationBody,
        ),
        _route(f"GET {_ENDPOINT}/deliveries", _list_deliveries, "What was delivered to a receiver, newest first"),
        _route("POST /v1/test-clock", _post_test_clock, "Move the stack's time, where that is enabled", TestClockBody),
        _route(
            "GET /v1/health",
            get_health,
            "Whether the service answers; with deep, whether the stream keeps up",
            public=True,
        ),
        _route("GET /v1/openapi.json", _openapi, "This document", public=True),
    )
}
OTHERS = frozenset(f"{row.method} {row.path}" for row in ELSEWHERE)
"""Routes of the other functions, of whose paths `$default` may be asked too."""
