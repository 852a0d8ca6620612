"""Log line and metrics of aggregate: one each for every batch with records."""

from __future__ import annotations

from aws_lambda_powertools import Logger, Metrics

from tallygate.domain.base.instants import Instant
from tallygate.domain.journal.observed import Batch
from tallygate.metrics import Metric
from tallygate.metrics import tell as tell_metrics
from tallygate.operations.aggregate import Summary

TRACES_MAX = 20


def tell(logger: Logger, metrics: Metrics, batch: Batch, summary: Summary, *, now: Instant) -> None:
    """Report how much was aggregated, and how late.

    `Parked`, `Unmeasured` and `EventsRejectedLater` need an operator's attention.
    """
    values = {
        Metric.COUNTED: summary.counted,
        Metric.REPEATED: summary.repeated,
        Metric.PARKED: summary.parked,
        Metric.UNMEASURED: summary.unmeasured,
        Metric.EVENTS_REJECTED_LATER: summary.rejected,
        Metric.FACTS: len(summary.facts),
        Metric.DELIVERIES_BEGUN: summary.deliveries,
        Metric.FOLD_LAG: None if batch.oldest is None else now - batch.oldest,
    }
    tell_metrics(metrics, {name: max(0, value or 0) for name, value in values.items()})
    if not batch.records:
        return
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
