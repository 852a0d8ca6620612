"""Capacity: how many windows one cell can hold, and how much of the write condition each part of a limit takes.

    DynamoDB's bound      4,096 bytes        300 operators: comparisons, functions, AND, OR and NOT count one each
    every request           306               27
    a quota                  49                4      (attribute_not_exists(#100) OR #100 <= :100) AND
    a rate                  283               22      three alternatives of two counters each

All limits of a feature share one cell. The limits that govern a request share the condition of its one write.

A weight is an upper bound of the text that storage renders. It does not depend on the limits' numbers, because those
are placeholder values outside the text. `tests/storage/test_condition_bounds.py` proves the bound for every admitted
combination.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tallygate.domain.catalog.scopes import Scope, scope_text
from tallygate.domain.catalog.tiers import WHOLE, AllowWithGrace, Tier, may_suspend, tier_rates
from tallygate.domain.limits.rungs import deciding
from tallygate.domain.periods.recurrence import ROLLING_PARTS

QUOTAS_PER_WRITE_MAX = 8
RATES_PER_WRITE_MAX = 8
"""Eight plain quotas and eight rates together fit one expression."""
ROLLING_PER_FEATURE_MAX = 2
"""Rolling quotas of one feature. Each keeps fourteen counters in the cell."""
WINDOWS_PER_CELL_MAX = 32
"""The counters of 32 windows fit into one write unit (a cell of up to 1 KB), or into two."""
SIZE_MAX = 4_096
OPERATORS_MAX = 300


@dataclass(frozen=True, slots=True)
class Weight:
    """What a part takes of a condition. Both numbers include the AND that joins the next part.

    size: bytes of text, with placeholders of four characters
    operators: comparisons, functions, AND, OR and NOT
    """

    size: int
    operators: int

    def __add__(self, other: Weight) -> Weight:
        return Weight(self.size + other.size, self.operators + other.operators)

    def __mul__(self, times: int) -> Weight:
        return Weight(self.size * times, self.operators * times)

    def most(self, other: Weight) -> Weight:
        """The larger size and the larger number of operators."""
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
"""The first write of a window with carryover. If no amount fits, the condition has a part that never holds."""
ALWAYS = Weight(306, 27)
"""The request's marks in three minutes, the version, the followings, the floor twice, the feature's suspension."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """The countable parts of a limit.

    quotas: all quotas; `rolling` and `from_first_use` count those with such anchors
    rates: its own rates, without those of its tiers
    carries: whether the limit has carryover
    """

    scope: Scope = field(default_factory=dict)
    quotas: int = 0
    rolling: int = 0
    from_first_use: int = 0
    rates: int = 0
    tiers: tuple[Tier, ...] = ()
    carries: bool = False

    @property
    def all_rates(self) -> int:
        """The number of its own rates and of its tiers' rates. Each has a counter."""
        return self.rates + len(tier_rates(self.tiers))

    @property
    def weight(self) -> Weight:
        """What the limit takes of a write's condition. All of its tiers apply to each quota.

        - A rolling quota states all of its counters.
        - A first-use quota states its newest window.
        - Tiers that suspend state the waived levels and, for a limit with a scope, the scope's suspension.
        """
        each, decided = COMPARED, deciding(self.tiers)
        if decided:
            each = _tiered(decided)
        if self.carries:
            each = each.most(OPENED)
        if may_suspend(decided):
            each = each + AS_SEEN + (COMPARED if self.scope else NOTHING)
        rolled = (AS_SEEN * (ROLLING_PARTS + 1) + Weight(2, 0)) * self.rolling
        throttles = min(self.quotas, len(tier_rates(decided)))
        return each * self.quotas + rolled + AS_SEEN * self.from_first_use + RATE * (self.rates + throttles)


def _tiered(tiers: Sequence[Tier]) -> Weight:
    """The two bounds of a rung, the carryover and adjustments they were computed from, and the time of a grace."""
    pinned = any(tier.at.percent != WHOLE for tier in tiers)
    timed = any(isinstance(tier.policy, AllowWithGrace) and tier.policy.lasts is not None for tier in tiers)
    return COMPARED * 2 + (AS_SEEN * 2 if pinned else NOTHING) + (COMPARED if timed else NOTHING)


def crowded(limits: Iterable[Sized]) -> str | None:
    """Why the limits of one feature exceed what a cell can hold or a write can state; None: they do not.

    Quotas, rates and weights are counted for the worst request. For each set of dimensions, it has the values with the
    most windows, respectively with the heaviest limits.
    """
    listed = list(limits)
    of_quotas = [(limit.scope, limit.quotas) for limit in listed]
    of_rates = [(limit.scope, limit.all_rates) for limit in listed]
    for kind, sized, most in (("quotas", of_quotas, QUOTAS_PER_WRITE_MAX), ("rates", of_rates, RATES_PER_WRITE_MAX)):
        together = _worst_request(sized)
        if together > most:
            return f"{together} {kind} for one request; at most {most} can be held together"
    windows = sum(limit.quotas + limit.all_rates for limit in listed)
    if windows > WINDOWS_PER_CELL_MAX:
        return f"{windows} windows over all scopes; at most {WINDOWS_PER_CELL_MAX} are counted for one feature"
    rolling = sum(limit.rolling for limit in listed)
    if rolling > ROLLING_PER_FEATURE_MAX:
        return f"{rolling} rolling periods; at most {ROLLING_PER_FEATURE_MAX} can be held"
    weights = [(limit.scope, limit.weight) for limit in listed]
    size = ALWAYS.size + _worst_request([(scope, weight.size) for scope, weight in weights])
    operators = ALWAYS.operators + _worst_request([(scope, weight.operators) for scope, weight in weights])
    if Weight(size, operators).fits:
        return None
    return (
        f"a condition of {operators} operators and {size} bytes for one request; at most {OPERATORS_MAX} and {SIZE_MAX}"
        " can be stated: give it fewer windows, rates or tiers that do more than notify"
    )


def _worst_request(sized: Sequence[tuple[Scope, int]]) -> int:
    """The sum that one request can meet at most: the largest sum of each set of dimensions."""
    if not any(scope for scope, _ in sized):
        return sum(size for _, size in sized)
    by_value: dict[tuple[str, ...], dict[str, int]] = {}
    for scope, size in sized:
        values = by_value.setdefault(tuple(sorted(scope)), {})
        text = scope_text(scope)
        values[text] = values.get(text, 0) + size
    return sum(max(values.values()) for values in by_value.values())
