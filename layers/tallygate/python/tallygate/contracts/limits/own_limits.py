"""A customer's own limits on the wire: a whole limit in the catalog's form, or the fields that differ from the plan's.

An own limit is merged with the plan's limit that it overrides. The result must satisfy the catalog's rules for limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from tallygate.contracts.base.answers import JSON
from tallygate.contracts.base.fields import FeatureKey
from tallygate.contracts.base.reading import read, refused, rule
from tallygate.contracts.catalog.answers import LimitForm
from tallygate.contracts.catalog.catalog import EntitlementEntry, LimitEntry, SettingValue, known_of
from tallygate.contracts.catalog.limits import Scope, Windowed
from tallygate.contracts.catalog.tiers import repeated_levels
from tallygate.domain.catalog.catalog import Catalog, Plan
from tallygate.domain.catalog.features import METERED, fixed_form, value_form, value_of
from tallygate.domain.catalog.forms import Form, as_json, limit_form
from tallygate.domain.customers.customers import CustomerRecord
from tallygate.domain.limits.overrides import OwnLimit, Role, merged, role, standing_alone, with_own
from tallygate.errors import FieldError

_ONCE_GIVEN = ("period", "rate", "windows")


class OwnLimitBody(Windowed):
    """A customer's own limit, named by the path. A field that is left out keeps the value of the plan's limit.

    A tier replaces the plan's tier with the same level. A carryover replaces the plan's; null removes it. A boolean
    feature takes `enabled`, a config feature takes `value`.
    """

    patches = True
    feature: FeatureKey | None = None
    scope: Scope = Field(default_factory=dict)
    enabled: bool = False
    value: SettingValue = None

    def rules_broken(self, _known: Mapping[str, Any]) -> Iterator[FieldError]:
        given = self.model_fields_set
        if not given - {"feature"}:
            yield rule("required", "must have at least one field of the limit")
        for name in _ONCE_GIVEN:
            if name in given and getattr(self, name) is None:
                yield rule("type", "must not be null: leave it out to keep the plan's value", name)
        if self.windows is not None:
            yield from self.short_form_too()
        yield from repeated_levels(self.tiers)

    def form(self) -> Form:
        """Return the given fields, in the catalog's form."""
        given = self.model_fields_set
        form: Form = {name: getattr(self, name) for name in ("feature", "scope", "enabled") if name in given}
        form |= {name: value for name, value in self.window_forms().items() if name in given}
        if "value" in given:
            form["value"] = value_form(value_of(self.value))
        if "limit" in given:
            form["limit"] = self.limit
        if self.period is not None:
            form["period"] = self.period.form()
        if self.rate is not None:
            form["rate"] = self.rate.form()
        found: Form = as_json(form)
        return found


def judge(plan: Plan | None, catalog: Catalog, own: OwnLimit) -> None:
    """Raise InvalidRequest if the limit, merged with the plan's limit or alone, breaks a rule of the catalog."""
    known = known_of(catalog)
    if plan is not None and role(plan, own) is Role.OVERRIDES:
        base = _base(plan, own)
        form = merged(base, own.form)
        if "name" not in base:
            if own.form.get("scope"):
                raise refused("not_allowed", "is not allowed for the limit with the name of its feature", "scope")
            form.pop("scope", None)
            read(EntitlementEntry, _as_read(form), context=known)
        else:
            read(LimitEntry, form, context=known)
        return
    if own.feature is None:
        detail = f"is required: the customer's plan has no limit {own.name} to override"
        raise refused("required", detail, "feature")
    if own.feature in known["feature"] and known["type"].get(own.feature, METERED) != METERED:
        raise refused("not_entitled", f"the customer's plan does not include {own.feature}", "feature")
    if {"enabled", "value"} & own.form.keys():
        read(EntitlementEntry, _as_read(dict(own.form)), context=known)
    read(LimitEntry, standing_alone(own) if own.stands_alone else {"name": own.name, **own.form}, context=known)


class OwnLimitAnswer(LimitForm):
    """A customer's own limit: the given fields, and what comes of them.

    role: its effect under the customer's plan
    effective: the limit in force; null: the limit has no effect
    """

    name: str
    customer: str
    role: Role
    effective: LimitForm | None


def own_limit_answer(record: CustomerRecord, own: OwnLimit, plan: Plan | None) -> JSON:
    """Return an own limit as JSON."""
    does = role(plan, own)
    effective: Form | None = None
    if plan is not None and does is not Role.DORMANT:
        effective = _base(with_own(plan, record.limits), own)
    return OwnLimitAnswer.of(own.form, customer=record.customer.id, name=own.name, role=does, effective=effective)


def _base(plan: Plan, own: OwnLimit) -> Form:
    """Return the form of the plan's limit with this name. The form of an entitlement has no name."""
    for entitlement in plan.entitlements:
        if own.overrides(entitlement.name, entitlement.feature):
            return {name: value for name, value in limit_form(entitlement).items() if name != "name"}
    for limit in plan.limits:
        if own.overrides(limit.name, limit.feature):
            return limit_form(limit)
    return next(fixed_form(fixed) for fixed in plan.fixed if own.overrides(fixed.feature, fixed.feature))


def _as_read(form: Form) -> Form:
    """Return a form as a request has it: with exact numbers in the value of a config feature."""
    if "value" not in form:
        return form
    value = value_of(form["value"])
    return {**form, "value": list(value) if isinstance(value, tuple) else value}
