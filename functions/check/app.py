"""check: decides requests. The environment, the clock and randomness enter here and nowhere below."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from reports import DecisionLog, tell_decision
from routes import ROUTES, App

from tallygate.clock import clock_of
from tallygate.defects import told_to
from tallygate.http import Answer, Request, answer, dispatch
from tallygate.metrics import Metric, tell
from tallygate.operations.admission.memory import Memory
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.connect import client_for
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.journal.decisions import Decisions

logger = Logger()
metrics = Metrics()
engine = DynamoEngine(client_for(os.environ), os.environ["TABLE_NAME"])

defect = told_to(logger)
clock = clock_of(os.environ, engine)
app = App(
    store=Cells(engine),
    decisions=Decisions(engine),
    clock=clock,
    memory=Memory(),
    decided=partial(tell_decision, DecisionLog(os.environ.get("DECISION_LOG", DecisionLog.DENIED))),
)


def respond(request: Request) -> Answer:
    return dispatch(ROUTES, app, request)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    result = answer(event, respond, defect)
    if result["statusCode"] >= 400:
        tell(metrics, {Metric.REFUSED: 1}, status=str(result["statusCode"]))
        logger.warning("refused", status=result["statusCode"], problem=result["body"])
    return result
