"""ingest: stores each usage event once. The environment, the clock, ids and threads enter here and nowhere below."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from reports import tell
from routes import ROUTES, App

from tallygate.clock import clock_of
from tallygate.defects import told_to
from tallygate.http import Answer, Request, answer, dispatch
from tallygate.metrics import Metric
from tallygate.metrics import tell as tell_metrics
from tallygate.storage.admission.secrets import DecisionSecrets
from tallygate.storage.base.connect import client_for
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.metering.events import Events

THREADS = 16

logger = Logger()
metrics = Metrics()
engine = DynamoEngine(client_for(os.environ), os.environ["TABLE_NAME"])
threads = ThreadPoolExecutor(THREADS)


def each(function: Callable[[Any], Any], values: Sequence[Any]) -> list[Any]:
    return list(threads.map(function, values)) if len(values) > 1 else [function(value) for value in values]


app = App(
    store=Events(engine),
    clock=clock_of(os.environ, engine),
    each=each,
    new_id=lambda: uuid.uuid4().hex,
    decision_secret=DecisionSecrets(engine).known,
    ingested=partial(tell, logger, metrics),
)


def respond(request: Request) -> Answer:
    return dispatch(ROUTES, app, request)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    result = answer(event, respond, told_to(logger), os.environ.get("DOCS_URL", ""))
    if result["statusCode"] >= 400:
        tell_metrics(metrics, {Metric.REFUSED: 1}, status=str(result["statusCode"]))
        logger.warning("refused", status=result["statusCode"], problem=result["body"])
    return result
