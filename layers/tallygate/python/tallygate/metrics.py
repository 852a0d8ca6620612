"""The stack's own metrics. Only this module names metrics and emits them.

A metric is a log line in CloudWatch's embedded metric format. Its namespace is Tallygate/<stack>, and its dimension
`service` is the function that emits it. docs/alarms.md describes every metric. A test compares that page, the alarms
and the functions with this module.

CloudWatch charges for each metric and hour with a value. So zeros are not emitted, and an idle stack has no metrics.
Alarms treat missing data as "nothing happened".

`Decisions` has another form. The function check writes a log line of 40 bytes for each decision, and a metric filter in
the template counts these lines by operation and reason. The embedded format needs ten times as many bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit


class Metric(StrEnum):
    """The name of each metric. Names that end in Lag or Latency are in milliseconds, all others are counts."""

    # check
    DECISIONS = "Decisions"
    REFUSED = "Refused"
    # ingest
    EVENTS_ACCEPTED = "EventsAccepted"
    EVENTS_DUPLICATE = "EventsDuplicate"
    EVENTS_CONFLICT = "EventsConflict"
    EVENTS_REJECTED = "EventsRejected"
    REJECTED_EVENTS = "RejectedEvents"
    EVENT_WARNINGS = "EventWarnings"
    INGEST_LAG = "IngestLag"
    # aggregate
    COUNTED = "Counted"
    REPEATED = "Repeated"
    PARKED = "Parked"
    UNMEASURED = "Unmeasured"
    EVENTS_REJECTED_LATER = "EventsRejectedLater"
    FACTS = "Facts"
    DELIVERIES_BEGUN = "DeliveriesBegun"
    FOLD_LAG = "FoldLag"
    # reset
    PERIODS_CLOSED = "PeriodsClosed"
    CLOSINGS_FAILED = "ClosingsFailed"
    # deliver
    DELIVERY_ATTEMPTS = "DeliveryAttempts"
    DELIVERY_LATENCY = "DeliveryLatency"
    DELIVERY_LAG = "DeliveryLag"
    DELIVERY_ERRORS = "DeliveryErrors"
    DELIVERIES_HANDED_OVER = "DeliveriesHandedOver"
    ENDPOINTS_DISABLED = "EndpointsDisabled"
    # manage
    MANAGE_REQUESTS = "ManageRequests"
    # Every function emits this metric. Its `service` is `tallygate`, so one alarm covers all functions.
    DEFECTS = "Defects"

    @property
    def unit(self) -> MetricUnit:
        return MetricUnit.Milliseconds if self.endswith(("Lag", "Latency")) else MetricUnit.Count


def tell(metrics: Metrics, values: Mapping[Metric, float | None], **dimensions: str) -> None:
    """Emit the values that are neither None nor zero, as one log line with these dimensions."""
    emitted = {metric: value for metric, value in values.items() if value}
    if not emitted:
        return
    for name, dimension in dimensions.items():
        metrics.add_dimension(name, dimension)
    for metric, value in emitted.items():
        metrics.add_metric(metric.value, metric.unit, value)
    metrics.flush_metrics()
