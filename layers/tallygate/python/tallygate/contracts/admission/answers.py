"""Contracts of the answers of check, consume and settle.

check.py builds these answers as plain dictionaries, and does not import this module. Tests hold them to it.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from tallygate.contracts.admission.explained import ExplanationAnswer
from tallygate.contracts.admission.windows import Breakdown, WindowAnswer
from tallygate.contracts.base.bodies import AnswerBody, QuantityOut, Recurring, TimeOut
from tallygate.contracts.base.described import LEFT_OUT
from tallygate.contracts.base.problems import Problem
from tallygate.contracts.catalog.answers import SettingOut
from tallygate.domain.admission.decision import Reason


class PresentedQuota(AnswerBody):
    """The numbers of a quota in the feature's display unit.

    unit: name of the display unit
    plural: absent: the catalog declares none
    """

    unit: str
    plural: str = LEFT_OUT
    used: QuantityOut | None
    limit: QuantityOut | None
    remaining: QuantityOut | None


class FeatureState(AnswerBody):
    """The state of a customer's feature. The numbers are those of the entitlement's own quota.

    type: null: the customer has no right to the feature
    value: of a config feature
    limit: null: unlimited
    held: always 0 in this version
    remaining: null: unlimited
    overage: units beyond the limit
    level: level that usage has reached
    resets_at: null: never
    presented: null: the feature has no unit
    credits: always null in this version
    nodes: windows of all limits that govern the request; empty without detail
    """

    customer: str
    feature: str
    type: Literal["metered", "boolean", "config"] | None
    value: SettingOut | None
    limit: QuantityOut | None
    unlimited: bool
    used: QuantityOut
    held: int
    remaining: QuantityOut | None
    overage: QuantityOut
    over_limit: bool
    level: str
    period: Recurring | None
    resets_at: TimeOut | None
    breakdown: Breakdown
    presented: PresentedQuota | None
    credits: None
    nodes: list[WindowAnswer]
    as_of: TimeOut


class DecisionAnswer(FeatureState):
    """A decision. A denial is an answer, not an error.

    granted_amount: units granted; less than requested only with allow_partial
    reason: first reason that holds
    message: the decision as a sentence
    max_grantable: largest amount that would be granted now; null: any amount
    retry_at: earliest time at which the same request could be granted; null: granted, or no time is known
    binding: window that denied; null: none
    would_deny: whether a limit in mode observe would have denied
    would_reason: its reason
    decision_id: of a granted consume; null: nothing was counted
    replayed: whether an earlier request with the same id was counted
    degraded: always false in this version
    explanation: only with explain
    """

    granted: bool
    granted_amount: QuantityOut
    reason: Reason
    message: str
    requested: QuantityOut
    max_grantable: QuantityOut | None
    retry_at: TimeOut | None
    binding: WindowAnswer | None
    would_deny: bool
    would_reason: Reason | None
    decision_id: str | None
    replayed: bool
    degraded: bool
    explanation: ExplanationAnswer = LEFT_OUT


_VIOLATED: Any = Field(default=None, alias="violated-policies")


class Denial(Problem):
    """A denial as an HTTP error, for callers that ask for it by `Prefer: http-status`.

    violated_policies: names in RateLimit-Policy of the limits that denied; only with status 429
    """

    violated_policies: list[str] = _VIOLATED
    decision: DecisionAnswer


class SettlementAnswer(AnswerBody):
    """A settled decision.

    granted_amount: units that the decision granted
    amount: units that count now
    difference: amount − granted_amount
    replayed: whether an earlier call settled the decision
    """

    decision_id: str
    customer: str
    feature: str
    granted_amount: QuantityOut
    amount: QuantityOut
    difference: QuantityOut
    settled_at: TimeOut
    replayed: bool
