"""The routes of a customer's own limits, and of what any limit of its would have denied."""

from __future__ import annotations

from replies import App, asked_page, audited, customer_of, in_path, paged

from tallygate.contracts import etags
from tallygate.contracts.impact import impact_answer, read_impact
from tallygate.contracts.own_limits import OwnLimitBody, judge, own_limit_answer
from tallygate.contracts.reading import read
from tallygate.domain.catalog import Plan
from tallygate.domain.customers import CustomerRecord, taken
from tallygate.domain.overrides import OwnLimit
from tallygate.http import Answer, Request
from tallygate.operations import own_limits
from tallygate.operations.customers import plan_in_force
from tallygate.operations.impact import impact
from tallygate.operations.known_customers import customer


def put_limit(app: App, request: Request) -> Answer:
    customer_id, expected = customer_of(request), etags.expected(request.headers)
    own = OwnLimit(name=_name(request), form=read(OwnLimitBody, request.json()).form())
    record, new = own_limits.put_limit(
        app.stores, customer_id, own, judge, expected=expected, now=app.clock.now(), by=audited(app, request)
    )
    return _limit(app, record, own, 201 if new else 200)


def get_limit(app: App, request: Request) -> Answer:
    record = customer(app.customers, customer_of(request))
    return _limit(app, record, own_limits.own_limit(record, _name(request)))


def list_limits(app: App, request: Request) -> Answer:
    record, (limit, after) = customer(app.customers, customer_of(request)), asked_page(request)
    page, more = own_limits.list_limits(record, after=after, limit=limit)
    plan = _plan(app, record)
    return paged([own_limit_answer(record, own, plan) for own in page], more)


def delete_limit(app: App, request: Request) -> Answer:
    customer_id, expected = customer_of(request), etags.expected(request.headers)
    record = own_limits.delete_limit(
        app.stores, customer_id, _name(request), expected=expected, now=app.clock.now(), by=audited(app, request)
    )
    return Answer(status=204, headers={"etag": etags.etag(record.version)})


def get_impact(app: App, request: Request) -> Answer:
    customer_id, now = customer_of(request), app.clock.now()
    asked = read_impact(customer_id, _name(request), request.query, now=now)
    return Answer(body=impact_answer(impact(app.impacts, asked, now=now)))


def _limit(app: App, record: CustomerRecord, own: OwnLimit, status: int = 200) -> Answer:
    body = own_limit_answer(record, own, _plan(app, record))
    return Answer(status=status, body=body, headers={"etag": etags.etag(record.version)})


def _plan(app: App, record: CustomerRecord) -> Plan | None:
    held = taken(record, app.clock.now())
    return plan_in_force(held.subscription, app.catalog.read().catalog)


def _name(request: Request) -> str:
    name = in_path(request).name
    assert name is not None
    return name
