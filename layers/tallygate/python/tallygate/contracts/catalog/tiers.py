"""Tiers on the wire. A policy's parameters are beside its name, or in an object under it; answers have the first form.

    {"at": "100%", "level": "over", "policy": "allow_with_overage", "max_overage": 500}
    {"at": "100%", "level": "over", "policy": {"allow_with_overage": {"max_overage": 500}}}

The same contracts read the parameters in either place, so the same rule is broken at the pointer where it was given.
The rules that concern several tiers are judged against the limit's quotas, as far as they are known. A customer's own
limit may differ, and what was carried over is unknown here.
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

from tallygate.contracts.base.fields import POSITIVE_SCHEMA, Amount, PositiveQuantity, positive_of, wrong_word
from tallygate.contracts.base.reading import Contract, Judged, broken, broken_rules, rule
from tallygate.contracts.catalog.windows import Per, RateWindow
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
"""What a grace may end in."""
UNTIL = (RESUMED, NEXT_PERIOD, TOP_UP)
_PERCENT = "%"
_NEVER_LEFT = "must be less than the threshold: else the level is never left"


def percent_of(value: str, most: int) -> Decimal:
    """The share that a text like 80% states; for validators."""
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
    raise wrong_word(value, f"must be {', '.join(UNTIL)} or an ISO 8601 duration like P3D")


_DURATION_SCHEMA: dict[str, Any] = {"type": "string", "pattern": "^P", "examples": ["P3D", "PT12H"]}
_SHARE_SCHEMA: dict[str, Any] = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?%$", "examples": ["80%"]}
Place = Annotated[
    Threshold, PlainValidator(_place), WithJsonSchema({"anyOf": [_SHARE_SCHEMA, *POSITIVE_SCHEMA["anyOf"]]})
]
Level = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Duration = Annotated[str, PlainValidator(_duration), WithJsonSchema(_DURATION_SCHEMA)]
Until = Annotated[str, PlainValidator(_until), WithJsonSchema({"anyOf": [{"enum": list(UNTIL)}, _DURATION_SCHEMA]})]


class NoParameters(Contract):
    """The policy takes none."""


class OverageParameters(Contract):
    """Usage is granted up to `max_overage` beyond the limit, or without a bound."""

    max_overage: Amount | None = None


class SuspendParameters(Contract):
    """What ends the suspension: a resume, the next period, a top-up, or so much time."""

    until: Until = RESUMED


def _without_default(schema: dict[str, Any]) -> None:
    """A name that is left out is no null, which would be refused."""
    schema.pop("default")


_LEFT_OUT: Any = Field(default=None, json_schema_extra=_without_default)


class _ByName(Judged):
    """A policy as an object: one name, its parameters under it."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    def rules_broken(self, _known: Mapping[str, Any]) -> Iterator[FieldError]:
        if len(self.model_fields_set) != 1:
            yield rule("invalid", "is one policy: give one name with its parameters under it")

    @property
    def name(self) -> str:
        return next(iter(self.model_fields_set))

    @property
    def parameters(self) -> Contract:
        found: Contract = getattr(self, self.name)
        return found


class ThenByName(_ByName):
    """The policy after a grace, with its parameters."""

    deny: NoParameters = _LEFT_OUT
    suspend_usage: SuspendParameters = _LEFT_OUT
    rate_limit: RateWindow = _LEFT_OUT
    allow_with_overage: OverageParameters = _LEFT_OUT


def _then(value: object) -> object:
    if isinstance(value, dict):
        return ThenByName.model_validate(value)
    if isinstance(value, ThenByName) or (value in THEN and value != "rate_limit"):
        return value
    if value == "rate_limit":
        raise broken("required", "needs parameters: {rate_limit: {limit, per, burst}}")
    raise wrong_word(value, f"must be {' or '.join(THEN)}")


Then = Annotated[
    Annotated[str, WithJsonSchema({"enum": [name for name in THEN if name != "rate_limit"]})] | ThenByName,
    BeforeValidator(_then),
]


class GraceParameters(Judged):
    """Usage is granted up to `grace_amount` beyond the threshold, and for `grace_for` from the first crossing."""

    grace_amount: PositiveQuantity | None = None
    grace_for: Duration | None = None
    then: Then = "deny"

    def rules_broken(self, _known: Mapping[str, Any]) -> Iterator[FieldError]:
        if self.grace_amount is None and self.grace_for is None:
            yield rule("required", "is required, or grace_for: a grace ends", "grace_amount")


class PolicyByName(_ByName):
    """A policy with its parameters."""

    notify_only: NoParameters = _LEFT_OUT
    allow_with_overage: OverageParameters = _LEFT_OUT
    allow_with_grace: GraceParameters = _LEFT_OUT
    rate_limit: RateWindow = _LEFT_OUT
    deny: NoParameters = _LEFT_OUT
    suspend_usage: SuspendParameters = _LEFT_OUT


def _policy(value: object) -> object:
    if isinstance(value, dict):
        return PolicyByName.model_validate(value)
    if value in POLICIES:
        return value
    raise wrong_word(value, f"must be {' or '.join(POLICIES)}")


PolicyName = Annotated[str, WithJsonSchema({"enum": list(POLICIES)})]
_PARAMETER_NAMES = frozenset(name for names in POLICY_FIELDS.values() for name in names)


def _of(parameter: str) -> Any:
    """A policy's parameter beside its name."""
    return Field(default=None, description=f"Of {parameter}")


