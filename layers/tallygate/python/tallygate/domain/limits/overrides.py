"""Limits of a customer's own: they override those of its plan field by field, or stand beside them.

    plan's limit     {limit: 100, period: month, tiers: [80% warning, 100% critical], carryover: {}}
    customer's own   {limit: 500,                tiers: [90% warning]}                  of the same name
    in force         {limit: 500, period: month, tiers: [90% warning, 100% critical], carryover: {}}

A tier takes the place of its level's, policy and all; a carryover the place of the plan's, and null leaves none.
They outlast every change of plan. One that has no limit of its name to override, and does not say enough to stand
alone, or whose feature the plan does not entitle to, is dormant until a plan comes that it fits. A plan decides what a
customer is entitled to; its own limits decide how much.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from tallygate.domain.base.quantities import parse_quantity
from tallygate.domain.catalog.carryover import nothing_carried
from tallygate.domain.catalog.catalog import Plan, PlanLimit
from tallygate.domain.catalog.features import Fixed, Switch, fixed_of
from tallygate.domain.catalog.forms import Form, limit_form, limit_of
from tallygate.domain.catalog.rates import PER, rate_width
from tallygate.domain.limits.capacity import Sized, crowded
from tallygate.domain.periods.boundaries import TimeUnit, plainest, step_of
from tallygate.domain.periods.recurrence import CALENDAR, FIRST_USE, ROLLING, TIMESTAMP

OWN_LIMITS_MAX = 200
COUNTED: Form = {"every": "month", "anchor": "calendar"}
"""What is unlimited without a period is counted by the calendar month."""
_WINDOWS = ("limit", "period", "rate", "windows")


class Role(StrEnum):
    """What a limit of the customer's own does under its present plan."""

    OVERRIDES = "overrides"
    ADDS = "adds"
    DORMANT = "dormant"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLimit:
    """A limit of a customer's own: the fields that it gives, in the catalog's form."""

    name: str
    form: Mapping[str, Any]

    @property
    def feature(self) -> str | None:
        """The feature that it names; it need not where it overrides."""
        feature: str | None = self.form.get("feature")
        return feature

    def overrides(self, name: str, feature: str) -> bool:
        """Whether a limit of this name on this feature is one that it overrides."""
        return self.name == name and self.feature in (None, feature)

    @property
    def stands_alone(self) -> bool:
        """Whether it says enough to be a limit without another's fields."""
        if self.feature is None:
            return False
        unlimited = "limit" in self.form and self.form["limit"] is None
        return unlimited or "rate" in self.form or "windows" in self.form or {"limit", "period"} <= self.form.keys()


def with_own(plan: Plan, own: Sequence[OwnLimit]) -> Plan:
    """The plan as it is for a customer with these limits. Whatever they are, there is such a plan."""
    metered = {entitlement.feature for entitlement in plan.entitlements}
    return replace(
        plan,
        entitlements=tuple(_overridden_by(own, limit) for limit in plan.entitlements),
        limits=(
            *(_overridden_by(own, limit) for limit in plan.limits),
            *(limit_of(standing_alone(o), o.name) for o in own if o.feature in metered and role(plan, o) is Role.ADDS),
        ),
        fixed=tuple(_switched(own, fixed) for fixed in plan.fixed),
    )


def role(plan: Plan | None, own: OwnLimit) -> Role:
    """What the limit does under a plan (None: no active subscription)."""
    if plan is None:
        return Role.DORMANT
    if any(own.overrides(limit.name, limit.feature) for limit in (*plan.entitlements, *plan.limits)):
        return Role.OVERRIDES
    if any(own.overrides(fixed.feature, fixed.feature) for fixed in plan.fixed):
        return Role.OVERRIDES
    entitled = any(entitlement.feature == own.feature for entitlement in plan.entitlements)
    return Role.ADDS if entitled and own.stands_alone else Role.DORMANT


def too_crowded(plan: Plan) -> str | None:
    """Which feature has more limits than its cell can hold; None: none has."""
    for entitlement in plan.entitlements:
        crowd = crowd_of(plan.limits_of(entitlement.feature))
        if crowd is not None:
            return f"{entitlement.feature} has {crowd}"
    return None


def crowd_of(limits: Iterable[PlanLimit]) -> str | None:
    """Why limits of one feature are more than a cell can hold or a write can state; None: they are not."""
    return crowded(_sized(limit) for limit in limits)


def _sized(limit: PlanLimit) -> Sized:
    """What there is to count of it; what has rates only is counted by a quota without a limit all the same."""
    return Sized(
        scope=limit.scope,
        quotas=max(len(limit.quotas), limit.name == limit.feature),
        rolling=sum(quota.anchor == ROLLING for quota in limit.quotas),
        from_first_use=sum(quota.anchor == FIRST_USE for quota in limit.quotas),
        rates=len(limit.rates),
        tiers=limit.tiers,
        carries=limit.carryover is not None,
    )


