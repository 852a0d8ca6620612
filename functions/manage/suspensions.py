"""The routes of suspensions by hand, and of the audit trail that they leave."""

from __future__ import annotations

from collections.abc import Callable

from replies import App, asked_page, customer_of, key_id, paged, posted

from tallygate.contracts.reading import read
from tallygate.contracts.suspensions import SuspensionBody, audit_answer, judge, suspension_answer
from tallygate.http import Answer, Request
from tallygate.operations import suspensions
from tallygate.operations.audits import list_audits
from tallygate.operations.receipts import Body, Planned
from tallygate.storage.cell_controls import CellControls

Move = Callable[..., Planned]


def suspend(app: App, request: Request) -> Answer:
    return _moved(app, request, suspensions.suspend)


def resume(app: App, request: Request) -> Answer:
    return _moved(app, request, suspensions.resume)


def list_audit(app: App, request: Request) -> Answer:
    (limit, after), customer = asked_page(request), request.query.get("customer")
    page, more = list_audits(app.audits, app.customers, customer, after=after, limit=limit)
    return paged([audit_answer(audit) for audit in page], more)


def _moved(app: App, request: Request, move: Move) -> Answer:
    customer_id, now = customer_of(request), app.clock.now()
    body = read(SuspensionBody, request.json())
    stores = _stores(app)

    def plan() -> Planned:
        asked = suspensions.Asked(
            id=app.new_id("audit"),
            customer=customer_id,
            feature=body.feature,
            scope=body.scope,
            reason=body.reason,
            actor=body.actor,
            key_id=key_id(request),
        )
        return move(stores, asked, judge, suspension_answer, now=now)

    def finish(answer: Body) -> Body:
        suspensions.tell(stores, customer_id, now)
        return answer

    return posted(app, request, plan, finish)


def _stores(app: App) -> suspensions.Stores:
    return suspensions.Stores(
        catalog=app.catalog,
        customers=app.customers,
        cells=app.cells,
        controls=CellControls(app.engine),
        audits=app.audits,
    )
