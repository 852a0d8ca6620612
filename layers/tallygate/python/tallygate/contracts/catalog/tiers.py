"""Tiers on the wire. A policy has two forms: flat, with its parameters in the tier, or nested. Answers use the first.

    {"at": "100%", "level": "over", "policy": "allow_with_overage", "max_overage": 500}
    {"at": "100%", "level": "over", "policy": {"allow_with_overage": {"max_overage": 500}}}

The same contracts read the parameters of both forms. An error points to where the parameter was given. Rules across
tiers are checked against the limit's quotas as far as they are known: a customer's own limit may differ, and carried
amounts are unknown here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)

from tallygate.contracts.base.described import LEFT_OUT
from tallygate.contracts.base.fields import POSITIVE_SCHEMA, Amount, PositiveQuantity, positive_of, wrong_word
from tallygate.contracts.base.reading import Contract, Judged, broken, broken_rules, rule
from tallygate.contracts.catalog.windows import Per, RateWindow
from tallygate.domain.base.closest import did_you_mean
from tallygate.domain.base.quantities import parse_quantity
from tallygate.domain.catalog.forms import Form, as_json
from tallygate.domain.catalog.tiers import (
    NEXT_PERIOD,
    POLICY_FIELDS,
    RESUMED,
    TOP_UP,
    Threshold,
    Tier,
    duration_of,
    threshold_form,
    tier_form,
    tier_of,
)
from tallygate.errors import FieldError

TIERS_MAX = 16
PERCENT_MAX = 1_000
POLICIES = tuple(POLICY_FIELDS)
THEN = ("deny", "suspend_usage", "rate_limit", "allow_with_overage")
"""The policies that may follow a grace."""
UNTIL = (RESUMED, NEXT_PERIOD, TOP_UP)
_PERCENT = "%"
_NEVER_LEFT = "must be less than the threshold; otherwise the level never ends"


def percent_of(value: str, most: int) -> Decimal:
    """Read a percentage like 80%; for validators."""
    try:
        percent = parse_quantity(value.removesuffix(_PERCENT))
    except ValueError:
        raise broken("invalid", "must be a percentage like 80%") from None
    if not 0 < percent <= most:
        raise broken("out_of_range", f"must be more than 0% and at most {most}%")
    return percent


def _place(value: object) -> Threshold:
    if isinstance(value, str) and value.endswith(_PERCENT):
        return Threshold(percent=percent_of(value, PERCENT_MAX))
    return Threshold(amount=positive_of(value))


def _duration(value: object) -> str:
    if not isinstance(value, str):
        raise broken("type", "must be a string: an ISO 8601 duration like P3D or PT12H")
    try:
        duration_of(value)
    except ValueError as error:
        raise broken("not_allowed", str(error)) from None
    return value


def _until(value: object) -> str:
    if value in UNTIL:
        return str(value)
    if isinstance(value, str) and value.startswith("P"):
        return _duration(value)
    raise wrong_word(value, f"must be {', '.join(UNTIL)} or an ISO 8601 duration like P3D", UNTIL)


_DURATION_SCHEMA: dict[str, Any] = {"type": "string", "pattern": "^P", "examples": ["P3D", "PT12H"]}
_SHARE_SCHEMA: dict[str, Any] = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?%$", "examples": ["80%"]}
Place = Annotated[
    Threshold, PlainValidator(_place), WithJsonSchema({"anyOf": [_SHARE_SCHEMA, *POSITIVE_SCHEMA["anyOf"]]})
]
Level = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Duration = Annotated[str, PlainValidator(_duration), WithJsonSchema(_DURATION_SCHEMA)]
Until = Annotated[str, PlainValidator(_until), WithJsonSchema({"anyOf": [{"enum": list(UNTIL)}, _DURATION_SCHEMA]})]


class NoParameters(Contract):
    """A policy without parameters."""


class OverageParameters(Contract):
    """Usage is granted up to `max_overage` units beyond the limit; without it, unbounded."""

    max_overage: Amount | None = None


class SuspendParameters(Contract):
    """What ends the suspension: a resume, the next period, a top-up, or a duration."""

    until: Until = RESUMED


class _ByName(Judged):
    """A policy in the nested form: an object with one name and its parameters."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    def rules_broken(self, _known: Mapping[str, Any]) -> Iterator[FieldError]:
        if len(self.model_fields_set) != 1:
            yield rule("invalid", "must have exactly one policy name, with its parameters as value")

    @property
    def name(self) -> str:
        return next(iter(self.model_fields_set))

    @property
    def parameters(self) -> Contract:
        found: Contract = getattr(self, self.name)
        return found


class ThenByName(_ByName):
    """The policy that follows a grace, with its parameters."""

    deny: NoParameters = LEFT_OUT
    suspend_usage: SuspendParameters = LEFT_OUT
    rate_limit: RateWindow = LEFT_OUT
    allow_with_overage: OverageParameters = LEFT_OUT


