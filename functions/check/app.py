"""check: decides requests. The environment, the clock and randomness enter here and nowhere below."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from reports import DecisionLog, tell_decision, tell_defect, tell_refusal
from routes import ROUTES, App

from tallygate.clock import clock_of
from tallygate.http import answer, dispatch
from tallygate.operations.admission.memory import Memory
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.connect import client_for
from tallygate.storage.base.dynamo import DynamoEngine

engine = DynamoEngine(client_for(os.environ), os.environ["TABLE_NAME"])
clock = clock_of(os.environ, engine)
app = App(
    store=Cells(engine),
    engine=engine,
    clock=clock,
    memory=Memory(),
    decided=partial(tell_decision, DecisionLog(os.environ.get("DECISION_LOG", DecisionLog.DENIED))),
)
respond = partial(dispatch, ROUTES, app)
docs_url = os.environ.get("DOCS_URL", "")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    result = answer(event, respond, tell_defect, docs_url)
    if result["statusCode"] >= 400:
        tell_refusal(result["statusCode"], result["body"])
    return result
