"""A model of carryover: a plain list of windows.

It computes the carried amounts from all usage and adjustments, whatever their order of arrival. It shares no code with
the product. Amounts are fractions. Layers are dated by the window that granted them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

NOTHING = Fraction(0)


@dataclass
class Happened:
    """The usage and adjustments of one window.

    used: counts against the limit
    billed: `used` plus the usage that resets exclude
    """

    used: Fraction = NOTHING
    billed: Fraction = NOTHING
    adjusted: Fraction = NOTHING


@dataclass
class Dated:
    """An amount that a window granted; a debt is negative.

    granted_by: number of earlier windows with a base
    """

    granted_by: int
    amount: Fraction


@dataclass
class Rule:
    """The base of each window, and how much of it moves on.

    most: the cap in units
    lasts: windows with a base after the granting one
    """

    base: Fraction
    most: Fraction | None = None
    lasts: int | None = None
    deducts: bool = False


@dataclass
class Model:
    """Windows, numbered from the first in which the quota was in force.

    rule_of: the rule in force at the window's end, or last in force in it. None: the quota was not in force in it, so
        the window grants nothing, and layers do not age
    """

    rule_of: Callable[[int], Rule | None]
    windows: dict[int, Happened] = field(default_factory=lambda: defaultdict(Happened))

    def into(self, number: int) -> list[Dated]:
        """The amounts carried into a window, oldest first."""
        held: list[Dated] = []
        for window in range(number):
            rule = self.rule_of(window)
            if rule is not None:
                held = _left(rule, self.windows[window], held, self.with_base_before(window))
        return held

    def carried(self, number: int) -> Fraction:
        return sum((each.amount for each in self.into(number)), NOTHING)

    def with_base_before(self, number: int) -> int:
        """The number of earlier windows with a base."""
        return sum(self.rule_of(window) is not None for window in range(number))


def _left(rule: Rule, happened: Happened, held: list[Dated], number: int) -> list[Dated]:
    granted = rule.base + happened.adjusted
    left = granted + sum((each.amount for each in held), NOTHING) - happened.used
    if left < 0 and rule.deducts:
        return [Dated(number, left)]
    if left <= 0:
        return []
    if rule.lasts is None:
        kept = [Dated(number, left)]
    else:
        pool = [Dated(each.granted_by, max(NOTHING, each.amount)) for each in held]
        pool.append(Dated(number, max(NOTHING, granted)))
        kept = _without(pool, sum((each.amount for each in pool), NOTHING) - left)
        kept = [each for each in kept if number + 1 <= each.granted_by + rule.lasts]
    if rule.most is not None:
        kept = _without(kept, max(NOTHING, sum((each.amount for each in kept), NOTHING) - rule.most))
    return kept


def _without(pool: list[Dated], burnt: Fraction) -> list[Dated]:
    """The pool after the amount was taken, the oldest first."""
    kept: list[Dated] = []
    for each in pool:
        gone = min(burnt, each.amount)
        burnt -= gone
        if each.amount > gone:
            kept.append(Dated(each.granted_by, each.amount - gone))
    return kept
