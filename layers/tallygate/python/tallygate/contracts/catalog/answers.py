"""Answers with parts of the catalog: changes of a PUT, and the stored form of limits, tiers and policies."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import WithJsonSchema

from tallygate.contracts.base.bodies import AnswerBody, QuantityOut
from tallygate.contracts.base.described import LEFT_OUT

_SCALARS = [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]
SETTING_SCHEMA = {"anyOf": [*_SCALARS, {"type": "array", "items": {"anyOf": _SCALARS}}], "examples": ["eu"]}
SettingOut = Annotated[Any, WithJsonSchema(SETTING_SCHEMA)]
"""The value of a config feature."""
_SHARE = {"type": "string", "pattern": "%$", "examples": ["80%"]}
PlaceOut = Annotated[Any, WithJsonSchema({"anyOf": [_SHARE, {"type": "number"}, {"type": "string"}]})]
"""A share of the limit, or an amount."""


class EntryChange(AnswerBody):
    """The change of one entry of the catalog.

    version: of a plan
    customers: number of customers that the change concerns
    """

    action: Literal["added", "changed", "removed"]
    kind: Literal["settings", "meter", "feature", "plan"]
    key: str
    version: int = LEFT_OUT
    customers: int


class CatalogChanges(AnswerBody):
    """What a PUT of the catalog changed, or with dry_run would change.

    version: version of the stored catalog
    customers: number of customers that the changes concern together
    resumed: whether the call completed an earlier one that was interrupted
    """

    version: int
    dry_run: bool
    changes: list[EntryChange]
    customers: int
    resumed: bool


class PolicyForm(AnswerBody):
    """A policy and its parameters, of which each policy has its own.

    max_overage: allow_with_overage: most units beyond the limit; absent: unbounded
    grace_amount: allow_with_grace: most units beyond the threshold
    grace_for: allow_with_grace: duration from the first crossing
    then: allow_with_grace: the policy after the grace, or an object with its name and parameters
    limit: rate_limit: units granted in each `per`
    per: rate_limit: the time unit
    burst: rate_limit: most units at once
    until: suspend_usage: what ends the suspension
    """

    policy: str
    max_overage: QuantityOut = LEFT_OUT
    grace_amount: QuantityOut = LEFT_OUT
    grace_for: str = LEFT_OUT
    then: str | dict[str, Any] = LEFT_OUT
    limit: QuantityOut = LEFT_OUT
    per: str = LEFT_OUT
    burst: QuantityOut = LEFT_OUT
    until: str = LEFT_OUT


class TierForm(PolicyForm):
    """A tier of a limit.

    at: threshold, a share of the limit or an amount
    level: the level that begins there
    hysteresis: how far below the threshold the level ends
    """

    at: PlaceOut
    level: str
    hysteresis: PlaceOut = LEFT_OUT


class PeriodForm(AnswerBody):
    """The period of a quota.

    timezone: absent: the customer's
    week_starts: absent: monday
    """

    every: str
    anchor: str
    timezone: str = LEFT_OUT
    week_starts: str = LEFT_OUT


class RateForm(AnswerBody):
    """A rate: at most burst + limit × T ÷ per units in any interval T."""

    limit: QuantityOut
    per: str
    burst: QuantityOut


class WindowForm(AnswerBody):
    """One window of a limit: a quota with its period, or a rate.

    limit: units per period; null: unlimited
    """

    limit: QuantityOut | None = LEFT_OUT
    period: PeriodForm = LEFT_OUT
    rate: RateForm = LEFT_OUT


class CarryoverForm(AnswerBody):
    """How unused quota moves into the next period.

    max: most that is carried: an amount, a share of the limit, or {"periods": n}; null: no maximum
    expires_after: number of periods after which a carried amount expires; null: never
    overage: forgive or deduct
    """

    max: Annotated[
        Any,
        WithJsonSchema(
            {"anyOf": [_SHARE, {"type": "number"}, {"type": "string"}, {"type": "object"}, {"type": "null"}]}
        ),
    ]
    expires_after: int | None
    overage: str


class LimitForm(WindowForm):
    """A limit, or the right to a feature, in the catalog's form.

    windows: in place of limit, period and rate, if there are several
    enabled: of a boolean feature
    value: of a config feature
    """

    name: str = LEFT_OUT
    feature: str = LEFT_OUT
    scope: dict[str, str] = LEFT_OUT
    windows: list[WindowForm] = LEFT_OUT
    enforcement: str = LEFT_OUT
    tiers: list[TierForm] = LEFT_OUT
    carryover: CarryoverForm | None = LEFT_OUT
    enabled: bool = LEFT_OUT
    value: SettingOut = LEFT_OUT
