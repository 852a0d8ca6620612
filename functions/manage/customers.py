"""Handlers of customers, their subscriptions, own limits, suspensions and entitlements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from replies import App, asked_page, audited, customer_of, key_id, paged, posted, versioned

from tallygate.contracts.admission.entitlements import entitlement_answer
from tallygate.contracts.base.queries import expected
from tallygate.contracts.base.reading import read
from tallygate.contracts.customers.customers import (
    CustomerBody,
    SubscriptionBody,
    customer_answer,
    subscription_answer,
)
from tallygate.contracts.limits.own_limits import OwnLimitBody, judge, own_limit_answer
from tallygate.contracts.limits.suspensions import SuspensionBody, SuspensionChange, suspension_answer
from tallygate.contracts.limits.suspensions import judge as judge_suspension
from tallygate.domain.admission.decision import Decision
from tallygate.domain.catalog.catalog import Plan
from tallygate.domain.customers.customers import CustomerRecord, taken
from tallygate.domain.limits.overrides import OwnLimit
from tallygate.http import Answer, Request
from tallygate.operations.admission import entitlements
from tallygate.operations.base import known_customers
from tallygate.operations.base.receipts import Body, Planned
from tallygate.operations.corrections import resets as usage_resets
from tallygate.operations.customers import customers, own_limits, suspensions
from tallygate.storage.corrections.resets import CellResets


def put_customer(app: App, request: Request) -> Answer:
    change = read(CustomerBody, request.json()).change()
    record, created = customers.put_customer(
        app.stores,
        customer_of(request),
        change,
        expected=expected(request.headers),
        now=app.clock.now(),
        by=audited(app, request),
    )
    return _customer(app, record, 201 if created else 200)


def get_customer(app: App, request: Request) -> Answer:
    return _customer(app, known_customers.customer(app.customers, customer_of(request)))


def _customer(app: App, record: CustomerRecord, status: int = 200) -> Answer:
    now = app.clock.now()
    held = suspensions.current_suspensions(app.controls, record.effective.in_force(now), now)
    return versioned(customer_answer(record, now=now, stops=held.stops, waivers=held.waivers), record.version, status)


def put_subscription(app: App, request: Request) -> Answer:
    change, by, now = read(SubscriptionBody, request.json()).change(), audited(app, request), app.clock.now()
    record = customers.put_subscription(
        app.stores,
        customer_of(request),
        change,
        expected=expected(request.headers),
        now=now,
        by=by,
        resets=usage_resets.with_plan(CellResets(app.engine), reset_id=by.id, actor=by.actor, now=now),
    )
    return _subscription(app, record)


def delete_subscription(app: App, request: Request) -> Answer:
    record = customers.end_subscription(
        app.stores,
        customer_of(request),
        expected=expected(request.headers),
        now=app.clock.now(),
        by=audited(app, request),
    )
    return _subscription(app, record)


def _subscription(app: App, record: CustomerRecord) -> Answer:
    return versioned(subscription_answer(record, now=app.clock.now()), record.version)


def list_entitlements(app: App, request: Request) -> Answer:
    limit, after = asked_page(request)
    states, more = entitlements.entitlements(
        app.cells, customer_of(request), after=after, limit=limit, now=app.clock.now()
    )
    return paged([_entitlement(app, state) for state in states], more)


def get_entitlement(app: App, request: Request) -> Answer:
    customer, feature = customer_of(request), request.path["feature"]
    return Answer(body=_entitlement(app, entitlements.entitlement(app.cells, customer, feature, now=app.clock.now())))


def _entitlement(app: App, state: Decision) -> dict[str, Any]:
    return entitlement_answer(state, app.cells.unit(state.feature) if state.quota is not None else None)


def put_limit(app: App, request: Request) -> Answer:
    own = OwnLimit(name=request.path["name"], form=read(OwnLimitBody, request.json()).form())
    record, new = own_limits.put_limit(
        app.stores,
        customer_of(request),
        own,
        judge,
        expected=expected(request.headers),
        now=app.clock.now(),
        by=audited(app, request),
    )
    return _limit(app, record, own, 201 if new else 200)


def get_limit(app: App, request: Request) -> Answer:
    record = known_customers.customer(app.customers, customer_of(request))
    return _limit(app, record, own_limits.own_limit(record, request.path["name"]))


def list_limits(app: App, request: Request) -> Answer:
    record, (limit, after) = known_customers.customer(app.customers, customer_of(request)), asked_page(request)
    page, more = own_limits.list_limits(record, after=after, limit=limit)
    plan = _plan(app, record)
    return paged([own_limit_answer(record, own, plan) for own in page], more)


def delete_limit(app: App, request: Request) -> Answer:
    record = own_limits.delete_limit(
        app.stores,
        customer_of(request),
        request.path["name"],
        expected=expected(request.headers),
        now=app.clock.now(),
        by=audited(app, request),
    )
    return versioned(None, record.version, 204)


def _limit(app: App, record: CustomerRecord, own: OwnLimit, status: int = 200) -> Answer:
    return versioned(own_limit_answer(record, own, _plan(app, record)), record.version, status)


def _plan(app: App, record: CustomerRecord) -> Plan | None:
    held = taken(record, app.clock.now())
    return customers.plan_in_force(held.subscription, app.catalog.read().catalog)


def suspend(app: App, request: Request) -> Answer:
    return _moved(app, request, suspensions.suspend)


def resume(app: App, request: Request) -> Answer:
    return _moved(app, request, suspensions.resume)


def _moved(app: App, request: Request, move: Callable[..., Planned]) -> Answer:
    customer, now = customer_of(request), app.clock.now()
    body = read(SuspensionBody, request.json())
    stores = suspensions.Stores(
        catalog=app.catalog, customers=app.customers, cells=app.stores.cells, controls=app.controls, audits=app.audits
    )

    def plan() -> Planned:
        asked = suspensions.SuspensionRequest(
            id=app.new_id("audit"),
            customer=customer,
            feature=body.feature,
            scope=body.scope,
            reason=body.reason,
            actor=body.actor,
            key_id=key_id(request),
        )
        planned = move(stores, asked, judge_suspension, suspension_answer, now=now)
        return replace(planned, body=SuspensionChange.of(planned.body))

    def finish(answer: Body) -> Body:
        suspensions.tell(stores, customer, now)
        return answer

    return posted(app, request, plan, finish)
