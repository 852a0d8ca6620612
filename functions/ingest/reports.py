"""What ingest says of itself: one log line for each batch, and its metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from tallygate.domain.events import EventStatus, Result
from tallygate.domain.instants import Instant
from tallygate.http import Request


def tell(
    logger: Logger, metrics: Metrics, request: Request, results: Sequence[Result], lags: Sequence[Instant]
) -> None:
    """Events are counted by status, the rejected ones by their code as well; the lag is that of the oldest stored."""
    by_status = Counter(result.status.value for result in results)
    for status in EventStatus:
        metrics.add_metric(f"Events{status.capitalize()}", MetricUnit.Count, by_status[status.value])
    if lags:
        metrics.add_metric("IngestLag", MetricUnit.Milliseconds, max(lags))
    codes = Counter(result.code for result in results if result.code is not None)
    for code, count in sorted(codes.items()):
        # A metric of its own: its dimension is the code, and a batch can have several.
        with single_metric(name="RejectedEvents", unit=MetricUnit.Count, value=count) as metric:
            metric.add_dimension("code", code)
    warnings = Counter(w.code for result in results if result.judged is not None for w in result.judged.warnings)
    if warnings:
        metrics.add_metric("EventWarnings", MetricUnit.Count, sum(warnings.values()))
    logger.info(
        "events",
        statuses=by_status,
        codes=codes,
        warnings=warnings,
        request_id=request.request_id,
        trace_id=request.trace_id,
    )
