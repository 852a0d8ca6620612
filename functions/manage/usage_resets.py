"""The route of resets by hand."""

from __future__ import annotations

from replies import App, customer_of, key_id, posted

from tallygate.contracts.reading import read
from tallygate.contracts.usage_resets import CARRY, ResetBody, reset_answer
from tallygate.domain.usage_resets import Asked
from tallygate.http import Answer, Request
from tallygate.operations import usage_resets
from tallygate.operations.receipts import Planned
from tallygate.operations.usage_resets import Told
from tallygate.storage.cell_resets import CellResets


def post_reset(app: App, request: Request) -> Answer:
    customer_id, now = customer_of(request), app.clock.now()
    body = read(ResetBody, request.json())
    stores = usage_resets.Stores(limits=app.cells, cells=CellResets(app.engine), audits=app.audits)

    def plan() -> Planned:
        asked = Asked(
            id=app.new_id("reset"),
            customer=customer_id,
            feature=body.feature,
            effective_at=body.effective_at,
            carry_overage=body.overage == CARRY,
            reason=body.reason,
            actor=body.actor,
            key_id=key_id(request),
        )
        return usage_resets.reset_usage(stores, asked, reset_answer, now=now)

    return posted(app, request, plan)


def with_plan(app: App, reset_id: str, actor: str) -> Told:
    """What resets usage with a change of plan that asks for it."""
    return usage_resets.with_plan(CellResets(app.engine), reset_id=reset_id, actor=actor, now=app.clock.now())
