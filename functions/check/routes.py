"""The routes of check: their scope, contracts and operations."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateways import decision_headers, denial_answer, wants_status

from tallygate.clock import Clock
from tallygate.contracts.admission.check import (
    ASKS_MAX,
    CHECK,
    CONSUME,
    SETTLE,
    decision_answer,
    read_question,
)
from tallygate.contracts.admission.questions import Question
from tallygate.domain.admission.decision import Decision
from tallygate.domain.base.instants import Instant
from tallygate.domain.base.values import value
from tallygate.domain.catalog.units import Unit
from tallygate.errors import invalid
from tallygate.http import Answer, CustomerIn, Request, answered, permit
from tallygate.operations.admission.attempts import Consume
from tallygate.operations.admission.check import check
from tallygate.operations.admission.consume import consume
from tallygate.operations.admission.dimensions import require_declared
from tallygate.operations.admission.memory import Memory
from tallygate.operations.admission.ports import AdmissionStore
from tallygate.storage.base.engine import Engine

SCOPE = "check"


@dataclass(slots=True, kw_only=True)
class App:
    """The parts with which one container decides.

    engine: for the stores that a route makes itself
    decided: receives every decision, for metrics and the log
    """

    store: AdmissionStore
    engine: Engine
    clock: Clock
    memory: Memory
    decided: Callable[[Request, Decision], None]


@value()
class Asked:
    """One question of a body and the form of its answer.

    detail: answer with all numbers
    explain: add an explanation
    at: the question's place in the body: "", or "/3" in a list
    """

    wanted: Consume
    detail: bool
    explain: bool
    at: str


def _check(app: App, request: Request) -> Answer:
    body = request.json()
    if not isinstance(body, list):
        asked = _asked(read_question(body), request)
        require_declared(app.store, app.memory, [("", asked.wanted)])
        return _answered(request, asked, *_decide(app, request, asked, now=app.clock.now()))
    if not 1 <= len(body) <= ASKS_MAX:
        raise invalid("", "length", f"must have 1 to {ASKS_MAX} elements")
    if "http_status" in request.query:
        raise invalid(
            "?http_status", "not_allowed", "works for a single question only: a list of answers has no single status"
        )
    several = [
        _asked(read_question(entry, at=f"/{index}"), request, at=f"/{index}") for index, entry in enumerate(body)
    ]
    require_declared(app.store, app.memory, [(asked.at, asked.wanted) for asked in several])
    now = app.clock.now()
    decided = [(asked, *_decide(app, request, asked, now=now)) for asked in several]
    return Answer(body=[_body(*each) for each in decided])


def _consume(app: App, request: Request) -> Answer:
    asked = _asked(read_question(request.json()), request)
    require_declared(app.store, app.memory, [("", asked.wanted)])
    now = app.clock.now()
    if asked.wanted.amount == 0:
        return _answered(request, asked, *_decide(app, request, asked, now=now))
    # The unit is read before the decision: a failure to read it must not fail a decision that was made.
    unit = app.memory.unit(app.store, asked.wanted.feature) if asked.detail else None
    decision = consume(app.store, app.memory, asked.wanted, now=now, entropy=os.urandom)
    app.decided(request, decision)
    return _answered(request, asked, decision, unit)


def _asked(ask: Question, request: Request, at: str = "") -> Asked:
    """Return the question. Raises Forbidden where the key is bound to another customer."""
    principal = permit(request.principal, SCOPE, ask.customer)
    wanted = Consume(
        customer=ask.customer,
        feature=ask.feature,
        amount=ask.amount,
        amount_sent=ask.amount_sent,
        dimensions=ask.dimensions,
        api_key=principal.key_id,
        request_id=ask.request_id,
        allow_partial=ask.allow_partial,
        idempotency_key=request.idempotency_key,
        traceparent=request.given_trace,
    )
    return Asked(wanted=wanted, detail=ask.detail, explain=ask.explain, at=at)


def _decide(app: App, request: Request, asked: Asked, *, now: Instant) -> tuple[Decision, Unit | None]:
    """Return check's decision and the feature's display unit. The unit is read only where the answer shows it."""
    decision = check(app.store, app.memory, asked.wanted, now=now)
    app.decided(request, decision)
    shown = asked.detail and decision.quota is not None
    return decision, app.memory.unit(app.store, decision.feature) if shown else None


def _settle(app: App, request: Request) -> Answer:
    # The modules that read the journal are loaded with a container's first settlement.
    from tallygate.contracts.base.reading import read  # noqa: PLC0415
    from tallygate.contracts.corrections.settlements import SettleBody, settlement_answer  # noqa: PLC0415
    from tallygate.operations.corrections.settle import Settle, settle  # noqa: PLC0415
    from tallygate.operations.journal.find_decision import decision_named  # noqa: PLC0415
    from tallygate.storage.journal.decisions import Decisions  # noqa: PLC0415

    asked = read(SettleBody, request.json())
    named, now = request.path["decision_id"], app.clock.now()
    decision = decision_named(named, lambda: app.memory.decision_secret(app.store, os.urandom), now=now)
    permit(request.principal, SCOPE, decision.customer)
    wanted = Settle(decision_id=named, decision=decision, amount=asked.amount, traceparent=request.given_trace)
    settled = settle(Decisions(app.engine), wanted, now=now)
    body = settlement_answer(
        settled.settlement, customer=decision.customer, feature=decision.feature, replayed=settled.replayed
    )
    return Answer(body=body, headers={"idempotent-replayed": "true"} if settled.replayed else {})


def _answered(request: Request, asked: Asked, decision: Decision, unit: Unit | None) -> Answer:
    body = _body(asked, decision, unit)
    if not decision.granted and wants_status(request):
        return denial_answer(decision, body, request)
    return Answer(body=body, headers=decision_headers(decision))


def _body(asked: Asked, decision: Decision, unit: Unit | None) -> dict[str, Any]:
    body = decision_answer(decision, detail=asked.detail, unit=unit)
    if asked.explain:
        # Few callers ask for an explanation. Its modules are loaded for the first of them.
        from tallygate.contracts.admission.explanations import explanation_answer  # noqa: PLC0415

        body["explanation"] = explanation_answer(decision, asked.wanted.counted_dimensions)
    return body


ROUTES = {
    row.key: answered(row, respond, CustomerIn.FOUND)
    for row, respond in ((CHECK, _check), (CONSUME, _consume), (SETTLE, _settle))
}
