"""adjustments: an operator raises or lowers a customer's limit of a feature for the current window.

    limits in force, cell ──> the window's parts after it ──one transaction──> the cell
                                                                               the adjustment, for the list
                                                                               the audit entry
                                                                               the receipt

An adjustment acts at the very next decision, because it is written into the cell, which decides. The write succeeds
only if the window still has the parts that were seen. So the answer, the journal and the fact state exactly what came
of it. If another write comes between, the adjustment is planned again. A window that is not open yet is opened by the
adjustment, with its carryover. An adjustment that raises the limit lifts tier suspensions that last until a top-up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tallygate.domain.admission.terms import look
from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO, plain
from tallygate.domain.corrections.adjusting import (
    adjust_entry,
    cell_adjustment,
    not_adjustable,
    parts_in,
    scope_lifted,
    too_late,
)
from tallygate.domain.facts.adjustments import Adjustment, LimitParts
from tallygate.domain.facts.audits import ADJUSTED, Audit
from tallygate.domain.limits.counters import CellName
from tallygate.errors import ClockBehind, Conflict, invalid
from tallygate.operations.admission.entitlements import metered
from tallygate.operations.base.known_customers import KnownCustomers, customer
from tallygate.operations.base.receipts import Planned
from tallygate.operations.corrections.ports import AdjustmentStore, CellControlStore
from tallygate.operations.facts.ports import AuditStore
from tallygate.operations.limits.ports import LimitsStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The stores that an adjustment reads and writes."""

    limits: LimitsStore
    controls: CellControlStore
    adjustments: AdjustmentStore
    audits: AuditStore


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustmentRequest:
    """One adjustment request: its target, amount, actor and reason.

    id: names the adjustment and its audit entry
    amount: what is added to the limit, in raw units; negative lowers the limit
    """

    id: str
    customer: str
    feature: str
    amount: Decimal
    reason: str
    actor: str
    key_id: str | None = None
    category: str | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forms:
    """The wire forms of an adjustment and of a limit's parts."""

    adjustment: Callable[[Adjustment], Mapping[str, Any]]
    parts: Callable[[LimitParts], Mapping[str, Any]]


def adjust(stores: Stores, asked: AdjustmentRequest, forms: Forms, *, now: Instant) -> Planned:
    """Plan to add the amount to the limit of the feature's own quota in its current window.

    A negative amount lowers it.

    Raises NotFound, Conflict `not_adjustable`, InvalidRequest at the feature or the amount, ClockBehind.
    """
    effective, entitlement = metered(stores.limits, asked.customer, asked.feature, now=now)
    cell = stores.controls.read(CellName(asked.customer, asked.feature))
    wanted = look(entitlement, version=effective.version, now=now, seen=cell)
    term = wanted.quotas[0]
    if (why := not_adjustable(term)) is not None:
        raise Conflict(f"nothing can be adjusted: {asked.feature} {why}", code="not_adjustable")
    if too_late(term, cell):
        raise ClockBehind("the server's clock lags behind the feature's counters")
    before = parts_in(term, cell)
    after = LimitParts(base=before.base, carried=before.carried, adjusted=before.adjusted + asked.amount)
    if not after.statable:
        raise invalid("/amount", "out_of_range", "the limit would have more than 18 integer digits")
    if asked.amount < 0 and after.total < 0:
        raise invalid("/amount", "out_of_range", f"lowers the limit below 0: it is {plain(max(ZERO, before.total))}")
    found = cell_adjustment(wanted, cell, asked.amount)
    made = Adjustment(
        id=asked.id,
        customer=asked.customer,
        feature=asked.feature,
        amount=asked.amount,
        reason=asked.reason,
        actor=asked.actor,
        category=asked.category,
        at=now,
        name=term.limit.name,
        ordinal=term.quota.ordinal,
        window=term.window,
        after=after,
        resumed=bool(found.lifted),
    )
    lifted = scope_lifted(entitlement, found.lifted) if found.lifted else None
    entry = adjust_entry(made, meter=entitlement.meter, lifted=lifted, traceparent=asked.traceparent)
    moves = (
        *stores.controls.adjust(CellName(asked.customer, asked.feature), found, entry),
        *stores.adjustments.record(made),
        *stores.audits.record(_audit(made, before, forms, asked.key_id)),
    )
    return Planned(moves=moves, body=forms.adjustment(made))


def list_adjustments(
    store: AdjustmentStore,
    customers: KnownCustomers,
    customer_id: str,
    feature: str | None,
    *,
    after: str | None,
    limit: int,
) -> tuple[tuple[Adjustment, ...], str | None]:
    """Return a page of adjustments, newest first, and the next page's cursor.

    Raises NotFound for an unknown customer.
    """
    return store.page(customer(customers, customer_id).customer.id, feature, after=after, limit=limit)


def _audit(made: Adjustment, before: LimitParts, forms: Forms, key_id: str | None) -> Audit:
    form = forms.adjustment(made)
    return Audit(
        id=made.id,
        customer=made.customer,
        at=made.at,
        action=ADJUSTED,
        actor=made.actor,
        key_id=key_id,
        reason=made.reason,
        feature=made.feature,
        about={name: form[name] for name in ("amount", "category", "period", "resumed")},
        before=forms.parts(before),
        after=forms.parts(made.after),
    )
