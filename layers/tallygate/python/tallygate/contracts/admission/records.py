"""Recorded decisions on the wire."""

from __future__ import annotations

from typing import Literal

from tallygate.contracts.admission.windows import KindOfWindow
from tallygate.contracts.base.answers import JSON
from tallygate.contracts.base.bodies import AnswerBody, QuantityOut, TimeOut
from tallygate.domain.admission.decision import Reason
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.corrections.settlements import Charge, MadeDecision


class ChargedWindow(AnswerBody):
    """A window in which a decision counts, with the recorded limit and numbers. null: not known.

    limit: null: unlimited, or not known
    """

    name: str | None
    scope: dict[str, str]
    window: KindOfWindow
    limit: QuantityOut | None
    enforcement: str | None
    used_before: QuantityOut | None
    used_after: QuantityOut | None
    remaining_after: QuantityOut | None
    level: str | None


class SettledAmount(AnswerBody):
    """The settlement of a decision.

    amount: units that count since then
    """

    amount: QuantityOut
    at: TimeOut


class DecisionRecord(AnswerBody):
    """A granted consume as recorded.

    reason: null: the record does not prove it
    granted_amount: units granted
    amount: units that count, after a settlement
    settled: null: not settled
    folded: whether the decision has reached the journal, about a second after it was made
    traceparent: of the request; null: it had none
    """

    decision_id: str
    customer: str
    feature: str
    meter: str
    dimensions: dict[str, str]
    granted: Literal[True]
    granted_amount: QuantityOut
    amount: QuantityOut
    reason: Reason | None
    settled: SettledAmount | None
    decided_at: TimeOut
    folded: bool
    plan: str | None
    plan_version: int | None
    limits: list[ChargedWindow]
    traceparent: str | None
    trace_id: str | None


def decision_record_answer(made: MadeDecision) -> JSON:
    """Return a recorded decision as JSON."""
    use, settlement = made.use, made.settlement
    plans = [(limit.plan, limit.plan_version) for limit in made.limits.values() if limit.plan is not None]
    plan, version = plans[0] if plans else (None, None)
    return DecisionRecord.of(
        made,
        feature=use.feature,
        meter=use.meter,
        dimensions=use.dimensions,
        granted=True,
        granted_amount=use.amount,
        amount=use.amount if settlement is None else settlement.amount,
        settled=None if settlement is None else SettledAmount.of(settlement, at=settlement.settled_at),
        decided_at=use.time,
        plan=plan,
        plan_version=version,
        limits=[_charged(charge) for charge in made.charges],
        traceparent=use.traceparent,
        trace_id=None if use.traceparent is None else use.traceparent[3:35],
    )


def _charged(charge: Charge) -> JSON:
    governed = charge.governed
    return ChargedWindow.of(
        charge,
        name=None if governed is None else governed.name,
        scope={} if governed is None else governed.scope,
        window=KindOfWindow.of(charge.window, kind="quota"),
        limit=None if charge.limit is None else max(ZERO, charge.limit),
        enforcement=None if governed is None else governed.enforcement,
    )
