"""manage: the control plane. The environment, the clock, randomness and waiting enter here and nowhere below."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from replies import App, settings_of
from routes import OTHERS, ROUTES

from tallygate.clock import clock_of, real_time
from tallygate.defects import told_to
from tallygate.delivery import invoke, secrets
from tallygate.http import Answer, Request, answer, dispatch
from tallygate.metrics import Metric, tell
from tallygate.storage.base.boto import boto_client
from tallygate.storage.base.dynamo import DynamoEngine

logger = Logger()
metrics = Metrics()
engine = DynamoEngine(boto_client(), os.environ["TABLE_NAME"])


def run(verb: str) -> Any:
    """Run another function, for the test clock. Only this call makes a Lambda client."""
    functions = invoke.Functions(boto3.client("lambda", config=invoke.client_config()))
    return functions.run(os.environ[f"{verb.upper()}_FUNCTION"], {"source": "test-clock"})


ssm = partial(boto3.client, "ssm", config=secrets.client_config())
app = App(
    engine=engine,
    clock=clock_of(os.environ, engine),
    real=real_time,
    entropy=os.urandom,
    wait=time.sleep,
    ticks=time.monotonic,
    run=run,
    secrets=secrets.SsmKeeper(ssm, os.environ["SECRETS_PATH"], os.environ.get("KMS_KEY_ARN", "")),
    settings=settings_of(os.environ),
)


def respond(request: Request) -> Answer:
    return dispatch(ROUTES, app, request, elsewhere=[row.key for row in OTHERS])


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    result = answer(event, respond, told_to(logger), os.environ.get("DOCS_URL", ""))
    metrics.add_metadata("route", event.get("routeKey", "$default"))
    metrics.add_metadata("trace_id", result["headers"].get("traceparent", "")[3:35])
    tell(metrics, {Metric.MANAGE_REQUESTS: 1}, status=str(result["statusCode"]))
    if result["statusCode"] >= 400:
        logger.warning("refused", status=result["statusCode"], problem=result["body"])
    return result
