"""Outgoing events: CloudEvents with the contract of each type's `data`. The domain builds the data; tests hold it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from pydantic import create_model

from tallygate.contracts.admission.windows import Breakdown, Parts
from tallygate.contracts.base.bodies import AnswerBody, EndOut, QuantityOut, Span, TimeOut
from tallygate.contracts.base.described import LEFT_OUT
from tallygate.contracts.facts.statements import LimitStatement, PendingPlan, PresentedStatement, Statement
from tallygate.contracts.limits.suspensions import WaiverAnswer
from tallygate.domain.admission.decision import Reason
from tallygate.domain.entries import fact_types


class About(AnswerBody):
    """What every event says.

    customer: null: not known
    feature: null: the event concerns the whole customer
    sequence: grows by one with each event of the customer's feature
    """

    customer: str | None
    feature: str | None
    sequence: int


class AboutPlan(About):
    """What an event about usage says of its plan.

    stripe_customer_id: absent: not known
    meter: null: not known
    plan: null: no plan
    """

    stripe_customer_id: str = LEFT_OUT
    meter: str | None
    plan: str | None
    plan_version: int | None


class AboutLimit(AboutPlan):
    """What an event says of a limit and its window.

    scope: dimension values that the limit governs; empty: the whole customer
    period: the window
    """

    limit_name: str
    scope: dict[str, str]
    period: Span


class Upgrade(AnswerBody):
    """What the next plan allows, so that an automation can upgrade the customer without another call.

    upgrade_to: next plan; null: none
    upgrade_limit: its limit; null: not known, or unlimited
    upgrade_unlimited: whether it has no limit
    """

    upgrade_to: str | None
    upgrade_limit: QuantityOut | None
    upgrade_unlimited: bool


class OfWindow(AboutLimit):
    """The state of a running window.

    limit: with carried and adjusted amounts; null: unlimited
    usage: units used
    """

    limit: QuantityOut | None
    unlimited: bool
    breakdown: Breakdown
    usage: QuantityOut
    level: str


class ThresholdCrossed(OfWindow, Upgrade):
    """Usage reached a tier's threshold.

    level: level that began
    threshold: in units
    at: as declared, a share of the limit or an amount
    """

    threshold: QuantityOut
    at: str


class ThresholdRecovered(OfWindow):
    """A level ended.

    level: level that ended
    threshold: in units
    at: as declared, a share of the limit or an amount
    level_now: level since then
    cause: why it ended
    """

    threshold: QuantityOut
    at: str
    level_now: str
    cause: Literal["usage", "limit", "reset", "period_closed"]


class LimitReached(OfWindow, Upgrade):
    """Usage reached the limit."""


class OverageStarted(OfWindow, Upgrade):
    """The first unit beyond the limit was used.

    overage: units beyond the limit
    """

    overage: QuantityOut


class Denied(AboutLimit, Upgrade):
    """The first denial of a limit in a window.

    kind: whether a quota or a rate denied
    usage: units used at the denial
    requested: units that were denied
    """

    kind: Literal["quota", "rate"]
    level: str
    usage: QuantityOut
    limit: QuantityOut
    requested: QuantityOut
    reason: Reason


class PeriodClosed(Statement, About):
    """A window of an entitlement's own quota was closed. `billable` is what to bill."""


class LimitPeriodClosed(LimitStatement, About):
    """A window of another limit was closed, or a closed one changed. It is never billable."""


class Restated(PeriodClosed):
    """A closed window of an entitlement's own quota changed. Each figure has its earlier value beside it."""

    raw_before: QuantityOut
    presented_before: PresentedStatement | None
    billable_before: QuantityOut
    included_before: QuantityOut
    overage_before: QuantityOut
    breakdown_before: Breakdown
    carried_out_before: QuantityOut
    amount_before: None


class NamedEvent(AnswerBody):
    """A usage event as it was sent. null: could not be read."""

    id: str | None
    source: str | None
    type: str | None
    subject: str | None
    time: TimeOut | None


class Rejected(About):
    """A usage event was rejected, or could not be counted after it was accepted. One a minute, customer and code.

    code: stable name of the reason
    detail: the reason as a sentence
    accepted_before: whether the event was accepted first
    others: number of other known ones of the same minute, customer and code
    """

    code: str
    detail: str
    event: NamedEvent
    received_at: TimeOut
    accepted_before: bool
    others: int


