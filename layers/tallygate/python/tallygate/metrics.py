"""The stack's own metrics: every name in one place, and one way to emit them.

They are lines of the log in CloudWatch's embedded metric format, in the namespace Tallygate/<stack>, each with the
dimension `service` (the function). A metric costs money in every hour that has a value, so zeros are not emitted: an
idle stack has no metric at all. Alarms treat missing data as nothing happened.

Decisions are the exception in form: check writes a line of 40 bytes for each, and a metric filter of the template
counts these lines by operation and reason. The embedded format needs ten times as much for the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit


class Metric(StrEnum):
    """What is measured. Names that end in Lag or Latency are milliseconds, all others counts."""

    # check
    DECISIONS = "Decisions"
    REFUSED = "Refused"
    # ingest
    EVENTS_ACCEPTED = "EventsAccepted"
    EVENTS_DUPLICATE = "EventsDuplicate"
    EVENTS_CONFLICT = "EventsConflict"
    EVENTS_REJECTED = "EventsRejected"
    EVENTS_PARKED = "EventsParked"
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
    # any of them; the dimension service is `tallygate`
    DEFECTS = "Defects"

    @property
    def unit(self) -> MetricUnit:
        return MetricUnit.Milliseconds if self.endswith(("Lag", "Latency")) else MetricUnit.Count


def tell(metrics: Metrics, values: Mapping[Metric, float | None], **dimensions: str) -> None:
    """Emit the values that are neither None nor zero as one line, with these dimensions; no line where none is left."""
    told = {name: value for name, value in values.items() if value}
    if not told:
        return
    for name, dimension in dimensions.items():
        metrics.add_dimension(name, dimension)
    for metric, value in told.items():
        metrics.add_metric(metric.value, metric.unit, value)
    metrics.flush_metrics()
