"""Suspensions by operators: all requests of a customer, a feature or a scope are denied until an operator resumes.

    whole customer   {}                                            every request
    feature          {feature: images}                             every request on the feature
    scope            {feature: images, scope: {model: large}}      the requests that a limit of this scope would govern

Suspensions are part of the limits in force. The root cells hold the version of the limits, so a change acts at the very
next decision. A target (feature, scope) has at most one suspension. A repeated suspension keeps `since`. A resume lifts
exactly its own target: a suspended feature stays suspended when the customer is resumed. Suspensions by tiers are kept
in the cells instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tallygate.domain.base.instants import Instant, format_instant
from tallygate.domain.catalog.scopes import Scope, governs, scope_text
from tallygate.domain.limits.counters import CounterName
from tallygate.domain.periods.boundaries import NEVER_ENDS

OPERATOR, TIER = "operator", "tier"
"""Who suspended, wherever a suspension is shown."""
SUSPENSIONS_MAX = 200
"""Suspensions of one customer. Every container that decides for the customer reads them with its limits."""

Target = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """One suspension by an operator.

    feature: key of the feature; None: the whole customer
    scope: dimension values; empty: the whole feature or customer
    since: when the target was first suspended
    """

    feature: str | None = None
    scope: Scope = field(default_factory=dict)
    reason: str
    actor: str
    since: Instant

    def __post_init__(self) -> None:
        assert self.feature is not None or not self.scope, "a scope is one of a feature"

    @property
    def target(self) -> Target:
        """The key of what is suspended. Keys sort the whole customer first, then each feature before its scopes."""
        return target_of(self.feature, self.scope)

    def denies(self, feature: str, dimensions: Mapping[str, str]) -> bool:
        """Whether a request on the feature with these dimensions is denied."""
        return self.feature is None or (self.feature == feature and governs(self.scope, dimensions))


def target_of(feature: str | None, scope: Scope) -> Target:
    return (feature or "", scope_text(scope) if scope else "")


def suspending(held: Iterable[Suspension], feature: str, dimensions: Mapping[str, str]) -> Suspension | None:
    """The suspension that denies the request; None: none does. Among several it is the widest, then the oldest."""
    found = (suspension for suspension in held if suspension.denies(feature, dimensions))
    return min(found, key=lambda s: (s.feature is not None, len(s.scope), s.since), default=None)


def of_target(held: Iterable[Suspension], target: Target) -> Suspension | None:
    """The suspension of exactly this target; None: there is none."""
    return next((suspension for suspension in held if suspension.target == target), None)


def suspended(held: tuple[Suspension, ...], wanted: Suspension) -> tuple[Suspension, ...]:
    """The suspensions with the wanted one. An earlier one of the same target keeps only its `since`."""
    before = of_target(held, wanted.target)
    after = wanted if before is None else replace(wanted, since=before.since)
    return tuple(sorted((*without(held, wanted.target), after), key=lambda suspension: suspension.target))


def without(held: tuple[Suspension, ...], target: Target) -> tuple[Suspension, ...]:
    """The suspensions without the one of exactly this target."""
    return tuple(suspension for suspension in held if suspension.target != target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """The levels whose tiers do not suspend again in one window, because an operator has resumed usage.

    name: of the limit
    until: end of the window
    levels: all waived levels
    added: the levels among them that this resume adds
    """

    feature: str
    name: str
    scope: Scope
    counter: CounterName
    until: Instant
    levels: frozenset[str]
    added: frozenset[str] = frozenset()


def waiver_form(waiver: Waiver) -> dict[str, Any]:
    """A waiver as JSON. `waived_until` is null if its window never ends."""
    return {
        "feature": waiver.feature,
        "limit": waiver.name,
        "scope": dict(waiver.scope),
        "levels": sorted(waiver.levels),
        "waived_until": format_instant(waiver.until) if waiver.until < NEVER_ENDS else None,
    }


def waived_form(waivers: Sequence[Waiver]) -> dict[str, Any]:
    """What a resume has waived, as JSON.

    `waived_until` is the earliest end of a waiver, null if none ends. Without waivers the field is absent.
    """
    forms = {"waived": [waiver_form(waiver) for waiver in waivers]}
    first = min(waivers, key=lambda waiver: waiver.until, default=None)
    return forms if first is None else {**forms, "waived_until": waiver_form(first)["waived_until"]}
