"""Tiers: the thresholds of a quota, with a level and a policy for usage beyond each threshold.

    used   0 ─────────── 80 % ──────────── 100 % ─────────── 120 %
    level        normal    │    warning      │     critical     │   over_usage
    policy                 │  notify_only    │  allow_with_…    │     deny

A level begins when usage reaches the threshold: `used ≥ at`. A policy governs only the units beyond the threshold, so
`deny` at 100 % grants exactly the limit. A request gets the strictest policy of all tiers that its last unit exceeds.

The declarative form of tiers and policies, as stated in a catalog and as stored:

    {"at": "80%", "level": "warning", "policy": "notify_only", "hysteresis": "5%"}
    {"at": "100%", "level": "over", "policy": "allow_with_overage", "max_overage": 500}
    {"at": "100%", "level": "over", "policy": "allow_with_grace", "grace_amount": 100, "grace_for": "P3D",
     "then": {"suspend_usage": {"until": "next_period"}}}
    {"at": 900000, "level": "slow", "policy": "rate_limit", "limit": 10, "per": "minute", "burst": 20}

The form of a tier in force also contains the rate's ordinal. Reading a form that this module wrote gives an equal tier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, assert_never

from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.instants import DAY, HOUR, MINUTE, SECOND, Instant
from tallygate.domain.base.quantities import Wire, format_quantity, parse_quantity, plain
from tallygate.domain.catalog.rates import PER, Rate
from tallygate.domain.periods.boundaries import length_of, step_of

NORMAL = "normal"
WHOLE = Decimal(100)
"""The percentage that equals the limit."""


class Enforcement(StrEnum):
    """How a limit treats usage beyond it. Every mode counts usage. Only the control plane changes the mode.

    hard: deny
    soft: grant, and report the overage
    observe: grant, and report what hard would have decided
    off: only count
    """

    HARD = "hard"
    SOFT = "soft"
    OBSERVE = "observe"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A threshold: a share of the limit in percent, or an amount in units. Exactly one field is set."""

    percent: Decimal | None = None
    amount: Decimal | None = None

    def __post_init__(self) -> None:
        assert (self.percent is None) != (self.amount is None), "a threshold is either a share or an amount"

    def of(self, limit: Decimal) -> Decimal:
        """Return the threshold in units. `limit`: the total limit, including carried and adjusted amounts."""
        if self.amount is not None:
            return self.amount
        assert self.percent is not None
        return EXACT.divide(EXACT.multiply(limit, self.percent), Decimal(100))

    def __str__(self) -> str:
        return plain(self.amount) if self.amount is not None else f"{plain(self.percent or Decimal(0))}%"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyOnly:
    """Grants everything. Only the crossing is reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowWithOverage:
    """Grants up to `max_overage` units beyond the limit; None: without bound."""

    max_overage: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """Grants no faster than the rate. The rate's ordinal is 0 in a catalog, and its own once in force."""

    rate: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Deny:
    """Grants nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendUsage:
    """Grants nothing, and suspends all usage of the feature in the limit's scope.

    until: what ends the suspension: `resumed` (a manual resume), `next_period`, `top_up` (an upward adjustment) or
        `after` (a fixed time)
    lasts: duration in ms; only with `after`
    """

    until: str
    lasts: Instant | None = None

    def __post_init__(self) -> None:
        assert (self.until == AFTER) == (self.lasts is not None)
        assert self.until in UNTIL


RESUMED, NEXT_PERIOD, TOP_UP, AFTER = "resumed", "next_period", "top_up", "after"
UNTIL = (RESUMED, NEXT_PERIOD, TOP_UP, AFTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowWithGrace:
    """Grants a limited amount beyond the threshold for a limited time. Beyond either bound the policy `then` applies.

    amount: units beyond the threshold; None: no bound
    lasts: duration in ms from the first crossing in a period; None: no bound
    """

    amount: Decimal | None = None
    lasts: Instant | None = None
    then: Deny | SuspendUsage | RateLimit | AllowWithOverage = Deny()

    def __post_init__(self) -> None:
        assert self.amount is not None or self.lasts is not None, "a grace ends"


Policy = NotifyOnly | AllowWithOverage | AllowWithGrace | RateLimit | Deny | SuspendUsage
STRICTNESS: tuple[type[Policy], ...] = (NotifyOnly, AllowWithOverage, AllowWithGrace, RateLimit, Deny, SuspendUsage)
"""From the most lenient to the strictest."""
POLICY_NAMES: dict[type[Policy], str] = {
    NotifyOnly: "notify_only",
    AllowWithOverage: "allow_with_overage",
    AllowWithGrace: "allow_with_grace",
    RateLimit: "rate_limit",
    Deny: "deny",
    SuspendUsage: "suspend_usage",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """One tier of a quota.

    level: name of the level, which begins when usage reaches `at`
    at: the threshold
    policy: governs usage beyond `at`
    hysteresis: how far usage must fall below the threshold before the level has ended and can be reached again
    """

    level: str
    at: Threshold
    policy: Policy = NotifyOnly()
    hysteresis: Threshold | None = None

    def rearms_below(self, limit: Decimal) -> Decimal:
        """Return the usage below which the level has ended and can be reached again."""
        margin = Decimal(0) if self.hysteresis is None else self.hysteresis.of(limit)
        return EXACT.subtract(self.at.of(limit), margin)


def may_suspend(tiers: Sequence[Tier]) -> bool:
    """Return whether a tier's policy, or the `then` policy of its grace, suspends usage."""
    return any(isinstance(getattr(tier.policy, "then", tier.policy), SuspendUsage) for tier in tiers)


