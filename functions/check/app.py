"""check: decides what may be consumed. The environment, the clock and randomness enter here and nowhere below."""

from __future__ import annotations

import os
import time
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from routes import ROUTES, App

from tallygate.clock import clock_of
from tallygate.defects import told_to
from tallygate.domain.decision import Decision
from tallygate.http import Answer, Request, answer, dispatch
from tallygate.operations.admission import Memory
from tallygate.storage.cells import Cells
from tallygate.storage.decisions import Decisions
from tallygate.storage.dynamo import DynamoEngine, client_config

logger = Logger()
metrics = Metrics()
engine = DynamoEngine(boto3.client("dynamodb", config=client_config()), os.environ["TABLE_NAME"])


def decided(request: Request, decision: Decision) -> None:
    """One line a decision: its metrics, and beside them what finds it again. The last of a call has the latency."""
    if metrics.metric_set:
        metrics.flush_metrics()
    metrics.add_dimension("operation", request.route.rpartition("/")[2])
    metrics.add_dimension("reason", decision.reason.value)
    metrics.add_metric("Decisions", MetricUnit.Count, 1)
    metrics.add_metadata("customer", decision.customer)
    metrics.add_metadata("feature", decision.feature)
    metrics.add_metadata("decision_id", decision.decision_id)
    metrics.add_metadata("replayed", decision.replayed)
    metrics.add_metadata("trace_id", request.trace_id)


clock = clock_of(os.environ, engine)
app = App(store=Cells(engine), decisions=Decisions(engine), clock=clock, memory=Memory(), decided=decided)


def respond(request: Request) -> Answer:
    return dispatch(ROUTES, app, request)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    started = time.perf_counter()
    result = answer(event, respond, told_to(logger))
    if result["statusCode"] >= 400:
        metrics.add_dimension("status", str(result["statusCode"]))
        logger.warning("refused", status=result["statusCode"], problem=result["body"])
    metrics.add_metric("Latency", MetricUnit.Milliseconds, (time.perf_counter() - started) * 1000)
    metrics.flush_metrics()
    return result
