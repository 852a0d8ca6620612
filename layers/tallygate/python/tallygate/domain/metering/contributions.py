"""Contributions: how one usage changes an aggregated quantity. The meter's aggregation determines the kind.

    Add      sum, count     5 and 3 are 8         Set      latest    the value with the later time
    Raise    max            5 and 3 are 5         Mean     avg       5 and 3 are 4, kept as sum 8 and count 2
    Lower    min            5 and 3 are 3         Member   unique    the union of the values

Two contributions to one quantity combine into one of the same kind. The order does not matter. Of two Sets with equal
times, the one with the greater name counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from functools import reduce
from typing import assert_never

from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import STEP, ZERO


class Merge(StrEnum):
    """How the contributions to one quantity merge, by the kind of contribution."""

    ADD = "add"
    RAISE = "raise"
    LOWER = "lower"
    SET = "set"
    MEAN = "mean"

    @property
    def limited(self) -> bool:
        """Whether usage can be limited and consumed; else it is for display only."""
        return self in (Merge.ADD, Merge.RAISE)


@dataclass(frozen=True, slots=True)
class Add:
    """Add an amount; a negative amount subtracts."""

    amount: Decimal


@dataclass(frozen=True, slots=True)
class Raise:
    """Raise the quantity to at least this value."""

    to: Decimal


@dataclass(frozen=True, slots=True)
class Lower:
    """Lower the quantity to at most this value."""

    to: Decimal


@dataclass(frozen=True, slots=True)
class Set:
    """Set the quantity to this value, as of a time. `name`: of the event; decides between equal times."""

    to: Decimal
    at: Instant = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Mean:
    """Include values in an average. `amount`: their sum; `count`: how many they are."""

    amount: Decimal
    count: int = 1


@dataclass(frozen=True, slots=True)
class Member:
    """Add values to a set, each counted once."""

    values: frozenset[bytes]


Contribution = Add | Raise | Lower | Set | Mean | Member
NOTHING: Contribution = Add(ZERO)


def dated(contribution: Contribution, at: Instant, name: str) -> Contribution:
    """Return the contribution of an event of this time and name."""
    return replace(contribution, at=at, name=name) if isinstance(contribution, Set) else contribution


def used_in_all(merge: Merge, own: Decimal, elsewhere: Decimal) -> Decimal:
    """Return a window's usage together with usage that was counted elsewhere."""
    return max(own, elsewhere) if merge is Merge.RAISE else EXACT.add(own, elsewhere)


def asked(merge: Merge, amount: Decimal) -> Contribution:
    """Return what a consume of this amount contributes."""
    return Raise(amount) if merge is Merge.RAISE else Add(amount)


def combined(first: Contribution, then: Contribution) -> Contribution:
    """Combine two contributions into one. `NOTHING` combines with any kind."""
    if isinstance(first, Add) and isinstance(then, Add):
        return Add(EXACT.add(first.amount, then.amount))
    if first == NOTHING:
        return then
    match then:
        case Raise(to) if isinstance(first, Raise):
            return Raise(max(first.to, to))
        case Lower(to) if isinstance(first, Lower):
            return Lower(min(first.to, to))
        case Set(_, at, name) if isinstance(first, Set):
            return then if (at, name) >= (first.at, first.name) else first
        case Mean(amount, count) if isinstance(first, Mean):
            return Mean(EXACT.add(first.amount, amount), first.count + count)
        case Member(values) if isinstance(first, Member):
            return Member(first.values | values)
        case Add() | Raise() | Lower() | Set() | Mean() | Member():
            assert then == NOTHING, "one meter makes one kind of contribution"
            return first
    assert_never(then)


def together(contributions: Iterable[Contribution]) -> Contribution:
    """Combine contributions to one quantity, in order."""
    return reduce(combined, contributions, NOTHING)


def stated(contribution: Contribution) -> Decimal:
    """Return the quantity that these contributions alone make. An average is rounded half-even to 9 decimals."""
    match contribution:
        case Add(amount):
            return amount
        case Raise(to) | Lower(to) | Set(to):
            return to
        case Mean(amount, count):
            return EXACT.divide(amount, Decimal(count)).quantize(STEP, rounding=ROUND_HALF_EVEN, context=EXACT)
        case Member(values):
            return Decimal(len(values))
    assert_never(contribution)
