"""Operator actions, as the routes perform them: planned, committed with a receipt, and announced to the cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from tallygate.contracts.corrections.corrections import adjustment_answer, parts_answer, reset_answer
from tallygate.contracts.limits.suspensions import judge, suspension_answer
from tallygate.domain.base.instants import Instant
from tallygate.domain.corrections.resets import ResetRequest
from tallygate.operations.base.receipts import Body, Planned, once
from tallygate.operations.corrections import adjustments
from tallygate.operations.corrections import resets as usage_resets
from tallygate.operations.customers import suspensions
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.receipts import Receipts
from tallygate.storage.catalog.catalog import Catalogs
from tallygate.storage.corrections.controls import CellControls
from tallygate.storage.corrections.resets import CellResets
from tallygate.storage.customers.customers import Customers
from tallygate.storage.facts.adjustments import Adjustments
from tallygate.storage.facts.audits import Audits
from tallygate.storage.journal.past_usage import CellVersions
from tests.given import FEATURE


def adjust(engine: Any, customer: str, amount: int, *, named: str, now: Instant) -> None:
    """Add the amount to the limit of the feature's running window; a negative amount lowers it."""
    stores = adjustments.Stores(
        limits=Cells(engine), controls=CellControls(engine), adjustments=Adjustments(engine), audits=Audits(engine)
    )
    asked = adjustments.AdjustmentRequest(
        id=named, customer=customer, feature=FEATURE, amount=Decimal(amount), reason="outage", actor="ops"
    )
    forms = adjustments.Forms(adjustment=adjustment_answer, parts=parts_answer)
    _commit(engine, lambda: adjustments.adjust(stores, asked, forms, now=now), now=now)


def suspend(engine: Any, customer: str, *, named: str, now: Instant) -> None:
    """Suspend the feature: deny every request for it."""
    _switch(engine, suspensions.suspend, customer, named, now)


def resume(
    engine: Any,
    customer: str,
    *,
    named: str,
    now: Instant,
    feature: str | None = FEATURE,
    scope: Mapping[str, str] | None = None,
    key: str | None = None,
) -> Body:
    """Resume the feature, one scope of it, or (feature None) the whole customer. Return the answer's body."""
    return _switch(engine, suspensions.resume, customer, named, now, feature=feature, scope=scope, key=key)


def _switch(
    engine: Any,
    move: Callable[..., Planned],
    customer: str,
    audit: str,
    now: Instant,
    *,
    feature: str | None = FEATURE,
    scope: Mapping[str, str] | None = None,
    key: str | None = None,
) -> Body:
    stores = suspensions.Stores(
        catalog=Catalogs(engine),
        customers=Customers(engine),
        cells=CellVersions(engine),
        controls=CellControls(engine),
        audits=Audits(engine),
    )
    asked = suspensions.SuspensionRequest(
        id=audit, customer=customer, feature=feature, scope=scope or {}, reason="abuse", actor="ops"
    )

    def finish(body: Body) -> Body:
        suspensions.tell(stores, customer, now)
        return body

    plan = partial(move, stores, asked, judge, suspension_answer, now=now)
    return _commit(engine, plan, now=now, finish=finish, key=key)


def reset_manually(engine: Any, customer: str, *, named: str, now: Instant) -> None:
    """Reset the feature's usage to zero for enforcement, as of now. Billing is unaffected."""
    stores = usage_resets.Stores(limits=Cells(engine), cells=CellResets(engine), audits=Audits(engine))
    asked = ResetRequest(
        id=named,
        customer=customer,
        feature=FEATURE,
        effective_at=None,
        carry_overage=False,
        reason="outage",
        actor="ops",
    )
    _commit(engine, lambda: usage_resets.reset_usage(stores, asked, reset_answer, now=now), now=now)


def _commit(engine: Any, plan: Callable[[], Planned], *, now: Instant, key: str | None = None, **more: Any) -> Body:
    return once(Receipts(engine), plan, operation="o", idempotency_key=key, fingerprint="", now=now, **more).body
