"""Contributions: what usage does to a quantity that is kept of it. Which one, the aggregation of its meter says.

    Add      sum, count     5 and 3 are 8         Set      latest    the one with the later time
    Raise    max            5 and 3 are 5         Member   unique    the values together

Two contributions to one quantity are one of the same kind: in any order, but for two Sets of one time, of which the
later one counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import assert_never

from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO


@dataclass(frozen=True, slots=True)
class Add:
    """So much more; negative: less."""

    amount: Decimal


@dataclass(frozen=True, slots=True)
class Raise:
    """At least so much."""

    to: Decimal


@dataclass(frozen=True, slots=True)
class Set:
    """Exactly so much, as of a time."""

    to: Decimal
    at: Instant


@dataclass(frozen=True, slots=True)
class Member:
    """These values, each counted once."""

    values: frozenset[bytes]


Contribution = Add | Raise | Set | Member
NOTHING = Add(ZERO)


def combined(first: Contribution, then: Contribution) -> Contribution:
    """Both as one. A sum that has nothing yet takes any kind."""
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


def added(contribution: Contribution) -> Decimal:
    """What it adds to a counter of a limit: nothing, where usage is not counted but observed."""
    return contribution.amount if isinstance(contribution, Add) else ZERO
