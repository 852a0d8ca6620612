"""The declarative form of tiers and their policies: what a catalog states, and what is stored wherever tiers are kept.

    {"at": "80%", "level": "warning", "policy": "notify_only", "hysteresis": "5%"}
    {"at": "100%", "level": "over", "policy": "allow_with_overage", "max_overage": 500}
    {"at": "100%", "level": "over", "policy": "allow_with_grace", "grace_amount": 100, "grace_for": "P3D",
     "then": {"suspend_usage": {"until": "next_period"}}}
    {"at": 900000, "level": "slow", "policy": "rate_limit", "limit": 10, "per": "minute", "burst": 20}

Of tiers in force the rate's ordinal is in the form too. Reading a form that was written here gives an equal tier.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, assert_never

from tallygate.domain.base.instants import DAY, HOUR, MINUTE, SECOND, Instant
from tallygate.domain.base.quantities import Wire, format_quantity, parse_quantity, plain
from tallygate.domain.catalog.rates import PER, Rate
from tallygate.domain.catalog.tiers import (
    AFTER,
    POLICY_NAMES,
    AllowWithGrace,
    AllowWithOverage,
    Deny,
    NotifyOnly,
    Policy,
    RateLimit,
    SuspendUsage,
    Threshold,
    Tier,
)
from tallygate.domain.periods.boundaries import length_of, step_of

Form = dict[str, Any]
POLICY_FIELDS: Mapping[str, tuple[str, ...]] = {
    "notify_only": (),
    "allow_with_overage": ("max_overage",),
    "allow_with_grace": ("grace_amount", "grace_for", "then"),
    "rate_limit": ("limit", "per", "burst"),
    "deny": (),
    "suspend_usage": ("until",),
}
"""What each policy is given beside its name; `ordinal` of a rate in force is nobody's to give."""
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
    """A policy by its name, with its parameters beside."""
    return {"policy": POLICY_NAMES[type(policy)], **_parameters(policy)}


def threshold_form(threshold: Threshold) -> Wire:
    """`80%`, or an amount."""
    if threshold.amount is not None:
        return format_quantity(threshold.amount)
    return f"{plain(threshold.percent or Decimal(0))}%"


def threshold_of(form: object) -> Threshold:
    if isinstance(form, str) and form.endswith("%"):
        return Threshold(percent=parse_quantity(form.removesuffix("%")))
    return Threshold(amount=parse_quantity(form))


def duration_form(length: Instant) -> str:
    """An ISO 8601 duration of elapsed time, days being of 24 hours."""
    for unit, before, sign in ((DAY, "P", "D"), (HOUR, "PT", "H"), (MINUTE, "PT", "M")):
        if length % unit == 0:
            return f"{before}{length // unit}{sign}"
    return f"PT{length // SECOND}S"


def duration_of(text: str) -> Instant:
    """The elapsed time of an ISO 8601 duration. Raises ValueError where it has none, as months have."""
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
            assert not isinstance(fallback, NotifyOnly | AllowWithGrace), "a grace ends in something else"
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