def tier_rates(tiers: Sequence[Tier]) -> tuple[Rate, ...]:
    """Return the rates of all rate_limit policies, including those that follow a grace."""
    policies = (tier.policy.then if isinstance(tier.policy, AllowWithGrace) else tier.policy for tier in tiers)
    return tuple(policy.rate for policy in policies if isinstance(policy, RateLimit))


def percent(at: Decimal | int | str) -> Threshold:
    """Return a threshold in percent of the limit."""
    return Threshold(percent=Decimal(at))


def level_at(tiers: tuple[Tier, ...], limit: Decimal | None, used: Decimal) -> str:
    """Return the level of the highest tier that usage has reached; `normal` below all tiers or without a limit.

    If the limit is 0, or negative because of a debt, all percentage thresholds are 0. Then the last tier is the
    highest.
    """
    if limit is None or not tiers:
        return NORMAL
    places = [tier.at.of(max(limit, Decimal(0))) for tier in tiers]
    reached = [(at, index) for index, at in enumerate(places) if used >= at]
    return tiers[max(reached)[1]].level if reached else NORMAL


Form = dict[str, Any]
POLICY_FIELDS: Mapping[str, tuple[str, ...]] = {
    "notify_only": (),
    "allow_with_overage": ("max_overage",),
    "allow_with_grace": ("grace_amount", "grace_for", "then"),
    "rate_limit": ("limit", "per", "burst"),
    "deny": (),
    "suspend_usage": ("until",),
}
"""The parameters of each policy. The `ordinal` of a rate in force is assigned, so it is not a parameter."""
_PER_NAMES = {length: name for name, length in PER.items()}
RATE_ORDINAL = "ordinal"


def tier_form(tier: Tier) -> Form:
    form: Form = {"at": threshold_form(tier.at), "level": tier.level, **policy_form(tier.policy)}
    if tier.hysteresis is not None:
        form["hysteresis"] = threshold_form(tier.hysteresis)
    return form


def tier_of(form: Mapping[str, Any]) -> Tier:
    hysteresis = form.get("hysteresis")
    return Tier(
        level=form["level"],
        at=threshold_of(form["at"]),
        policy=_policy(form.get("policy", "notify_only"), form),
        hysteresis=None if hysteresis is None else threshold_of(hysteresis),
    )


