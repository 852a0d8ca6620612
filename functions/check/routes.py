"""The routes of check: what is asked, under which scope, and the operation that answers."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from tallygate.clock import Clock
from tallygate.contracts.check import Ask, decision_answer
from tallygate.contracts.reading import read
from tallygate.domain.decision import Decision
from tallygate.http import Answer, Request, Route, permit
from tallygate.operations.admission import Memory
from tallygate.operations.check import check
from tallygate.operations.consume import Consume, consume
from tallygate.store import AdmissionStore

SCOPE = "check"


@dataclass(slots=True, kw_only=True)
class App:
    """What one container decides with. `decided` is told of every decision, for metrics and the log."""

    store: AdmissionStore
    clock: Clock
    memory: Memory
    decided: Callable[[Request, Decision], None]


def _check(app: App, request: Request) -> Answer:
    ask = read(Ask, request.json())
    decision = check(app.store, app.memory, _wanted(ask, request), now=app.clock.now())
    return _answered(app, request, ask, decision)


def _consume(app: App, request: Request) -> Answer:
    ask = read(Ask, request.json())
    wanted, now = _wanted(ask, request), app.clock.now()
    if ask.amount == 0:
        decision = check(app.store, app.memory, wanted, now=now)
    else:
        decision = consume(app.store, app.memory, wanted, now=now, entropy=os.urandom)
    return _answered(app, request, ask, decision)


def _wanted(ask: Ask, request: Request) -> Consume:
    principal = permit(request.principal, SCOPE, ask.customer)
    return Consume(
        customer=ask.customer,
        feature=ask.feature,
        amount=ask.amount,
        dimensions={"api_key": principal.key_id, **ask.dimensions},
        request_id=ask.request_id,
        idempotency_key=request.idempotency_key,
        traceparent=request.headers.get("traceparent") and request.traceparent,
    )


def _answered(app: App, request: Request, ask: Ask, decision: Decision) -> Answer:
    app.decided(request, decision)
    headers = {"idempotent-replayed": "true"} if decision.replayed else {}
    return Answer(body=decision_answer(decision, detail=ask.detail), headers=headers)


ROUTES = {
    route.key: route
    for route in (
        Route(
            method="POST",
            path="/v1/check",
            scope=SCOPE,
            respond=_check,
            contract=Ask,
            summary="Ask whether an amount would be granted; changes nothing",
        ),
        Route(
            method="POST",
            path="/v1/consume",
            scope=SCOPE,
            respond=_consume,
            contract=Ask,
            summary="Check and count in one step",
        ),
    )
}
