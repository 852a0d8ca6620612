"""What should be carried, as a plain list of windows: computed anew from everything that happened, in no matter which
order. Shares no code with the product; amounts are fractions, layers are dated by the window that granted them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction

NOTHING = Fraction(0)


@dataclass
class Happened:
    """All that happened in one window."""

    used: Fraction = NOTHING
    """What counts against the limit: of what a reset has taken out, nothing."""
    billed: Fraction = NOTHING
    adjusted: Fraction = NOTHING


@dataclass
class Dated:
    """An amount that a window granted; a debt is negative."""

    window: int
    amount: Fraction


@dataclass
class Rule:
    """A base for each window, and what moves on of it.

    most: the cap in units
    lasts: windows after the granting one
    """

    base: Fraction
    most: Fraction | None = None
    lasts: int | None = None
    deducts: bool = False


@dataclass
class Model:
    """Windows are numbered from the first in which the quota was in force."""

    rule: Rule
    windows: dict[int, Happened] = field(default_factory=lambda: defaultdict(Happened))

    def into(self, number: int) -> list[Dated]:
        """What is carried into a window, oldest first."""
        held: list[Dated] = []
        for window in range(number):
            held = self._left(window, held)
        return held

    def carried(self, number: int) -> Fraction:
        return sum((each.amount for each in self.into(number)), NOTHING)

    def _left(self, number: int, held: list[Dated]) -> list[Dated]:
        happened, rule = self.windows[number], self.rule
        granted = rule.base + happened.adjusted
        left = granted + sum((each.amount for each in held), NOTHING) - happened.used
        if left < 0 and rule.deducts:
            return [Dated(number, left)]
        if left <= 0:
            return []
        if rule.lasts is None:
            kept = [Dated(number, left)]
        else:
            pool = [Dated(each.window, max(NOTHING, each.amount)) for each in held]
            pool.append(Dated(number, max(NOTHING, granted)))
            kept = _without(pool, sum((each.amount for each in pool), NOTHING) - left)
            kept = [each for each in kept if number + 1 <= each.window + rule.lasts]
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
            kept.append(Dated(each.window, each.amount - gone))
    return kept