def _then(value: object) -> object:
    if isinstance(value, dict):
        return ThenByName.model_validate(value)
    if isinstance(value, ThenByName) or (value in THEN and value != "rate_limit"):
        return value
    if value == "rate_limit":
        raise broken("required", "needs parameters: {rate_limit: {limit, per, burst}}")
    raise wrong_word(value, f"must be {' or '.join(THEN)}", THEN)


Then = Annotated[
    Annotated[str, WithJsonSchema({"enum": [name for name in THEN if name != "rate_limit"]})] | ThenByName,
    BeforeValidator(_then),
]


class GraceParameters(Judged):
    """Usage is granted up to `grace_amount` beyond the threshold, for `grace_for` from the first crossing.

    Beyond either bound, the policy `then` applies.
    """

    grace_amount: PositiveQuantity | None = None
    grace_for: Duration | None = None
    then: Then = "deny"

    def rules_broken(self, _known: Mapping[str, Any]) -> Iterator[FieldError]:
        if self.grace_amount is None and self.grace_for is None:
            yield rule("required", "is required, or grace_for: a grace must end", "grace_amount")


class PolicyByName(_ByName):
    """A policy with its parameters."""

    notify_only: NoParameters = LEFT_OUT
    allow_with_overage: OverageParameters = LEFT_OUT
    allow_with_grace: GraceParameters = LEFT_OUT
    rate_limit: RateWindow = LEFT_OUT
    deny: NoParameters = LEFT_OUT
    suspend_usage: SuspendParameters = LEFT_OUT


def _policy(value: object) -> object:
    if isinstance(value, dict):
        return PolicyByName.model_validate(value)
    if value in POLICIES:
        return value
    raise wrong_word(value, f"must be {' or '.join(POLICIES)}", POLICIES)


PolicyName = Annotated[str, WithJsonSchema({"enum": list(POLICIES)})]
_PARAMETER_NAMES = frozenset(name for names in POLICY_FIELDS.values() for name in names)


def _of(parameter: str) -> Any:
    """Return a field for a policy's parameter in the flat form."""
    return Field(default=None, description=f"For {parameter}")


