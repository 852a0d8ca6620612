"""What should be carried, as a plain list of windows: computed anew from everything that happened, in no matter which
order. Shares no code with the product; amounts are fractions, layers are dated by the window that granted them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

NOTHING = Fraction(0)


@dataclass
class Happened:
    """All that happened in one window: `used` is what counts against the limit, `billed` that and what a reset took
    out."""

    used: Fraction = NOTHING
    billed: Fraction = NOTHING
    adjusted: Fraction = NOTHING


@dataclass
class Dated:
    """An amount that a window granted, named by how many windows had a base before it; a debt is negative."""

    granted_by: int
    amount: Fraction


@dataclass
class Rule:
    """A base for each window, and what moves on of it.

    most: the cap in units
    lasts: windows with a base after the granting one
    """

    base: Fraction
    most: Fraction | None = None
    lasts: int | None = None
    deducts: bool = False


@dataclass
class Model:
    """Windows are numbered from the first in which the quota was in force. `rule_of` a window is the one in force at
    its end, or last in force in it; None: it was not, so the window grants nothing, and no time passes for layers."""

    rule_of: Callable[[int], Rule | None]
    windows: dict[int, Happened] = field(default_factory=lambda: defaultdict(Happened))

    def into(self, number: int) -> list[Dated]:
        """What is carried into a window, oldest first."""
        held: list[Dated] = []
        for window in range(number):
            rule = self.rule_of(window)
            if rule is not None:
                held = _left(rule, self.windows[window], held, self.with_base_before(window))
        return held

    def carried(self, number: int) -> Fraction:
        return sum((each.amount for each in self.into(number)), NOTHING)

    def with_base_before(self, number: int) -> int:
        """How many windows before this one had a base."""
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
    """The pool when so much of it is gone, the oldest first."""
    kept: list[Dated] = []
    for each in pool:
        gone = min(burnt, each.amount)
        burnt -= gone
        if each.amount > gone:
            kept.append(Dated(each.granted_by, each.amount - gone))
    return kept
