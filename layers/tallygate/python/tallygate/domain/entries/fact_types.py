"""Types of facts: the one list of what leaves as an event. A new type of fact is one line here."""

from __future__ import annotations

FACT_TYPES = (
    THRESHOLD_CROSSED := "usage.threshold_crossed",
    THRESHOLD_RECOVERED := "usage.threshold_recovered",
    LIMIT_REACHED := "usage.limit_reached",
    OVERAGE_STARTED := "usage.overage_started",
    DENIED := "usage.denied",
    PERIOD_CLOSED := "usage.period_closed",
    LIMIT_CLOSED := "limit.period_closed",
    RESTATED := "usage.restated",
    REJECTED := "usage.rejected",
    SUSPENDED := "entitlement.suspended",
    RESUMED := "entitlement.resumed",
    ADJUSTED := "quota.adjusted",
    SUBSCRIPTION_CHANGED := "subscription.changed",
)
"""The types of facts that this version sends."""
FACT_TYPES_LATER = (
    "usage.updated",
    "usage.late",
    "usage.anomaly",
    "credits.granted",
    "credits.low",
    "credits.exhausted",
    "credits.expired",
    "credits.top_up_requested",
    "reservation.expired",
    "stripe.export_failed",
)
"""Types of the wire contract that this version never sends. An endpoint for one of these alone would get nothing."""
