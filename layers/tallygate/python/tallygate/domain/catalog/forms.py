"""The declarative form of catalog entries: what is stored, and what GET returns so that it can be PUT again.

A form is JSON: strings, whole numbers, lists, objects, and quantities as `format_quantity` writes them. Reading a form
that this module wrote gives an equal entry. The catalog's contract validates forms from outside before this module
reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tallygate.domain.base.instants import format_instant, parse_instant
from tallygate.domain.base.quantities import format_quantity, parse_quantity
from tallygate.domain.catalog.carryover import carryover_form, carryover_of
from tallygate.domain.catalog.catalog import Catalog, Feature, Plan, PlanLimit, QuotaTerms, RateTerms
from tallygate.domain.catalog.features import fixed_form, fixed_of, value_form
from tallygate.domain.catalog.tiers import Enforcement, tier_form, tier_of
from tallygate.domain.catalog.units import unit_form, unit_of
from tallygate.domain.metering.meters import Filter, Meter, format_path, parse_path
from tallygate.domain.metering.settings import settings_form
from tallygate.domain.periods.boundaries import WEEKDAYS
from tallygate.domain.periods.recurrence import CALENDAR, FIRST_USE, ROLLING, SUBSCRIPTION_START, TIMESTAMP

Form = dict[str, Any]


def catalog_form(catalog: Catalog) -> Form:
    """Return the whole catalog in the form that PUT accepts."""
    return {
        "settings": settings_form(catalog.settings),
        "meters": [meter_form(meter) for meter in catalog.meters],
        "features": [feature_form(feature) for feature in catalog.features],
        "plans": [plan_form(plan) for plan in catalog.plans],
    }


def meter_form(meter: Meter) -> Form:
    form: Form = {"key": meter.key, "event_type": meter.event_type, "aggregation": meter.aggregation}
    if meter.value is not None:
        form["value"] = format_path(meter.value)
    form["kind"] = "cumulative"
    if meter.dimensions:
        form["dimensions"] = {name: format_path(path) for name, path in meter.dimensions.items()}
    if meter.filters:
        form["filters"] = [
            {"property": format_path(f.property), "op": f.op, "value": value_form(f.value)} for f in meter.filters
        ]
    return form


def meter_of(form: Mapping[str, Any]) -> Meter:
    value = form.get("value")
    return Meter(
        key=form["key"],
        event_type=form["event_type"],
        aggregation=form["aggregation"],
        value=None if value is None else parse_path(value),
        dimensions={name: parse_path(path) for name, path in form.get("dimensions", {}).items()},
        filters=tuple(filter_of(condition) for condition in form.get("filters", ())),
    )


def filter_of(form: Mapping[str, Any]) -> Filter:
    """Read a filter. Raises ValueError whose message states the broken rule."""
    value = form["value"]
    return Filter(
        property=parse_path(form["property"]),
        op=form["op"],
        value=tuple(value) if isinstance(value, list) else value,
    )


def feature_form(feature: Feature) -> Form:
    form: Form = {"key": feature.key, "type": feature.type}
    if feature.meter is not None:
        form["meter"] = feature.meter
    if feature.require:
        form["require"] = list(feature.require)
    if feature.unit is not None:
        form["unit"] = unit_form(feature.unit)
    return form


def feature_of(form: Mapping[str, Any]) -> Feature:
    unit = form.get("unit")
    return Feature(
        key=form["key"],
        type=form["type"],
        meter=form.get("meter"),
        unit=None if unit is None else unit_of(unit),
        require=tuple(form.get("require", ())),
    )


def plan_form(plan: Plan) -> Form:
    form: Form = {"key": plan.key, "version": plan.version}
    if plan.upgrade_to is not None:
        form["upgrade_to"] = plan.upgrade_to
    form["entitlements"] = [
        *({"feature": limit.feature, **_windows_form(limit)} for limit in plan.entitlements),
        *(fixed_form(fixed) for fixed in plan.fixed),
    ]
    if plan.limits:
        form["limits"] = [limit_form(limit) for limit in plan.limits]
    return form


def plan_of(form: Mapping[str, Any]) -> Plan:
    return Plan(
        key=form["key"],
        version=form["version"],
        upgrade_to=form.get("upgrade_to"),
        entitlements=tuple(limit_of(f, f["feature"]) for f in form["entitlements"] if fixed_of(f) is None),
        fixed=tuple(fixed for f in form["entitlements"] if (fixed := fixed_of(f)) is not None),
        limits=tuple(limit_of(f, f["name"]) for f in form.get("limits", ())),
    )


def as_json(form: Any) -> Any:
    """Return the form with decimals in their wire form, so that equal forms have equal texts."""
    match form:
        case Decimal():
            return format_quantity(form)
        case list() | tuple():
            return [as_json(part) for part in form]
        case dict():
            return {name: as_json(part) for name, part in form.items()}
    return form


def limit_form(limit: PlanLimit) -> Form:
    """Return the form of a further limit in a plan."""
    form: Form = {"name": limit.name, "feature": limit.feature}
    if limit.scope:
        form["scope"] = dict(limit.scope)
    return {**form, **_windows_form(limit)}


def _windows_form(limit: PlanLimit) -> Form:
    """Return the short form if there is at most one quota and one rate, else a list of windows."""
    quotas, rates = [_quota_form(quota) for quota in limit.quotas], [_rate_form(rate) for rate in limit.rates]
    if len(quotas) <= 1 and len(rates) <= 1:
        form = {name: value for window in (*quotas, *rates) for name, value in window.items()}
    else:
        form = {"windows": quotas + rates}
    form["enforcement"] = limit.enforcement.value
    if limit.tiers:
        form["tiers"] = [tier_form(tier) for tier in limit.tiers]
    if limit.carryover is not None:
        form["carryover"] = carryover_form(limit.carryover)
    return form


def _quota_form(quota: QuotaTerms) -> Form:
    period = {"every": quota.every, "anchor": quota.anchor if quota.origin is None else format_instant(quota.origin)}
    if quota.zone is not None:
        period["timezone"] = quota.zone
    if quota.week_starts != WEEKDAYS[0]:
        period["week_starts"] = quota.week_starts
    return {"limit": None if quota.limit is None else format_quantity(quota.limit), "period": period}


def _rate_form(rate: RateTerms) -> Form:
    return {"rate": {"limit": format_quantity(rate.limit), "per": rate.per, "burst": format_quantity(rate.burst)}}


def limit_of(form: Mapping[str, Any], name: str) -> PlanLimit:
    """Read a limit and give it this name."""
    windows = form.get("windows", (form,))
    carryover = form.get("carryover")
    return PlanLimit(
        name=name,
        feature=form["feature"],
        scope=form.get("scope", {}),
        enforcement=Enforcement(form.get("enforcement", "hard")),
        quotas=tuple(_quota_of(window) for window in windows if "limit" in window),
        rates=tuple(_rate_of(window["rate"]) for window in windows if "rate" in window),
        tiers=tuple(tier_of(tier) for tier in form.get("tiers", ())),
        carryover=None if carryover is None else carryover_of(carryover),
    )


def _quota_of(form: Mapping[str, Any]) -> QuotaTerms:
    limit, period = form["limit"], form["period"]
    anchor = period.get("anchor", CALENDAR)
    origin = None if anchor in (CALENDAR, SUBSCRIPTION_START, ROLLING, FIRST_USE) else parse_instant(anchor)
    return QuotaTerms(
        limit=None if limit is None else parse_quantity(limit),
        every=period["every"],
        zone=period.get("timezone"),
        anchor=anchor if origin is None else TIMESTAMP,
        origin=origin,
        week_starts=period.get("week_starts", WEEKDAYS[0]),
    )


def _rate_of(form: Mapping[str, Any]) -> RateTerms:
    return RateTerms(limit=parse_quantity(form["limit"]), per=form["per"], burst=parse_quantity(form["burst"]))