class TierEntry(Judged):
    """A threshold of a limit's quotas, with a level and a policy.

    The level begins when usage reaches the threshold. The policy governs usage beyond it. `at` is a share of the total
    limit (with carried and adjusted amounts) or an amount. The level ends when usage is below the threshold by more
    than `hysteresis`. Parameters of a policy are fields of the tier, or an object under the policy's name:
    allow_with_overage {max_overage}, allow_with_grace {grace_amount, grace_for, then}, rate_limit {limit, per, burst},
    suspend_usage {until}; notify_only and deny have none.
    """

    at: Place
    level: Level
    policy: Annotated[PolicyName | PolicyByName, BeforeValidator(_policy)] = "notify_only"
    hysteresis: Place | None = None
    max_overage: Amount | None = _of("allow_with_overage: maximum units beyond the limit.")
    grace_amount: PositiveQuantity | None = _of("allow_with_grace: maximum units beyond the threshold.")
    grace_for: Duration | None = _of("allow_with_grace: duration from the first crossing in a period.")
    then: Then | None = _of("allow_with_grace: the policy after the grace; default deny.")
    limit: PositiveQuantity | None = _of("rate_limit: units granted in each `per`.")
    per: Per | None = _of("rate_limit: the time unit.")
    burst: PositiveQuantity | None = _of("rate_limit: maximum units at once; default: the limit.")
    until: Until | None = _of("suspend_usage: what ends the suspension; default resumed.")

    @property
    def tier(self) -> Tier:
        """The tier as a domain value. The rate of its policy has no ordinal yet."""
        policy = self._by_name
        form: Form = as_json(policy.parameters.model_dump(exclude_unset=True, exclude_none=True))
        form |= {"level": self.level, "at": threshold_form(self.at), "policy": policy.name}
        if self.hysteresis is not None:
            form["hysteresis"] = threshold_form(self.hysteresis)
        return tier_of(form)

    def form(self) -> Form:
        """Return the stored form."""
        return tier_form(self.tier)

    def place_of(self, parameter: str, *, of_then: bool) -> tuple[str, ...]:
        """Return the path at which a parameter was given or would be given.

        of_then: whether it is a parameter of the policy that follows a grace
        """
        steps = () if isinstance(self.policy, str) else ("policy", self.policy.name)
        if not of_then:
            return (*steps, parameter)
        then = getattr(self._by_name.parameters, "then", None)
        return (*steps, "then", then.name, parameter) if isinstance(then, ThenByName) else (*steps, "then")

    @property
    def _flat(self) -> Form:
        """The given parameters of the flat form."""
        return {name: getattr(self, name) for name in sorted(self.model_fields_set & _PARAMETER_NAMES)}

    @property
    def _by_name(self) -> PolicyByName:
        if isinstance(self.policy, str):
            return PolicyByName.model_validate({self.policy: self._flat})
        return self.policy

    def rules_broken(self, _known: Mapping[str, Any]) -> Iterator[FieldError]:
        yield from self._misplaced()
        if (margin := self.hysteresis) is not None:
            pairs = ((margin.percent, self.at.percent), (margin.amount, self.at.amount))
            if any(one is not None and other is not None and one >= other for one, other in pairs):
                yield rule("out_of_range", _NEVER_LEFT, "hysteresis")

    def _misplaced(self) -> Iterator[FieldError]:
        """Return errors of flat parameters: not of this policy, invalid, or mixed with the nested form."""
        if not isinstance(self.policy, str):
            for name in self._flat:
                yield rule("not_allowed", "must be under the policy's name, like its other parameters", name)
            return
        own = {name: value for name, value in self._flat.items() if name in POLICY_FIELDS[self.policy]}
        for name in self._flat:
            if name not in own:
                known = POLICY_FIELDS[self.policy]
                yield rule("not_allowed", f"is not a parameter of {self.policy}{did_you_mean(name, known)}", name)
        try:
            PolicyByName.model_validate({self.policy: own})
        except ValidationError as failed:
            for each in broken_rules(failed, model=PolicyByName):
                yield replace(each, pointer=each.pointer.removeprefix(f"/{self.policy}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiered:
    """A limited quota to which tiers apply. `ends`: whether its periods end."""

    limit: Decimal
    ends: bool


def broken_tiers(entries: Sequence[TierEntry], quotas: Sequence[Tiered]) -> Iterator[FieldError]:
    """Return the rules that the tiers of these quotas break together."""
    yield from repeated_levels(entries)
    tiers = [entry.tier for entry in entries]
    limit = quotas[0].limit if len(quotas) == 1 else None
    for index, (entry, tier) in enumerate(zip(entries, tiers, strict=True)):
        if tier.at.amount is not None and limit is None:
            detail = "must be a share like 80%, because the limit has several quotas"
            yield rule("not_allowed", detail, "tiers", index, "at")
        if any(_same_place(tier.at, other.at, limit) for other in tiers[:index]):
            yield rule("repeated", "another tier of this limit has this threshold", "tiers", index, "at")
        yield from _broken_policy(entry, tier, quotas, ("tiers", index))


def repeated_levels(entries: Sequence[TierEntry]) -> Iterator[FieldError]:
    """Return an error for every repeated level. Overrides identify a tier by its level, so levels are unique."""
    levels = [entry.level for entry in entries]
    for index, level in enumerate(levels):
        if level in levels[:index]:
            yield rule("repeated", "another tier of this limit has this level", "tiers", index, "level")


def in_order(entries: Sequence[TierEntry], quotas: Sequence[Tiered]) -> list[TierEntry]:
    """Sort tiers from lowest to highest. Without a single positive limit, shares come before amounts."""
    limits = [quota.limit for quota in quotas]

    def place(entry: TierEntry) -> tuple[bool, Decimal]:
        at = entry.at
        if len(limits) == 1 and limits[0] > 0:
            return False, at.of(limits[0])
        return at.amount is not None, at.amount if at.amount is not None else at.percent or Decimal(0)

    return sorted(entries, key=place)


def _same_place(one: Threshold, other: Threshold, limit: Decimal | None) -> bool:
    return one == other or (limit is not None and limit > 0 and one.of(limit) == other.of(limit))


def _broken_policy(entry: TierEntry, tier: Tier, quotas: Sequence[Tiered], at: tuple[str, int]) -> Iterator[FieldError]:
    """Return the rules that one tier's policy breaks. Limits of 0 are ignored, because all their shares are 0."""
    limits = [quota.limit for quota in quotas if quota.limit > 0]
    margin = tier.hysteresis
    if margin is not None and any(margin.of(limit) >= tier.at.of(limit) for limit in limits):
        yield rule("out_of_range", _NEVER_LEFT, *at, "hysteresis")
    for each, of_then in ((tier.policy, False), (getattr(tier.policy, "then", None), True)):
        most: Decimal | None = getattr(each, "max_overage", None)
        if most is not None and any(limit + most <= tier.at.of(limit) for limit in limits):
            detail = "is too small: limit + max_overage must be more than the threshold"
            yield rule("out_of_range", detail, *at, *entry.place_of("max_overage", of_then=of_then))
        if getattr(each, "until", None) == NEXT_PERIOD and not all(quota.ends for quota in quotas):
            detail = "must not be next_period: the quota's period never ends"
            yield rule("not_allowed", detail, *at, *entry.place_of("until", of_then=of_then))
