"""Contributions: how one usage changes an aggregated quantity. The meter's aggregation determines the kind.

    Add      sum, count     5 and 3 are 8         Set      latest    the value with the later time
    Raise    max            5 and 3 are 5         Member   unique    the union of the values

Two contributions to one quantity combine into one of the same kind. The order does not matter, except for two Sets with
equal times: then the second one counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import reduce
from typing import assert_never

from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO


class Merge(StrEnum):
    """How the contributions to one quantity merge, by the kind of contribution."""

    ADD = "add"
    RAISE = "raise"


@dataclass(frozen=True, slots=True)
class Add:
    """Add an amount; a negative amount subtracts."""

    amount: Decimal


@dataclass(frozen=True, slots=True)
class Raise:
    """Raise the quantity to at least this value."""

    to: Decimal


@dataclass(frozen=True, slots=True)
class Set:
    """Set the quantity to this value, as of a time."""

    to: Decimal
    at: Instant


@dataclass(frozen=True, slots=True)
class Member:
    """Add values to a set, each counted once."""

    values: frozenset[bytes]


Contribution = Add | Raise | Set | Member
NOTHING: Contribution = Add(ZERO)


def used_in_all(merge: Merge, own: Decimal, elsewhere: Decimal) -> Decimal:
    """Return a window's usage together with usage that was counted elsewhere."""
    return max(own, elsewhere) if merge is Merge.RAISE else EXACT.add(own, elsewhere)


def asked(merge: Merge, amount: Decimal) -> Contribution:
    """Return what a consume of this amount contributes."""
    return Raise(amount) if merge is Merge.RAISE else Add(amount)


def combined(first: Contribution, then: Contribution) -> Contribution:
    """Combine two contributions into one. `NOTHING` combines with any kind."""
    if first == NOTHING:
        return then
    match then:
        case Add(amount) if isinstance(first, Add):
            return Add(EXACT.add(first.amount, amount))
        case Raise(to) if isinstance(first, Raise):
            return Raise(max(first.to, to))
        case Set(_, at) if isinstance(first, Set):
            return then if at >= first.at else first
        case Member(values) if isinstance(first, Member):
            return Member(first.values | values)
        case Add() | Raise() | Set() | Member():
            assert then == NOTHING, "one meter makes one kind of contribution"
            return first
    assert_never(then)


def together(contributions: Iterable[Contribution]) -> Contribution:
    """Combine contributions to one quantity, in order."""
    return reduce(combined, contributions, NOTHING)


def stated(contribution: Contribution) -> Decimal:
    """Return the quantity that these contributions alone make."""
    match contribution:
        case Add(amount):
            return amount
        case Raise(to) | Set(to, _):
            return to
        case Member(values):
            return Decimal(len(values))
    assert_never(contribution)