class ByOperator(About):
    """An operator suspended the customer, a feature or a scope, or resumed it.

    scope: dimension values; empty: the whole feature or customer
    since: begin of the suspension
    """

    scope: dict[str, str]
    reason: str
    actor: str
    by: Literal["operator"]
    since: TimeOut


class SuspendedByTier(AboutLimit, Upgrade):
    """A tier suspended usage.

    limit: units, at the suspension
    usage: units used, at the suspension
    until: null: until a resume or a top-up
    """

    level: str
    usage: QuantityOut
    limit: QuantityOut
    until: EndOut
    by: Literal["tier"]


class TierResumed(AboutPlan):
    """A suspension by a tier ended early.

    cause: a resume, or an adjustment that raised the limit
    waived: tiers that do not suspend again for now
    waived_until: earliest end of a waiver; null: none ends; absent without waivers
    """

    scope: dict[str, str]
    by: Literal["operator"]
    cause: Literal["resume", "top_up"]
    actor: str
    reason: str | None
    waived: list[WaiverAnswer]
    waived_until: EndOut = LEFT_OUT


class Adjusted(AboutLimit):
    """An operator raised or lowered a limit in its running window.

    id: of the adjustment
    amount: units added to the limit; negative: subtracted
    """

    id: str
    amount: QuantityOut
    reason: str
    actor: str
    category: str | None
    breakdown: Parts


class SubscriptionChanged(About):
    """The subscription changed, or will change.

    plan: null: no subscription
    version: same as plan_version
    previous_plan: null: no subscription
    previous_version: same as previous_plan_version
    at: when the change takes effect
    replaces: change that was to come and does not come any more; null: none
    """

    plan: str | None
    plan_version: int | None
    version: int | None
    previous_plan: str | None
    previous_plan_version: int | None
    previous_version: int | None
    effective: Literal["now", "next_period"]
    at: TimeOut
    usage: Literal["keep", "reset"]
    base: Literal["full", "prorated"]
    replaces: PendingPlan | None
    actor: str


class Event(AnswerBody):
    """An event that leaves: a CloudEvent, and a Standard Webhooks payload.

    id: the same in every attempt, so receivers can use it as idempotency key
    subject: the customer; absent: not known
    time: when the event was made
    timestamp: same as time
    traceparent: of the request that caused it
    """

    specversion: Literal["1.0"]
    id: str
    source: Literal["tallygate"]
    subject: str = LEFT_OUT
    time: TimeOut
    timestamp: TimeOut
    datacontenttype: Literal["application/json"]
    traceparent: str = LEFT_OUT


DATA: Mapping[str, Any] = {
    fact_types.THRESHOLD_CROSSED: ThresholdCrossed,
    fact_types.THRESHOLD_RECOVERED: ThresholdRecovered,
    fact_types.LIMIT_REACHED: LimitReached,
    fact_types.OVERAGE_STARTED: OverageStarted,
    fact_types.DENIED: Denied,
    fact_types.PERIOD_CLOSED: PeriodClosed,
    fact_types.LIMIT_CLOSED: LimitPeriodClosed,
    fact_types.RESTATED: Restated,
    fact_types.REJECTED: Rejected,
    fact_types.SUSPENDED: ByOperator | SuspendedByTier,
    fact_types.RESUMED: ByOperator | TierResumed,
    fact_types.ADJUSTED: Adjusted,
    fact_types.SUBSCRIPTION_CHANGED: SubscriptionChanged,
}
"""The contract of the data of each type of event."""


@cache
def events() -> Mapping[str, type[Event]]:
    """Return the contract of each type of event, made at the first call."""
    return {kind: _event(kind, data) for kind, data in DATA.items()}


def _event(kind: str, data: Any) -> type[Event]:
    name = "".join(word.capitalize() for word in kind.replace(".", "_").split("_"))
    forms = getattr(data, "__args__", (data,))
    text = " ".join(str(form.__doc__).partition("\n")[0] for form in forms)
    fields: Any = {"type": (Literal[kind], ...), "data": (data, ...)}
    return create_model(f"{name}Event", __base__=Event, __doc__=text, **fields)
