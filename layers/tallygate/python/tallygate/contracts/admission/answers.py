"""Contracts of the answers of check, consume and settle.

check.py builds these answers as plain dictionaries, and does not import this module. Tests hold them to it.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from tallygate.contracts.admission.windows import Breakdown, DenyingLimit, KindOfWindow, LimitAnswer
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

    held: always 0 in this version
    over_limit: whether usage lies beyond the limit
    overage: units beyond the limit
    presented: null: the feature has no unit
    limits: windows of all limits that govern the request
    """

    customer: str
    feature: str
    over_limit: bool
    held: int
    overage: QuantityOut
    as_of: TimeOut
    period: Recurring | None
    breakdown: Breakdown
    presented: PresentedQuota | None
    limits: list[LimitAnswer]


class ExplainedLimit(AnswerBody):
    """What a limit says of the request.

    met: whether the request fits the limit; a limit that does not deny need not be met
    why: the numbers before the request, the tier that applies, and what would help
    """

    name: str
    scope: dict[str, str]
    window: KindOfWindow
    met: bool
    why: str


class UnmatchedLimit(AnswerBody):
    """A limit that does not govern the request, and a dimension for which it does not.

    wanted: value in the scope
    given: value in the request; null: none
    """

    name: str
    scope: dict[str, str]
    dimension: str
    wanted: str
    given: str | None


class ExplanationAnswer(AnswerBody):
    """What each limit says of the request, and the limits that do not govern it."""

    limits: list[ExplainedLimit]
    unmatched: list[UnmatchedLimit]


class DecisionAnswer(AnswerBody):
    """A decision. A denial is an answer, not an error. The numbers are those of the entitlement's own quota.

    granted_amount: units granted; less than requested only with allow_partial
    reason: first reason that holds
    message: the decision as a sentence, with the numbers
    decision_id: of a granted consume; null: nothing was counted
    limit: null: unlimited
    remaining: null: unlimited
    max_grantable: largest amount that would be granted now; null: any amount
    level: level that usage has reached
    resets_at: null: never
    retry_at: earliest time at which the same request could be granted; null: granted, or no time is known
    denied_by: limit that denied; null: none
    would_deny: only if a limit in mode observe would have denied
    would_reason: its reason
    replayed: only if an earlier request with the same id was counted
    value: only of a config feature
    over_limit: without detail only if usage lies beyond the limit
    overage: without detail only if usage lies beyond the limit
    customer, feature, as_of, period: only with detail
    held: only with detail; always 0 in this version
    breakdown: only with detail
    presented: only with detail; null: the feature has no unit
    limits: only with detail; windows of all limits that govern the request
    explanation: only with explain
    """

    granted: bool
    reason: Reason
    message: str
    decision_id: str | None
    requested: QuantityOut
    granted_amount: QuantityOut
    limit: QuantityOut | None
    unlimited: bool
    used: QuantityOut
    remaining: QuantityOut | None
    max_grantable: QuantityOut | None
    level: str
    resets_at: TimeOut | None
    retry_at: TimeOut | None
    denied_by: DenyingLimit | None
    would_deny: Literal[True] = LEFT_OUT
    would_reason: Reason = LEFT_OUT
    replayed: Literal[True] = LEFT_OUT
    value: SettingOut = LEFT_OUT
    over_limit: bool = LEFT_OUT
    overage: QuantityOut = LEFT_OUT
    customer: str = LEFT_OUT
    feature: str = LEFT_OUT
    held: int = LEFT_OUT
    as_of: TimeOut = LEFT_OUT
    period: Recurring | None = LEFT_OUT
    breakdown: Breakdown = LEFT_OUT
    presented: PresentedQuota | None = LEFT_OUT
    limits: list[LimitAnswer] = LEFT_OUT
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
