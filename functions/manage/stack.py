"""Handlers of the stack's health and its test clock."""

from __future__ import annotations

from replies import App, author, posted

from tallygate import __version__
from tallygate.contracts.base.reading import read
from tallygate.contracts.base.requests import switched_on
from tallygate.contracts.customers.keys import ClockAnswer, HealthAnswer, TestClockBody
from tallygate.errors import Forbidden, Unauthenticated
from tallygate.http import Answer, Request
from tallygate.operations.base.receipts import Body, Planned
from tallygate.operations.customers import test_clock
from tallygate.operations.customers.authorize import authorize
from tallygate.operations.journal.health import Waiting, fold_lag

DEEP_SCOPES = frozenset(("read", "manage"))
"""Either scope is enough."""


def get_health(app: App, request: Request) -> Answer:
    """Answer whether the service works. With `deep`, also measure the stream's lag by a probe.

    The plain answer is public; the deep one needs an API key.
    """
    said = {"status": "ok", "version": __version__, "time": app.clock.now()}
    if not switched_on(request.query, "deep"):
        return Answer(body=HealthAnswer.of(said))
    _may_look_deep(app, request)
    waiting = Waiting(wait=app.wait, ticks=app.ticks)
    found = fold_lag(app.probes, app.new_id("probe"), wall=app.real(), waiting=waiting)
    if found.lag_ms is None:
        return Answer(status=503, body=HealthAnswer.of(said | {"status": "degraded"}, fold=found))
    return Answer(body=HealthAnswer.of(said, fold=found))


def _may_look_deep(app: App, request: Request) -> None:
    """Check the key of a deep health request. Raises Unauthenticated or Forbidden.

    The gateway runs its authorizer by route, not by query, so this function looks up the key itself.
    """
    key = authorize(app.keys, request.headers.get("authorization"), app.clock.now())
    if key is None:
        raise Unauthenticated("deep=1 needs an API key; this one is missing, unknown, expired or revoked")
    if key.customer is not None:
        raise Forbidden("this key is bound to one customer; deep=1 concerns all", code="other_customer")
    if not DEEP_SCOPES & set(key.scopes):
        raise Forbidden(f"deep=1 needs a key with the scope {' or '.join(sorted(DEEP_SCOPES))}", code="scope_missing")


def post_test_clock(app: App, request: Request) -> Answer:
    test_clock.require_enabled(enabled=app.settings.test_clock)
    body, by = read(TestClockBody, request.json()), author(app, request)

    def plan() -> Planned:
        return test_clock.move_clock(app.clock_item, app.audits, body.now, real=app.real(), by=by)

    def finish(answer: Body) -> Body:
        settled = test_clock.settle_clock(
            answer, wait=app.wait, reset=lambda: app.run("reset"), deliver=lambda: app.run("deliver")
        )
        return ClockAnswer.of(settled)

    return posted(app, request, plan, finish)
