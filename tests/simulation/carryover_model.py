"""A model of a quota that carries over, without any of the project's code.

It is a plain list of windows. Each window has its base, its adjustments and its usage, whenever they became known. From
the first window on, the unused part moves into the next window as dated layers:

    window        base + adjustments            a layer of its own
    used          oldest layer first, then its own
    next window   the rest of the layers, without those that are too old, cut to the cap from the oldest on

Decimals are exact here: amounts have at most 9 decimals, and runs are short.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

ZERO = Decimal(0)


@dataclass(frozen=True)
class Rule:
    """How unused quota carries over.

    expires_after: number of windows after which an unused part expires; None: never
    cap: the most units that move on; None: no such bound
    cap_share: the most that moves on, as a share of the base of the window that is left; None: no such bound
    deduct: whether usage beyond the total is taken from the next window
    """

    expires_after: int | None = None
    cap: Decimal | None = None
    cap_share: Decimal | None = None
    deduct: bool = False

    def bound(self, base: Decimal) -> Decimal | None:
        """The largest amount that moves on from a window with this base."""
        return self.cap if self.cap_share is None else base * self.cap_share


@dataclass
class Layer:
    """An unused amount, and the number of the window that it comes from."""

    origin: int
    amount: Decimal


@dataclass
class Ledger:
    """The known bases, adjustments and usage of a quota, by the number of the window in which they count."""

    rule: Rule
    base: Decimal
    used: defaultdict[int, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    excluded: defaultdict[int, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    adjusted: defaultdict[int, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    bases: dict[int, Decimal] = field(default_factory=dict)

    def set_base(self, window: int, base: Decimal) -> None:
        """Set a new limit from this window on. A window has the base in force at its end."""
        self.bases[window] = base

    def base_of(self, window: int) -> Decimal:
        newest = max((number for number in self.bases if number <= window), default=None)
        return self.base if newest is None else self.bases[newest]

    def enforced(self, window: int) -> Decimal:
        """The usage that counts against the limit: all usage, less manually reset usage."""
        return self.used.get(window, ZERO) - self.excluded.get(window, ZERO)

    def carried_into(self, window: int) -> Decimal:
        """The opening balance of a window. Negative only if overage is deducted."""
        layers: list[Layer] = []
        debt = ZERO
        for number in range(window):
            layers, debt = self._rolled(number, layers, debt)
        return sum((layer.amount for layer in layers), ZERO) + debt

    def _rolled(self, number: int, layers: list[Layer], debt: Decimal) -> tuple[list[Layer], Decimal]:
        base = self.base_of(number)
        own = base + self.adjusted.get(number, ZERO)
        left = sum((layer.amount for layer in layers), ZERO) + debt + own - self.enforced(number)
        if left < 0:
            return [], left if self.rule.deduct else ZERO
        to_burn = self.enforced(number) - debt - min(own, ZERO)
        kept = [Layer(layer.origin, layer.amount) for layer in (*layers, Layer(number, max(own, ZERO)))]
        _burn(kept, to_burn)
        if self.rule.expires_after is not None:
            kept = [layer for layer in kept if layer.origin > number - self.rule.expires_after]
        bound = self.rule.bound(base)
        if bound is not None:
            _burn(kept, max(ZERO, sum((layer.amount for layer in kept), ZERO) - bound))
        return [layer for layer in kept if layer.amount > 0], ZERO


def _burn(layers: list[Layer], amount: Decimal) -> None:
    """Take an amount from the layers, oldest first."""
    for layer in layers:
        taken = min(layer.amount, amount)
        layer.amount -= taken
        amount -= taken
    assert amount == 0, "no more is burnt than there is"