class TierEntry(Judged):
    """A threshold of a limit's quotas. Usage that reaches it has this level, and usage beyond it this policy.

    `at` is a share of the limit (with what was carried over and adjusted) or an amount. The level is left once usage is
    below the threshold by more than the `hysteresis`. A policy's parameters are beside its name, or under it:
    allow_with_overage {max_overage}, allow_with_grace {grace_amount, grace_for, then}, rate_limit {limit, per, burst},
    suspend_usage {until}; notify_only and deny take none.
    """

    at: Place
    level: Level
    policy: Annotated[PolicyName | PolicyByName, BeforeValidator(_policy)] = "notify_only"
    hysteresis: Place | None = None
    max_overage: Amount | None = _of("allow_with_overage: the most beyond the limit.")
    grace_amount: PositiveQuantity | None = _of("allow_with_grace: the most beyond the threshold.")
    grace_for: Duration | None = _of("allow_with_grace: the time from the first crossing in a period.")
    then: Then | None = _of("allow_with_grace: the policy after it; deny by default.")
    limit: PositiveQuantity | None = _of("rate_limit: the units granted in each `per`.")
    per: Per | None = _of("rate_limit: the time unit.")
    burst: PositiveQuantity | None = _of("rate_limit: the most at once; the limit by default.")
    until: Until | None = _of("suspend_usage: what ends it; resumed by default.")

    @property
    def tier(self) -> Tier:
        """The tier that it states. The rate of a policy has no ordinal yet."""
        policy = self._by_name
        form: Form = as_json(policy.parameters.model_dump(exclude_unset=True, exclude_none=True))
        form |= {"level": self.level, "at": threshold_form(self.at), "policy": policy.name}
        if self.hysteresis is not None:
            form["hysteresis"] = threshold_form(self.hysteresis)
        return tier_of(form)

    def form(self) -> Form:
        """The stored form."""
        return tier_form(self.tier)

    def place_of(self, parameter: str, *, of_then: bool) -> tuple[str, ...]:
        """Where a parameter of its policy, or of what a grace ends in, was given or would be."""
        steps = () if isinstance(self.policy, str) else ("policy", self.policy.name)
        if not of_then:
            return (*steps, parameter)
        then = getattr(self._by_name.parameters, "then", None)
        return (*steps, "then", then.name, parameter) if isinstance(then, ThenByName) else (*steps, "then")

    @property
    def _flat(self) -> Form:
        """The parameters that are given beside the name."""
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
        """The parameters beside the name that its policy does not take, or not so."""
        if not isinstance(self.policy, str):
            for name in self._flat:
                yield rule("not_allowed", "belongs under the policy's name, where its parameters are given", name)
            return
        own = {name: value for name, value in self._flat.items() if name in POLICY_FIELDS[self.policy]}
        for name in self._flat:
            if name not in own:
                yield rule("not_allowed", f"is no parameter of {self.policy}", name)
        try:
            PolicyByName.model_validate({self.policy: own})
        except ValidationError as failed:
            for each in broken_rules(failed):
                yield replace(each, pointer=each.pointer.removeprefix(f"/{self.policy}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiered:
    """A limited quota that tiers are thresholds of, and whether its periods end."""

    limit: Decimal
    ends: bool


def broken_tiers(entries: Sequence[TierEntry], quotas: Sequence[Tiered]) -> Iterator[FieldError]:
    """What the tiers of these quotas break together."""
    yield from repeated_levels(entries)
    tiers = [entry.tier for entry in entries]
    limit = quotas[0].limit if len(quotas) == 1 else None
    for index, (entry, tier) in enumerate(zip(entries, tiers, strict=True)):
        if tier.at.amount is not None and limit is None:
            detail = "must be a share like 80%: a limit with several quotas has no one amount"
            yield rule("not_allowed", detail, "tiers", index, "at")
        if any(_same_place(tier.at, other.at, limit) for other in tiers[:index]):
            yield rule("repeated", "another tier begins here", "tiers", index, "at")
        yield from _broken_policy(entry, tier, quotas, ("tiers", index))


def repeated_levels(entries: Sequence[TierEntry]) -> Iterator[FieldError]:
    """A level is one tier's: who overrides a tier names it by the level."""
    levels = [entry.level for entry in entries]
    for index, level in enumerate(levels):
        if level in levels[:index]:
            yield rule("repeated", "another tier of this limit has this level", "tiers", index, "level")


def in_order(entries: Sequence[TierEntry], quotas: Sequence[Tiered]) -> list[TierEntry]:
    """From the lowest to the highest, as far as it can be told: else shares before amounts."""
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
    """A limit of 0 is left out: each of its shares is 0 too."""
    limits = [quota.limit for quota in quotas if quota.limit > 0]
    margin = tier.hysteresis
    if margin is not None and any(margin.of(limit) >= tier.at.of(limit) for limit in limits):
        yield rule("out_of_range", _NEVER_LEFT, *at, "hysteresis")
    for each, of_then in ((tier.policy, False), (getattr(tier.policy, "then", None), True)):
        most: Decimal | None = getattr(each, "max_overage", None)
        if most is not None and any(limit + most <= tier.at.of(limit) for limit in limits):
            detail = "must reach beyond the tier: the limit with it is not more than the threshold"
            yield rule("out_of_range", detail, *at, *entry.place_of("max_overage", of_then=of_then))
        if getattr(each, "until", None) == NEXT_PERIOD and not all(quota.ends for quota in quotas):
            detail = "must not be next_period: a period that never ends has none"
            yield rule("not_allowed", detail, *at, *entry.place_of("until", of_then=of_then))
