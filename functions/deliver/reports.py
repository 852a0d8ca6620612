"""Log lines and metrics of deliver: one each for every message, and for every sweep that found a delivery."""

from __future__ import annotations

from aws_lambda_powertools import Logger, Metrics

from tallygate.domain.delivery.deliveries import Verdict
from tallygate.metrics import Metric, tell
from tallygate.operations.delivery.deliver import Report, Swept


def tell_attempt(logger: Logger, metrics: Metrics, report: Report) -> None:
    """Report one attempt: its outcome, its duration and the delay of the delivery."""
    outcome = report.outcome
    values = {
        Metric.DELIVERY_ATTEMPTS: 1,
        Metric.DELIVERY_LATENCY: 0 if outcome is None else outcome.took,
        Metric.DELIVERY_LAG: report.lag if report.result == "delivered" else 0,
    }
    tell(metrics, values, outcome=report.result)
    if report.result == Verdict.GONE.value:
        tell(metrics, {Metric.ENDPOINTS_DISABLED: 1})
    logger.info(
        "deliver",
        fact_id=report.message.fact,
        fact_type=report.fact_type,
        endpoint=report.message.endpoint,
        attempt=report.message.attempt,
        outcome=report.result,
        status=None if outcome is None else outcome.status,
        detail=None if outcome is None else outcome.detail,
        took_ms=None if outcome is None else outcome.took,
        next_attempt_at=report.next_attempt_at,
        trace_id=None if report.traceparent is None else report.traceparent[3:35],
    )


def tell_failure(metrics: Metrics) -> None:
    """Count a message on which deliver itself failed. The exception has already been logged."""
    tell(metrics, {Metric.DELIVERY_ERRORS: 1})


def tell_sweep(logger: Logger, metrics: Metrics, swept: Swept) -> None:
    """Report a sweep: how many deliveries it sent to the queue. The next minute's sweep continues an unfinished one."""
    handed_over, failed = len(swept.handed_over), len(swept.failures)
    tell(metrics, {Metric.DELIVERIES_HANDED_OVER: handed_over, Metric.DELIVERY_ERRORS: failed})
    # Sweeps that found nothing are logged at debug level only: on an idle stack that is nearly every sweep.
    say = logger.info if handed_over or failed or swept.out_of_date or not swept.finished else logger.debug
    say(
        "sweep",
        handed_over=[[message.fact, message.endpoint, message.attempt] for message in swept.handed_over],
        out_of_date=swept.out_of_date,
        failures=[f"{error.code}: {error.detail}" for error in swept.failures],
        finished=swept.finished,
    )
