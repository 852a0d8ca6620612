"""Handlers that read records: usage, periods, events, decisions, a limit's impact, and the audit trail."""

from __future__ import annotations

from replies import App, asked_page, customer_of, paged

from tallygate.contracts.admission.records import decision_record_answer
from tallygate.contracts.base.queries import page_asked
from tallygate.contracts.facts.statements import PeriodAnswer
from tallygate.contracts.usage.usage import (
    audit_answer,
    event_row_answer,
    impact_answer,
    read_event_list,
    read_impact,
    read_usage,
    usage_answer,
)
from tallygate.domain.customers.key_scopes import READ
from tallygate.http import Answer, Request, permit
from tallygate.operations.customers.audits import list_audits
from tallygate.operations.facts.impact import impact
from tallygate.operations.facts.periods import list_periods as closed_periods
from tallygate.operations.journal.explain import explain
from tallygate.operations.journal.find_decision import decision_named
from tallygate.operations.usage.events import events_after, list_events
from tallygate.operations.usage.known_features import require_known
from tallygate.operations.usage.queries import usage
from tallygate.storage.facts.closings import Closings
from tallygate.storage.facts.impacts import Impacts
from tallygate.storage.journal.decisions import Decisions
from tallygate.storage.usage.events import EventLog


def get_usage(app: App, request: Request) -> Answer:
    now = app.clock.now()
    return Answer(body=usage_answer(usage(app.usage, read_usage(request.query, now=now), now)))


def list_periods(app: App, request: Request) -> Answer:
    feature, (size, after) = request.query.get("feature"), asked_page(request, size="page_size")
    listed = closed_periods(
        Closings(app.engine),
        customer_of(request),
        feature,
        named=request.query.get("limit"),
        size_of=lambda number: page_asked(number, None)[0],
        after=after,
        limit=size,
    )
    require_known(app.usage, feature, listed, after=after)
    found, more = listed
    return paged([PeriodAnswer.of(period) for period in found], more)


def get_events(app: App, request: Request) -> Answer:
    """List a customer's events or, without a customer, the rejected events whose customer is unknown."""
    now, (limit, cursor) = app.clock.now(), asked_page(request)
    asked = read_event_list(request.query, now=now)
    after = None if cursor is None else events_after(cursor)
    rows, more = list_events(EventLog(app.engine), asked, after=after, limit=limit, now=now)
    return paged([event_row_answer(row) for row in rows], None if more is None else more.text())


def get_decision(app: App, request: Request) -> Answer:
    named, now = request.path["decision_id"], app.clock.now()
    wanted = decision_named(named, app.decision_secrets.known, now=now)
    permit(request.principal, READ, wanted.customer)
    return Answer(body=decision_record_answer(explain(Decisions(app.engine), named, wanted, now=now)))


def get_impact(app: App, request: Request) -> Answer:
    now = app.clock.now()
    asked = read_impact(customer_of(request), request.path["name"], request.query, now=now)
    return Answer(body=impact_answer(impact(Impacts(app.engine), asked, now=now)))


def list_audit(app: App, request: Request) -> Answer:
    (limit, after), customer = asked_page(request), request.query.get("customer")
    page, more = list_audits(app.audits, app.customers, customer, after=after, limit=limit)
    return paged([audit_answer(audit) for audit in page], more)
