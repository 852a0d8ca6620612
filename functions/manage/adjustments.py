"""The routes of adjustments by hand."""

from __future__ import annotations

from replies import App, asked_page, customer_of, key_id, paged, posted

from tallygate.contracts.adjustments import AdjustmentBody, adjustment_answer, parts_answer
from tallygate.contracts.reading import read
from tallygate.http import Answer, Request
from tallygate.operations import adjustments
from tallygate.operations.known_features import require_known
from tallygate.operations.receipts import Planned
from tallygate.storage.adjustments import Adjustments
from tallygate.storage.cell_controls import CellControls

FORMS = adjustments.Forms(adjustment=adjustment_answer, parts=parts_answer)


def post_adjustment(app: App, request: Request) -> Answer:
    customer_id, now = customer_of(request), app.clock.now()
    body = read(AdjustmentBody, request.json())
    stores = adjustments.Stores(
        limits=app.cells,
        controls=CellControls(app.engine),
        adjustments=Adjustments(app.engine),
        audits=app.audits,
    )

    def plan() -> Planned:
        asked = adjustments.Asked(
            id=app.new_id("adj"),
            customer=customer_id,
            feature=body.feature,
            amount=body.amount,
            reason=body.reason,
            actor=body.actor,
            key_id=key_id(request),
            category=body.category,
            traceparent=request.traceparent,
        )
        return adjustments.adjust(stores, asked, FORMS, now=now)

    return posted(app, request, plan)


def list_adjustments(app: App, request: Request) -> Answer:
    customer_id, (limit, after), feature = customer_of(request), asked_page(request), request.query.get("feature")
    found, more = adjustments.list_adjustments(
        Adjustments(app.engine), app.customers, customer_id, feature, after=after, limit=limit
    )
    require_known(app.usage, feature, (found, more), after=after)
    return paged([adjustment_answer(adjustment) for adjustment in found], more)
