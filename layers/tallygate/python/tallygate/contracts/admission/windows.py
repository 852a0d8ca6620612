"""Contracts of windows in answers of decisions."""

from __future__ import annotations

from typing import Literal

from tallygate.contracts.base.bodies import AnswerBody, QuantityOut, Span, TimeOut


class KindOfWindow(Span):
    """A window of a limit.

    kind: quota or rate
    """

    kind: Literal["quota", "rate"]


class Parts(AnswerBody):
    """The parts of a window's limit, whose sum it is.

    base: limit of the plan, or the customer's own
    carried: carried into the window
    adjusted: added or removed by adjustments in the window
    """

    base: QuantityOut
    carried: QuantityOut
    adjusted: QuantityOut


class Breakdown(AnswerBody):
    """The parts of a limit.

    base: limit of the plan, or the customer's own; null: unlimited
    carried: carried into the period
    adjusted: added or removed by adjustments in the period
    followed: usage of this period that was counted in another plan's windows
    """

    base: QuantityOut | None
    carried: QuantityOut
    adjusted: QuantityOut
    followed: QuantityOut


class DenyingLimit(AnswerBody):
    """A window of the limit that denies.

    name: of the limit
    scope: dimension values that the limit governs; empty: the whole customer
    limit: null: unlimited
    remaining: null: unlimited
    resets_at: null: never
    """

    name: str
    scope: dict[str, str]
    window: KindOfWindow
    limit: QuantityOut | None
    used: QuantityOut
    remaining: QuantityOut | None
    resets_at: TimeOut | None


class LimitAnswer(DenyingLimit):
    """One window of one limit.

    granted: whether this window grants the request
    level: level that usage has reached
    """

    unlimited: bool
    granted: bool
    enforcement: str
    level: str
    as_of: TimeOut
