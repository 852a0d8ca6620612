"""Rates: a sliding window of two weighted sub-windows, in a form that one conditional write can check.

    previous sub-window      current sub-window
    [───────── p ─────────)[──── c ────┊· · · · ·)        w = remaining share of the current sub-window
                                       now

A request for q units is granted if `c + q + p × w ≤ burst`. So any interval T admits at most burst + limit × T ÷ per.

DynamoDB conditions have no arithmetic. The rule is therefore written as alternatives `p ≤ P and c ≤ C`, each of which
implies it. An alternative is exact if c is absent or p equals its P. P is the value of p last seen, which never
shrinks, or the burst, which is the maximum of p. A refused write returns the counters. If the rule grants with those
counters, the write is retried with them. So the alternatives never cause a false denial.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.instants import DAY, HOUR, MINUTE, SECOND, Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.base.values import value

_STEP = Decimal("1e-9")
PER: Mapping[str, Instant] = {"second": SECOND, "minute": MINUTE, "hour": HOUR, "day": DAY}
"""The time units of a rate, with their lengths in ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """At most burst + limit × T ÷ per units in any interval T; see `domain.catalog.rates`.

    ordinal: number of the rate's counters; 0 in a catalog
    per: length of the time unit, in ms
    width: length of a sub-window in ms: the time in which the rate refills a full burst, rounded up
    """

    ordinal: int
    limit: Decimal
    per: Instant
    burst: Decimal
    width: Instant = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        assert self.limit > 0 and self.burst > 0 and self.per > 0
        object.__setattr__(self, "width", rate_width(limit=self.limit, per=self.per, burst=self.burst))
        assert self.width >= SECOND, "a sub-window is at least a second"


def rate_width(*, limit: Decimal, per: Instant, burst: Decimal) -> Instant:
    """Return per × burst ÷ limit in ms, rounded up, because a longer sub-window never admits more."""
    whole, rest = EXACT.divmod(EXACT.multiply(Decimal(per), burst), limit)
    return int(whole) + bool(rest)


@value(kw_only=False)
class Alternative:
    """One alternative: `previous ≤ previous_max and current ≤ current_max`.

    current_max: None: the current counter must not exist
    """

    previous_max: Decimal
    current_max: Decimal | None


@value(kw_only=False)
class SubWindow:
    """The sub-window of a rate that contains an instant.

    index: number of the sub-window since 1970
    left: remaining time of the sub-window, in ms
    width: length of the sub-window, in ms
    over: when its counter stops to matter: at the end of the next sub-window
    """

    index: int
    left: Instant
    width: Instant
    over: Instant = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "over", (self.index + 2) * self.width)


def sub_window(rate: Rate, now: Instant) -> SubWindow:
    width = rate.width
    index = now // width
    return SubWindow(index=index, left=(index + 1) * width - now, width=width)


def current_room(burst: Decimal, amount: Decimal, previous: Decimal, at: SubWindow) -> Decimal:
    """Return the largest c that still admits `amount`, rounded down to 9 decimals; negative if no c does."""
    if not previous:
        return burst - amount
    carried = EXACT.divide(EXACT.multiply(previous, Decimal(at.left)), Decimal(at.width))
    return EXACT.subtract(burst - amount, carried).quantize(_STEP, rounding=ROUND_FLOOR, context=EXACT)


def admits(rate: Rate, amount: Decimal, previous: Decimal, current: Decimal, at: SubWindow) -> bool:
    """Return whether the rule grants the amount."""
    return amount <= current_room(rate.burst, current, previous, at)


def alternatives(rate: Rate, amount: Decimal, seen_previous: Decimal, at: SubWindow) -> tuple[Alternative, ...]:
    """Return the rule as alternatives for a condition; empty if no state of the counters admits the amount."""
    free = rate.burst - amount
    if free < 0:
        return ()
    most = EXACT.divide(EXACT.multiply(free, Decimal(at.width)), Decimal(at.left))
    found = [Alternative(most.quantize(_STEP, rounding=ROUND_FLOOR, context=EXACT), None)]
    for pinned in sorted({seen_previous, rate.burst}):
        room = current_room(rate.burst, amount, pinned, at)
        if room >= 0:
            found.append(Alternative(pinned, room))
    return tuple(found)


def admitted_at(rate: Rate, amount: Decimal, previous: Decimal, current: Decimal, now: Instant) -> Instant | None:
    """Return the first instant at which the rate admits the amount if nothing else is consumed; None: never."""
    at = sub_window(rate, now)
    if amount > rate.burst:
        return None
    if admits(rate, amount, previous, current, at):
        return now
    free = rate.burst - amount
    if previous > 0 and free >= current:
        return (at.index + 1) * at.width - _wait_share(free - current, previous, at.width)
    left = _wait_share(free, current, at.width) if current > 0 else at.width
    return (at.index + 2) * at.width - min(left, at.width)


def _wait_share(room: Decimal, weighted: Decimal, width: Instant) -> Instant:
    """Return the largest `left` in ms for which `weighted × left ÷ width ≤ room`."""
    share = EXACT.divide(EXACT.multiply(room, Decimal(width)), weighted)
    return int(share.to_integral_value(rounding=ROUND_FLOOR, context=EXACT))


def remaining(rate: Rate, previous: Decimal, current: Decimal, at: SubWindow) -> Decimal:
    """Return the largest amount that could be admitted now; never below zero."""
    return max(ZERO, current_room(rate.burst, current, previous, at))


def weighted(previous: Decimal, current: Decimal, at: SubWindow) -> Decimal:
    """Return the usage that counts now: c + p × w, rounded up to 9 decimals."""
    if not previous:
        return current
    carried = EXACT.divide(EXACT.multiply(previous, Decimal(at.left)), Decimal(at.width))
    return EXACT.add(current, carried).quantize(_STEP, rounding=ROUND_CEILING, context=EXACT)