def merged(base: Form, given: Mapping[str, Any]) -> Form:
    """A limit's form with the fields that are given in place of its own; a tier takes the place of its level's."""
    windows = list(base.get("windows", ({n: base[n] for n in ("limit", "period", "rate") if n in base},)))
    quotas = [{n: w[n] for n in ("limit", "period")} for w in windows if "limit" in w]
    rates = [w["rate"] for w in windows if "rate" in w]
    if "windows" in given:
        quotas = [w for w in given["windows"] if "limit" in w]
        rates = [w["rate"] for w in given["windows"] if "rate" in w]
    if "limit" in given or "period" in given:
        quotas = _quotas(quotas, given)
    if "rate" in given:
        rates = _rates(rates, given["rate"])
    form = {name: value for name, value in base.items() if name not in (*_WINDOWS, "tiers")}
    form |= {name: value for name, value in given.items() if name not in (*_WINDOWS, "tiers")}
    limited = any(q["limit"] is not None and q["period"].get("anchor") != ROLLING for q in quotas)
    if tiers := _tiers(base.get("tiers", ()), given.get("tiers", ()), limited=limited):
        form["tiers"] = tiers
    if "carryover" not in given and not _leaves(quotas):
        form.pop("carryover", None)
    if len(quotas) <= 1 and len(rates) <= 1:
        return {**form, **(quotas[0] if quotas else {}), **({"rate": rates[0]} if rates else {})}
    return {**form, "windows": [*quotas, *({"rate": rate} for rate in rates)]}


def standing_alone(own: OwnLimit) -> Form:
    """Its form with what a form from a catalog would have."""
    form: Form = {"name": own.name, **own.form}
    if "limit" in form and "period" not in form:
        form["period"] = COUNTED
    return form


def _overridden_by(own: Sequence[OwnLimit], limit: PlanLimit) -> PlanLimit:
    for each in own:
        if each.overrides(limit.name, limit.feature) and fixed_of({"feature": limit.feature, **each.form}) is None:
            return limit_of({**merged(limit_form(limit), each.form), "feature": limit.feature}, limit.name)
    return limit


def _switched(own: Sequence[OwnLimit], fixed: Fixed) -> Fixed:
    for each in own:
        given = (
            fixed_of({"feature": fixed.feature, **each.form}) if each.overrides(fixed.feature, fixed.feature) else None
        )
        if given is not None and isinstance(given, Switch) == isinstance(fixed, Switch):
            return given
    return fixed


def _quotas(held: list[Form], given: Mapping[str, Any]) -> list[Form]:
    """One quota takes what is given. Of several, the one with the given period does, or without one the first."""
    said = {name: given[name] for name in ("limit", "period") if name in given}
    if len(held) <= 1:
        return [{"limit": None, "period": COUNTED, **(held[0] if held else {}), **said}]
    period = given.get("period")
    at = next((i for i, quota in enumerate(held) if period is None or _same(quota["period"], period)), None)
    if at is None:
        return [*held, {"limit": None, **said}]
    return [*held[:at], {**held[at], **said}, *held[at + 1 :]]


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two periods are counted by counters of one name, however they are spelled and whatever their instant."""

    def kind(period: Mapping[str, Any]) -> tuple[str, str]:
        every, anchor = plainest(period["every"]), period.get("anchor", CALENDAR)
        if step_of(every).unit is TimeUnit.NEVER:
            return every, CALENDAR
        return every, TIMESTAMP if anchor[:1].isdigit() else anchor

    return kind(one) == kind(other)


def _rates(held: list[Form], given: Form) -> list[Form]:
    """One rate is replaced. Of several, the one over the same time, else the first; no counter is there twice."""
    if len(held) <= 1:
        return [given]
    at = next((i for i, rate in enumerate(held) if rate["per"] == given["per"]), 0)
    return [given, *(rate for i, rate in enumerate(held) if i != at and _width(rate) != _width(given))]


def _width(rate: Form) -> int:
    limit, burst = parse_quantity(rate["limit"]), parse_quantity(rate["burst"])
    return rate_width(limit=limit, per=PER[rate["per"]], burst=burst)


def _leaves(quotas: Sequence[Form]) -> bool:
    """Whether something can be left over: the plan's carryover stays only where it means something."""
    limited = [quota["period"] for quota in quotas if quota["limit"] is not None]
    return bool(limited) and not any(nothing_carried(p["every"], p.get("anchor", CALENDAR)) for p in limited)


def _tiers(held: Sequence[Form], given: Sequence[Form], *, limited: bool) -> list[Form]:
    """By level. Without a limit over a period that ends there are no thresholds, but those that are given."""
    levels = {tier["level"]: tier for tier in (held if limited else ())}
    return list((levels | {tier["level"]: tier for tier in given}).values())
