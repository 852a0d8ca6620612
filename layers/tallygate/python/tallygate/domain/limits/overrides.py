"""Overrides: limits of a customer's own, which override the plan's limits field by field or add further limits.

    plan's limit     {limit: 100, period: month, tiers: [80% warning, 100% critical], carryover: {}}
    customer's own   {limit: 500,                tiers: [90% warning]}                  of the same name
    in force         {limit: 500, period: month, tiers: [90% warning, 100% critical], carryover: {}}

A tier replaces the plan's tier of the same level, its policy included. A carryover replaces the plan's; null removes
it. Own limits outlast every change of plan. An own limit is dormant while it has no effect under the present plan:
- the plan has no limit of its name, and it is too incomplete to be a limit by itself
- the plan does not entitle to its feature

The plan decides which features a customer is entitled to. Its own limits decide how much.
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
"""The default period: an unlimited quota that states no period is counted by the calendar month."""
_WINDOWS = ("limit", "period", "rate", "windows")


class Role(StrEnum):
    """The effect of an own limit under the present plan."""

    OVERRIDES = "overrides"
    ADDS = "adds"
    DORMANT = "dormant"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLimit:
    """A limit of a customer's own.

    form: the fields that it states, in the catalog's form
    """

    name: str
    form: Mapping[str, Any]

    @property
    def feature(self) -> str | None:
        """The feature that it names; None: any. Only an override may leave it out."""
        feature: str | None = self.form.get("feature")
        return feature

    def overrides(self, name: str, feature: str) -> bool:
        """Whether it overrides a limit of this name on this feature."""
        return self.name == name and self.feature in (None, feature)

    @property
    def stands_alone(self) -> bool:
        """Whether it is complete enough to be a limit without a plan's fields."""
        if self.feature is None:
            return False
        unlimited = "limit" in self.form and self.form["limit"] is None
        return unlimited or "rate" in self.form or "windows" in self.form or {"limit", "period"} <= self.form.keys()


def with_own(plan: Plan, own: Sequence[OwnLimit]) -> Plan:
    """The plan as it applies to a customer with these limits. Any set of own limits results in a valid plan."""
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
    """The effect of the own limit under a plan (None: no active subscription)."""
    if plan is None:
        return Role.DORMANT
    if any(own.overrides(limit.name, limit.feature) for limit in (*plan.entitlements, *plan.limits)):
        return Role.OVERRIDES
    if any(own.overrides(fixed.feature, fixed.feature) for fixed in plan.fixed):
        return Role.OVERRIDES
    entitled = any(entitlement.feature == own.feature for entitlement in plan.entitlements)
    return Role.ADDS if entitled and own.stands_alone else Role.DORMANT


def too_crowded(plan: Plan) -> str | None:
    """The first feature with more limits than its cell can hold, with the reason; None: every feature fits."""
    for entitlement in plan.entitlements:
        crowd = crowd_of(plan.limits_of(entitlement.feature))
        if crowd is not None:
            return f"{entitlement.feature} has {crowd}"
    return None


def crowd_of(limits: Iterable[PlanLimit]) -> str | None:
    """Why the limits of one feature exceed what a cell can hold or a write can state; None: they do not."""
    return crowded(_sized(limit) for limit in limits)


def _sized(limit: PlanLimit) -> Sized:
    """Its countable parts. An entitlement with rates only still counts usage, by a quota without a limit."""
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
    """A limit's form with the given fields in place of its own. A given tier replaces the tier of its level."""
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
    if "carryover" not in given and not _allow_carryover(quotas):
        form.pop("carryover", None)
    if len(quotas) <= 1 and len(rates) <= 1:
        return {**form, **(quotas[0] if quotas else {}), **({"rate": rates[0]} if rates else {})}
    return {**form, "windows": [*quotas, *({"rate": rate} for rate in rates)]}


def standing_alone(own: OwnLimit) -> Form:
    """Its form completed like one from a catalog: with the name, and with the default period."""
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
    """The quotas with the given limit and period.

    A single quota takes the given fields. Of several, the quota with the given period takes them; without a given
    period, the first. A period that no quota has adds a quota.
    """
    said = {name: given[name] for name in ("limit", "period") if name in given}
    if len(held) <= 1:
        return [{"limit": None, "period": COUNTED, **(held[0] if held else {}), **said}]
    period = given.get("period")
    at = next((i for i, quota in enumerate(held) if period is None or _same(quota["period"], period)), None)
    if at is None:
        return [*held, {"limit": None, **said}]
    return [*held[:at], {**held[at], **said}, *held[at + 1 :]]


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two periods share a counter name: the same length and kind of anchor. Spelling and instant are free."""

    def kind(period: Mapping[str, Any]) -> tuple[str, str]:
        every, anchor = plainest(period["every"]), period.get("anchor", CALENDAR)
        if step_of(every).unit is TimeUnit.NEVER:
            return every, CALENDAR
        return every, TIMESTAMP if anchor[:1].isdigit() else anchor

    return kind(one) == kind(other)


def _rates(held: list[Form], given: Form) -> list[Form]:
    """The rates with the given one.

    A single rate is replaced. Of several, the rate with the same `per` is replaced, else the first. Other rates with
    the given rate's sub-window length are dropped, because they would share its counter.
    """
    if len(held) <= 1:
        return [given]
    at = next((i for i, rate in enumerate(held) if rate["per"] == given["per"]), 0)
    return [given, *(rate for i, rate in enumerate(held) if i != at and _width(rate) != _width(given))]


def _width(rate: Form) -> int:
    limit, burst = parse_quantity(rate["limit"]), parse_quantity(rate["burst"])
    return rate_width(limit=limit, per=PER[rate["per"]], burst=burst)


def _allow_carryover(quotas: Sequence[Form]) -> bool:
    """Whether the quotas allow carryover. Otherwise the plan's carryover is dropped."""
    limited = [quota["period"] for quota in quotas if quota["limit"] is not None]
    return bool(limited) and not any(nothing_carried(p["every"], p.get("anchor", CALENDAR)) for p in limited)


def _tiers(held: Sequence[Form], given: Sequence[Form], *, limited: bool) -> list[Form]:
    """The tiers by level, given ones replacing held ones.

    limited: whether a quota has a limit and does not roll; otherwise there are no thresholds and the held tiers go
    """
    levels = {tier["level"]: tier for tier in (held if limited else ())}
    return list((levels | {tier["level"]: tier for tier in given}).values())
