"""What deliver says of itself: one log line and one EMF record for each message and each sweep."""

from __future__ import annotations

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from tallygate.operations.deliver import Report, Swept


def tell_attempt(logger: Logger, metrics: Metrics, report: Report) -> None:
    """Attempts by outcome, how long they took, and how late a delivery was."""
    outcome = report.outcome
    metrics.add_dimension("outcome", report.result)
    metrics.add_metric("DeliveryAttempts", MetricUnit.Count, 1)
    if outcome is not None:
        metrics.add_metric("DeliveryLatency", MetricUnit.Milliseconds, outcome.took)
    if report.result == "delivered":
        metrics.add_metric("DeliveryLag", MetricUnit.Milliseconds, report.lag)
    metrics.flush_metrics()
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
    """A message that deliver itself failed on; its log line is the exception's."""
    metrics.add_metric("DeliveryErrors", MetricUnit.Count, 1)
    metrics.flush_metrics()


def tell_sweep(logger: Logger, metrics: Metrics, swept: Swept) -> None:
    """How much the sweep handed to the queue; an unfinished one goes on a minute later."""
    metrics.add_metric("DeliveriesHandedOver", MetricUnit.Count, len(swept.handed_over))
    metrics.add_metric("DeliveryErrors", MetricUnit.Count, len(swept.failures))
    metrics.flush_metrics()
    logger.info(
        "sweep",
        handed_over=[[message.fact, message.endpoint, message.attempt] for message in swept.handed_over],
        out_of_date=swept.out_of_date,
        failures=[f"{error.code}: {error.detail}" for error in swept.failures],
        finished=swept.finished,
    )
