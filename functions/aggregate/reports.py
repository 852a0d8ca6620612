"""What aggregate says of itself: one log line and one EMF record for each batch."""

from __future__ import annotations

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from tallygate.domain.instants import Instant
from tallygate.domain.observed import Batch
from tallygate.operations.aggregate import Summary

TRACES_MAX = 20


def tell(logger: Logger, metrics: Metrics, batch: Batch, summary: Summary, *, now: Instant) -> None:
    """How much was folded and how late; `Parked`, `Unmeasured` and `EventsRejectedLater` are what
    somebody should look at."""
    counts = {
        "Counted": summary.counted,
        "Repeated": summary.repeated,
        "Parked": summary.parked,
        "Unmeasured": summary.unmeasured,
        "EventsRejectedLater": summary.rejected,
        "Facts": len(summary.facts),
        "DeliveriesBegun": summary.deliveries,
    }
    for name, count in counts.items():
        metrics.add_metric(name, MetricUnit.Count, count)
    if batch.oldest is not None:
        metrics.add_metric("FoldLag", MetricUnit.Milliseconds, max(0, now - batch.oldest))
    metrics.flush_metrics()
    log = logger.warning if summary.parked or summary.unmeasured or summary.rejected else logger.info
    log(
        "aggregate",
        shard=batch.shard,
        records=summary.records,
        customers=summary.customers,
        counted=summary.counted,
        noted=summary.noted,
        repeated=summary.repeated,
        parked=summary.parked,
        unmeasured=summary.unmeasured,
        rejected=summary.rejected,
        brought_in=summary.brought_in,
        facts=summary.facts,
        deliveries=summary.deliveries,
        trace_ids=sorted(summary.traces)[:TRACES_MAX],
    )
