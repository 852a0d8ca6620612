"""Suspensions by hand: an operator denies a customer, one of its features, or one scope of a feature, until it resumes.

    whole customer   {}                                            every request
    feature          {feature: images}                             every request on it
    scope            {feature: images, scope: {model: large}}      those that the scope governs, as it would a limit

They are part of the limits in force, so the version in the root cells makes a change act at the very next decision. One
target (feature, scope) has one suspension; what is suspended twice keeps its `since`. A resume lifts exactly its own
target: a feature that was suspended for its own reason stays so when the customer is resumed. Suspensions that tiers
begin are not here but in the cells.
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
"""Whose a suspension is, wherever one is shown."""
SUSPENSIONS_MAX = 200
"""Of one customer. They are read with its limits, by every container that decides for it."""

Target = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """Who suspended what and why; a `feature` of None is the whole customer. `since` is when it was first suspended."""

    feature: str | None = None
    scope: Scope = field(default_factory=dict)
    reason: str
    actor: str
    since: Instant

    def __post_init__(self) -> None:
        assert self.feature is not None or not self.scope, "a scope is one of a feature"

    @property
    def target(self) -> Target:
        """What is suspended, in a form that sorts the whole customer before features, and those before their scopes."""
        return target_of(self.feature, self.scope)

    def denies(self, feature: str, dimensions: Mapping[str, str]) -> bool:
        """Whether a request on the feature with these dimensions is denied."""
        return self.feature is None or (self.feature == feature and governs(self.scope, dimensions))


def target_of(feature: str | None, scope: Scope) -> Target:
    return (feature or "", scope_text(scope) if scope else "")


def suspending(held: Iterable[Suspension], feature: str, dimensions: Mapping[str, str]) -> Suspension | None:
    """The suspension that denies the request: of several the widest, of those the oldest."""
    found = (suspension for suspension in held if suspension.denies(feature, dimensions))
    return min(found, key=lambda s: (s.feature is not None, len(s.scope), s.since), default=None)


def of_target(held: Iterable[Suspension], target: Target) -> Suspension | None:
    """The suspension of exactly this target."""
    return next((suspension for suspension in held if suspension.target == target), None)


def suspended(held: tuple[Suspension, ...], wanted: Suspension) -> tuple[Suspension, ...]:
    """With this suspension; its reason and actor replace those of an earlier one of its target, which keeps `since`."""
    before = of_target(held, wanted.target)
    after = wanted if before is None else replace(wanted, since=before.since)
    return tuple(sorted((*without(held, wanted.target), after), key=lambda suspension: suspension.target))


def without(held: tuple[Suspension, ...], target: Target) -> tuple[Suspension, ...]:
    """Without that of exactly this target, if there is one."""
    return tuple(suspension for suspension in held if suspension.target != target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """Levels whose tiers suspend no more until the window ends; `added` are those that a resume adds to them."""

    feature: str
    name: str
    scope: Scope
    counter: CounterName
    until: Instant
    levels: frozenset[str]
    added: frozenset[str] = frozenset()


def waiver_form(waiver: Waiver) -> dict[str, Any]:
    """A waiver as JSON; `waived_until` null: its window never ends."""
    return {
        "feature": waiver.feature,
        "limit": waiver.name,
        "scope": dict(waiver.scope),
        "levels": sorted(waiver.levels),
        "waived_until": format_instant(waiver.until) if waiver.until < NEVER_ENDS else None,
    }


def waived_form(waivers: Sequence[Waiver]) -> dict[str, Any]:
    """What a resume has waived, as JSON: `waived_until` is when the first of the waivers ends, null where none ends.
    Without waivers there is no such time."""
    forms = {"waived": [waiver_form(waiver) for waiver in waivers]}
    first = min(waivers, key=lambda waiver: waiver.until, default=None)
    return forms if first is None else {**forms, "waived_until": waiver_form(first)["waived_until"]}
