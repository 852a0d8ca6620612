"""The planned surface of the API, and its missing parts.

An implemented name stays in the list. The route tables and the contracts show which names are implemented. After
implementing one, change nothing here and run `python -m tools.planned`: it writes README's section "Not there yet". A
test compares the section with this list.

    a route        missing until a function answers it
    a field        missing while its contract lacks it or refuses it as `not_available`
    a value        missing while its field does not accept it
    a parameter    missing while the route does not declare it
    an event       missing while no code sends it
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tallygate.contracts.admission.asks import Ask
from tallygate.contracts.base.reading import Contract
from tallygate.contracts.base.routes import ROUTES
from tallygate.contracts.catalog.catalog import (
    CatalogBody,
    EntitlementEntry,
    FeatureEntry,
    LimitEntry,
    MeterEntry,
    PlanEntry,
    SettingsEntry,
)
from tallygate.contracts.corrections.corrections import AdjustmentBody, ResetBody
from tallygate.contracts.corrections.settlements import SettleBody
from tallygate.contracts.customers.customers import CustomerBody, SubscriptionBody
from tallygate.contracts.customers.keys import KeyBody, TestClockBody
from tallygate.contracts.delivery.endpoints import EndpointRequest
from tallygate.contracts.limits.suspensions import SuspensionBody
from tallygate.contracts.metering.ingest import EventIn
from tallygate.domain.entries.fact_types import FACT_TYPES
from tools.routes import rows

_LIMIT = "limit period rate spend windows enforcement tiers carryover"
_SHOWN = "name description metadata"
FIELDS: Mapping[type[Contract], str] = {
    CatalogBody: "settings meters features pools plans",
    SettingsEntry: "unknown_events unknown_customers",
    MeterEntry: f"key event_type aggregation value kind dimensions filters {_SHOWN} "
    "persistent count_first max_jump period_value floor",
    FeatureEntry: f"key type meter unit {_SHOWN} require billing on_unavailable",
    PlanEntry: f"key version upgrade_to entitlements limits grants {_SHOWN} archived billing",
    EntitlementEntry: f"feature {_LIMIT} enabled value price close_grace report_zero",
    LimitEntry: f"name feature scope {_LIMIT} price values ceiling",
    Ask: "customer feature amount dimensions value request_id allow_partial detail explain",
    SettleBody: "amount",
    EventIn: "id source type subject time data specversion",
    CustomerBody: "name plan timezone subject_keys stripe_customer_id metadata effective",
    SubscriptionBody: "plan version started_at effective usage base billing_anchor",
    AdjustmentBody: "feature amount reason actor category",
    ResetBody: "feature effective_at anchor overage reason actor",
    SuspensionBody: "feature scope reason actor",
    KeyBody: "name scopes customer expires_at",
    EndpointRequest: "url events scheme filter",
    TestClockBody: "now",
}
CALLED: Mapping[type[Contract], str] = {
    CatalogBody: "catalog",
    SettingsEntry: "catalog's settings",
    MeterEntry: "meter",
    FeatureEntry: "feature",
    PlanEntry: "plan",
    EntitlementEntry: "entitlement",
    LimitEntry: "limit",
    Ask: "check and consume",
    SettleBody: "settle",
    EventIn: "event",
    CustomerBody: "customer",
    SubscriptionBody: "subscription",
    AdjustmentBody: "adjustment",
    ResetBody: "reset",
    SuspensionBody: "suspend and resume",
    KeyBody: "key",
    EndpointRequest: "webhook endpoint",
    TestClockBody: "test clock",
}
"""Names of the contracts for readers."""

VALUES: Mapping[tuple[type[Contract], str], str] = {
    (SettingsEntry, "unknown_events"): "reject park accept",
    (SettingsEntry, "unknown_customers"): "reject park",
    (MeterEntry, "aggregation"): "sum count unique min max avg latest",
    (MeterEntry, "kind"): "cumulative total gauge up_down",
    (FeatureEntry, "type"): "metered boolean config",
    (LimitEntry, "enforcement"): "hard soft observe off",
    (ResetBody, "anchor"): "keep move",
    (ResetBody, "overage"): "forgive carry",
    (KeyBody, "scopes"): "ingest check read manage",
    (EndpointRequest, "scheme"): "standard stripe",
}
PARAMETERS: Mapping[str, str] = {
    "POST /v1/check": "http_status",
    "POST /v1/consume": "http_status",
    "PUT /v1/catalog": "dry_run merge",
    "GET /v1/audit": "customer limit cursor",
    "GET /v1/customers/{customer}/periods": "feature limit page_size cursor",
    "GET /v1/health": "deep",
    "GET /v1/usage": "customer feature meter from to window tz group_by filter[dimension] top",
}
EVENTS = (
    "usage.threshold_crossed usage.threshold_recovered usage.limit_reached usage.overage_started usage.denied "
    "usage.period_closed limit.period_closed usage.restated usage.updated usage.late usage.anomaly usage.rejected "
    "entitlement.suspended entitlement.resumed quota.adjusted subscription.changed credits.granted credits.low "
    "credits.exhausted credits.expired credits.top_up_requested reservation.expired stripe.export_failed"
)
OTHERS = (
    'scope values `"*"` (a limit for each value of a dimension)',
    "tiers of rolling periods",
    "meters without `event_type`",
    "`GET /v1/usage` without `customer` (usage over all customers)",
    "`status=parked` of `GET /v1/events`",
    "`warnings` in the answer of `PUT /v1/catalog`",
    "`Accept: text/csv` (usage, ledger)",
    "the portal's pages",
    "the Python client",
)
"""Missing features that the contracts do not show. Remove one here when you implement it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Planned names that are missing, in the words of the API."""

    routes: tuple[str, ...]
    fields: tuple[str, ...]
    values: tuple[str, ...]
    parameters: tuple[str, ...]
    events: tuple[str, ...]


def missing(routes: Collection[str]) -> Missing:
    """The missing part of the planned surface, if the functions answer these routes."""
    return Missing(
        routes=tuple(_missing_routes(routes)),
        fields=tuple(_missing_fields()),
        values=tuple(_missing_values()),
        parameters=tuple(_missing_parameters()),
        events=tuple(f"`{name}`" for name in EVENTS.split() if name not in FACT_TYPES),
    )


def _missing_routes(routes: Collection[str]) -> Iterator[str]:
    for path, methods in ROUTES.items():
        absent = [method for method in methods.split() if f"{method} {path}" not in routes]
        if absent:
            yield f"`{', '.join(absent)} {path}`"


def _missing_fields() -> Iterator[str]:
    for contract, names in FIELDS.items():
        absent = [f"`{name}`" for name in names.split() if name not in offered(contract)]
        if absent:
            yield f"{CALLED[contract]}: {', '.join(absent)}"


def _missing_values() -> Iterator[str]:
    for (contract, name), values in VALUES.items():
        offers = taken(contract, name)
        absent = [f"`{value}`" for value in values.split() if value not in offers]
        if absent:
            yield f"`{name}` of a {CALLED[contract]}: {', '.join(absent)}"


def _missing_parameters() -> Iterator[str]:
    for route, names in PARAMETERS.items():
        absent = [f"`{name}`" for name in names.split() if route not in rows() or name not in rows()[route].query]
        if absent:
            yield f"`{route}`: {', '.join(absent)}"


def offered(contract: type[Contract]) -> frozenset[str]:
    """The fields that a contract accepts. A field that must be empty does not count."""
    properties = contract.model_json_schema()["properties"]
    return frozenset(name for name, schema in properties.items() if "not" not in schema and schema.get("maxItems") != 0)


def taken(contract: type[Contract], name: str) -> frozenset[str]:
    """The values that a field accepts, as the published schema lists them."""
    schema: dict[str, Any] = contract.model_json_schema()["properties"][name]
    return frozenset(schema.get("enum") or schema.get("items", {}).get("enum", ()))
