"""The routes of check: what is asked, under which scope, and the operation that answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gateways import decision_headers, denial_answer, wants_status

from tallygate.clock import Clock
from tallygate.contracts.check import ASKS_MAX, CHECK, CONSUME, Ask, decision_answer
from tallygate.contracts.corrections import SETTLE, SettleBody, settlement_answer
from tallygate.contracts.explanations import explanation_answer
from tallygate.contracts.reading import read
from tallygate.decision_store import DecisionStore
from tallygate.domain.decision import Decision
from tallygate.domain.explanation import explanation
from tallygate.domain.instants import Instant
from tallygate.domain.units import Unit
from tallygate.errors import invalid
from tallygate.http import Answer, CustomerIn, Request, answered, permit
from tallygate.operations.admission import Memory
from tallygate.operations.check import check
from tallygate.operations.consume import Consume, consume
from tallygate.operations.dimensions import GivenDimensions, require_declared
from tallygate.operations.find_decision import decision_named
from tallygate.operations.settle import Settle, settle
from tallygate.store import AdmissionStore

SCOPE = "check"


@dataclass(slots=True, kw_only=True)
class App:
    """What one container decides with. `decided` receives every decision, for metrics and the log."""

    store: AdmissionStore
    decisions: DecisionStore
    clock: Clock
    memory: Memory
    decided: Callable[[Request, Decision], None]


def _check(app: App, request: Request) -> Answer:
    body = request.json()
    if not isinstance(body, list):
        ask = read(Ask, body)
        _require_declared(app, request, [("", ask)])
        decision = _decide(app, request, ask, now=app.clock.now())
        return _answered(request, ask, decision, _unit(app, decision))
    if not 1 <= len(body) <= ASKS_MAX:
        raise invalid("", "length", f"must have 1 to {ASKS_MAX} elements")
    if "http_status" in request.query:
        raise invalid("?http_status", "not_allowed", "is for one question: several answers have no one status")
    asks = [read(Ask, entry, at=f"/{index}") for index, entry in enumerate(body)]
    _require_declared(app, request, [(f"/{index}", ask) for index, ask in enumerate(asks)])
    now = app.clock.now()
    decided = [(ask, _decide(app, request, ask, now=now)) for ask in asks]
    return Answer(body=[_body(request, ask, decision, _unit(app, decision)) for ask, decision in decided])


def _consume(app: App, request: Request) -> Answer:
    ask = read(Ask, request.json())
    _require_declared(app, request, [("", ask)])
    now = app.clock.now()
    if ask.amount == 0:
        decision = _decide(app, request, ask, now=now)
        return _answered(request, ask, decision, _unit(app, decision))
    wanted = _wanted(ask, request)
    # Asked for before: a decision that was made must not fail for the sake of how it is shown.
    unit = app.memory.unit(app.store, ask.feature)
    decision = consume(app.store, app.memory, wanted, now=now, entropy=os.urandom)
    app.decided(request, decision)
    return _answered(request, ask, decision, unit)


def _require_declared(app: App, request: Request, asks: Sequence[tuple[str, Ask]]) -> None:
    """Raises Forbidden where the key is bound to another customer, then InvalidRequest for undeclared dimensions."""
    given = [
        GivenDimensions(feature=ask.feature, dimensions=_wanted(ask, request).counted_dimensions, at=at)
        for at, ask in asks
    ]
    require_declared(app.store, app.memory, given)


def _decide(app: App, request: Request, ask: Ask, *, now: Instant) -> Decision:
    decision = check(app.store, app.memory, _wanted(ask, request), now=now)
    app.decided(request, decision)
    return decision


def _unit(app: App, decision: Decision) -> Unit | None:
    """What the decision's numbers are shown in; not looked for where there are none."""
    return app.memory.unit(app.store, decision.feature) if decision.quota is not None else None


def _settle(app: App, request: Request) -> Answer:
    asked = read(SettleBody, request.json())
    named, now = request.path["decision_id"], app.clock.now()
    decision = decision_named(named, lambda: app.memory.decision_secret(app.store, os.urandom), now=now)
    permit(request.principal, SCOPE, decision.customer)
    wanted = Settle(decision_id=named, decision=decision, amount=asked.amount, traceparent=_given_trace(request))
    settled = settle(app.decisions, wanted, now=now)
    body = settlement_answer(
        settled.settlement, customer=decision.customer, feature=decision.feature, replayed=settled.replayed
    )
    return Answer(body=body, headers={"idempotent-replayed": "true"} if settled.replayed else {})


def _given_trace(request: Request) -> str | None:
    """The trace that the caller began; one that begins here leads nowhere and is not recorded."""
    return request.traceparent if request.headers.get("traceparent") else None


def _wanted(ask: Ask, request: Request) -> Consume:
    principal = permit(request.principal, SCOPE, ask.customer)
    return Consume(
        customer=ask.customer,
        feature=ask.feature,
        amount=ask.amount,
        amount_sent=ask.amount_sent,
        dimensions=ask.dimensions,
        api_key=principal.key_id,
        request_id=ask.request_id,
        allow_partial=ask.allow_partial,
        idempotency_key=request.idempotency_key,
        traceparent=_given_trace(request),
    )


def _answered(request: Request, ask: Ask, decision: Decision, unit: Unit | None) -> Answer:
    body = _body(request, ask, decision, unit)
    if not decision.granted and wants_status(request):
        return denial_answer(decision, body, request)
    return Answer(body=body, headers=decision_headers(decision))


def _body(request: Request, ask: Ask, decision: Decision, unit: Unit | None) -> dict[str, Any]:
    body = decision_answer(decision, detail=ask.detail, unit=unit)
    if ask.explain:
        dimensions = _wanted(ask, request).counted_dimensions
        body["explanation"] = explanation_answer(explanation(decision, dimensions))
    return body


ROUTES = {
    row.key: answered(row, respond, CustomerIn.FOUND)
    for row, respond in ((CHECK, _check), (CONSUME, _consume), (SETTLE, _settle))
}
