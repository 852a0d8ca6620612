"""Statements about closed windows, as events state them and as closed periods are listed; and pending plans."""

from __future__ import annotations

from tallygate.contracts.admission.windows import Breakdown
from tallygate.contracts.base.bodies import AnswerBody, QuantityOut, Span, TimeOut
from tallygate.contracts.base.described import LEFT_OUT


class PendingPlan(AnswerBody):
    """A plan that begins later."""

    plan: str
    version: int
    at: TimeOut


class ClosedPeriod(Span):
    """The period of a closed window.

    every: absent: not known any more
    anchor: absent: not known any more
    """

    timezone: str
    every: str = LEFT_OUT
    anchor: str = LEFT_OUT


class PresentedStatement(AnswerBody):
    """Figures of a statement in the feature's display unit.

    plural: absent: the catalog declares none
    """

    unit: str
    plural: str = LEFT_OUT
    quantity: QuantityOut
    included: QuantityOut
    overage: QuantityOut


class StatedAdjustment(AnswerBody):
    """A manual adjustment in the window.

    amount: units added to the limit; negative: subtracted
    """

    id: str
    amount: QuantityOut
    reason: str
    actor: str
    category: str | None
    at: TimeOut


class LimitStatement(AnswerBody):
    """The statement about a closed window of any limit.

    stripe_customer_id: null: not known
    meter: null: not known
    plan: null: no plan
    unlimited: whether the limit had no bound
    raw: usage in units
    presented: null: the feature has no unit
    included: the part within the limit, in `unit`
    overage: the part beyond the limit, in `unit`
    carried_out: units that the next window takes over
    amount: always null in this version
    unit: display unit; null: units
    adjustments: newest manual adjustments
    revision: number of statements about the window so far, this one included
    """

    customer: str
    stripe_customer_id: str | None
    feature: str
    meter: str | None
    plan: str | None
    plan_version: int | None
    limit_name: str
    scope: dict[str, str]
    unlimited: bool
    period: ClosedPeriod
    raw: QuantityOut
    presented: PresentedStatement | None
    included: QuantityOut
    overage: QuantityOut
    breakdown: Breakdown
    carried_out: QuantityOut
    amount: None
    unit: str | None
    adjustments: list[StatedAdjustment]
    revision: int


class Statement(LimitStatement):
    """The statement about a closed window of an entitlement's own quota.

    billable: amount to bill, rounded once for the window, in `unit`
    """

    billable: QuantityOut


class PeriodAnswer(LimitStatement):
    """A closed period with all corrections so far.

    id: of the event that closed it
    billable: amount to bill; only of an entitlement's own quota
    closed_at: when it was closed
    closed_raw: usage that was stated first
    """

    id: str
    billable: QuantityOut = LEFT_OUT
    closed_at: TimeOut
    closed_raw: QuantityOut
