"""Contracts of explanations, which explanations.py builds as plain dictionaries."""

from __future__ import annotations

from typing import Literal

from tallygate.contracts.admission.windows import Breakdown, KindOfWindow, WindowAnswer
from tallygate.contracts.base.bodies import AnswerBody, EndOut, QuantityOut, TimeOut
from tallygate.contracts.base.described import LEFT_OUT
from tallygate.contracts.catalog.answers import CarryoverForm, PolicyForm, RateForm
from tallygate.domain.admission.decision import Reason
from tallygate.domain.admission.explanation import Waits


class UnmatchedDimension(AnswerBody):
    """A dimension in which the request differs from a limit's scope.

    wanted: value in the scope
    given: value in the request; null: none
    """

    dimension: str
    wanted: str
    given: str | None


class PeriodOfWindow(AnswerBody):
    """The recurrence of a quota's window."""

    every: str
    anchor: str
    timezone: str


class ExplainedTierAnswer(PolicyForm):
    """A tier, and whether usage has reached it.

    at: threshold as declared
    threshold: the same in units
    waived_until: only of a tier that a resume has waived; null: its window never ends
    """

    level: str
    at: QuantityOut | str
    threshold: QuantityOut
    reached: bool
    waived_until: EndOut = LEFT_OUT


class RungAnswer(PolicyForm):
    """The step of usage on which the request's last unit lies, and its policy.

    above: usage at which the step begins, exclusive; null: it is the first
    upto: usage at which it ends, inclusive; null: no end
    level: level of the tier that decides there; null: no tier
    """

    above: QuantityOut | None
    upto: QuantityOut | None
    grants: bool
    level: str | None


class GraceAnswer(AnswerBody):
    """A grace: when it began and when it ends; null: not yet, or never."""

    began: TimeOut | None
    ends: TimeOut | None


class ExplainedWindow(AnswerBody):
    """One window of a limit, with the fields of a quota or those of a rate.

    decides: whether its verdict counts
    granted: null: the limit does not govern the request
    used_before: without the request; null: not known
    used_after: with the request
    remaining_after: null: unlimited
    room: largest amount that the window grants; null: any
    rung: null: unlimited, or the limit does not govern the request
    grace: null: no tier grants a grace
    asked_by: whether the limit or one of its tiers sets the rate
    current: units in the running sub-window
    previous: units in the sub-window before
    current_max: the request fits while `current` is at most this; null: it cannot fit
    width_seconds: length of a sub-window
    left_seconds: what is left of the running one
    rule: the condition of the rate
    """

    window: KindOfWindow
    decides: bool
    granted: bool | None
    limit: QuantityOut | None
    unlimited: bool
    used_before: QuantityOut | None
    used_after: QuantityOut
    remaining_after: QuantityOut | None
    room: QuantityOut | None
    resets_at: TimeOut | None
    retry_at: TimeOut | None
    period: PeriodOfWindow = LEFT_OUT
    breakdown: Breakdown = LEFT_OUT
    level_before: str | None = LEFT_OUT
    level_after: str = LEFT_OUT
    tiers: list[ExplainedTierAnswer] = LEFT_OUT
    rung: RungAnswer | None = LEFT_OUT
    grace: GraceAnswer | None = LEFT_OUT
    rate: RateForm = LEFT_OUT
    asked_by: Literal["tier", "limit"] = LEFT_OUT
    current: QuantityOut = LEFT_OUT
    previous: QuantityOut = LEFT_OUT
    current_max: QuantityOut | None = LEFT_OUT
    width_seconds: QuantityOut = LEFT_OUT
    left_seconds: QuantityOut = LEFT_OUT
    rule: str = LEFT_OUT


class ExplainedLimitAnswer(AnswerBody):
    """A limit of the customer, and whether it governs the request.

    unmatched: dimensions for which it does not
    carryover: null: none
    """

    name: str
    scope: dict[str, str]
    enforcement: str
    governs: bool
    unmatched: list[UnmatchedDimension]
    carryover: CarryoverForm | None
    windows: list[ExplainedWindow]


class HeldReason(AnswerBody):
    """A reason, and whether it holds.

    held: null: not examined, since an earlier one holds
    """

    reason: Reason
    held: bool | None


class RetryAnswer(AnswerBody):
    """What a denied request waits for.

    at: null: no time is known
    limit: name of the limit that denies longest; null: none
    window: its window
    detail: the same in words
    """

    at: TimeOut | None
    waits_for: Waits
    limit: str | None
    window: KindOfWindow | None
    detail: str


class SuspendedFor(AnswerBody):
    """The suspension that denies.

    feature: null: the whole customer
    limit: of a tier's suspension
    level: of a tier's suspension
    since: null: not known
    until: null: until a resume or a top-up
    """

    by: str
    feature: str | None
    scope: dict[str, str]
    limit: str | None
    level: str | None
    since: TimeOut | None
    until: TimeOut | None


class ExplanationAnswer(AnswerBody):
    """Why a decision was made.

    limits_version: version of the customer's limits
    dimensions: those of the request, with api_key
    counted: whether this call counted
    binding: window that denied; of a grant, the one with the least room; null: none
    reason_order: all reasons in order of precedence
    suspension: null: none
    docs: page that explains the reason
    """

    plan: str | None
    plan_version: int | None
    limits_version: int | None
    timezone: str | None
    dimensions: dict[str, str]
    counted: bool
    limits: list[ExplainedLimitAnswer]
    binding: WindowAnswer | None
    reason_order: list[HeldReason]
    message: str
    retry: RetryAnswer
    suspension: SuspendedFor | None
    docs: str
