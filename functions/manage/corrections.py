"""Handlers of manual adjustments and manual resets."""

from __future__ import annotations

from dataclasses import replace

from replies import App, asked_page, customer_of, key_id, paged, posted

from tallygate.contracts.base.reading import read
from tallygate.contracts.corrections.corrections import (
    CARRY,
    AdjustmentBody,
    ResetAnswer,
    ResetBody,
    adjustment_answer,
    parts_answer,
    reset_answer,
)
from tallygate.domain.corrections.resets import ResetRequest
from tallygate.http import Answer, Request
from tallygate.operations.base.receipts import Planned
from tallygate.operations.corrections import adjustments
from tallygate.operations.corrections import resets as usage_resets
from tallygate.operations.usage.known_features import require_known
from tallygate.storage.corrections.resets import CellResets
from tallygate.storage.facts.adjustments import Adjustments

FORMS = adjustments.Forms(adjustment=adjustment_answer, parts=parts_answer)


def post_adjustment(app: App, request: Request) -> Answer:
    customer, now = customer_of(request), app.clock.now()
    body = read(AdjustmentBody, request.json())
    stores = adjustments.Stores(
        limits=app.cells, controls=app.controls, adjustments=Adjustments(app.engine), audits=app.audits
    )

    def plan() -> Planned:
        asked = adjustments.AdjustmentRequest(
            id=app.new_id("adj"),
            customer=customer,
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
    customer, (limit, after), feature = customer_of(request), asked_page(request), request.query.get("feature")
    found, more = adjustments.list_adjustments(
        Adjustments(app.engine), app.customers, customer, feature, after=after, limit=limit
    )
    require_known(app.usage, feature, (found, more), after=after)
    return paged([adjustment_answer(adjustment) for adjustment in found], more)


def post_reset(app: App, request: Request) -> Answer:
    customer, now = customer_of(request), app.clock.now()
    body = read(ResetBody, request.json())
    stores = usage_resets.Stores(limits=app.cells, cells=CellResets(app.engine), audits=app.audits)

    def plan() -> Planned:
        asked = ResetRequest(
            id=app.new_id("reset"),
            customer=customer,
            feature=body.feature,
            effective_at=body.effective_at,
            carry_overage=body.overage == CARRY,
            reason=body.reason,
            actor=body.actor,
            key_id=key_id(request),
        )
        planned = usage_resets.reset_usage(stores, asked, reset_answer, now=now)
        return replace(planned, body=ResetAnswer.of(planned.body))

    return posted(app, request, plan)
