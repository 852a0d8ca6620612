"""Rates as two weighted sub-windows, in a form that one conditional write can check.

    previous sub-window      current sub-window
    [───────── p ─────────)[──── c ────┊· · · · ·)        w = share of the current one that is still to come
                                       now

A request of q is granted while `c + q + p × w ≤ burst`: in any interval T at most burst + limit × T ÷ per. DynamoDB's
conditions know no arithmetic, so the rule becomes alternatives `p ≤ P and c ≤ C`, each of which implies it. They are
exact where c is absent and at each pinned P: what was last seen, which never shrinks, and the most there can be. A
refusal whose image the rule itself would grant is tried again with that image, so none of them ever denies falsely.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.instants import DAY, HOUR, MINUTE, SECOND, Instant
from tallygate.domain.base.quantities import ZERO

_STEP = Decimal("1e-9")
PER: Mapping[str, Instant] = {"second": SECOND, "minute": MINUTE, "hour": HOUR, "day": DAY}
"""What a rate may be per."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """At most burst + limit × T ÷ per units in any interval T; see `domain.catalog.rates`.

    width: length of a sub-window, the time in which the rate refills a whole burst, rounded up to a millisecond
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
    """per × burst ÷ limit, rounded up: a longer sub-window only ever admits less."""
    whole, rest = EXACT.divmod(EXACT.multiply(Decimal(per), burst), limit)
    return int(whole) + bool(rest)


@dataclass(frozen=True, slots=True)
class Alternative:
    """`previous ≤ previous_max and current ≤ current_max`; current_max None: the current counter does not exist."""

    previous_max: Decimal
    current_max: Decimal | None


@dataclass(frozen=True, slots=True)
class SubWindow:
    """Where an instant stands in a rate's sub-windows.

    over: when the current counter stops mattering, which is its successor's end
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
    """The largest c that still lets `amount` in; negative where none does. Rounded down at the ninth digit."""
    carried = EXACT.divide(EXACT.multiply(previous, Decimal(at.left)), Decimal(at.width))
    return EXACT.subtract(burst - amount, carried).quantize(_STEP, rounding=ROUND_FLOOR, context=EXACT)


def admits(rate: Rate, amount: Decimal, previous: Decimal, current: Decimal, at: SubWindow) -> bool:
    """The rule itself."""
    return current <= current_room(rate.burst, amount, previous, at)


def alternatives(rate: Rate, amount: Decimal, seen_previous: Decimal, at: SubWindow) -> tuple[Alternative, ...]:
    """The rule as alternatives for a condition; empty where no state of the counters would admit the amount."""
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
    """The first instant at which the amount would be admitted if nothing else is consumed; None: never."""
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
    """How much of a sub-window may be left when `weighted × left ÷ width ≤ room`."""
    share = EXACT.divide(EXACT.multiply(room, Decimal(width)), weighted)
    return int(share.to_integral_value(rounding=ROUND_FLOOR, context=EXACT))


def remaining(rate: Rate, previous: Decimal, current: Decimal, at: SubWindow) -> Decimal:
    """What could be admitted now; never below zero."""
    return max(ZERO, current_room(rate.burst, current, previous, at))


def weighted(previous: Decimal, current: Decimal, at: SubWindow) -> Decimal:
    """What counts as used now: c + p × w, rounded up at the ninth digit."""
    carried = EXACT.divide(EXACT.multiply(previous, Decimal(at.left)), Decimal(at.width))
    return EXACT.add(current, carried).quantize(_STEP, rounding=ROUND_CEILING, context=EXACT)
