"""Log line and metrics of ingest, for each batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from aws_lambda_powertools import Logger, Metrics

from tallygate.domain.base.instants import Instant
from tallygate.domain.metering.events import EventStatus, Result
from tallygate.http import Request
from tallygate.metrics import Metric
from tallygate.metrics import tell as tell_metrics

# The status `parked` is reserved: no event has it in this version.
METRICS = {
    EventStatus.ACCEPTED: Metric.EVENTS_ACCEPTED,
    EventStatus.DUPLICATE: Metric.EVENTS_DUPLICATE,
    EventStatus.CONFLICT: Metric.EVENTS_CONFLICT,
    EventStatus.REJECTED: Metric.EVENTS_REJECTED,
}


def tell(
    logger: Logger, metrics: Metrics, request: Request, results: Sequence[Result], lags: Sequence[Instant]
) -> None:
    """Report a batch: events by status, rejected events by code as well, and the lag of the oldest stored event."""
    by_status = Counter(result.status.value for result in results)
    counts = {metric: by_status[status.value] for status, metric in METRICS.items()}
    codes = Counter(result.code for result in results if result.code is not None)
    warnings = Counter(w.code for result in results if result.judged is not None for w in result.judged.warnings)
    lag, warned = max(lags, default=0), sum(warnings.values())
    tell_metrics(metrics, {**counts, Metric.INGEST_LAG: lag, Metric.EVENT_WARNINGS: warned})
    for code, count in sorted(codes.items()):
        # Each code gets its own line: the code is a dimension, and a batch can have several codes.
        tell_metrics(metrics, {Metric.REJECTED_EVENTS: count}, code=code)
    logger.info(
        "events",
        statuses=by_status,
        codes=codes,
        warnings=warnings,
        request_id=request.request_id,
        trace_id=request.trace_id,
    )