def policy_form(policy: Policy) -> Form:
    """Return a policy's name with its parameters in the same object."""
    return {"policy": POLICY_NAMES[type(policy)], **_parameters(policy)}


def threshold_form(threshold: Threshold) -> Wire:
    """Return `80%`, or an amount."""
    if threshold.amount is not None:
        return format_quantity(threshold.amount)
    return f"{plain(threshold.percent or Decimal(0))}%"


def threshold_of(form: object) -> Threshold:
    if isinstance(form, str) and form.endswith("%"):
        return Threshold(percent=parse_quantity(form.removesuffix("%")))
    return Threshold(amount=parse_quantity(form))


def duration_form(length: Instant) -> str:
    """Return an ISO 8601 duration of elapsed time, with days of 24 hours."""
    for unit, before, sign in ((DAY, "P", "D"), (HOUR, "PT", "H"), (MINUTE, "PT", "M")):
        if length % unit == 0:
            return f"{before}{length // unit}{sign}"
    return f"PT{length // SECOND}S"


def duration_of(text: str) -> Instant:
    """Return the elapsed time of an ISO 8601 duration. Raises ValueError for months, whose length varies."""
    if not text.startswith("P"):
        raise ValueError("must be an ISO 8601 duration like P3D or PT12H")
    length = length_of(step_of(text))
    if length is None:
        raise ValueError("must be days, weeks, hours, minutes or seconds: months differ in length")
    return length


def _parameters(policy: Policy) -> Form:
    match policy:
        case NotifyOnly() | Deny():
            return {}
        case AllowWithOverage(max_overage=most):
            return {} if most is None else {"max_overage": format_quantity(most)}
        case AllowWithGrace(amount=amount, lasts=lasts, then=then):
            form: Form = {} if amount is None else {"grace_amount": format_quantity(amount)}
            if lasts is not None:
                form["grace_for"] = duration_form(lasts)
            parameters = _parameters(then)
            name = POLICY_NAMES[type(then)]
            return {**form, "then": {name: parameters} if parameters else name}
        case RateLimit(rate=rate):
            stated = {"limit": format_quantity(rate.limit), "per": _PER_NAMES[rate.per]}
            stated["burst"] = format_quantity(rate.burst)
            return {**stated, RATE_ORDINAL: rate.ordinal} if rate.ordinal else stated
        case SuspendUsage(until=until, lasts=lasts):
            return {"until": until if lasts is None else duration_form(lasts)}
    assert_never(policy)


def _policy(name: str, form: Mapping[str, Any]) -> Policy:
    match name:
        case "allow_with_overage":
            return AllowWithOverage(max_overage=_quantity(form.get("max_overage")))
        case "allow_with_grace":
            lasts, then = form.get("grace_for"), form.get("then", "deny")
            (after, parameters) = (then, {}) if isinstance(then, str) else next(iter(then.items()))
            fallback = _policy(after, parameters)
            assert not isinstance(fallback, NotifyOnly | AllowWithGrace), "a grace ends in another policy"
            return AllowWithGrace(
                amount=_quantity(form.get("grace_amount")),
                lasts=None if lasts is None else duration_of(lasts),
                then=fallback,
            )
        case "rate_limit":
            limit = parse_quantity(form["limit"])
            burst = limit if form.get("burst") is None else parse_quantity(form["burst"])
            ordinal = form.get(RATE_ORDINAL, 0)
            return RateLimit(rate=Rate(ordinal=ordinal, limit=limit, per=PER[form["per"]], burst=burst))
        case "deny":
            return Deny()
        case "suspend_usage":
            until = form.get("until", "resumed")
            if until.startswith("P"):
                return SuspendUsage(until=AFTER, lasts=duration_of(until))
            return SuspendUsage(until=until)
        case "notify_only":
            return NotifyOnly()
    raise ValueError(f"there is no policy {name}")


def _quantity(given: object) -> Decimal | None:
    return None if given is None else parse_quantity(given)
