"""Make and list adjustments as the routes do, and read the numbers of an answer."""

from __future__ import annotations

import os
from dataclasses import replace
from decimal import Decimal
from typing import Any

from tallygate.contracts.corrections.corrections import adjustment_answer, parts_answer
from tallygate.domain.base.instants import Instant
from tallygate.operations.base.receipts import Outcome, Planned, once
from tallygate.operations.corrections.adjustments import AdjustmentRequest, Forms, Stores, adjust, list_adjustments
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.receipts import Receipts
from tallygate.storage.corrections.controls import CellControls
from tallygate.storage.customers.customers import Customers
from tallygate.storage.facts.adjustments import Adjustments
from tallygate.storage.facts.audits import Audits
from tests.given import FEATURE
from tests.shops import Shop

FORMS = Forms(adjustment=adjustment_answer, parts=parts_answer)


def stores(engine: Engine) -> Stores:
    return Stores(
        limits=Cells(engine), controls=CellControls(engine), adjustments=Adjustments(engine), audits=Audits(engine)
    )


def post(
    shop: Shop,
    amount: int | str,
    *,
    key: str | None = None,
    at: Instant | None = None,
    feature: str = FEATURE,
    engine: Engine | None = None,
    **more: Any,
) -> Outcome:
    """Adjust as the route does: plan, and commit with a receipt."""
    engine, now = engine or shop.engine, shop.now if at is None else at

    def plan() -> Planned:
        asked = AdjustmentRequest(
            id=f"adj_{os.urandom(6).hex()}",
            customer=shop.customer,
            feature=feature,
            amount=Decimal(amount),
            reason="outage",
            actor="ops",
        )
        return adjust(stores(engine), replace(asked, **more), FORMS, now=now)

    fingerprint = f"{amount}{feature}"
    return once(Receipts(engine), plan, operation="o", idempotency_key=key, fingerprint=fingerprint, now=now)


def numbers(answer: dict[str, Any]) -> tuple[Any, ...]:
    """limit, base, carried, adjusted, used, remaining"""
    parts = answer["breakdown"]
    made_of = (answer["limit"], parts["base"], parts["carried"], parts["adjusted"])
    return (*made_of, answer["used"], answer["remaining"])


def listed(shop: Shop, feature: str | None = None) -> list[dict[str, Any]]:
    found, more = list_adjustments(
        Adjustments(shop.engine), Customers(shop.engine), shop.customer, feature, after=None, limit=100
    )
    assert more is None
    return [adjustment_answer(adjustment) for adjustment in found]
