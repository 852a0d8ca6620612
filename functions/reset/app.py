"""reset: closes the periods that have ended. The schedule calls it every minute, and every test-clock move calls it."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics

from tallygate.clock import clock_of
from tallygate.domain.base.instants import SECOND
from tallygate.metrics import Metric, tell
from tallygate.operations.facts.closing import CLOSED_MAX, reset
from tallygate.storage.base.boto import boto_client
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.facts.closings import Closings

MILLISECONDS_KEPT = 5_000

logger = Logger()
metrics = Metrics()
engine = DynamoEngine(boto_client(), os.environ["TABLE_NAME"])
clock = clock_of(os.environ, engine)
store = Closings(engine)
grace = int(os.environ["CLOSE_GRACE_SECONDS"]) * SECOND


def handler(_event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Close due totals. A total that fails keeps no other total open.

    After the run, the first failure that a retry cannot fix is raised, so that it raises an alarm.
    """
    run = reset(
        store,
        now=clock.now(),
        grace=grace,
        most=int(os.environ.get("SWEEP_MAX", CLOSED_MAX)),
        time_left=lambda: context.get_remaining_time_in_millis() > MILLISECONDS_KEPT,
    )
    failed = len(run.failures) + run.contended
    tell(metrics, {Metric.PERIODS_CLOSED: len(run.closed), Metric.CLOSINGS_FAILED: failed})
    for failure in run.failures:
        logger.error(
            "not closed", total=failure.total.window_part, code=failure.error.code, detail=failure.error.detail
        )
    # Runs that found nothing are logged at debug level only: on an idle stack that is nearly every run.
    say = logger.info if run.closed or failed or not run.finished else logger.debug
    say(
        "reset",
        closed=[[fact.id, fact.customer, fact.feature, (fact.traceparent or "")[3:35]] for fact in run.closed],
        failed=len(run.failures),
        contended=run.contended,
        finished=run.finished,
    )
    if run.defect is not None:
        raise run.defect
    return {"closed": len(run.closed), "finished": run.finished}
