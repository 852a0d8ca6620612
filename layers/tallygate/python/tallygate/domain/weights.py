"""Weights: what each part of a limit takes of the condition of the one write, in bytes of its text and in operators.

    DynamoDB's bound      4,096 bytes        300 operators: comparisons, functions, AND, OR and NOT, each of them
    every request           306               27
    a quota                  49                4      (attribute_not_exists(#100) OR #100 <= :100) AND
    a rate                  283               22      three alternatives of two counters each

A weight is never less than what storage renders, whatever the numbers are, for they stand beside the text; which the
suite of the condition's bounds proves of everything that is admitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tallygate.domain.periods import ROLLING_PARTS
from tallygate.domain.rungs import deciding
from tallygate.domain.tiers import WHOLE, AllowWithGrace, Tier, may_suspend, tier_rates

SIZE_MAX = 4_096
OPERATORS_MAX = 300


@dataclass(frozen=True, slots=True)
class Weight:
    """Bytes of text, placeholders of four characters counted, and operators; the AND to the next part in both."""

    size: int
    operators: int

    def __add__(self, other: Weight) -> Weight:
        return Weight(self.size + other.size, self.operators + other.operators)

    def __mul__(self, times: int) -> Weight:
        return Weight(self.size * times, self.operators * times)

    def most(self, other: Weight) -> Weight:
        """The larger of each."""
        return Weight(max(self.size, other.size), max(self.operators, other.operators))

    @property
    def fits(self) -> bool:
        return self.size <= SIZE_MAX and self.operators <= OPERATORS_MAX


NOTHING = Weight(0, 0)
COMPARED = Weight(49, 4)
"""(attribute_not_exists(#100) OR #100 <= :100) AND"""
AS_SEEN = Weight(32, 2)
"""attribute_not_exists(#100) AND, or #100 = :100 AND"""
RATE = Weight(283, 22)
OPENED = Weight(112, 9)
"""A window that carries over and is not open yet; where nothing fits, with a part that never holds."""
ALWAYS = Weight(306, 27)
"""The request's marks in three minutes, the version, what has followed, the floor twice, the suspension of the
feature."""


def weight_of(
    *, quotas: int, rolling: int, from_first_use: int, rates: int, tiers: Sequence[Tier], scoped: bool, carries: bool
) -> Weight:
    """What a limit takes whose `quotas` all have the tiers; `rolling` of them roll, and state all their counters, and
    those `from_first_use` the beginning of their newest window. Tiers that suspend state what is waived, and of a limit
    with a scope its suspension."""
    each = COMPARED
    if decided := deciding(tiers):
        each = _tiered(decided)
    if carries:
        each = each.most(OPENED)
    if may_suspend(decided):
        each = each + AS_SEEN + (COMPARED if scoped else NOTHING)
    rolled = AS_SEEN * (ROLLING_PARTS + 1) + Weight(2, 0)
    newest = AS_SEEN * from_first_use
    throttles = min(quotas, len(tier_rates(decided)))
    return each * quotas + rolled * rolling + newest + RATE * (rates + throttles)


def _tiered(tiers: Sequence[Tier]) -> Weight:
    """Two bounds of a rung; what they were computed from; the time of a grace."""
    pinned = any(tier.at.percent != WHOLE for tier in tiers)
    timed = any(isinstance(tier.policy, AllowWithGrace) and tier.policy.lasts is not None for tier in tiers)
    return COMPARED * 2 + (AS_SEEN * 2 if pinned else NOTHING) + (COMPARED if timed else NOTHING)
